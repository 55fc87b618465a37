from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cite.data import (
    Split,
    few_shot_split,
    read_pairs_csv,
    read_patchgastric,
    read_patchgastric_pairs,
    write_split,
)
from cite.errors import ConfigError, DataError

SUBTYPES = (
    'Well differentiated tubular adenocarcinoma',
    'Moderately differentiated tubular adenocarcinoma',
    'Poorly differentiated adenocarcinoma, solid type',
)


@pytest.fixture
def root(tmp_path):
    """Three slides of each grade, two patches each, and a slide of no grade."""
    folder = tmp_path / 'patches_captions'
    folder.mkdir()
    lines = ['id,subtype,text', 'x1,Papillary adenocarcinoma,Papillae.']
    (folder / 'x1_a.jpg').touch()
    for grade, subtype in enumerate(SUBTYPES):
        for number in range(3):
            slide = f'g{grade}n{number}'
            lines.append(f'{slide},"{subtype}","Small ducts. {subtype}"')
            for patch in 'ab':
                (folder / f'{slide}_{patch}.jpg').touch()
    (tmp_path / 'captions.csv').write_text('\n'.join(lines) + '\n')
    prepare(tmp_path, 0)
    return tmp_path


def prepare(root, seed, folder='splits'):
    split = few_shot_split(read_patchgastric(root)[0], [1, 'all'], eval_fraction=0.34, seed=seed)
    write_split(read_patchgastric(root)[0], split, root / folder)
    return split


# PatchGastric


def test_training_slides_have_their_report(root):
    pairs = read_patchgastric_pairs(root)
    split = Split.load(root / 'splits' / 'split.json')
    expected = sorted(s for slides in split.train['all'].values() for s in slides)
    assert sorted(set(pairs.slides.tolist())) == expected and len(pairs) == 12
    for file, slide, caption in zip(pairs.files, pairs.slides, pairs.captions, strict=True):
        assert file.startswith(f'patches_captions/{slide}_')
        assert caption == f'Small ducts. {SUBTYPES[int(slide[1])]}'
    assert pairs.groups.max() == 2
    assert (pairs.part, pairs.split_hash, pairs.held_out) == ('train_all', split.hash, False)
    pairs.check_files()


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 2**31))
def test_no_held_out_slide_is_among_training_pairs(root, seed):
    prepare(root, seed, f'splits{seed}')
    parts = {
        part: set(read_patchgastric_pairs(root, root / f'splits{seed}', part).slides.tolist())
        for part in ('train_1', 'train_all', 'val')
    }
    assert parts['train_1'] <= parts['train_all'] and not parts['train_all'] & parts['val']
    assert len(parts['train_all'] | parts['val']) == 9


def test_held_out_pairs_say_so(root):
    pairs = read_patchgastric_pairs(root, part='val')
    assert pairs.held_out and len(set(pairs.slides.tolist())) == 3
    with pytest.raises(DataError, match="no part 'all'"):
        read_patchgastric_pairs(root, part='all')


def test_masked_captions_are_grouped_as_masked(root):
    pairs = read_patchgastric_pairs(root, mask_grades=True)
    assert set(pairs.captions) == {'Small ducts. [MASK] adenocarcinoma'}
    assert set(pairs.groups.tolist()) == {0}


def test_a_manifest_with_held_out_slides_is_refused(root):
    folder = root / 'splits'
    held_out = (folder / 'val.csv').read_text().splitlines()[1]
    with (folder / 'train_all.csv').open('a') as file:
        file.write(held_out.replace(',val', ',train') + '\n')
    with pytest.raises(DataError, match=r'train_all\.csv: lists slides.*held out for evaluation'):
        read_patchgastric_pairs(root)
    (folder / 'train_1.csv').write_text((folder / 'train_all.csv').read_text())
    with pytest.raises(DataError, match=r'train_1\.csv: lists slides of .* not in it|held out'):
        read_patchgastric_pairs(root, part='train_1')


