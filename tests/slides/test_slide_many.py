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

from cite.errors import ConfigError, DataError, ModelError
from cite.inference.shards import Shard
from cite.slides import files, many
from cite.slides.files import find_slides, slide_names, stamp
from cite.slides.many import Machine, Options, predict_slides
from cite.slides.outputs.folder import OutputError
from cite.slides.overall import show
from cite.slides.written import check_targets


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
    (tmp_path / 'out' / 'one' / 'summary.json').write_text('{"key": "another"}')
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
    assert {path.name for path in (tmp_path / 'out').iterdir()} == {*written[:1], 'slides.csv'}
    assert list(table(tmp_path / 'out')) == written[:1]
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


@pytest.mark.parametrize('what', ['notes.txt', 'summary.json'])
def test_a_folder_of_somebody_else_is_not_replaced(ask, slides, monkeypatch, what):
    (slides / 'two').mkdir()
    (slides / 'two' / what).write_text('{"mine": 1}')
    monkeypatch.setattr(many, 'predict', None)
    with pytest.raises(OutputError, match=r'two: would be replaced.* --out'):
        ask(out=slides)
    assert (slides / 'two' / what).read_text() == '{"mine": 1}'
    assert not (slides / 'one').exists()


def test_a_folder_with_a_slide_or_its_pixels_is_no_target(tmp_path):
    ours = '{"key": "1"}'
    for name in ('x', 'y', 'dicom'):
        (tmp_path / name).mkdir()
        (tmp_path / name / 'summary.json').write_text(ours)  # not even one of ours
    (tmp_path / 'x.mrxs').touch()
    (tmp_path / 'y' / 'deep.svs').touch()
    (tmp_path / 'link').mkdir()
    (tmp_path / 'link' / 'to.svs').symlink_to(tmp_path / 'y' / 'deep.svs')
    for target, slide in (('x', 'x.mrxs'), ('y', 'link/to.svs'), ('dicom', 'dicom')):
        with pytest.raises(OutputError, match='slide'):
            check_targets([tmp_path / target], [tmp_path / slide])
    check_targets([tmp_path / 'x', tmp_path / 'none'], [tmp_path / 'y' / 'deep.svs'])


def test_a_long_name_is_shortened_and_the_others_go_on(ask, slides, tmp_path):
    for last in 'ab':
        write_slide(slides / f'{"ü" * 60}{"n" * 130}{last}.tif', np.zeros((4, 5), int))
    rows = ask()
    assert set(status(rows).values()) == {'done'} and len(rows) == 5
    assert list(table(tmp_path / 'out')) == list(rows)
    assert set(status(ask()).values()) == {'kept'}


def test_a_name_that_is_too_long_for_the_disk_costs_that_slide(ask, slides, monkeypatch):
    monkeypatch.setattr(files, 'LONGEST_NAME', 1000)
    write_slide(slides / f'{"n" * 251}.tif', np.zeros((4, 5), int))
    rows = ask()
    assert sorted(status(rows).values()) == ['done', 'done', 'done', 'failed']
    assert 'too long' in rows['n' * 251].error


@pytest.mark.parametrize('error', [ConfigError, ModelError, OSError, DataError])
def test_an_error_of_one_slide_costs_that_slide(ask, monkeypatch, tmp_path, error):
    real = many.predict

    def breaks(slide, *rest, **options):
        if slide.stem == 'one':
            raise error('of this grid')
        return real(slide, *rest, **options)

    monkeypatch.setattr(many, 'predict', breaks)
    rows = ask(debug=True)
    assert status(rows) == {'one': 'failed', 'three': 'done', 'two': 'done'}
    assert table(tmp_path / 'out')['one']['error'] == 'of this grid'


def test_an_interrupt_leaves_the_table_of_what_is_done(ask, monkeypatch, tmp_path):
    real = many.predict

    def stops(slide, *rest, **options):
        if slide.stem == 'three':
            raise KeyboardInterrupt
        return real(slide, *rest, **options)

    monkeypatch.setattr(many, 'predict', stops)
    with pytest.raises(KeyboardInterrupt):
        ask()
    assert list(table(tmp_path / 'out')) == ['one']


def test_slides_of_one_name_given_apart_keep_their_folders(ask, tmp_path):
    out = tmp_path / 'out'
    paths = [tmp_path / folder / 's.tif' for folder in 'abc']
    for seed, path in enumerate(paths):
        path.parent.mkdir()
        write_slide(path, np.full((4, 5), seed))
    first = ask([paths[0]])
    assert status(first) == {'s': 'done'}
    (second,) = ask([paths[1]])
    assert second.startswith('s-')
    assert set(status(ask(paths)).values()) == {'kept', 'done'}
    again = ask(list(reversed(paths)))
    assert list(status(again).values()) == ['kept'] * 3 and {'s', second} < set(again)
    assert status(ask([paths[0]])) == {'s': 'kept'}
    written = table(out)
    assert {row['file'] for row in written.values()} == set(map(str, paths))
    assert {row['label'] for row in written.values()} == set(ByColour().classes)


def test_the_table_keeps_slides_of_former_runs_and_adapters(ask, slides, tmp_path):
    trained = ByColour()
    ask([slides / 'one.tif'])
    about = tmp_path / 'out' / 'one' / 'summary.json'
    said = json.loads(about.read_text('utf-8'))
    said['probabilities'] = {'other': 1.0}
    about.write_text(json.dumps(said))
    (tmp_path / 'out' / 'broken').mkdir()
    (tmp_path / 'out' / 'broken' / 'summary.json').write_text('{"key": "1", "file": "x"}')
    (slides / 'bad.svs').write_bytes(b'x')
    ask([slides / 'two.tif', slides / 'bad.svs'])
    written = table(tmp_path / 'out')
    assert list(written) == ['two', 'bad', 'one']
    assert written['one']['p_other'] == '1' and written['two']['p_other'] == ''
    assert written['one'][f'p_{trained.classes[0]}'] == '' and written['bad']['status'] == 'failed'


def test_links_that_lead_nowhere_fail_by_name(ask, slides, tmp_path):
    (slides / 'lost.svs').symlink_to(tmp_path / 'gone.svs')
    (slides / 'round.svs').symlink_to(slides / 'round.svs')
    (slides / 'lost.txt').symlink_to(tmp_path / 'gone.txt')
    rows = ask()
    failed = {name for name, row in rows.items() if row.status == 'failed'}
    assert failed == {'lost', 'round'} and 'gone.svs' in rows['lost'].error
    assert find_slides([slides / 'lost.svs']) == [slides / 'lost.svs']


def test_a_name_that_is_no_text_does_not_end_the_run(ask, slides, tmp_path):
    name = os.fsdecode(b'caf\xe9.tif')
    try:
        (slides / name).symlink_to(slides / 'gone.tif')
    except (OSError, UnicodeError):
        pytest.skip('this disk takes no such names')
    rows = ask()
    assert sorted(status(rows).values()) == ['done', 'done', 'done', 'failed']
    show(list(rows.values())).encode()
    assert len(table(tmp_path / 'out')) == 4
