from __future__ import annotations

import csv
import re
import time
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cite.data import (
    MASK,
    PATCHGASTRIC_CLASSES,
    caption_group,
    group_captions,
    mask_grades,
    normalise_caption,
)
from cite.data.captions import sample_sentences
from cite.data.patchgastric import CLASS_OF_SUBTYPE
from cite.errors import ConfigError

# written apart from GRADE_WORDS, to find what those leave
NAMES_THE_GRADE = re.compile(
    r'\b(well|moderate\w*|poorly differ\w*)\b|\bdiff\w*ti\w*at|solid[- ]*type|solid adeno|tubu\w*r adeno',
    re.IGNORECASE,
)
TEXTS = st.lists(st.text(alphabet='aB .,\u00a0é', max_size=5), min_size=1, max_size=12)


@pytest.fixture(scope='module')
def reports(real_data):
    """Text and subtype of PatchGastric's 991 slides."""
    with real_data('patchgastric/captions.csv').open(encoding='utf-8') as file:
        return [(row['text'], row['subtype']) for row in csv.DictReader(file)]


# The same text


@pytest.mark.parametrize(
    'other',
    [
        'Small ducts, fused. Well differentiated',
        ' small  ducts, fused.\nWELL DIFFERENTIATED. ',
        'Small\u00a0ducts, fused. Well differentiated ;',
        '\ufeffSmall duc\u200bts, ﬁsed. Well differentiated'.replace('ﬁsed', 'fused'),
        'Ｓmall ducts, fused. Well differentiated',
    ],
)
def test_what_makes_no_difference(other):
    assert normalise_caption(other) == 'small ducts, fused. well differentiated'


@pytest.mark.parametrize('other', ['small ducts fused', 'small ducts', 'smallducts, fused', ''])
def test_words_and_what_stands_between_them_do(other):
    assert normalise_caption(other) != normalise_caption('Small ducts, fused.')


@given(st.text())
def test_a_normal_form_stays_as_it_is(text):
    once = normalise_caption(text)
    assert normalise_caption(once) == once


def test_groups_are_numbered_by_sorted_text():
    groups = group_captions(['B', 'a.', 'b ', 'A', 'c'])
    assert groups.dtype == np.int64 and groups.tolist() == [1, 0, 1, 0, 2]
    assert group_captions([]).tolist() == []


@given(TEXTS, st.randoms(use_true_random=False))
def test_groups_do_not_depend_on_the_order_of_rows(texts, random):
    order = random.sample(range(len(texts)), len(texts))
    groups = group_captions(texts)
    assert group_captions([texts[i] for i in order]).tolist() == groups[order].tolist()


@given(TEXTS)
def test_a_text_alone_falls_into_the_same_groups(texts):
    together, alone = group_captions(texts), [caption_group(text) for text in texts]
    assert len(set(zip(together.tolist(), alone, strict=True))) == len(set(alone))
    assert len(set(alone)) == together.max() + 1
    assert all(0 <= number < 2**63 for number in alone)


# Grades


@pytest.mark.parametrize(
    ('text', 'masked'),
    [
        (
            'Ducts are seen. Well differentiated adenocarcinoma (well differentiated tubular '
            'adenocarcinoma).',
            'Ducts are seen. [MASK] adenocarcinoma.',
        ),
        ('Poorly differentiated adenocarcinoma, non-solid type', '[MASK] adenocarcinoma'),
        (
            'Cords. poorly differentiated adenocarcinoma, solid-type  or moderately differentiated '
            'tubular adenocarcinoma.',
            'Cords. [MASK] adenocarcinoma.',
        ),
        ('Well to moderately diffentiated tubuar adenocarcinoma', '[MASK] adenocarcinoma'),
        (
            'Tubular adenocarcinoma of stomach, moderately differentiated.',
            '[MASK] adenocarcinoma of stomach, [MASK].',
        ),
        ('Grade 2, high-grade, G3', '[MASK]'),
        ('undifferentiated tumour', '[MASK] tumour'),
        # what tissue looks like stays
        (
            'Solid growth and tubular structures of different sizes. Adenocarcinoma.',
            'Solid growth and tubular structures of different sizes. Adenocarcinoma.',
        ),
        (
            'Well differentiated adenocarcinoma, Papillary adenocarcinoma (early)',
            '[MASK] adenocarcinoma, Papillary adenocarcinoma (early)',
        ),
    ],
)
def test_masked_grades(text, masked):
    assert mask_grades(text) == masked


