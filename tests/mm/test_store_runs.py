"""Runs whose patches come out of a store."""

from __future__ import annotations

import shutil

import pytest
import torch

from cite.errors import ConfigError, DataError
from cite.mm import launch
from cite.mm.resolve import resolve
from cite.mm.runner import CiteRunner
from cite.mm.store_options import settle_store

SAME = ('state_dict', 'optimizer', 'param_schedulers', 'random_state')
TRAIN, TEST = 'train_dataloader.dataset.store', 'test_dataloader.dataset.store'
PLAIN = [{'type': 'ResizePatch'}]


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv('CITE_CACHE', str(tmp_path / 'cache'))


@pytest.fixture
def run(load_tiny, tmp_path, read_checkpoint):
    """`run(name, options)` → checkpoint after the last iteration."""

    def run(name, options, pipeline=None, resume=False):
        cfg = load_tiny(tmp_path / name, {'cache': 'off', **options})
        if pipeline is not None:
            cfg.train_dataloader.dataset.pipeline = pipeline
        launch.train(cfg, resume=resume)
        return read_checkpoint(tmp_path / name / 'iter_8.pth')

    return run


def losses(checkpoint):
    return checkpoint['message_hub']['log_scalars']['train/loss']


def test_without_augmentation_it_trains_the_same(run, assert_same):
    plain = run('plain', {TRAIN: False}, PLAIN)
    stored = run('stored', {TRAIN: True}, PLAIN)
    assert losses(plain) == losses(stored)
    for part in SAME:
        assert_same(plain[part], stored[part])


def test_augmented_it_does_not_depend_on_workers_and_resumes_bit_for_bit(
    run, assert_same, tmp_path
):
    whole = run('whole', {TRAIN: True})
    assert losses(whole) != losses(run('plain', {TRAIN: True}, PLAIN))
    workers = run('workers', {TRAIN: True, 'train_dataloader.num_workers': 2})
    (tmp_path / 'again').mkdir()
    shutil.copy(tmp_path / 'whole' / 'iter_4.pth', tmp_path / 'again')
    (tmp_path / 'again' / 'last_checkpoint').write_text(str(tmp_path / 'again' / 'iter_4.pth'))
    again = run('again', {TRAIN: True}, resume=True)
    for other in (workers, again):
        for part in SAME:
            assert_same(whole[part], other[part])


def test_it_tests_the_same(finished, tiny):
    checkpoint = str(finished / 'iter_8.pth')
    plain = launch.test(tiny({'cache': 'off'}), checkpoint)
    stored = launch.test(tiny({'cache': 'off', TEST: True}), checkpoint)
    assert plain == stored


def test_fixed_views_and_a_store_do_not_go_together(tiny):
    with pytest.raises(ConfigError, match='views=3 and store=True'):
        CiteRunner.from_cfg(tiny({TRAIN: True, 'train_dataloader.dataset.views': 3}))
    cfg = tiny({TRAIN: True})
    cfg.model.backbone.tuning = None
    assert CiteRunner.from_cfg(cfg).cfg.train_dataloader.dataset.views is None
    cfg = tiny({TRAIN: 'auto'})
    cfg.model.backbone.tuning = None
    found = CiteRunner.from_cfg(cfg).cfg.train_dataloader.dataset
    assert (found.views, found.store) == (8, False)


def test_a_damaged_patch_is_named_before_training(tiny, tiny_data, tmp_path):
    data = shutil.copytree(tiny_data, tmp_path / 'data')
    (data / 'images' / 'poor0_1.jpg').write_bytes(b'gone')
    with pytest.raises(DataError, match=r'poor0_1\.jpg'):
        CiteRunner.from_cfg(tiny({TRAIN: True, 'data_root': str(data)})).train()


@pytest.mark.parametrize(
    ('steps', 'told'),
    [
        ([{'type': 'CropPatch'}, {'type': 'ResizePatch'}], 'CropPatch .* may be random'),
        ([{'type': 'AugmentPatch'}, {'type': 'ResizePatch'}], 'AugmentPatch is random'),
        ([{'type': 'ResizePatch'}, {'type': 'OriginalAugment'}], 'OriginalAugment works on single'),
    ],
)
def test_a_pipeline_that_cannot_be_stored_is_told(steps, told, tiny):
    cfg = tiny({TRAIN: True})
    cfg.train_dataloader.dataset.pipeline = steps
    with pytest.raises(ConfigError, match=f'{told}.*store=False'):
        CiteRunner.from_cfg(cfg)


def test_another_word_is_told(tiny):
    with pytest.raises(ConfigError, match="store must be True, False or 'auto', found 'yes'"):
        CiteRunner.from_cfg(tiny({TRAIN: 'yes'}))


@pytest.mark.parametrize(
    ('iterations', 'free', 'decided'), [(21, 10**9, True), (20, 10**9, False), (21, 10**5, False)]
)
def test_auto_asks_for_reads_and_room(iterations, free, decided, tiny, monkeypatch):
    """27 patches in batches of 4: three reads each take 21 iterations; they take 83 kB."""
    usage = type('Usage', (), {'free': free})
    monkeypatch.setattr('cite.mm.store_options.shutil.disk_usage', lambda _: usage)
    cfg = resolve(
        tiny({TRAIN: 'auto', TEST: 'auto', 'train_cfg.max_iters': iterations, 'cache': 'off'}),
        'cpu',
    )
    settle_store(cfg)
    assert cfg.train_dataloader.dataset.store is decided
    assert cfg.test_dataloader.dataset.store is False
    assert (cfg.model.get('data_preprocessor') is not None) is decided


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA device')
def test_on_a_gpu_images_come_pinned_and_are_augmented_there(tiny):
    cfg = tiny({TRAIN: True, 'cache': 'off'})
    runner = CiteRunner.from_cfg(cfg)
    batch = next(iter(runner.build_dataloader(runner._train_dataloader, seed=0)))
    assert batch['inputs'].is_pinned()
    assert runner.model.data_preprocessor(batch, True)['inputs'].is_cuda
    assert runner.train() is not None
