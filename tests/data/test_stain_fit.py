from __future__ import annotations

import hashlib

import numpy as np
import pytest
from PIL import Image
from stained_tissue import mean_density, tissue

from cite.data import read_csv
from cite.data.stain import fit_stain, slides_hash, stain_sample
from cite.data.table import PatchTable
from cite.errors import ConfigError, DataError
from cite.images import load_rgb
from cite.images.stain import NormalizeStain, fit_reference


def table_of(slides, root='.', files=None):
    files = files or [f'{slide}_{i}.png' for i, slide in enumerate(slides)]
    return PatchTable(files, np.zeros(len(files), int), slides, ('tissue',), root)


@pytest.fixture(scope='module')
def patches(tmp_path_factory):
    """Five slides with 1 to 5 patches, in files."""
    root = tmp_path_factory.mktemp('patches')
    slides = [f's{n}' for n in range(5) for _ in range(n + 1)]
    table = table_of(slides, root)
    for row, slide in enumerate(slides):
        Image.fromarray(tissue(int(slide[1:]), patch=row)).save(table.path(row))
    return table


def shuffled(table, seed=0):
    return table.subset(np.random.default_rng(seed).permutation(len(table)))


# -- which patches ---------------------------------------------------------------------------------


def files_of(table, **options):
    return table.files[stain_sample(table, **options)].tolist()


def test_slides_take_turns():
    table = table_of(['big'] * 50 + ['small'] * 2 + ['mid'] * 6)
    for patches, wanted in ((3, (1, 1, 1)), (6, (2, 2, 2)), (12, (5, 5, 2)), (99, (8, 6, 2))):
        rows = stain_sample(table, patches, 8, seed=0)
        counts = [int((table.slides[rows] == slide).sum()) for slide in ('big', 'mid', 'small')]
        assert counts == list(wanted)
        assert len(rows) == sum(wanted) == len(set(rows.tolist()))
    assert len(stain_sample(table, 2, 8, seed=0)) == 2  # more slides than patches


def test_the_sample_is_a_function_of_names_and_seed():
    table = table_of([f's{i % 7}' for i in range(70)])
    options = {'patches': 20, 'per_slide': 4}
    chosen = files_of(table, **options, seed=1)
    assert chosen == sorted(chosen)
    assert files_of(shuffled(table), **options, seed=1) == chosen
    assert files_of(table, **options, seed=2) != chosen


# -- the reference ---------------------------------------------------------------------------------


@pytest.mark.parametrize('method', ['macenko', 'reinhard'])
def test_small_sets_are_taken_whole(patches, method):
    found = fit_stain(patches, method)
    everything = fit_reference(
        method, [Image.open(patches.path(row)) for row in range(len(patches))]
    )
    assert found.reference == everything.reference
    assert found.fitted_on == {
        'patches': 15,
        'slides': 5,
        'seed': 0,
        'slides_sha256': hashlib.sha256(b's0\ns1\ns2\ns3\ns4').hexdigest(),
    }


def test_order_of_rows_is_of_no_consequence_and_seeds_are(patches):
    options = {'patches': 4, 'per_slide': 2}
    first = fit_stain(patches, 'macenko', **options, seed=3)
    assert fit_stain(shuffled(patches), 'macenko', **options, seed=3) == first
    assert fit_stain(patches, 'macenko', **options, seed=4).reference != first.reference


def test_slides_without_tissue_are_not_said_to_have_taken_part(patches, tmp_path):
    table = table_of(['blank', 's4'], tmp_path)
    Image.new('RGB', (60, 60), 'white').save(table.path(0))
    Image.fromarray(tissue(4)).save(table.path(1))
    found = fit_stain(table, 'reinhard')
    assert found.fitted_on['slides'] == found.fitted_on['patches'] == 1
    assert found.fitted_on['slides_sha256'] == slides_hash(['s4'])
    with pytest.raises(DataError, match='none of 1 pictures has enough'):
        fit_stain(table.subset([0]), 'reinhard')


def test_slides_of_the_test_set_are_refused_before_anything_is_read(patches):
    gone = table_of(list(patches.slides), '/nowhere')
    with pytest.raises(DataError, match='2 training slides are in the test set as well: s1, s3'):
        fit_stain(gone, 'macenko', not_in=['s3', 'other', 's1'])
    with pytest.raises(DataError, match='no such file'):
        fit_stain(gone, 'macenko', not_in=['other'])


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'method': 'vahadane'}, 'known: macenko, reinhard'),
        ({'patches': 0}, 'patches must be a whole number from 1'),
        ({'per_slide': 1.5}, 'per_slide must be a whole number from 1'),
        ({'seed': -1}, 'seeds must be 0 or greater'),
    ],
)
def test_bad_options(patches, options, message):
    with pytest.raises(ConfigError, match=message):
        fit_stain(patches, **{'method': 'macenko', **options})


def test_the_hash_is_of_a_set_of_names():
    assert slides_hash(['b', 'a']) == slides_hash({'a', 'b'}) != slides_hash(['ab'])


@pytest.mark.parametrize('method', ['macenko', 'reinhard'])
def test_real_patches_come_closer_to_each_other(real_data, method):
    """LC25000 lung, a stain cluster for a slide: the reference of some, tried on others."""
    root = real_data('lc25000_lung')
    train, test = (
        read_csv(root / 'manifest.csv', root, split=part, columns={'slide': 'stain_cluster'})
        for part in ('train', 'val')
    )
    reference = fit_stain(train, method, patches=30, not_in=test.slides.tolist())
    step = NormalizeStain(method, reference.reference)
    pictures = [load_rgb(test.path(row)) for row in range(0, len(test), 15)]
    before, after = (
        np.std([mean_density(one) for one in several], axis=0)
        for several in (pictures, [step(one) for one in pictures])
    )
    assert (after < before).all() and after.sum() < 0.8 * before.sum(), (before, after)
