from __future__ import annotations

from cite.experiments.names import key_to_names, short_names


def test_names_that_fit_stay():
    assert short_names(['lung_aca', 'lung_n'], 8) == ['lung_aca', 'lung_n']


def test_shared_words_go_first():
    grades = [f'{grade} differentiated adenocarcinoma' for grade in ('well', 'poorly')]
    assert short_names(grades, 14) == ['well', 'poorly']
    tubular = [
        'moderately differentiated tubular adenocarcinoma',
        'poorly differentiated adenocarcinoma, non-solid type',
    ]
    assert short_names(tubular, 14) == ['moderately', 'poorly']


def test_result_is_short_and_distinct():
    for names in (
        ['adenocarcinoma of the lung', 'adenocarcinoma of the colon', 'x' * 40],
        ['x' * 30 + '1', 'x' * 30 + '2'],
        ['same words', 'words same', 'words same same same'],
        [f'class with a long name {i}' for i in range(30)],
    ):
        short = short_names(names, 12)
        assert len(set(short)) == len(names)
        assert all(0 < len(name) <= 12 for name in short)


def test_key_explains_only_what_was_shortened():
    assert key_to_names(['normal', 'very long'], ['normal', 'very']) == 'very: very long'


def test_first_words_tell_names_apart_as_few_for_all():
    grades = [
        'moderately differentiated tubular adenocarcinoma',
        'poorly differentiated adenocarcinoma, non-solid type',
        'well differentiated tubular adenocarcinoma',
    ]
    assert short_names(grades, 16) == ['moderately', 'poorly', 'well']
    assert short_names([*grades, 'poorly cohesive carcinoma'], 25) == [
        'moderately differentiated',
        'poorly differentiated',
        'well differentiated',
        'poorly cohesive',
    ]