def test_a_manifest_without_a_slide_is_refused(root):
    lines = (root / 'splits' / 'val.csv').read_text().splitlines()
    (root / 'splits' / 'val.csv').write_text('\n'.join(lines[:-2]) + '\n')
    with pytest.raises(DataError, match='no patches of the slides g'):
        read_patchgastric_pairs(root, part='val')


def test_an_edited_split_is_refused(root):
    path = root / 'splits' / 'split.json'
    found = json.loads(path.read_text())
    found['train']['all'] = found['evaluation']
    path.write_text(json.dumps(found))
    with pytest.raises(DataError, match='edited or damaged'):
        read_patchgastric_pairs(root)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda text: text.replace(',text', ',report', 1), r"missing columns \['text'\]"),
        (lambda text: text + 'g0n0,x,again\n', 'more than once: g0n0'),
        (
            lambda text: '\n'.join(x for x in text.split('\n') if '2n' not in x),
            'no caption of the slides',
        ),
    ],
)
def test_caption_files_that_do_not_do(root, change, message):
    path = root / 'captions.csv'
    path.write_text(change(path.read_text()))
    with pytest.raises(DataError, match=message):
        read_patchgastric_pairs(root)


# CSV manifests

MANIFEST = """file,caption,slide,split
b.jpg,"Ducts, small.",s1,train
a.jpg,"ducts,  small",s1,train
c.jpg,Well differentiated adenocarcinoma,s2,val
"""


def write(tmp_path, text):
    (tmp_path / 'pairs.csv').write_text(text, encoding='utf-8')
    return tmp_path / 'pairs.csv'


def test_manifest(tmp_path):
    path = write(tmp_path, MANIFEST)
    pairs = read_pairs_csv(path)
    assert pairs.files.tolist() == ['a.jpg', 'b.jpg', 'c.jpg'] and pairs.root == tmp_path
    assert pairs.captions.tolist()[1] == 'Ducts, small.'
    assert pairs.slides.tolist() == ['s1', 's1', 's2'] and pairs.groups.tolist() == [0, 0, 1]
    assert read_pairs_csv(path, root='/x', mask_grades=True).captions[2] == '[MASK] adenocarcinoma'


def test_splits_of_a_manifest(tmp_path):
    path = write(tmp_path, MANIFEST)
    train, val = read_pairs_csv(path, split='train'), read_pairs_csv(path, split='val')
    assert train.files.tolist() == ['a.jpg', 'b.jpg'] and not train.held_out
    assert val.files.tolist() == ['c.jpg'] and val.held_out
    with pytest.raises(DataError, match=r"no split 'test', the file has \['train', 'val'\]"):
        read_pairs_csv(path, split='test')
    with pytest.raises(DataError, match=r"missing columns \['split'\]"):
        read_pairs_csv(write(tmp_path, 'file,caption\na.jpg,x\n'), split='val')


def test_other_columns_and_no_slides(tmp_path):
    path = write(tmp_path, 'image,text\n1.jpg,one\n2.jpg,two\n')
    with pytest.raises(DataError, match=r"missing columns \['file', 'caption'\].*'image'"):
        read_pairs_csv(path)
    pairs = read_pairs_csv(path, columns={'file': 'image', 'caption': 'text'})
    assert pairs.slides.tolist() == ['1.jpg', '2.jpg']
    with pytest.raises(ConfigError, match='label'):
        read_pairs_csv(path, columns={'label': 'text'})


@pytest.mark.parametrize(
    ('row', 'message'),
    [
        ('d.jpg, ,s3,val', "line 5: no value in column 'caption'"),
        ('d.jpg,x,s1,val', 'slides in more than one split.*s1'),
        ('a.jpg,x,s1,train', 'more than once: a.jpg'),
        ('d.jpg,...,s3,val', 'without words, of d.jpg'),
        ('d.jpg,x,s3', 'line 5: expected 4 fields'),
    ],
)
def test_rows_that_cannot_be(tmp_path, row, message):
    with pytest.raises(DataError, match=message):
        read_pairs_csv(write(tmp_path, MANIFEST + row + '\n'))
