"""The slides of a synthetic set, each with an identifier that says nothing of its class."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

from cite.data.synthetic.attributes import Grade
from cite.data.synthetic.folder import MARK
from cite.data.synthetic.populations import Population
from cite.data.synthetic.tissue import Slide, open_slide


@dataclass(frozen=True)
class Case:
    """One slide before it is drawn: the four values that settle every pixel of it."""

    seed: int
    population: Population
    grade: Grade
    number: int

    @cached_property
    def id(self) -> str:
        """32 hexadecimal characters, as PatchGastric's slides have."""
        return self._hash()

    def patch_id(self, number: int) -> str:
        """32 hexadecimal characters for a patch."""
        return self._hash(number)

    def open(self) -> Slide:
        """Draw the slide's attributes and stain."""
        return open_slide(self.seed, self.grade, self.number, self.population)

    def _hash(self, *path: int) -> str:
        key = (MARK, self.population, self.seed, int(self.grade), self.number, *path)
        return hashlib.blake2b(repr(key).encode(), digest_size=16).hexdigest()


def cases(seed: int, population: Population, slides_per_class: int) -> list[Case]:
    """The slides of a set, grade by grade; a larger set starts with the slides of a smaller one."""
    return [
        Case(seed, population, grade, number)
        for grade in Grade
        for number in range(slides_per_class)
    ]
