"""What CoOp and CoCoOp share: trained vectors in front of class names, in a frozen text tower."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from cite.encoders.text import build_text_encoder
from cite.encoders.text.base import check_texts
from cite.errors import CheckpointError, ConfigError
from cite.heads.base import Head
from cite.heads.prompted_names import PromptedNames, place_of_words
from cite.heads.text_embedding import LOG_SCALE

WORDS = 'X {}.'
"""Holds the place of vectors that are drawn at random, as in the authors' code."""
LENGTH = 16


class LearnedContext(Head):
    """Base of heads that learn the words around the class names.

    Args:
        text_encoder: `dict(type='TextEncoder', model=…)`, or a model's name: a pair's text half, or any
            text model of the zoo under a neck.
        names: How the sentences call the classes, one each; default: the classes' own names.
        length: Vectors; 16 unless `init` says.
        init: Words whose token embeddings are the vectors' first values, 'a histopathology image of'; a
            name and a full stop follow, unless it is a whole template, 'a {} under the microscope': then
            what stands behind `{}` stays as it is. None: drawn at random, std 0.02.
        class_specific: Vectors of its own for each class.

    The text tower is part of the head and frozen: gradients pass through it, its weights are in no state
    dict. A digest over them and the tokens of the names is, so that a checkpoint is refused under another.
    """

    context: nn.Parameter
    temperature: Tensor
    identity: Tensor

    def __init__(
        self,
        text_encoder: Mapping[str, Any] | str | None = None,
        names: Sequence[str] | None = None,
        length: int | None = None,
        init: str | None = None,
        class_specific: bool = False,
    ) -> None:
        super().__init__()
        me = type(self).__name__
        if text_encoder is None:
            raise ConfigError(f'{me} needs a text_encoder (model.head.text_encoder.model=…)')
        if names is not None:
            check_texts(names)
        if length is not None and (init is not None or not isinstance(length, int) or length < 1):
            raise ConfigError(
                f'{me}: length must be a whole number of at least 1, and is left out where init says it; '
                f'found length={length!r}, init={init!r}'
            )
        if isinstance(text_encoder, str):
            text_encoder = {'model': text_encoder}
        with torch.random.fork_rng(
            devices=[]
        ):  # building a model draws, where weights replace it too
            encoder = build_text_encoder(text_encoder)
            self.provenance = encoder.provenance()
            self.tower = encoder.tower()
        self.names = None if names is None else tuple(names)
        self.init = init
        self.class_specific = class_specific
        self.template = WORDS if init is None else init if '{}' in init else f'{init} {{}}.'
        _, own = place_of_words(self.tower, self.template)
        self.length = own if init is not None else length or LENGTH
        self.in_features = self.tower.feature_dim
        scale = torch.tensor([float(self.provenance.get('logit_scale', LOG_SCALE))])
        self.register_buffer('temperature', scale)

    def attach(self, in_features: int, classes: tuple[str, ...]) -> None:
        me = type(self).__name__
        names = self.names or classes
        if len(names) != len(classes):
            raise ConfigError(
                f'{me}: one name per class is needed; found {len(names)} names for {len(classes)} classes '
                f'({", ".join(classes)})'
            )
        if in_features != self.in_features:
            raise ConfigError(
                f'{me}: the texts have {self.in_features} features ({self.tower.name}), the images '
                f"{in_features}. Put a ProjectionNeck between them: model.neck=dict(type='ProjectionNeck')"
            )
        self.prompted = PromptedNames(self.tower, self.template, names, self.length)
        self.sentences = tuple(f'[{self.length} learned vectors] {name}' for name in names)
        if self.init is None:
            start = nn.init.normal_(torch.empty(self.length, self.width), std=0.02)
            several = nn.init.normal_(torch.empty(len(names), *start.shape), std=0.02)
        else:
            start = self.prompted.words
            several = start.repeat(len(names), 1, 1)
        self.context = nn.Parameter(several if self.class_specific else start.clone())
        self.register_buffer('identity', self.prompted.identity)

    @property
    def width(self) -> int:
        """Of a token embedding."""
        return self.tower.words.embedding_dim

    def trained_parameters(self, in_features: int, classes: int) -> int:
        """Vectors × width of the token embedding; times the classes, where each has its own."""
        return self.length * self.width * (classes if self.class_specific else 1)

    def per_class(self) -> Tensor:
        """The vectors of every class (classes, length, width)."""
        if self.class_specific:
            return self.context
        return self.context.expand(len(self.sentences), -1, -1)

    def _load_from_state_dict(
        self, state_dict: Mapping[str, Any], prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        found = state_dict.get(f'{prefix}identity')
        if isinstance(found, Tensor) and not torch.equal(found.cpu(), self.identity.cpu()):
            raise CheckpointError(
                f'the {type(self).__name__} to load was trained with another text encoder than '
                f'{self.tower.name} as loaded here, or with other class names or words around them. Take '
                'those of training; config.py in the run folder names them'
            )
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)

    def extra_repr(self) -> str:
        return f'length={self.length}, init={self.init!r}, class_specific={self.class_specific}'
