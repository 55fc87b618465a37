"""Prompt tuning of a text model (Lester et al., EMNLP 2021): trained vectors among the token embeddings."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from cite.errors import ConfigError
from cite.tuning.base import TUNINGS, Tuning, text_only

if TYPE_CHECKING:
    from cite.encoders.text.tower import TextTower
    from cite.encoders.towers.tower import VisionTower

INITS = ('normal', 'token')
SHORTEST = 3
"""Tokens of the shortest text: one, between [CLS] and [SEP]."""


@TUNINGS.register
class TextPrompt(Tuning):
    """Trained vectors behind the first token ([CLS]) of a text model of BERT type.

    Args:
        length: Vectors.
        init: 'normal' (std 0.02), or 'token': each is the embedding of a token drawn from the
            vocabulary, special ones left out.

    The text's own tokens stand `length` positions further back, and the tower's limit is as much
    lower. Attention sees the vectors; pooling does not: a mean is that of the text's own tokens.

    The prompt is a parameter of shape (length, width of the token embedding).
    """

    paper = 'Prompt tuning: Lester et al., EMNLP 2021'
    group = 'prompt'

    prompt: nn.Parameter

    def __init__(self, length: int = 4, init: str = 'normal') -> None:
        super().__init__()
        if not isinstance(length, int) or length < 1:
            raise ConfigError(
                f'TextPrompt: length must be a whole number of at least 1, found {length!r}'
            )
        if init not in INITS:
            raise ConfigError(f'TextPrompt: init must be one of {", ".join(INITS)}, found {init!r}')
        self.length = length
        self.init = init
        self._words: tuple[nn.Embedding, ...] = ()

    def attach(self, tower: VisionTower | TextTower) -> None:
        tower = text_only(self, tower)
        if 'inputs_embeds' not in inspect.signature(tower.trunk.forward).parameters:
            raise ConfigError(
                f'TextPrompt takes text towers of BERT type, and {tower.name} is none '
                '(a CLIP text tower does not take embeddings). Tune it by LoRA'
            )
        if tower.limit - self.length < SHORTEST:
            raise ConfigError(
                f'TextPrompt: length {self.length} leaves no room for a text in the {tower.limit} tokens '
                f'that {tower.name} takes; the longest is {tower.limit - SHORTEST}'
            )
        tower.limit -= self.length
        words: nn.Embedding = tower.trunk.get_input_embeddings()  # type: ignore[operator]
        self._words = (
            words,
        )  # in a tuple: the layer is the trunk's, and is saved (or not) with it
        table = words.weight.detach()
        if self.init == 'token':
            special = set(tower.tokenizer.all_special_ids)
            ordinary = torch.tensor([i for i in range(len(table)) if i not in special])
            start = table[ordinary[torch.randint(len(ordinary), (self.length,))]]
        else:
            start = nn.init.normal_(torch.empty(self.length, table.shape[1]), std=0.02)
        self.prompt = nn.Parameter(start)

    @property
    def first_stage(self) -> int:
        return 0

    def trained_parameters(self, tower: VisionTower | TextTower) -> int:
        """Length × width of the token embedding."""
        words: nn.Embedding = text_only(self, tower).trunk.get_input_embeddings()  # type: ignore[operator]
        return self.length * words.embedding_dim

    def before_text(self, tokens: dict[str, Tensor]) -> dict[str, Tensor]:
        (words,) = self._words
        embedded = words(tokens['input_ids'])
        prompt = self.prompt.to(embedded.dtype).expand(len(embedded), -1, -1)
        # what else there is per token (mask, segment) is for the vectors as it is for [CLS]
        return {
            'inputs_embeds': torch.cat([embedded[:, :1], prompt, embedded[:, 1:]], dim=1),
            **{key: self._widened(value) for key, value in tokens.items() if key != 'input_ids'},
        }

    def _widened(self, value: Tensor) -> Tensor:
        first = value[:, :1]
        return torch.cat([first.expand(-1, 1 + self.length), value[:, 1:]], dim=1)

    def after_text(self, output: object) -> object:
        hidden: Tensor = output.last_hidden_state  # type: ignore[attr-defined]
        output.last_hidden_state = torch.cat(  # type: ignore[attr-defined]
            [hidden[:, :1], hidden[:, 1 + self.length :]], dim=1
        )
        return output

    def extra_repr(self) -> str:
        return f'length={self.length}, {self.init}'
