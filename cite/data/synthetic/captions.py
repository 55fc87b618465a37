"""Short reports like PatchGastric's, from the attributes that the image shows too."""

from __future__ import annotations

import numpy as np

from cite.data.synthetic.attributes import Attributes, Grade

_SUBTYPE = {
    Grade.WELL: 'Well differentiated tubular adenocarcinoma',
    Grade.MODERATELY: 'Moderately differentiated tubular adenocarcinoma',
}
_ENDINGS = {
    'Well differentiated tubular adenocarcinoma': (
        'Well differentiated tubular adenocarcinoma.',
        'Well differentiated adenocarcinoma.',
    ),
    'Moderately differentiated tubular adenocarcinoma': (
        'Moderately differentiated tubular adenocarcinoma.',
        'Moderately differentiated adenocarcinoma.',
    ),
    'Poorly differentiated adenocarcinoma, solid type': (
        'Poorly differentiated adenocarcinoma, solid type.',
    ),
    'Poorly differentiated adenocarcinoma, non-solid type': (
        'Poorly differentiated adenocarcinoma, non-solid type.',
    ),
}


def subtype(slide: Attributes) -> str:
    """PatchGastric's name of the slide's class."""
    if slide.grade is Grade.POORLY:
        return (
            f'Poorly differentiated adenocarcinoma, {"solid" if slide.solid else "non-solid"} type'
        )
    return _SUBTYPE[slide.grade]


def caption(rng: np.random.Generator, slide: Attributes) -> str:
    """Describe a slide in two to four sentences; the last one names the grade."""

    def pick(*phrases: str) -> str:
        return phrases[int(rng.integers(len(phrases)))]

    build = _glands(slide) if slide.gland_share > 0.5 else _without_glands(slide)
    site = pick(
        'the superficial epithelium', 'the lamina propria', 'the mucosa', 'the biopsy specimen'
    )
    sentences = [
        pick(
            f'In {site}, tumor tissue {build} is observed.',
            f'Atypical epithelial cells {build} are found in {site}.',
            f'Tumor cells {build} proliferate in {site}.',
        )
    ]
    asides = [_nuclei(slide), *_stroma(slide)]
    shown = rng.random(len(asides)) < (0.8, *([0.5] * (len(asides) - 1)))
    sentences += [aside for aside, chosen in zip(asides, shown, strict=True) if chosen]
    return ' '.join([*sentences, pick(*_ENDINGS[subtype(slide)])])


def _glands(slide: Attributes) -> str:
    size = 'medium to large' if slide.gland_radius > 46 else 'medium-sized'
    size = 'small to medium-sized' if slide.gland_radius < 41 else size
    shape = 'round and regular' if slide.irregularity < 0.10 else 'round or irregular'
    shape = 'irregular' if slide.irregularity > 0.16 else shape
    build = f'forming {size}, {shape} glandular ducts'
    if slide.cribriform > 0.25:
        return f'{build} with fusion and cribriform structures'
    return f'{build} with open lumina' if slide.lumen_share > 0.45 else build


def _without_glands(slide: Attributes) -> str:
    if slide.solid:
        return 'growing in solid sheets and nests without glandular ducts'
    if slide.signet > 0.25:
        return 'infiltrating as single cells and small cords, in part of signet ring cell type,'
    return 'infiltrating as scattered single cells and small cords'


def _nuclei(slide: Attributes) -> str:
    if slide.polarity > 0.75:
        return 'The nuclei are small, uniform and aligned basally in one row.'
    size = 'large' if slide.nuclear_length > 14.5 else 'enlarged'
    if slide.pleomorphism > 0.2:
        return (
            f'The nuclei are {size} and pleomorphic, with prominent nucleoli and loss of polarity.'
        )
    return 'The nuclei are enlarged and stratified, with disturbed polarity.'


def _stroma(slide: Attributes) -> list[str]:
    found = []
    if slide.inflammation > 5.5:
        found.append('Inflammatory cell infiltration is conspicuous.')
    if slide.oedema > 0.6:
        found.append('The stroma is edematous.')
    elif slide.fibrosis > 0.55:
        found.append('The stroma is fibrous.')
    return found
