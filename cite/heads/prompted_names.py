"""Sentences about classes with room for vectors that are learned: tokens, and where the vectors stand."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from cite.encoders.text.tower import TextTower
from cite.errors import ConfigError
from cite.frozen import digest


class PromptedNames(nn.Module):
    """One sentence per class: vectors given from outside, the class's name, what stands behind it.

    Args:
        tower: Text tower; its tokenizer pads behind the text.
        template: A sentence whose words in front of `{}` give way to the vectors.
        names: Of the classes, as the sentences say them.
        length: Vectors; None: as many as the words in front have tokens.

    Raises:
        ConfigError: Sentences too long for the tower, or a tokenizer that joins the words in front and the
            names.
    """

    def __init__(
        self, tower: TextTower, template: str, names: Sequence[str], length: int | None = None
    ) -> None:
        super().__init__()
        self.first, own = place_of_words(tower, template)
        self.length = own if length is None else length
        words = template.partition('{}')[0].rstrip()
        tokens = tower.tokenize([template.replace('{}', name) for name in names])
        ids = tokens['input_ids'][:, : self.first + own]
        alone = tower.tokenize([words])['input_ids'][:, : self.first + own]
        if not torch.equal(ids, alone.expand(len(ids), -1)):
            raise ConfigError(
                f'the tokenizer of {tower.name} joins "{words}" with a class name behind it, so there is '
                'no place for learned vectors. Other words in front of {} may help'
            )
        behind = tokens['input_ids'].shape[1] - self.first - own
        size = self.first + self.length + behind
        if size > tower.limit:
            raise ConfigError(
                f'{self.length} learned vectors and the longest class name take {size} tokens, and '
                f'{tower.name} takes {tower.limit}: fewer vectors, or shorter names (names=[…])'
            )
        self.keys = tuple(tokens)
        for key, value in tokens.items():
            front, room, rest = value.split([self.first, own, behind], dim=1)
            room = room[:, :1].expand(
                -1, self.length
            )  # which token holds the place does not matter
            self.register_buffer(key, torch.cat([front, room, rest], dim=1), persistent=False)
        with torch.no_grad():
            self.words = tower.words(alone[0, self.first :]).float().clone()
        identity = digest([(tower.digest, self.get_buffer('input_ids'))])
        self.identity = torch.tensor(list(bytes.fromhex(identity)), dtype=torch.uint8)

    def forward(self, tower: TextTower, context: Tensor) -> Tensor:
        """Vectors (…, classes, length, width) → features (…, classes, feature_dim), with gradients."""
        first, last = self.first, self.first + self.length
        vectors = context.flatten(0, -3)
        repeats = len(vectors) // len(self.get_buffer('input_ids'))
        tokens = {key: self.get_buffer(key).repeat(repeats, 1) for key in self.keys}

        def put(embedded: Tensor) -> Tensor:
            own = vectors.to(embedded)
            return torch.cat([embedded[:, :first], own, embedded[:, last:]], dim=1)

        features = tower.with_words(tokens, put)
        return features.view(*context.shape[:-2], -1)


def place_of_words(tower: TextTower, template: str) -> tuple[int, int]:
    """Number of the first token of a template's words in front of `{}`, and how many they are.

    Raises:
        ConfigError: No `{}`, or no words in front of it.
    """
    words, found, _ = template.partition('{}')
    if not found or not words.strip():
        raise ConfigError(
            'learned vectors stand in front of the class name: expected words and then {}, found '
            f'{template!r}'
        )
    alone = tower.tokenize([words.rstrip()])['input_ids'][0].tolist()
    special = list(tower.tokenizer('')['input_ids'])
    same = [a == b for a, b in zip(alone, special, strict=False)]
    return [*same, False].index(False), len(alone) - len(special)
