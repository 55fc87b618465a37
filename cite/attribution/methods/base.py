"""What a method is: an image and classes in, a grid of values per class out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple, TypeVar

from torch import Tensor

from cite.attribution.subject import Subject
from cite.errors import ConfigError
from cite.registry import Registry

T = TypeVar('T')


class Grids(NamedTuple):
    """What a method found.

    Attributes:
        grids: (len(classes), R, C).
        signed, unit: See `PatchMap`.
        about: Per class, plain values for its record.
    """

    grids: Tensor
    signed: bool
    unit: str
    about: Sequence[dict[str, Any]]


class Method(ABC):
    """Base of all methods; none has state, and none may change the model."""

    name: ClassVar[str]
    paper: ClassVar[str]
    knows_classes: ClassVar[bool] = True
    """Whether a map belongs to a class; where not, one map stands for all."""

    @abstractmethod
    def __call__(
        self, subject: Subject, images: Tensor, classes: Sequence[int], contrast: bool
    ) -> Grids:
        """Maps of one image.

        Args:
            images: (1, 3, S, S), 0…1.
            classes: Labels.
            contrast: Explain the score of a class minus the mean of the others', not the score itself.

        Raises:
            ModelError: A tower that the method cannot look into.
            ConfigError: A package that it needs is missing.
        """


class Methods(Registry):
    """Methods, known by their `name`."""

    def register(self, cls: type[T]) -> type[T]:
        """Class decorator."""
        self._classes[cls.name] = cls  # type: ignore[attr-defined]
        return cls


METHODS = Methods('attribution method', 'cite.attribution.methods')


def import_captum(method: str) -> Any:
    """`captum.attr`.

    Raises:
        ConfigError: It is not installed.
    """
    try:
        import captum.attr
    except ImportError as error:
        raise ConfigError(
            f"the method '{method}' needs captum: pip install 'cite-pathology[attribution]', or use "
            "'scores' or 'rollout', which do without"
        ) from error
    return captum.attr
