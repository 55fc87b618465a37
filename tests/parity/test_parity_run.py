"""30 iterations of the published training tool, and ours over the same files: the whole path at once."""

from __future__ import annotations

import csv
import importlib.util
import json

import numpy as np
import pytest
import torch
from golden import IMAGENET, LOOSE, PERCENT, Golden, arrays, ours, slide_order, tensors
from PIL import Image
from safetensors.torch import save_file

from cite.evaluation.predictions import Predictions
from cite.legacy.splits import write_original
from cite.mm.launch import load_config
from cite.mm.launch import test as evaluate_run
from cite.mm.runner import CiteRunner

GROUP = '30 iterations, end to end'


@pytest.fixture(scope='module')
def golden(parity):
    with arrays(parity('e2e/golden.npz')) as found:
        return found


@pytest.fixture(scope='module')
def recorded(parity):
    return json.loads(parity('e2e/golden.json').read_text(encoding='utf-8'))


@pytest.fixture(scope='module')
def data(parity, tmp_path_factory):
    """Patches as the fixture made them, and the published split of them in its order of files."""
    spec = importlib.util.spec_from_file_location('fakedata', parity('fakedata.py'))
    assert spec is not None and spec.loader is not None
    fake = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fake)
    root = tmp_path_factory.mktemp('e2e_data')
    folder = root / 'patches_captions'
    folder.mkdir()
    rows, _ = fake.spec()
    with (root / 'captions.csv').open('w', newline='', encoding='utf-8') as file:
        csv.writer(file).writerows([('id', 'subtype', 'text'), *rows])
    listing = parity('data/listdir_natural.txt').read_text(encoding='utf-8').splitlines()
    write_original(root, listing=listing)
    for part in ('train_all_0.2', 'val_0.8'):
        made = root / 'gastric_cls3_ann' / f'{part}.txt'
        assert made.read_bytes() == parity(f'data/ann/natural/{part}.txt').read_bytes()
        for line in made.read_text().splitlines():
            name = line.rsplit(' ', 1)[0]
            Image.fromarray(fake.gen_image(name)).save(
                folder / name, format='PNG', compress_level=1
            )
    return root


@pytest.fixture(scope='module')
def tower(parity, tmp_path_factory):
    """The tiny CLIP as a folder that a config can name."""
    folder = tmp_path_factory.mktemp('e2e_models') / 'clip224'
    folder.mkdir()
    save_file(tensors(parity('weights/clip_visual_224.npz')), folder / 'model.safetensors')
    sizes = {'patch_size': 16, 'embed_dim': 128, 'depth': 3, 'num_heads': 2}
    config = {
        'architecture': 'vit_base_patch32_clip_quickgelu_224',
        'num_classes': 64,
        'model_args': sizes,
        'pretrained_cfg': {'input_size': [3, 224, 224], 'interpolation': 'bicubic'},
    }
    (folder / 'config.json').write_text(json.dumps(config), encoding='utf-8')
    return folder


@pytest.fixture(scope='module')
def order(data, recorded):
    """The initial order of the slides."""
    lines = (data / 'gastric_cls3_ann' / 'train_all_0.2.txt').read_text().splitlines()
    files, labels = zip(*(line.split(' ') for line in lines), strict=True)
    drawn = [files.index(name) for batch in recorded['train_files'] for name in batch]
    return slide_order([int(n) for n in labels], [f.split('_')[0] for f in files], drawn)


@pytest.fixture(scope='module')
def make_config(parity, data, tower, order, tmp_path_factory):
    folder = tmp_path_factory.mktemp('e2e_run')

    def make():
        cfg = load_config(
            'patchgastric/original/cite',
            str(folder),
            {
                'data_root': str(data),
                'model.backbone.model': str(tower),
                'model.head.text_encoder.model': str(parity('bert_tiny')),
                'train_cfg.max_iters': 30,
                'train_dataloader.batch_size': 12,
                'train_dataloader.num_workers': 0,
                'train_dataloader.sampler.workers': 0,
                'test_dataloader.num_workers': 0,
                'test_dataloader.batch_size': 64,
                'default_hooks.logger.interval': 1,
            },
            seed=0,
        )
        assert list(cfg.model.backbone.mean) == list(IMAGENET['mean'])
        cfg.train_dataloader.sampler.slide_order = order
        cfg.param_scheduler[1].end = 6  # a warm-up of 5 iterations
        for loader in (cfg.train_dataloader, cfg.test_dataloader):
            # the fixture was made without augmentation
            loader.dataset.pipeline = [
                s for s in loader.dataset.pipeline if s.type == 'ResizePatch'
            ]
        return cfg

    return make


