"""Which slides are held out: combinations and stains that only 'unseen' slides have.

A model trained on 'seen' slides meets in 'unseen' ones no new finding, but slides that combine findings
as none before did, in colours that it never saw. Patches vary within a slide (a patch of a necrotic tumour
may be free of necrosis), so mixes are apart by slide, not by patch; stains are apart by both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeVar, get_args

from cite.data.synthetic.attributes import Attributes
from cite.data.synthetic.stain import Stain
from cite.data.synthetic.terms import GROWTHS, STROMAS, growth, inflammation, stroma
from cite.errors import ConfigError

Population = Literal['any', 'seen', 'unseen']
POPULATIONS: tuple[Population, ...] = get_args(Population)

Mix = tuple[str, bool, bool, str]
_DRAWS = 2000  # the rarest held-out mix takes about 10 draws
_T = TypeVar('_T')


def mix(slide: Attributes) -> Mix:
    """What is combined in a slide: growth, marked inflammation, necrosis, kind of stroma."""
    return growth(slide), inflammation(slide) == 'marked', slide.necrosis > 0, stroma(slide)


def held_out_mix(slide: Attributes) -> bool:
    """Whether a slide's mix is one of the 12 (of 48) that 'seen' slides never have.

    A Latin square: whatever the other three are, one growth in four is held out. So each value of
    each attribute occurs on both sides.
    """
    pattern, inflamed, necrotic, ground = mix(slide)
    return (GROWTHS.index(pattern) + 2 * inflamed + necrotic + STROMAS.index(ground)) % len(
        GROWTHS
    ) == 0


def held_out_stain(stain: Stain) -> bool:
    """Whether a stain is of the held-out quarter: cold haematoxylin with warm eosin."""
    return stain.coldness + stain.warmth > 0.6


def admit(population: Population, draw: Callable[[], _T], held_out: Callable[[_T], bool]) -> _T:
    """Draw until the population has it: 'seen' nothing held out, 'unseen' nothing else.

    Raises:
        ConfigError: a population of another name.
    """
    if population not in POPULATIONS:
        raise ConfigError(
            f'synthetic slides: no population {population!r}; there are {", ".join(POPULATIONS)}'
        )
    for _ in range(_DRAWS):
        drawn = draw()
        if population == 'any' or held_out(drawn) == (population == 'unseen'):
            return drawn
    raise RuntimeError(f'no {population} slide in {_DRAWS} draws')
