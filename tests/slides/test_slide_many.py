from __future__ import annotations

import csv
import errno
import json
import os

import numpy as np
import pytest
import tifffile
from known_slide import ByColour, write_slide
from without_pictures import leave_out_pictures

from cite.errors import ConfigError, DataError
from cite.inference.shards import Shard
from cite.slides import many
from cite.slides.files import find_slides, slide_names, stamp
from cite.slides.many import Machine, Options, predict_slides
from cite.slides.outputs.folder import OutputError
from cite.slides.overall import show


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    """They are another test's."""
    leave_out_pictures(monkeypatch)


@pytest.fixture
def slides(tmp_path):
    folder = tmp_path / 'slides'
    folder.mkdir()
    for seed, name in enumerate(('one', 'two', 'three')):
        write_slide(folder / f'{name}.tif', np.full((4, 5), seed))
    return folder


@pytest.fixture
def ask(slides, tmp_path):
    adapter = tmp_path / 'adapter.safetensors'
    adapter.write_bytes(b'first')

    def ask(
        sources=(slides,), out=tmp_path / 'out', trained=None, shard=None, debug=False, **options
    ):
        trained = trained or ByColour()
        machine = Machine(workers=0, debug=debug)
        rows = predict_slides(sources, adapter, trained, out, Options(**options), shard, machine)
        return {row.name: row for row in rows}

    ask.adapter = adapter
    return ask


def status(rows):
    return {name: row.status for name, row in rows.items()}


def table(folder):
    with (folder / 'slides.csv').open(newline='', encoding='utf-8') as file:
        return {row['slide']: row for row in csv.DictReader(file)}


def test_what_is_done_is_kept_and_what_is_asked_otherwise_is_not(ask, slides, tmp_path):
    trained = ByColour()
    assert set(status(ask(trained=trained)).values()) == {'done'}
    first, seen = table(tmp_path / 'out'), trained.seen
    assert set(status(ask(trained=trained)).values()) == {'kept'}
    assert trained.seen == seen  # the model was not asked
    kept = table(tmp_path / 'out')
    for name, row in kept.items():
        assert {**row, 'status': 'done'} == first[name]

    path = slides / 'two.tif'
    os.utime(path, ns=(1, 1))
    (tmp_path / 'out' / 'three' / 'tiles.geojson').unlink()
    assert status(ask()) == {'one': 'kept', 'three': 'done', 'two': 'done'}
    assert set(status(ask(tissue=0.6)).values()) == {'done'}
    ask.adapter.write_bytes(b'second')
    assert set(status(ask(tissue=0.6)).values()) == {'done'}
    (tmp_path / 'out' / 'one' / 'summary.json').write_text('{}')
    assert status(ask(tissue=0.6))['one'] == 'done'


def test_failed_slides_are_named_and_the_others_go_on(ask, slides, tmp_path):
    (slides / 'empty.svs').write_bytes(b'')
    (slides / 'photo.svs').write_bytes(b'\xff\xd8\xff\xe0' + bytes(500))
    whole = (slides / 'one.tif').read_bytes()
    (slides / 'cut.tif').write_bytes(whole[: len(whole) // 3])
    white = np.full((400, 400, 3), 250, np.uint8)
    tifffile.imwrite(
        slides / 'white.tif', white, tile=(256, 256), resolution=(2e4, 2e4), resolutionunit=3
    )
    write_slide(slides / 'no_mpp.tif', np.zeros((4, 5), int), mpp=None)
    rows = ask()
    failed = {name for name, row in rows.items() if row.status == 'failed'}
    assert failed == {'empty', 'photo', 'cut', 'white', 'no_mpp'}
    assert 'is empty' in rows['empty'].error and 'none was found' in rows['white'].error
    assert '--slide-mpp' in rows['no_mpp'].error
    assert {path.name for path in (tmp_path / 'out').iterdir()} == {
        'one',
        'two',
        'three',
        'slides.csv',
    }
    written = table(tmp_path / 'out')
    assert written['cut']['error'] == rows['cut'].error and written['cut']['label'] == ''
    shown = show(list(rows.values()))
    assert all(f'{name}: {rows[name].error}' in shown for name in failed)


def test_labels_and_numbers_reach_the_table(ask, tmp_path):
    rows = ask()
    written = table(tmp_path / 'out')
    for number, name in enumerate(('one', 'two', 'three')):
        trained = ByColour()
        assert written[name]['label'] == rows[name].label == trained.classes[number]
        assert float(written[name][f'p_{trained.classes[number]}']) == pytest.approx(0.9, abs=1e-3)
        said = json.loads((tmp_path / 'out' / name / 'summary.json').read_text('utf-8'))
        assert int(written[name]['tiles']) == said['tiles']['predicted'] == 20
        assert float(written[name]['tissue_mm2']) == pytest.approx(said['area_mm2']['tissue'], 1e-4)
        assert said['record']['adapter_digest']


def test_a_library_that_breaks_on_a_slide_costs_that_slide(ask, monkeypatch):
    real = many.predict

    def breaks(slide, *rest, **options):
        if slide.stem == 'two':
            raise IndexError('tile 3')
        return real(slide, *rest, **options)

    monkeypatch.setattr(many, 'predict', breaks)
    rows = ask()
    assert status(rows) == {'one': 'done', 'three': 'done', 'two': 'failed'}
    assert 'IndexError: tile 3' in rows['two'].error
    with pytest.raises(IndexError):
        ask(debug=True)


def test_a_full_disk_ends_the_work_and_keeps_what_is_done(ask, tmp_path, monkeypatch):
    real, written = many.write_outputs, []

    def fills(result, folder, *rest):
        if written:
            monkeypatch.setattr('cite.slides.outputs.write.write_geojson', full)
        written.append(folder.name)
        return real(result, folder, *rest)

    def full(*_):
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(many, 'write_outputs', fills)
    with pytest.raises(OutputError, match='No space left'):
        ask()
    assert [path.name for path in (tmp_path / 'out').iterdir()] == written[:1]
    monkeypatch.undo()
    leave_out_pictures(monkeypatch)
    assert status(ask())[written[0]] == 'kept'


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'classes': ('nobody',)}, 'nobody'),
        ({'blur': -1.0}, 'blur'),
        ({'slide_mpp': 100.0}, 'slide-mpp'),
        ({'aggregation': 'sum'}, 'sum'),
        ({'overlap': 64}, 'overlap'),
        ({'tissue': 1.5}, 'tissue'),
    ],
)
def test_bad_options_are_told_before_any_slide_is_opened(
    ask, monkeypatch, options, message, tmp_path
):
    monkeypatch.setattr(many, 'predict', None)
    with pytest.raises(ConfigError, match=message):
        ask(**options)
    assert not (tmp_path / 'out').exists()


