"""Training and evaluation sets that share something are refused by name; others never are."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from cite.data import PatchTable
from cite.data.synthetic import write_slides
from cite.errors import DataError
from cite.studies import fingerprint_cache
from cite.studies.leakage import refuse_choice_on_evaluation, refuse_draw, refuse_leakage

SLIDES, EACH, SIDE = 8, 3, 64


@pytest.fixture(scope='module')
def drawn(tmp_path_factory):
    """Patches of H&E-like tissue, three of each of eight slides, cut out of drawn slides."""
    folder = tmp_path_factory.mktemp('drawn')
    write_slides(folder / 'slides', slides_per_class=4, side=256, progress=False)
    pictures = sorted((folder / 'slides').rglob('*.tif*'))[:SLIDES]
    assert len(pictures) == SLIDES
    for slide, file in enumerate(pictures):
        with Image.open(file) as image:
            whole = image.convert('RGB')
        for patch in range(EACH):
            left, top = 64 * (patch % 2 + 1), 64 * (patch // 2 + 1)
            cut = whole.crop((left, top, left + SIDE, top + SIDE))
            (folder / 'p').mkdir(exist_ok=True)
            cut.save(folder / 'p' / f's{slide}_{patch}.png')
    return folder / 'p'


def table(folder, slides=range(SLIDES), patients=None, prefix='s', source='drawn.csv'):
    """The patches of some slides."""
    rows = [
        (f'{prefix}{slide}_{patch}.png', f's{slide}') for slide in slides for patch in range(EACH)
    ]
    files, names = zip(*rows, strict=True) if rows else ((), ())
    named = None if patients is None else [f'p{patients[int(name[1:])]}' for name in names]
    return PatchTable(files, [0] * len(rows), names, ('c',), folder, named, source)


def with_file(of, folder, name, slide='new'):
    """A table and one more patch, in a slide of its own."""
    return PatchTable(
        [*(str(of.path(row)) for row in range(len(of))), str(folder / name)],
        [0] * (len(of) + 1),
        [*of.slides, slide],
        of.classes,
        folder,
        source='val.csv',
    )


POOL, EVALUATION = range(5), range(5, SLIDES)


def test_what_was_compared_is_reported(drawn):
    patients = list(range(SLIDES))
    found = refuse_leakage(table(drawn, POOL, patients), table(drawn, EVALUATION, patients), False)
    assert (found.slides, found.patients, found.images) == (SLIDES, SLIDES, SLIDES * EACH)
    assert found.lines()[2] == f'images: {SLIDES * EACH} compared, 0 in both'
    found = refuse_leakage(table(drawn, POOL), table(drawn, EVALUATION), False, images=False)
    assert (found.patients, found.images) == (None, None)


@pytest.mark.parametrize('refuse', [refuse_draw, refuse_leakage])
def test_slides_patients_and_files_are_named(drawn, refuse):
    with pytest.raises(DataError, match=r'share 2 slides: s4, s5\. Take them out'):
        refuse(table(drawn, range(6)), table(drawn, range(4, 8)))
    with pytest.raises(DataError, match=r'share 1 patient: p1\. Take it out'):
        refuse(
            table(drawn, POOL, [0, 0, 1, 2, 3, 4, 5, 6]),
            table(drawn, EVALUATION, [0, 0, 1, 2, 3, 1, 5, 6]),
        )
    evaluation = with_file(table(drawn, EVALUATION), drawn, 's1_2.png')
    with pytest.raises(DataError, match=r'drawn\.csv and evaluation set val\.csv.*1 file: .*s1_2'):
        refuse(table(drawn, POOL), evaluation)


def saved_otherwise(image, how, path: Path):
    """The same picture in another file."""
    if how == 'jpeg':
        image.save(path.with_suffix('.jpg'), quality=80)
        return path.with_suffix('.jpg').name
    turned = {
        'copied': lambda: image,
        'rotated': lambda: image.transpose(Image.Transpose.ROTATE_90),
        'mirrored': lambda: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        'cmyk': lambda: image.convert('CMYK'),
    }[how]()
    path = path.with_suffix('.tif') if how == 'cmyk' else path
    turned.save(path)
    return path.name


@pytest.mark.parametrize('how', ['copied', 'rotated', 'mirrored', 'jpeg', 'cmyk'])
def test_the_same_picture_in_another_file_is_named(drawn, tmp_path, how):
    name = saved_otherwise(Image.open(drawn / 's2_1.png'), how, tmp_path / 'again.png')
    evaluation = with_file(table(drawn, EVALUATION), tmp_path, name)
    with pytest.raises(DataError, match=rf'1 pair of files: s2_1\.png and .*{name}\. Take one'):
        refuse_leakage(table(drawn, POOL), evaluation, False)
    refuse_draw(table(drawn, POOL), evaluation)  # which looks at names only
    refuse_leakage(table(drawn, POOL), evaluation, False, images=False)


def test_copies_within_one_side_are_no_leak_and_many_are_counted(drawn, tmp_path):
    for patch in range(EACH):
        Image.open(drawn / f's1_{patch}.png').save(tmp_path / f'x9_{patch}.png')
    copies = table(tmp_path, [9], prefix='x')
    inside = PatchTable(
        [
            *(str(drawn / f) for f in table(drawn, POOL).files),
            *(str(tmp_path / f) for f in copies.files),
        ],
        [0] * ((len(POOL) + 1) * EACH),
        [*table(drawn, POOL).slides, *copies.slides],
        ('c',),
        tmp_path,
    )
    refuse_leakage(inside, table(drawn, EVALUATION), False)
    with pytest.raises(DataError, match=r'3 pairs of files: s1_0\.png and x9_0\.png, s1_1'):
        refuse_leakage(table(drawn, POOL), copies, False)


def test_greyscale_of_8_and_16_bit_is_one_picture(drawn, tmp_path):
    grey = Image.open(drawn / 's0_0.png').convert('L')
    grey.save(tmp_path / 'eight.png')
    deep = np.asarray(grey).astype(np.uint16) * 257
    Image.fromarray(np.rot90(deep).copy()).save(tmp_path / 'sixteen.png')
    pool = with_file(table(drawn, POOL), tmp_path, 'eight.png', 'a')
    with pytest.raises(DataError, match=r'1 pair of files: .*eight\.png and .*sixteen\.png'):
        refuse_leakage(
            pool, with_file(table(drawn, EVALUATION), tmp_path, 'sixteen.png', 'b'), False
        )
    refuse_leakage(pool, table(drawn, EVALUATION), False)  # grey tissue is not its own colours


def test_blank_tiles_are_no_duplicates(drawn, tmp_path):
    for name in ('one.png', 'two.png'):
        Image.new('RGB', (SIDE, SIDE), (243, 242, 244)).save(tmp_path / name)
    found = refuse_leakage(
        with_file(table(drawn, POOL), tmp_path, 'one.png', 'a'),
        with_file(table(drawn, EVALUATION), tmp_path, 'two.png', 'b'),
        False,
    )
    assert (found.images, found.blank) == (SLIDES * EACH, 2)
    assert '2 blank tiles aside' in found.lines()[2]


def test_images_that_cannot_be_read_are_named(drawn, tmp_path):
    whole = (drawn / 's6_0.png').read_bytes()
    for name, content in (('cut.png', whole[: len(whole) // 2]), ('text.png', b'no image')):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=f'1 of 10 patches cannot be read: .*{name}'):
            refuse_leakage(
                table(drawn, POOL), with_file(table(drawn, EVALUATION), tmp_path, name), False
            )
    with pytest.raises(DataError, match=r'gone\.png: No such file'):
        refuse_leakage(
            table(drawn, POOL), with_file(table(drawn, EVALUATION), tmp_path, 'gone.png'), False
        )


# -- the cache -------------------------------------------------------------------------------------


@pytest.fixture
def decoded(monkeypatch):
    """Files that were decoded, as they are."""
    files = []
    scan = fingerprint_cache.scan_images

    def noting(of, *args):
        files.extend(of.files.tolist())
        return scan(of, *args)

    monkeypatch.setattr(fingerprint_cache, 'scan_images', noting)
    return files


def test_a_second_start_decodes_what_is_new(drawn, tmp_path, decoded):
    for file in drawn.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    pool, evaluation = table(tmp_path, POOL), table(tmp_path, EVALUATION)
    first = refuse_leakage(pool, evaluation, False)
    assert sorted(decoded) == sorted([*pool.files, *evaluation.files])
    decoded.clear()
    assert refuse_leakage(pool, evaluation, False) == first and decoded == []
    # one that has changed since is another picture: now one of the pool
    changed = tmp_path / 's6_1.png'
    changed.write_bytes((tmp_path / 's0_2.png').read_bytes())
    os.utime(changed, ns=(1, 1))
    with pytest.raises(DataError, match=r's0_2\.png and s6_1\.png'):
        refuse_leakage(pool, evaluation, False)
    assert decoded == ['s6_1.png']


def test_an_interrupt_costs_one_chunk(drawn, decoded, monkeypatch):
    monkeypatch.setattr(fingerprint_cache, 'CHUNK', 4)
    noting = fingerprint_cache.scan_images

    def stopped(of, *args):
        if len(decoded) >= 8:
            raise KeyboardInterrupt
        return noting(of, *args)

    with monkeypatch.context() as patch:
        patch.setattr(fingerprint_cache, 'scan_images', stopped)
        with pytest.raises(KeyboardInterrupt):
            fingerprint_cache.cached_scan(table(drawn, POOL), progress=False)
    found = fingerprint_cache.cached_scan(table(drawn, POOL), progress=False)
    assert decoded == table(drawn, POOL).files.tolist()
    whole = fingerprint_cache.scan_images(table(drawn, POOL), 1, False)
    for name in ('sizes', 'digests', 'grids', 'spreads'):
        assert np.array_equal(getattr(found, name), getattr(whole, name)), name


def test_a_damaged_or_unwritable_cache_costs_time_only(drawn, own_cache, decoded, caplog):
    pool, evaluation = table(drawn, POOL), table(drawn, EVALUATION)
    first = refuse_leakage(pool, evaluation, False)
    (file,) = (own_cache / 'fingerprints').iterdir()
    file.write_bytes(file.read_bytes()[:-9])
    decoded.clear()
    assert refuse_leakage(pool, evaluation, False) == first
    assert len(decoded) == SLIDES * EACH
    file.unlink()
    file.parent.rmdir()
    file.parent.write_text('a file where the folder was')
    assert refuse_leakage(pool, evaluation, False) == first
    assert 'could not be written' in caplog.text


# -- choosing --------------------------------------------------------------------------------------


def test_settings_are_chosen_by_training_slides_only(drawn):
    training, evaluation = (
        table(drawn, range(3), source='draw'),
        table(drawn, EVALUATION, source='val'),
    )
    refuse_choice_on_evaluation(table(drawn, [1]), training, evaluation)
    with pytest.raises(DataError, match='by slides of the evaluation set val: s6'):
        refuse_choice_on_evaluation(table(drawn, [1, 6]), training, evaluation)
    with pytest.raises(DataError, match='no training slides of draw: s3, s4'):
        refuse_choice_on_evaluation(table(drawn, [1, 3, 4]), training, evaluation)


# -- what never raises -----------------------------------------------------------------------------


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_cut_by_slide_or_patient_is_taken(drawn, data):
    patients = data.draw(st.lists(st.integers(0, 5), min_size=SLIDES, max_size=SLIDES))
    by_patient = data.draw(st.booleans())
    unit = patients if by_patient else list(range(SLIDES))
    side = data.draw(st.lists(st.booleans(), min_size=SLIDES, max_size=SLIDES))
    pool = [slide for slide in range(SLIDES) if side[unit[slide]]]
    evaluation = [slide for slide in range(SLIDES) if not side[unit[slide]]]
    named = patients if by_patient else None
    tables = table(drawn, pool, named), table(drawn, evaluation, named)
    found = refuse_leakage(*tables, False)
    assert found.slides == SLIDES and found.images == SLIDES * EACH
    refuse_draw(*tables)


def test_real_tissue_cut_by_cluster(real_data):
    """Clusters of LC25000's lung tiles keep the turned copies of a tile together."""
    from cite.data import read_csv

    whole = read_csv(real_data('lc25000_lung/manifest.csv'), columns={'slide': 'stain_cluster'})
    names = sorted(set(whole.slides.tolist()))
    held_out = np.isin(whole.slides, names[::5])
    found = refuse_leakage(whole.subset(~held_out), whole.subset(held_out), False)
    assert found.images is not None and found.images + found.blank == len(whole)
