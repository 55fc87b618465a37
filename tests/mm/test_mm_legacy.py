"""The published sampler, augmentation and metrics in runs of mmengine."""

from __future__ import annotations

import json

import pytest
import torch

from cite.errors import ConfigError
from cite.mm.dataset import PatchDataset
from cite.mm.launch import test as evaluate
from cite.mm.launch import train
from cite.mm.legacy import OriginalBatchSampler, OriginalSampler
from cite.mm.runner import CiteRunner

STEPS = [{'type': 'ResizePatch', 'how': 'squash', 'size': 32}, {'type': 'OriginalAugment'}]
ORIGINAL = {
    'train_dataloader.sampler': {'type': 'OriginalSampler', 'balance': 'patch', 'workers': 3},
    'train_dataloader.dataset.pipeline': STEPS,
    'train_dataloader.dataset.keep_order': True,
    'model.backbone.tuning.type': 'OriginalVisualPrompt',
}


@pytest.fixture
def original(load_tiny, tmp_path):
    """The tiny config under the published choices."""

    def load(folder, **options):
        cfg = load_tiny(tmp_path / folder)
        cfg.merge_from_dict({**ORIGINAL, **options}, allow_list_keys=False)
        cfg.test_dataloader.dataset.pipeline = STEPS
        cfg.test_evaluator = [{'type': 'PatchSlideMetric'}, {'type': 'OriginalMetric'}]
        return cfg

    return load


def test_a_run_draws_every_batch_three_times_and_reports_percentages(original, tmp_path):
    runner = CiteRunner.from_cfg(original('run'))
    drawn = []
    step = runner.model.train_step

    def watched(batch, optim_wrapper):
        drawn.append([sample.img_path for sample in batch['data_samples']])
        return step(batch, optim_wrapper)

    runner.model.train_step = watched
    runner.train()
    found = runner.test()
    assert drawn[0] == drawn[1] == drawn[2] != drawn[3]
    results = json.loads((tmp_path / 'run' / 'results.json').read_text())
    assert found['original/accuracy'] == pytest.approx(100 * results['patch']['accuracy'], abs=1e-4)
    bags = 100 * results['slide']['balanced_accuracy']
    assert found['original/mean_bag_accuracy'] == pytest.approx(bags, abs=1e-4)


def test_the_adapter_holds_a_prompt_that_loading_leaves_alone(original, tmp_path):
    from cite.adapter import read_info

    train(original('run'))
    info = read_info(tmp_path / 'run' / 'adapter.safetensors')
    assert info.backbone['tuning']['type'] == 'VisualPrompt'


def test_resuming_draws_what_would_have_come(original, tmp_path, read_checkpoint):
    """With a prompt that survives loading; the published one does not."""
    plain = {'model.backbone.tuning.type': 'VisualPrompt'}
    train(original('whole', **plain))
    train(original('parts', **plain, **{'train_cfg.max_iters': 4, 'param_scheduler': []}))
    whole, parts = tmp_path / 'whole', tmp_path / 'parts'
    (parts / 'iter_4.pth').write_bytes((whole / 'iter_4.pth').read_bytes())
    train(original('parts', **plain), resume=str(parts / 'iter_4.pth'))
    first, second = (read_checkpoint(f / 'iter_8.pth')['state_dict'] for f in (whole, parts))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_tested_twice_the_scores_are_the_same(original, tmp_path):
    """Augmented at test time, but by the number of the patch."""
    train(original('run'))
    checkpoint = str(tmp_path / 'run' / 'iter_8.pth')
    assert evaluate(original('a'), checkpoint) == evaluate(original('b'), checkpoint)


def test_bad_settings_are_told_before_training(tiny_data):
    dataset = PatchDataset('train.csv', str(tiny_data), classes=['well', 'moderate', 'poor'])
    with pytest.raises(ConfigError, match="'class'"):
        OriginalBatchSampler(OriginalSampler(dataset, balance='class'), 4)
    with pytest.raises(ConfigError, match='OriginalBatchSampler'):
        iter(OriginalSampler(dataset))
