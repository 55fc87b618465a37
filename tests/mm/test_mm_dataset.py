"""Data sets of a run: what they give, and that bad input stops a run with one message."""

from __future__ import annotations

import csv
import shutil

import pytest
import torch
from PIL import Image

from cite.errors import ConfigError, DataError
from cite.images.read import load_rgb
from cite.mm.dataset import PatchBatchSampler, PatchDataset, PatchSampler, build_pipeline
from cite.mm.launch import test as evaluate
from cite.mm.launch import train

CLASSES = ['well', 'moderate', 'poor']


@pytest.fixture
def data(tiny_data, tmp_path):
    """A copy of the data to spoil."""
    return shutil.copytree(tiny_data, tmp_path / 'data')


def rows(path):
    with path.open(encoding='utf-8', newline='') as file:
        return list(csv.reader(file))


def write(path, content):
    with path.open('w', encoding='utf-8', newline='') as file:
        csv.writer(file).writerows(content)


def test_gives_images_labels_slides_and_paths(tiny_data):
    dataset = PatchDataset('train.csv', str(tiny_data), classes=CLASSES)
    assert len(dataset) == 27
    assert dataset.metainfo == {'classes': tuple(CLASSES)}
    item = dataset[0]
    sample = item['data_samples']
    assert item['inputs'].shape == (3, 40, 40) and item['inputs'].dtype == torch.uint8
    assert sample.img_path == str(tiny_data / 'images' / 'moderate0_0.jpg')
    assert (sample.slide, sample.patient, int(sample.gt_label)) == ('moderate0', None, 1)
    assert torch.equal(item['inputs'], build_pipeline([])(load_rgb(sample.img_path)))


def test_folders_annotations_and_manifests_give_the_same(tiny_data, tmp_path):
    manifest = PatchDataset('train.csv', str(tiny_data), classes=CLASSES)
    lines = [
        f'{file} {CLASSES.index(label)}' for file, label, _ in rows(tiny_data / 'train.csv')[1:]
    ]
    (tmp_path / 'train.txt').write_text('\n'.join(lines))
    listed = PatchDataset(str(tmp_path / 'train.txt'), str(tiny_data), classes=CLASSES)
    for name in CLASSES:
        (tmp_path / 'folders' / name).mkdir(parents=True)
    for file, label, _ in rows(tiny_data / 'train.csv')[1:]:
        shutil.copy(tiny_data / file, tmp_path / 'folders' / label)
    folders = PatchDataset(data_root=str(tmp_path / 'folders'), classes=CLASSES)

    def content(dataset):
        return sorted(
            (dataset.table.path(i).name, int(dataset.table.labels[i]), str(dataset.table.slides[i]))
            for i in range(len(dataset))
        )

    assert content(manifest) == content(listed)
    # the default pattern takes the folder into account, so slides are named differently
    assert [c[:2] for c in content(folders)] == [c[:2] for c in content(manifest)]


def test_augmentation_is_a_function_of_the_draw(tiny_data):
    from cite.data.samplers import Draw

    pipeline = [{'type': 'ResizePatch', 'size': 32}, {'type': 'AugmentPatch'}]
    datasets = [
        PatchDataset('train.csv', str(tiny_data), '', CLASSES, pipeline, seed=s) for s in (0, 0, 1)
    ]
    first, again, other = (dataset[Draw(3, 17)]['inputs'] for dataset in datasets)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(first, datasets[0][Draw(3, 18)]['inputs'])


def test_unknown_transforms_are_told(tiny):
    cfg = tiny()
    cfg.train_dataloader.dataset.pipeline[1].type = 'AugmentPach'
    with pytest.raises(
        ConfigError, match=r'AugmentPach is not in .*transform registry: is it misspelt'
    ):
        train(cfg)


def test_batch_sampler_belongs_to_its_dataset(tiny_data):
    dataset = PatchDataset('train.csv', str(tiny_data), classes=CLASSES)
    sampler = PatchSampler(dataset, seed=3, balance='class')
    batches = PatchBatchSampler(sampler, 4)
    assert len(batches) == 7 and batches.batch_size == 4 and batches.balance == 'class'
    with pytest.raises(ConfigError, match='PatchBatchSampler'):
        iter(sampler)
    with pytest.raises(ConfigError, match="needs a 'PatchDataset', found list"):
        PatchSampler([1, 2])


# -- bad data, in a run ----------------------------------------------------------------------------


def no_file(data):
    (data / 'images' / 'well0_0.jpg').unlink()


def unknown_label(data):
    write(
        data / 'train.csv',
        [*rows(data / 'train.csv'), ('images/well3_0.jpg', 'excellent', 'well3')],
    )


