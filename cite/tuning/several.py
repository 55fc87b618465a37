"""Several tunings of one tower at once: a prompt beside LoRA, adapters beside trained norms."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from cite.errors import ConfigError
from cite.tuning.base import TUNINGS, Tuning

if TYPE_CHECKING:
    from cite.encoders.text.tower import TextTower
    from cite.encoders.towers.tower import VisionTower


@TUNINGS.register
class Several(Tuning):
    """Tunings that act one inside the other; what the last puts in is taken out first.

    Args:
        tunings: Specs, in the order in which they are attached: `[dict(type='VisualPrompt'), 'LoRA']`.
            A config may give the list itself as `tuning`.

    Weights are held under each tuning's number: `tuning.parts.0.prompt`.
    """

    def __init__(self, tunings: Sequence[Any]) -> None:
        super().__init__()
        if not isinstance(tunings, list | tuple) or not tunings:
            raise ConfigError(f'Several: tunings must be a list of tunings, found {tunings!r}')
        self.parts = nn.ModuleList(TUNINGS.build(spec) for spec in tunings)
        if any(part.trains_all for part in self._parts) and len(self.parts) > 1:
            raise ConfigError(
                "Several: 'FullFineTuning' trains the whole tower; there is nothing to add to it but "
                'prompts or adapters that would stand beside trained weights. Leave it, or the others, out'
            )

    @property
    def _parts(self) -> list[Tuning]:
        return list(self.parts)  # type: ignore[arg-type]

    def attach(self, tower: VisionTower | TextTower) -> None:
        for part in self._parts:
            part.attach(tower)

    @property
    def first_stage(self) -> int | None:
        found = [part.first_stage for part in self._parts]
        return min((stage for stage in found if stage is not None), default=None)

    def trained_parameters(self, tower: VisionTower | TextTower) -> int:
        """The sum of the parts'; weights of the trunk that two of them train count twice."""
        return sum(part.trained_parameters(tower) for part in self._parts)

    def part_of(self, name: str) -> tuple[Tuning, str]:
        """Name of a weight in the tower → the tuning that holds it, and its name there.

        What a part has put into the trunk, or lets train there, is asked of each of them.
        """
        if name.startswith('tuning.parts.'):
            number, _, inner = name.removeprefix('tuning.parts.').partition('.')
            return self._parts[int(number)], f'tuning.{inner}'
        holder = next((part for part in self._parts if part.owns(name)), self._parts[0])
        return holder, name

    def lr_factor(self, name: str) -> float:
        part, inner = self.part_of(name)
        return part.lr_factor(inner)

    def group_of(self, name: str) -> str:
        part, inner = self.part_of(name)
        return part.group_of(inner)

    def owns(self, name: str) -> bool:
        return any(part.owns(name) for part in self._parts)

    def before_embed(self, images: Tensor) -> Tensor:
        for part in self._parts:
            images = part.before_embed(images)
        return images

    def start(self, tokens: Tensor) -> None:
        for part in self._parts:
            part.start(tokens)

    def before_block(self, index: int, tokens: Tensor) -> Tensor:
        for part in self._parts:
            tokens = part.before_block(index, tokens)
        return tokens

    def run_block(self, index: int, tokens: Tensor, run: Callable[[int, Tensor], Tensor]) -> Tensor:
        for part in self._parts:
            run = _inside(part, run)
        return run(index, tokens)

    def after_blocks(self, tokens: Tensor) -> Tensor:
        for part in reversed(self._parts):
            tokens = part.after_blocks(tokens)
        return tokens

    def after_pool(self, features: Tensor, images: Tensor) -> Tensor:
        for part in self._parts:
            features = part.after_pool(features, images)
        return features

    def before_text(self, tokens: dict[str, Tensor]) -> dict[str, Tensor]:
        for part in self._parts:
            tokens = part.before_text(tokens)
        return tokens

    def after_text(self, output: Any) -> Any:
        for part in reversed(self._parts):
            output = part.after_text(output)
        return output

    def set_mode(self, trunk: nn.Module, training: bool) -> None:
        for part in self._parts:
            part.set_mode(trunk, training)

    def own_weights(self, state: Iterable[tuple[str, Tensor]]) -> Iterable[tuple[str, Tensor]]:
        for part in self._parts:
            state = part.own_weights(state)
        return state

    def stored_as(self, spec: dict[str, Any]) -> dict[str, Any]:
        stored = [
            part.stored_as(dict(inner)) if isinstance(inner, dict) else inner
            for part, inner in zip(self._parts, spec['tunings'], strict=True)
        ]
        return {**spec, 'tunings': stored}

    def extra_repr(self) -> str:
        return ''


def _inside(part: Tuning, run: Callable[[int, Tensor], Tensor]) -> Callable[[int, Tensor], Tensor]:
    return lambda index, tokens: part.run_block(index, tokens, run)


def build_tuning(spec: Any) -> Tuning | None:
    """A tuning from a config: a name, a dict, a list of them, a ready one, or None."""
    if spec is None:
        return None
    if isinstance(spec, list | tuple):
        spec = {'type': 'Several', 'tunings': list(spec)}
    built: Tuning = TUNINGS.build(spec)
    return built
