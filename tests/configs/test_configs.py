"""Every config that comes with the library reads and resolves; none is built here."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from cite.mm.launch import load_config, runner_of
from cite.mm.resolve import resolve
from cite.paths import configs_dir

EVERY = sorted(
    path.relative_to(configs_dir()).as_posix()
    for path in configs_dir().rglob('*.py')
    if not {'_base_', 'studies'} & set(path.relative_to(configs_dir()).parts)
)
PAIRS = [name for name in EVERY if name.startswith('contrast/')]
CONFIGS = [name for name in EVERY if name not in PAIRS]
ZERO_SHOT = [name for name in CONFIGS if 'zero_shot' in name]
ORIGINAL = [name for name in CONFIGS if '/original/' in name]


def device_of(name):
    """float16 needs a GPU."""
    return 'cuda' if name.endswith('_half.py') else 'cpu'


def test_the_promised_ones_are_there():
    methods = ('cite', 'linear', 'vpt', 'text_only', 'zero_shot', 'finetune')
    promised = {'quickstart/cite.py', 'lc25000/cite.py', *(f'patchgastric/{m}.py' for m in methods)}
    assert promised <= set(CONFIGS)


@pytest.mark.parametrize('name', CONFIGS)
def test_reads_and_resolves(name):
    cfg = load_config(name)
    done = resolve(cfg, device_of(name))
    assert done.runner_type == 'CiteRunner'
    assert done.model.classes == list(done.test_dataloader.dataset.classes)
    assert done.test_dataloader.dataset.data_root == cfg.data_root
    texts = done.model.head.get('texts')
    named = isinstance(texts, str)  # a file of descriptions, which is matched by name
    assert texts is None or named or len(texts) == len(done.model.classes)
    size = done.model.backbone.image_size
    loaders = [done.test_dataloader, *([done.train_dataloader] if done.train_dataloader else [])]
    for loader in loaders:
        assert loader.dataset.pipeline[0].size == size
    augmented = [s.type for s in done.test_dataloader.dataset.pipeline if 'Augment' in s.type]
    assert augmented == (['OriginalAugment'] if name in ORIGINAL else [])
    assert done.select_on_test is (name in ORIGINAL) if 'patchgastric' in name else True
    if name not in ZERO_SHOT:
        assert done.param_scheduler[0].T_max == done.train_cfg.max_iters
        assert done.default_hooks.checkpoint.by_epoch is False


@pytest.mark.parametrize('name', PAIRS)
def test_of_pairs_reads_and_resolves(name):
    cfg = load_config(name)
    done = runner_of(cfg).complete(cfg, 'cpu')
    assert done.runner_type == 'ContrastRunner'
    for loader in (done.train_dataloader, done.val_dataloader):
        assert any(
            step.get('size') == done.model.vision.image_size for step in loader.dataset.pipeline
        )
    assert (
        done.val_dataloader.dataset.test_mode and 'test_mode' not in done.train_dataloader.dataset
    )
    _warm_up, cosine = done.param_scheduler
    assert cosine.begin + cosine.T_max == done.train_cfg.max_iters


@pytest.mark.parametrize('name', EVERY)
def test_is_a_few_lines_over_its_bases(name):
    lines = (configs_dir() / name).read_text().splitlines()
    assert lines[0].startswith('# ')
    assert len(lines) <= (50 if name in PAIRS else 30)


@pytest.mark.parametrize('name', EVERY)
def test_another_place_of_the_data_is_one_option(name):
    cfg = load_config(name, options={'data_root': '/elsewhere'})
    done = runner_of(cfg).complete(cfg, device_of(name))
    loader = done.val_dataloader if name in PAIRS else done.test_dataloader
    assert loader.dataset.data_root == '/elsewhere'


@pytest.mark.parametrize(
    'name', [n for n in CONFIGS if n.endswith('/cite.py') and n not in ORIGINAL]
)
def test_swapping_an_encoder_is_one_option(name):
    options = {
        'model.backbone.model': 'dinov2-vit-l14-reg',
        'model.head.text_encoder.model': 'scibert',
    }
    done = resolve(load_config(name, options=options), 'cpu')
    plain = resolve(load_config(name), 'cpu')
    assert done.train_dataloader.dataset.pipeline[0].resize == 256
    assert done.model.head.text_encoder.model == 'scibert'
    assert done.optim_wrapper == plain.optim_wrapper


def test_the_papers_setting():
    done = resolve(load_config('patchgastric/cite'), 'cpu')
    assert done.model.backbone.model == 'clip-vit-b16'
    assert done.model.head.text_encoder.model == 'michiyasunaga/BioLinkBERT-large'
    assert done.train_cfg.max_iters == 1000 and done.train_dataloader.batch_size == 128
    assert done.optim_wrapper.optimizer == {'type': 'SGD', 'lr': 0.03}


@pytest.mark.parametrize('name', ZERO_SHOT)
def test_zero_shot_trains_nothing_and_takes_the_text_tower_of_its_backbone(name):
    cfg = load_config(name, options={'model.backbone.model': 'clip-vit-l14'})
    done = resolve(cfg, 'cpu')
    assert done.model.head.text_encoder.model == 'clip-vit-l14'
    assert done.train_cfg is None and done.val_cfg is None and done.optim_wrapper is None


@pytest.mark.parametrize('name', ['tensorboard', 'wandb'])
def test_logging_fragments_add_a_backend(name, tmp_path):
    file = tmp_path / 'with_logging.py'
    bases = [
        configs_dir() / 'quickstart' / 'cite.py',
        configs_dir() / '_base_' / 'logging' / f'{name}.py',
    ]
    file.write_text(f'_base_ = {[str(base) for base in bases]}')
    backends = [b.type for b in resolve(load_config(file), 'cpu').visualizer.vis_backends]
    assert backends[0] == 'LocalVisBackend' and name in backends[1].lower()
    off = load_config('quickstart/cite')
    assert off.get('visualizer') is None


def test_bases_are_not_meant_to_be_run():
    for path in Path(configs_dir() / '_base_').rglob('*.py'):
        assert path.read_text().strip(), path


@pytest.mark.skipif(importlib.util.find_spec('tensorboard') is None, reason='needs tensorboard')
def test_tensorboard_writes_events(tmp_path):
    from mmengine.registry import VISUALIZERS

    import cite.mm  # noqa: F401

    cfg = load_config(configs_dir() / '_base_' / 'logging' / 'tensorboard.py')
    visualizer = VISUALIZERS.build({**cfg.visualizer, 'name': 'events', 'save_dir': str(tmp_path)})
    visualizer.add_scalar('loss', 1.0, 1)
    visualizer.close()
    assert list(tmp_path.rglob('events.out.tfevents.*'))


def test_the_published_setting():
    """What decides the published numbers is in one config, and nowhere else."""
    done = resolve(load_config('patchgastric/original/cite'), 'cpu')
    assert done.model.backbone.mean == (0.485, 0.456, 0.406)
    assert done.model.backbone.tuning.type == 'OriginalVisualPrompt'
    assert done.train_dataloader.batch_sampler.type == 'OriginalBatchSampler'
    assert done.train_dataloader.sampler.workers == 12
    for loader in (done.train_dataloader, done.test_dataloader):
        first, second = loader.dataset.pipeline
        assert (first.how, first.interpolation, first.size) == ('squash', 'bilinear', 224)
        assert second.type == 'OriginalAugment' and loader.dataset.keep_order
    fixed = (configs_dir() / 'patchgastric').glob('*.py')
    assert not any('Original' in path.read_text() for path in fixed)


def test_the_published_half_precision():
    done = resolve(load_config('patchgastric/original/cite_half'), 'cuda')
    assert done.model.precision == 'fp16' and done.optim_wrapper.loss_scaling is False
    assert (done.model.neck.type, done.model.head.type) == (
        'HalfProjectionNeck',
        'HalfTextEmbeddingHead',
    )