def test_shards_do_each_slide_once_and_the_last_writes_the_table(ask, slides, tmp_path):
    out = tmp_path / 'out'
    done = [ask(shard=Shard(at, 4)) for at in (2, 0, 3)]
    assert not (out / 'slides.csv').exists()
    done.append(ask(shard=Shard(1, 4)))
    assert sorted(name for rows in done for name in rows) == ['one', 'three', 'two']
    whole = ask(out=tmp_path / 'whole')
    sharded, alone = table(out), table(tmp_path / 'whole')
    assert list(sharded) == list(alone) == list(whole)
    for name in alone:
        for column in ('label', 'tiles', 'entropy', 'status', 'file'):
            assert sharded[name][column] == alone[name][column]


def test_parts_of_another_question_are_not_put_together(ask, tmp_path):
    ask(shard=Shard(0, 2))
    ask(shard=Shard(1, 2), tissue=0.7)
    assert not (tmp_path / 'out' / 'slides.csv').exists()


def test_folders_are_searched_and_results_are_no_slides(tmp_path):
    for name in ('b.svs', 'deep/a.TIF', 'dicom/1.dcm', 'dicom/2.dcm', '.hidden/x.svs', 'x.txt'):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b'x')
    (tmp_path / 'out').mkdir()
    (tmp_path / 'out' / 'predictions.parquet').touch()
    (tmp_path / 'out' / 'heatmap_a.tif').touch()
    found = find_slides([tmp_path / 'b.svs', tmp_path])
    assert [path.relative_to(tmp_path).as_posix() for path in found] == [
        'b.svs',
        'deep/a.TIF',
        'dicom',
    ]
    with pytest.raises(DataError, match='no such file'):
        find_slides([tmp_path / 'none.svs'])
    with pytest.raises(DataError, match='no slides'):
        find_slides([tmp_path / '.hidden' / '..' / 'out'])


def test_slides_of_one_name_have_folders_of_their_own(tmp_path):
    paths = [
        tmp_path / name for name in ('a/s.svs', 'b/s.svs', 'b/s.ndpi', 'b/t.ome.tif', 'c/T.svs')
    ]
    names = slide_names(paths)
    assert len({name.lower() for name in names}) == 5
    assert names[2] == 's.ndpi' and names[0] == 'a_s.svs'
    assert slide_names([tmp_path / 'x.ome.tiff']) == ['x']


def test_what_belongs_to_a_slide_is_noticed_when_it_changes(tmp_path):
    slide, pixels = tmp_path / 'a.mrxs', tmp_path / 'a' / 'Data0.dat'
    pixels.parent.mkdir()
    slide.write_bytes(b'x')
    pixels.write_bytes(b'x')
    before = stamp(slide)
    pixels.write_bytes(b'xy')
    assert stamp(slide) != before
    assert len(stamp(tmp_path / 'a')) == 1  # a folder, as of DICOM
