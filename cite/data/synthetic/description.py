"""Captions of patches: short sentences, each of them true by itself of what the patch shows.

So any subset of the sentences is a caption too. Each fact has several wordings, those that a
pathologist uses, so that a text encoder learns words and not sentences.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cite.data.synthetic import terms
from cite.data.synthetic.attributes import Artefact, Attributes
from cite.data.synthetic.wordings import ARTEFACTS, DIAGNOSES, INFLAMMATION, STROMA, Phrases

MOST = 6  # sentences
_NAMED, _NAMED_WITHOUT_TUMOUR = 0.75, 0.4  # how often the diagnosis is given
_MENTIONED = 0.4  # how often each other fact is
_SPOILT, _CLEAN = 0.8, 0.15  # how often artefacts are, and that there are none

# what hides part of the field leaves open what is not seen
_HIDING = (Artefact.FOLD, Artefact.PEN, Artefact.BUBBLE, Artefact.TEAR, Artefact.BLUR)
_TOO_LITTLE = 0.15  # tumour of which nothing can be said
_TOO_MUCH = 0.8  # tumour that leaves no stroma to speak of

_Word = Callable[..., str]


def describe(rng: np.random.Generator, patch: Attributes) -> str:
    """Describe a patch in two to six sentences, in any order; most name the diagnosis."""

    def pick(*phrases: str) -> str:
        return phrases[int(rng.integers(len(phrases)))]

    visible = patch.tumour_share >= _TOO_LITTLE
    build, others = _architecture(patch, pick) if visible else [], _others(patch)
    chosen = [phrases for phrases in others if rng.random() < _MENTIONED]
    preparation = ARTEFACTS[patch.artefact]
    if rng.random() < (_CLEAN if patch.artefact is Artefact.NONE else _SPOILT):
        chosen.append(preparation)
    if build and rng.random() < 0.85:
        order = rng.permutation(len(build))[: int(rng.integers(1, 3))]
        chosen += [build[i] for i in order]
    named = rng.random() < (_NAMED if visible else _NAMED_WITHOUT_TUMOUR)
    rng.shuffle(chosen)
    chosen = chosen[: MOST - named]
    left = [phrases for phrases in (*others, *build) if phrases not in chosen]
    while len(chosen) + named < 2:
        chosen.append(left.pop(int(rng.integers(len(left)))))
    sentences = [pick(*phrases) for phrases in chosen]
    if named:
        # first or last, as reports have it
        place = 0 if rng.random() < 0.5 else len(sentences)
        sentences.insert(place, pick(*DIAGNOSES[terms.growth(patch)]))
    return ' '.join(sentences)


def _architecture(patch: Attributes, pick: _Word) -> list[Phrases]:
    """How the tumour grows; each fact a tuple of wordings."""
    if terms.glandular(patch):
        return _glands(patch, pick('glands', 'glandular ducts', 'tubules', 'glandular structures'))
    cells = pick('tumor cells', 'tumour cells', 'atypical cells', 'carcinoma cells')
    if patch.gland_share > terms.NO_GLANDS:
        return [('Gland formation is largely lost.', 'Poorly formed glands at most.')]
    facts: list[Phrases] = [
        ('No gland formation.', 'Glands are absent.', 'Without glandular ducts or tubules.')
    ]
    if patch.solid:
        return [
            *facts,
            (f'Solid sheets of {cells}.', f'{cells.capitalize()} in solid nests.',
             f'Solid growth of {cells}.', f'Sheets and nests of cohesive {cells}.'),
        ]  # fmt: skip
    facts.append(
        (f'Scattered single {cells}.', f'{cells.capitalize()} infiltrate singly and in small cords.',
         f'Discohesive {cells}.', f'Infiltrating isolated {cells} and short files.')
    )  # fmt: skip
    if patch.signet > terms.SIGNET and patch.tumour_share > terms.LITTLE_TUMOUR:
        facts.append(
            ('Some are signet ring cells.', 'Signet ring cells with intracellular mucin.',
             'Cells with mucin vacuoles and displaced nuclei.')
        )  # fmt: skip
    return facts


def _glands(patch: Attributes, glands: str) -> list[Phrases]:
    size = 'medium-sized'
    if patch.gland_radius > terms.LARGE_GLANDS:
        size = 'large'
    elif patch.gland_radius < terms.SMALL_GLANDS:
        size = 'small'
    facts: list[Phrases] = [
        (
            f'{size.capitalize()} {glands}.',
            f'The {glands} are {size}.',
            f'Tumor of {size} {glands}.',
        )
    ]
    if patch.irregularity < terms.ROUND:
        facts.append((f'Round, regular {glands}.', f'The {glands} are round and regular.'))
    elif patch.irregularity > terms.IRREGULAR:
        facts.append(
            (f'Irregular, angulated {glands}.', f'The {glands} are irregular in shape.',
             f'Distorted {glands}.')
        )  # fmt: skip
    if patch.cribriform > terms.CRIBRIFORM and patch.necrosis < terms.EXTENSIVE:
        facts.append(
            ('Cribriform structures.', f'Fused, cribriform {glands}.',
             'A cribriform pattern with punched-out lumina is seen.')
        )  # fmt: skip
    if patch.lumen_share > terms.OPEN:
        facts.append(
            (f'Open {glands}.', 'The lumina are wide.', f'{glands.capitalize()} with open lumina.')
        )
    elif patch.lumen_share < terms.NARROW:
        facts.append(('Narrow lumina.', f'{glands.capitalize()} with small lumina.'))
    if patch.tumour_share > 0.4 and patch.crowding < terms.CROWDED:
        facts.append(
            (
                f'Crowded {glands}.',
                f'Back-to-back {glands}.',
                f'The {glands} are crowded and fused.',
            )
        )
    elif patch.tumour_share > 0.4 and patch.crowding > terms.APART:
        facts.append((f'Well separated {glands}.', f'The {glands} are evenly spaced.'))
    if patch.lumen_share < terms.NARROW:
        return facts
    if patch.necrosis > 0:
        facts.append(
            ('Dirty necrosis in the lumina.', 'Necrotic debris fills the lumina.',
             f'The {glands} contain necrotic debris.')
        )  # fmt: skip
    elif patch.secretion > terms.SECRETION:
        facts.append(
            ('Eosinophilic secretion in the lumina.', f'The {glands} contain secretion.',
             'Lumina filled with pink secretory material.')
        )  # fmt: skip
    elif patch.secretion < terms.EMPTY:
        facts.append(('Empty lumina.', 'The lumina are free of secretion.'))
    return facts


def _others(patch: Attributes) -> list[Phrases]:
    """What else there is to say, each fact a tuple of wordings."""
    facts: list[Phrases] = []
    if patch.tumour_share < terms.LITTLE_TUMOUR:
        facts.append(
            ('Mostly stroma.', 'Predominantly stroma with little tumor.',
             'Stroma with only a small amount of carcinoma.')
        )  # fmt: skip
    elif patch.tumour_share > (
        terms.MUCH_TUMOUR_OF_GLANDS if terms.glandular(patch) else terms.MUCH_TUMOUR
    ):
        facts.append(
            ('Tumor occupies most of the field.', 'Mostly tumor.', 'Largely composed of carcinoma.')
        )
    if patch.tumour_share < _TOO_MUCH:
        facts += [INFLAMMATION[terms.inflammation(patch)], STROMA[terms.stroma(patch)]]
    facts.append(_necrosis(patch))
    if patch.artefact not in _HIDING:
        facts.append(_mitoses(patch))
    if patch.artefact is not Artefact.BLUR and patch.tumour_share >= _TOO_LITTLE:
        facts += _nuclei(patch)
    if patch.bare > 0:
        facts.append(
            ('The edge of the tissue is included.', 'Tissue edge with bare glass.',
             'Part of the field is empty background.')
        )  # fmt: skip
    return facts


def _necrosis(patch: Attributes) -> Phrases:
    if patch.necrosis == 0:
        return ('No necrosis.', 'Necrosis is absent.', 'Without necrosis.', 'The tumor is viable.')
    extent = 'focal' if patch.necrosis < terms.FOCAL else 'extensive'
    certain = ('Necrosis is present.', 'Tumor necrosis.', 'Necrotic debris with nuclear dust.')
    if terms.FOCAL <= patch.necrosis <= terms.EXTENSIVE:
        return (*certain, 'Areas of necrosis are seen.')
    return (*certain, f'{extent.capitalize()} necrosis.', f'There is {extent} tumor necrosis.')


def _mitoses(patch: Attributes) -> Phrases:
    if patch.mitoses == 0:
        return ('No mitoses.', 'Mitotic figures are absent.', 'No mitotic figures are seen.')
    if patch.mitoses < terms.FREQUENT_MITOSES:
        return ('Occasional mitosis.', 'Mitotic activity is seen.', 'Rare mitotic figure present.')
    return ('Several mitotic figures.', 'Mitoses are frequent.', 'Brisk mitotic activity.',
            'Many mitoses.')  # fmt: skip


def _nuclei(patch: Attributes) -> list[Phrases]:
    facts: list[Phrases] = []
    if patch.nuclear_length > terms.LARGE_NUCLEI:
        facts.append(('Large nuclei.', 'The nuclei are large.', 'Nuclear enlargement.'))
    elif patch.nuclear_length < terms.SMALL_NUCLEI:
        facts.append(('Small nuclei.', 'The nuclei are small.'))
    if patch.pleomorphism > terms.PLEOMORPHIC:
        facts.append(
            (
                'Pleomorphic nuclei.',
                'Marked nuclear pleomorphism.',
                'Nuclei vary in size and shape.',
            )
        )
    elif patch.pleomorphism < terms.UNIFORM:
        facts.append(('Uniform nuclei.', 'The nuclei are monotonous.', 'Mild nuclear atypia.'))
    if terms.glandular(patch) and patch.polarity > terms.POLAR:
        facts.append(
            ('Polarity is preserved.', 'Nuclei in a single basal row.', 'Basally aligned nuclei.')
        )
    elif patch.polarity < terms.APOLAR:
        facts.append(('Loss of polarity.', 'Nuclear polarity is lost.'))
    if patch.nuclear_aspect > terms.ELONGATED:
        facts.append(('Elongated nuclei.', 'The nuclei are oval to columnar.'))
    elif patch.nuclear_aspect < terms.ROUND_NUCLEI:
        facts.append(('Round nuclei.', 'The nuclei are round.'))
    if patch.hyperchromasia > terms.HYPERCHROMATIC:
        facts.append(('Hyperchromatic nuclei.', 'The nuclei are hyperchromatic.'))
    if patch.differentiation < terms.PROMINENT_NUCLEOLI:
        facts.append(('Prominent nucleoli.', 'Vesicular nuclei with nucleoli.'))
    elif patch.differentiation > terms.PLAIN_NUCLEOLI:
        facts.append(('Inconspicuous nucleoli.', 'Nucleoli are not prominent.'))
    return facts