@pytest.fixture(scope='module')
def trained(make_config, golden):
    """The runner after its 30 iterations, and what every one of them saw."""
    runner = CiteRunner.from_cfg(make_config())
    seen: list[list[str]] = []
    prompts: list[torch.Tensor] = []
    with torch.no_grad():
        for name in ('neck.weight', 'neck.bias'):
            weight = runner.model.get_parameter(name)
            weight.copy_(torch.from_numpy(golden[f'param0/{name}']))
    step = runner.model.train_step

    def watched(batch, optim_wrapper):
        seen.append([sample.img_path.rsplit('/', 1)[1] for sample in batch['data_samples']])
        return step(batch, optim_wrapper)

    start = runner.model.backbone.tuning.start

    def noting(tokens):
        start(tokens)
        if not prompts:
            prompts.append(runner.model.backbone.tuning.prompt.detach().clone())

    runner.model.train_step = watched
    runner.model.backbone.tuning.start = noting
    runner.train()
    return runner, seen, prompts[0]


def test_every_batch_holds_the_same_files(trained, recorded):
    _, seen, _ = trained
    Golden(GROUP, 'files of every batch').same(seen, recorded['train_files'])


def test_losses_and_learning_rates(trained, golden, make_config):
    runner, _, prompt = trained
    scalars = runner.message_hub.log_scalars
    losses, rates = (np.array(scalars[f'train/{name}'].data[0]) for name in ('loss', 'lr'))
    Golden(GROUP, 'losses').close(losses, golden['losses'], LOOSE)
    Golden(GROUP, 'learning rates').close(rates, golden['lrs'])
    Golden(GROUP, 'prompt after the first forward').close(
        prompt, golden['prompt_after_first_forward']
    )
    Golden(GROUP, 'anchors').close(runner.model.head.anchors, golden['text_embeddings'])


@pytest.mark.parametrize('name', ['backbone.prompt', 'neck.weight', 'neck.bias'])
def test_weights_after_30_iterations(trained, golden, name):
    runner, _, _ = trained
    Golden(GROUP, name).close(runner.model.get_parameter(ours(name)), golden[f'param30/{name}'])


def test_scores_and_metrics(trained, golden, recorded):
    """Evaluated in the same process, as the original did: a reloaded prompt would be another."""
    runner, _, _ = trained
    found = runner.test()
    stored = Predictions.from_parquet(
        runner.test_evaluator.metrics[0].out_dir / 'predictions.parquet'
    )
    assert [file.rsplit('/', 1)[1] for file in stored.files] == recorded['val_files']
    Golden(GROUP, 'scores').close(stored.probabilities, golden['val_scores'], LOOSE)
    check = Golden('metrics (percentage points)', 'end to end')
    for name, value in recorded['metrics'].items():
        check.note(abs(found[f'original/{name}'] - value), PERCENT)


def test_the_reloaded_checkpoint_is_another_model(trained, golden, make_config):
    """`mim test` of the original adds the mean token again; so does this protocol, and only this one."""
    runner, _, _ = trained
    checkpoint = f'{runner.work_dir}/iter_30.pth'
    scores = {}
    for tuning in ('OriginalVisualPrompt', 'VisualPrompt'):
        cfg = make_config()
        cfg.model.backbone.tuning.type = tuning
        cfg.work_dir = f'{runner.work_dir}/{tuning}'
        evaluate_run(cfg, checkpoint)
        stored = Predictions.from_parquet(f'{cfg.work_dir}/predictions.parquet')
        scores[tuning] = np.abs(stored.probabilities - golden['val_scores']).max()
    assert scores['VisualPrompt'] < 1e-4 < 1e-3 < scores['OriginalVisualPrompt']