def test_every_class_name_becomes_the_same():
    assert {mask_grades(name) for name in PATCHGASTRIC_CLASSES} == {'[MASK] adenocarcinoma'}


def test_masks_may_be_others_or_none():
    text = 'Small ducts. Well differentiated tubular adenocarcinoma.'
    assert mask_grades(text, mask='') == 'Small ducts. adenocarcinoma.'
    assert mask_grades(text, mask='<mask>') == 'Small ducts. <mask> adenocarcinoma.'
    assert mask_grades('Gleason 4+3 tumour', [r'gleason\s*\d\+\d']) == f'{MASK} tumour'
    with pytest.raises(ConfigError, match='no regular expression'):
        mask_grades(text, ['('])


@pytest.mark.parametrize(
    'piece', ['well , ', 'well to ', 'well differentiated (', '(', ' ', 'non ']
)
def test_masking_takes_time_in_proportion_to_the_text(piece):
    start = time.perf_counter()
    mask_grades(piece * 20000)  # a third of a second; a minute where an expression backtracks
    assert time.perf_counter() - start < 10


# Some of the sentences

SENTENCES = ['Small ducts.', 'Mucus?', 'No necrosis in 0.5 mm!', 'e.g.this stays']


def test_sentences_are_drawn_in_any_number_and_order():
    rng = np.random.default_rng(0)
    drawn = [sample_sentences(rng, ' '.join(SENTENCES)) for _ in range(2000)]
    counts = Counter(sum(sentence in text for sentence in SENTENCES) for text in drawn)
    assert set(counts) == {2, 3, 4}  # half of them at least
    assert all(580 < count < 750 for count in counts.values())  # equally likely
    for text in drawn:
        used = [sentence for sentence in SENTENCES if sentence in text]
        assert len(text) == len(' '.join(used))  # nothing else, and nothing twice
    assert len(set(drawn)) == 12 + 24 + 24  # every order


def test_the_same_generator_draws_the_same_sentences():
    drawn = [
        [sample_sentences(rng, ' '.join(SENTENCES)) for _ in range(20)]
        for rng in (np.random.default_rng(3), np.random.default_rng(3))
    ]
    assert drawn[0] == drawn[1]


@pytest.mark.parametrize('text', ['Small ducts', 'Small ducts.', 'tumour, 0.5 mm', ''])
def test_one_sentence_stays(text):
    assert sample_sentences(np.random.default_rng(0), text) == text


# PatchGastric's captions


def test_nearly_all_relevant_captions_name_the_grade(reports):
    # 693 slides of the three classes, and one whose subtype names two diagnoses
    relevant = [text for text, subtype in reports if subtype in CLASS_OF_SUBTYPE or '. ' in subtype]
    named = [
        t for t in relevant if re.search(r'(well|moderately|poorly)[ -]differentiated', t.lower())
    ]
    assert (len(named), len(relevant)) == (691, 694)
    groups = Counter(group_captions(relevant).tolist())
    assert max(groups.values()) == 142


@pytest.mark.parametrize('mask', [MASK, ''])
def test_masked_captions_do_not_name_it(reports, mask):
    left = [
        masked
        for text, _ in reports
        if NAMES_THE_GRADE.search(masked := mask_grades(text, mask=mask))
    ]
    assert left == []
    graded = [
        mask_grades(text, mask=mask) for text, subtype in reports if subtype in CLASS_OF_SUBTYPE
    ]
    assert min(map(len, graded)) > 10


def test_masked_captions_of_several_grades_become_one_text(reports):
    used = [(text, CLASS_OF_SUBTYPE[s]) for text, s in reports if s in CLASS_OF_SUBTYPE]
    for texts, groups, largest, guessed in (
        ([text for text, _ in used], 176, 142, 689),
        ([mask_grades(text) for text, _ in used], 161, 206, 647),
    ):
        number = group_captions(texts)
        table = np.zeros((number.max() + 1, 3), dtype=int)
        np.add.at(table, (number, [label for _, label in used]), 1)
        # `guessed`: slides whose grade the text alone tells, by the majority of its slides
        assert (len(table), table.sum(1).max(), table.max(1).sum()) == (groups, largest, guessed)
