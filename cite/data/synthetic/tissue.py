"""A slide and what can be drawn from it: patches, or the whole of it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from cite.data.randomness import generator
from cite.data.synthetic.attributes import (
    Attributes,
    Grade,
    draw_patch,
    draw_slide,
    expected_mitoses,
)
from cite.data.synthetic.edges import section_outline, straight_edge
from cite.data.synthetic.noise import Field
from cite.data.synthetic.populations import Population, admit, held_out_mix, held_out_stain
from cite.data.synthetic.section import draw_section
from cite.data.synthetic.stain import Stain, draw_stain
from cite.data.synthetic.stroma import fibre_tile

SMALLEST = 64  # pixels; the windows that chromatin is cut from need this much


@dataclass(frozen=True)
class Slide:
    """One case: what it is, how it was stained, and the seed of everything drawn from it."""

    seed: int
    grade: Grade
    number: int
    population: Population
    attributes: Attributes
    stain: Stain

    @cached_property
    def fibres(self) -> Field:
        """Collagen of the slide, a tile that repeats; see `stroma.fibre_tile`."""
        return fibre_tile(self._generator('synthetic fibres', 0))

    def patch(self, number: int, size: int) -> npt.NDArray[np.uint8]:
        """Draw patch `number`: (size, size, 3) RGB, a function of the slide, `number` and `size`."""
        rng = self._generator('synthetic patch', number)
        shown = self.patch_attributes(number)
        edge = straight_edge(rng, shown.bare, size) if shown.bare else None
        return draw_section(rng, shown, self.stain, self.fibres, size, edge)

    def patch_attributes(self, number: int) -> Attributes:
        """What patch `number` shows, whatever its size; counts and shares are of 300 pixels."""
        return draw_patch(self._generator('synthetic attributes', number), self.attributes)

    def region(self, size: int) -> npt.NDArray[np.uint8]:
        """Draw the whole slide: (size, size, 3) RGB, a piece of tissue with bare glass round it.

        The slide's own attributes hold all over it. Needs memory for
        about 30 fields of float32 of that size: 2 GB for 4096 pixels.
        """
        rng = self._generator('synthetic region', 0)
        outline = section_outline(rng, size)
        covered, slide = float(outline.mean()), self.attributes
        # figures per area of the picture, most of which is glass
        mitoses = expected_mitoses(slide, slide.tumour_share) * covered
        shown = dataclasses.replace(slide, bare=1 - covered, mitoses=mitoses)
        return draw_section(rng, shown, self.stain, self.fibres, size, outline)

    def _generator(self, purpose: str, number: int) -> np.random.Generator:
        return generator(purpose, self.population, self.seed, self.grade, self.number, number)


def open_slide(seed: int, grade: Grade, number: int, population: Population = 'any') -> Slide:
    """Draw slide `number` of a grade: its attributes and stain, none of its patches.

    Even slides of poorly differentiated tumours are solid, odd ones are not. 'seen' slides have no
    held-out mix of attributes and no held-out stain, 'unseen' ones have both, 'any' is both kinds
    and what is between; see `populations`. The populations of one seed share no slide.

    Raises:
        ConfigError: a population of another name; a negative number.
    """
    rng = generator('synthetic slide', population, seed, grade, number)
    solid = number % 2 == 0 if grade is Grade.POORLY else bool(rng.random() < 0.6)
    attributes = admit(population, lambda: draw_slide(rng, grade, solid), held_out_mix)
    stain = admit(population, lambda: draw_stain(rng), held_out_stain)
    return Slide(seed, grade, number, population, attributes, stain)