def empty_class(data):
    write(data / 'train.csv', [row for row in rows(data / 'train.csv') if row[1] != 'poor'])


def twice(data):
    write(data / 'train.csv', [*rows(data / 'train.csv'), rows(data / 'train.csv')[1]])


def other_columns(data):
    write(data / 'train.csv', [('path', 'class', 'slide'), *rows(data / 'train.csv')[1:]])


def no_manifest(data):
    (data / 'train.csv').unlink()


def only_header(data):
    write(data / 'train.csv', rows(data / 'train.csv')[:1])


@pytest.mark.parametrize(
    ('spoil', 'message'),
    [
        (no_file, r'1 of 27 files are not under .*well0_0\.jpg'),
        (unknown_label, r"line 29: unknown labels 'excellent'; classes are"),
        (empty_class, 'classes without patches: poor'),
        (twice, 'files listed more than once: images/well0_0.jpg'),
        (other_columns, r"missing columns \['file', 'label'\], found"),
        (no_manifest, r'train\.csv.*no such file'),
        (only_header, 'no patches'),
    ],
)
def test_a_bad_data_set_stops_a_run_before_it_starts(tiny, data, tmp_path, spoil, message):
    spoil(data)
    with pytest.raises(DataError, match=message) as caught:
        train(tiny({'data_root': str(data)}))
    assert '\n' not in str(caught.value)
    assert not list((tmp_path / 'run').glob('*.*')), 'nothing was written'


def truncated(path):
    path.write_bytes(path.read_bytes()[:600])


def not_an_image(path):
    path.write_text('not an image')


def empty(path):
    path.write_bytes(b'')


@pytest.mark.parametrize(
    ('spoil', 'workers'), [(truncated, 0), (not_an_image, 0), (empty, 0), (truncated, 1)]
)
def test_a_bad_image_is_named_wherever_it_is_read(tiny, data, spoil, workers, capsys):
    for path in (data / 'images').glob('*.jpg'):
        spoil(path)
    for name, run in (('train', train), ('test', lambda cfg: evaluate(cfg, None))):
        cfg = tiny({'data_root': str(data), f'{name}_dataloader.num_workers': workers})
        if name == 'test':  # nothing trains, so no checkpoint is needed
            cfg.model.backbone.tuning = cfg.model.neck = None
            cfg.model.head = fixed_head()
        with pytest.raises(DataError) as caught:
            run(cfg)
        message = str(caught.value)
        assert message.startswith(f'{data}/images/') and 'cannot be read as an image' in message
        assert '\n' not in message and 'Traceback' not in message


def fixed_head():
    from cite.anchors import Anchors

    anchors = Anchors(torch.eye(3, 192), ('a', 'b', 'c'), {'model': 'made up'})
    return {'type': 'TextEmbeddingHead', 'texts': ['a', 'b', 'c'], 'anchors': anchors}


def test_a_bad_image_stops_a_run_whose_checkpoints_stay(tiny, data, tmp_path, read_checkpoint):
    """One file goes bad in the middle of a training."""
    from cite.data.samplers import TrainBatchSampler

    table = PatchDataset('train.csv', str(data), classes=CLASSES).table
    sampler = TrainBatchSampler(table.labels, table.slides, 4, 0, balance='slide')
    seen = {draw.index for iteration in range(2) for draw in sampler.batch(iteration)}
    bad = next(d.index for i in range(2, 8) for d in sampler.batch(i) if d.index not in seen)
    truncated(table.path(bad))
    options = {'data_root': str(data), 'default_hooks.checkpoint.interval': 1}
    with pytest.raises(DataError, match=table.path(bad).name):
        train(tiny(options))
    checkpoints = sorted((tmp_path / 'run').glob('iter_*.pth'))
    assert checkpoints and all('state_dict' in read_checkpoint(path) for path in checkpoints)
    Image.new('RGB', (40, 40)).save(table.path(bad))
    assert train(tiny(options), resume=True).iter == 8


def test_a_manifest_may_call_its_columns_otherwise_and_hold_splits(data):
    content = [('file', 'label', 'stain', 'split')]
    content += [(*row, 'train') for row in rows(data / 'train.csv')[1:]]
    content += [(*row, 'val') for row in rows(data / 'val.csv')[1:]]
    write(data / 'all.csv', content)
    options = {'classes': CLASSES, 'columns': {'slide': 'stain'}}
    dataset = PatchDataset('all.csv', str(data), split='val', test_mode=True, **options)
    assert sorted(set(dataset.table.slides)) == ['moderate3', 'poor3', 'well3']
    with pytest.raises(DataError, match="no split 'test'"):
        PatchDataset('all.csv', str(data), split='test', **options)
