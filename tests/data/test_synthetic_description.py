from __future__ import annotations

import dataclasses
import re
from typing import Any

import numpy as np
import pytest

from cite.data.randomness import generator
from cite.data.synthetic import terms
from cite.data.synthetic.attributes import Artefact, Attributes, Grade
from cite.data.synthetic.captions import FINDINGS, describe
from cite.data.synthetic.tissue import open_slide

PATCHES = [
    open_slide(3, grade, number).patch_attributes(i)
    for grade in Grade
    for number in range(16)
    for i in range(4)
]
# a sentence that holds the words is true only of patches that fit
TRUE_IF: dict[str, Any] = {
    r'no necrosis|necrosis is absent|without necrosis|viable': lambda p: p.necrosis == 0,
    r'necrosis is present|tumor necrosis|debris|dirty necrosis|areas of necrosis': (
        lambda p: p.necrosis > 0
    ),
    r'extensive necrosis': lambda p: p.necrosis > 0.35,
    r'focal necrosis': lambda p: 0 < p.necrosis < 0.2,
    r'no mitoses|mitotic figures are absent|no mitotic': lambda p: p.mitoses == 0,
    r'several mitotic|frequent|brisk|many mitoses': lambda p: p.mitoses >= 3,
    r'occasional mitosis|activity is seen|rare mitotic': lambda p: 1 <= p.mitoses < 3,
    r'marked infl|dense lymph|many lymph|heavily': lambda p: p.inflammation > 6.5,
    r'sparse|few lymph|little infl|no significant': lambda p: p.inflammation <= 2,
    r'fibrous|collagenous': lambda p: terms.stroma(p) == 'fibrous',
    r'loose': lambda p: terms.stroma(p) == 'loose',
    r'o?edema': lambda p: p.oedema > 0.6,
    r'mostly stroma|little tumor|small amount': lambda p: p.tumour_share < 0.3,
    r'mostly tumor|most of the field|largely composed': lambda p: p.tumour_share > 0.75,
    r'no gland|glands are absent|without glandular': lambda p: p.gland_share < 0.1,
    r'cribriform': lambda p: p.cribriform > 0.25 and terms.glandular(p),
    r'solid sheets|nests|solid growth': lambda p: p.solid and p.gland_share < 0.1,
    r'single .*cells|discohesive|isolated|signet': lambda p: not p.solid and p.gland_share < 0.1,
    r'lumina|crowded|angulated': terms.glandular,
    r'pleomorphi[cs]': lambda p: p.pleomorphism > 0.2,
    r'uniform|monotonous': lambda p: p.pleomorphism < 0.1,
    r'basal row|basally|preserved': lambda p: p.polarity > 0.75,
    r'background|bare glass|edge of': lambda p: p.bare > 0,
    r'tissue fold|folded': lambda p: p.artefact is Artefact.FOLD,
    r'focus': lambda p: p.artefact is Artefact.BLUR,
    r'\bpen\b': lambda p: p.artefact is Artefact.PEN,
    r'bubble': lambda p: p.artefact is Artefact.BUBBLE,
    r'\btear\b|torn': lambda p: p.artefact is Artefact.TEAR,
    r'knife|scratches': lambda p: p.artefact is Artefact.KNIFE,
    r'no arti?e?fact|without artefact': lambda p: p.artefact is Artefact.NONE,
    r'\bwell diff': lambda p: p.grade is Grade.WELL,
    r'moderately diff': lambda p: p.grade is Grade.MODERATELY,
    r'poorly diff|high-grade': lambda p: p.grade is Grade.POORLY,
    r'tubular adeno': lambda p: p.grade is not Grade.POORLY,
    r', solid type': lambda p: p.solid and p.grade is Grade.POORLY,
    r'non-solid type|poorly cohesive': lambda p: not p.solid and p.grade is Grade.POORLY,
}


def texts(patch: Attributes, count: int = 12) -> list[str]:
    key = round(patch.differentiation * 1e9)
    return [describe(generator('test', key, i), patch) for i in range(count)]


def sentences(text: str) -> list[str]:
    return re.split(r'(?<=\.) ', text)


def test_every_sentence_is_true_of_its_patch() -> None:
    used: set[str] = set()
    for patch in PATCHES:
        # what is rare by chance, too
        for shown in (patch, dataclasses.replace(patch, artefact=list(Artefact)[len(used) % 7])):
            for sentence in (s for text in texts(shown) for s in sentences(text)):
                for words, fits in TRUE_IF.items():
                    if re.search(words, sentence.lower()):
                        used.add(words)
                        assert fits(shown), (sentence, shown)
    assert used == set(TRUE_IF)


def test_two_to_six_short_sentences_in_any_order() -> None:
    found = [text for patch in PATCHES for text in texts(patch, 3)]
    for text in found:
        parts = sentences(text)
        assert 2 <= len(parts) <= 6
        assert all(part[0].isupper() and part.endswith('.') for part in parts)
        assert len(set(parts)) == len(parts)
    words = [len(text.split()) for text in found]
    assert 8 < np.mean(words) < 60
    assert len(set(found)) > 0.9 * len(found)


def test_seven_of_ten_name_the_diagnosis() -> None:
    found = [text for patch in PATCHES for text in texts(patch, 5)]
    named = [re.search(r'differentiated|adenocarcinoma|cohesive carcinoma', t) for t in found]
    assert 0.62 < np.mean([bool(n) for n in named]) < 0.8
    for position in (0, -1):
        assert sum('ifferentiated' in sentences(text)[position] for text in found) > 100


def test_what_is_hidden_is_not_denied() -> None:
    patch = dataclasses.replace(PATCHES[0], mitoses=0.0, tumour_share=0.6, artefact=Artefact.NONE)
    assert any('itoses' in text or 'itotic' in text for text in texts(patch, 60))
    hidden = dataclasses.replace(patch, artefact=Artefact.BLUR)
    assert not any(re.search('itos|itot|ucle', text) for text in texts(hidden, 60))


def test_the_same_generator_the_same_text() -> None:
    first = describe(generator('caption', 3), PATCHES[5])
    assert first == describe(generator('caption', 3), PATCHES[5])


@pytest.mark.parametrize('name', FINDINGS)
def test_findings_occur_and_lack_in_every_grade(name: str) -> None:
    for grade in Grade:
        share = np.mean([FINDINGS[name](p) for p in PATCHES if p.grade is grade])
        # glands make the grade; the others do not
        assert name == 'glands' or 0 < share < 0.9
    assert 0.02 < np.mean([FINDINGS[name](patch) for patch in PATCHES]) < 0.85


def test_mitoses_rise_with_the_grade_and_overlap() -> None:
    rates = [
        [open_slide(0, grade, number).attributes.mitoses for number in range(60)] for grade in Grade
    ]
    assert np.mean(rates[0]) < np.mean(rates[1]) < np.mean(rates[2])
    assert np.max(rates[0]) > np.median(rates[2])
