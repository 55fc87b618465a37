"""Finished pieces of an extraction, a file each, until all of them are there."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from cite.atomic import replacing
from cite.inference.question import Question


@dataclass(frozen=True)
class Chunk:
    """Features of consecutive images.

    Attributes:
        rows: Numbers of the images that could be read.
        features: float32 (rows, D).
        skipped: Number of an image that could not → why.
    """

    rows: list[int]
    features: Tensor
    skipped: Mapping[int, str]


class Parts:
    """The folder `<out>.parts/<key of the question>`.

    Another question has another folder: so processes that start together need not clear anything away.
    """

    def __init__(self, out: Path, question: Question) -> None:
        self.top = out.with_name(f'{out.name}.parts')
        self.folder = self.top / question.key[:16]
        self.question = question

    def path(self, number: int) -> Path:
        """Where the piece of that number is."""
        return self.folder / f'{number:06}.safetensors'

    def save(self, number: int, chunk: Chunk) -> None:
        """Writes a piece; it is there whole or not at all."""
        tensors = {'features': chunk.features, 'rows': torch.tensor(chunk.rows, dtype=torch.int64)}
        said = {'skipped': json.dumps({str(row): why for row, why in chunk.skipped.items()})}
        with replacing(self.path(number)) as temporary:
            save_file(tensors, temporary, said)

    def read(self, number: int) -> Chunk:
        """A piece.

        Raises:
            OSError: There is none.
            SafetensorError, ValueError, KeyError: It is damaged.
        """
        with safe_open(self.path(number), 'pt') as file:
            rows = file.get_tensor('rows').tolist()
            features = file.get_tensor('features')
            skipped = {int(row): why for row, why in json.loads(file.metadata()['skipped']).items()}
        width = self.question.about['feature_dim']
        if features.shape != (len(rows), width) or features.dtype != torch.float32:
            raise ValueError(f'{self.path(number)}: features are {tuple(features.shape)}')
        if sorted([*rows, *skipped]) != list(self.question.rows(number)):
            raise ValueError(f'{self.path(number)}: it is of other images')
        return Chunk(rows, features, skipped)

    def find(self, number: int) -> Chunk | None:
        """A piece; None where it is missing or damaged."""
        with suppress(OSError, SafetensorError, ValueError, KeyError, TypeError):
            return self.read(number)
        return None

    def missing(self) -> list[int]:
        """Numbers of the pieces that nobody has finished yet."""
        there = {path.name for path in self.folder.glob('*.safetensors')}
        numbers = range(self.question.chunks)
        return [number for number in numbers if self.path(number).name not in there]

    def all(self) -> Iterator[Chunk]:
        """Every piece, in order, one in memory at a time."""
        return (self.read(number) for number in range(self.question.chunks))

    def clear(self) -> None:
        """Away with them, and with those of other questions to the same file."""
        shutil.rmtree(self.top, ignore_errors=True)
