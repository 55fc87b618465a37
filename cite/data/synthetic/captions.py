"""Texts from the attributes that the image shows too: of slides, as PatchGastric's, and of patches."""

from __future__ import annotations

import numpy as np

from cite.data.synthetic import terms
from cite.data.synthetic.attributes import Attributes
from cite.data.synthetic.description import describe
from cite.data.synthetic.terms import FINDINGS, subtype

__all__ = ['FINDINGS', 'caption', 'describe', 'subtype']

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


def caption(rng: np.random.Generator, slide: Attributes) -> str:
    """Describe a slide in two to six sentences; the last one names the grade."""

    def pick(*phrases: str) -> str:
        return phrases[int(rng.integers(len(phrases)))]

    build = _glands(slide) if terms.glandular(slide) else _without_glands(slide)
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
    asides = [_nuclei(slide), *_stroma(slide), *_activity(slide)]
    shown = rng.random(len(asides)) < (0.8, *([0.5] * (len(asides) - 1)))
    sentences += [aside for aside, chosen in zip(asides, shown, strict=True) if chosen]
    return ' '.join([*sentences, pick(*_ENDINGS[subtype(slide)])])


def _glands(slide: Attributes) -> str:
    size = 'medium to large' if slide.gland_radius > terms.LARGE_GLANDS else 'medium-sized'
    size = 'small to medium-sized' if slide.gland_radius < terms.SMALL_GLANDS else size
    shape = 'round and regular' if slide.irregularity < terms.ROUND else 'round or irregular'
    shape = 'irregular' if slide.irregularity > terms.IRREGULAR else shape
    build = f'forming {size}, {shape} glandular ducts'
    if slide.cribriform > terms.CRIBRIFORM:
        return f'{build} with fusion and cribriform structures'
    return f'{build} with open lumina' if slide.lumen_share > terms.OPEN else build


def _without_glands(slide: Attributes) -> str:
    if slide.solid:
        return 'growing in solid sheets and nests without glandular ducts'
    if slide.signet > terms.SIGNET:
        return 'infiltrating as single cells and small cords, in part of signet ring cell type,'
    return 'infiltrating as scattered single cells and small cords'


def _nuclei(slide: Attributes) -> str:
    if slide.polarity > terms.POLAR:
        return 'The nuclei are small, uniform and aligned basally in one row.'
    size = 'large' if slide.nuclear_length > terms.LARGE_NUCLEI else 'enlarged'
    if slide.pleomorphism > terms.PLEOMORPHIC:
        return (
            f'The nuclei are {size} and pleomorphic, with prominent nucleoli and loss of polarity.'
        )
    return 'The nuclei are enlarged and stratified, with disturbed polarity.'


def _stroma(slide: Attributes) -> list[str]:
    found = []
    if terms.inflammation(slide) == 'marked':
        found.append('Inflammatory cell infiltration is conspicuous.')
    if terms.stroma(slide) == 'edematous':
        found.append('The stroma is edematous.')
    elif terms.stroma(slide) == 'fibrous':
        found.append('The stroma is fibrous.')
    return found


def _activity(slide: Attributes) -> list[str]:
    found = []
    if slide.necrosis > 0:
        found.append('Necrosis is observed.')
    if slide.mitoses >= terms.FREQUENT_MITOSES:
        found.append('Mitotic figures are frequent.')
    return found
