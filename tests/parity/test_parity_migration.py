"""A migrated original checkpoint gives the scores that the original gave (golden arrays, see `parity`)."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from golden import IMAGENET, LOOSE, Golden
from old_cite import CLIP_ARCH, save_base, save_checkpoint

from cite.migrate import migrate_checkpoint
from cite.migrate.options import Options
from cite.serving.rebuild import load_adapter

CASES = [
    'cite32_token_learnable_t',
    'cite32_prepend_token_len1_layersdefault',
    'cite32_prepend_token_len1_layers01',
    'cite32_prepend_normal_len1_layers10',
    'cite32_prepend_normal_len4_layers01',
    'cite32_add_token_len4_layers01',
    'cite32_add_normal_len1_layersdefault',
    'cite32_token_noproj',
    'cite32_token_neck_fixed',
    'cite32_plainbackbone',
    'linear32_probe',
    'vit32_token_len1_layersdefault',
    'vit32_uniform_len1_layers012',
    'vit32_normal_linear',
    'vitfrozen32_cite',
    'cite224_prepend_token_len1',
]
PIPELINE = [{'type': 'PatchGastricPipeline'}, {'type': 'Collect', 'keys': ['img']}]
DATA = {'test': {'type': 'PatchGastricCls3', 'ann_file': 'val.txt', 'pipeline': PIPELINE}}


@pytest.fixture(scope='module')
def described(parity):
    return json.loads(parity('README.json').read_text(encoding='utf-8'))['model']['cases']


def tower_of(parity: Any, case: str) -> dict[str, torch.Tensor]:
    """The frozen tower as the checkpoint of that case holds it."""
    name = 'vit_32' if case.startswith('vit') else f'clip_visual_{224 if "224" in case else 32}'
    with np.load(parity(f'weights/{name}.npz')) as stored:
        state = {k.removeprefix('visual.'): torch.from_numpy(stored[k]) for k in stored.files}
    return {key: value for key, value in state.items() if key != 'proj' or 'noproj' not in case}


def base_of(folder: Any, case: str, tower: dict[str, torch.Tensor]) -> Any:
    if case.startswith('vit'):
        sizes = {'patch_size': 8, 'embed_dim': 96, 'depth': 3, 'num_heads': 4, 'mlp_ratio': 2}
        return save_base(folder, tower, 'vit_tiny_patch16_224', 0, **sizes)
    side, patch = (224, 16) if '224' in case else (32, 8)
    sizes = {'patch_size': patch, 'embed_dim': 128, 'depth': 3, 'num_heads': 2, 'img_size': side}
    return save_base(folder, tower, CLIP_ARCH, 64 if 'proj' in tower else 0, **sizes)


@pytest.mark.parametrize('case', CASES)
def test_scores_of_a_migrated_checkpoint(parity, described, tmp_path, case):
    with np.load(parity(f'model/{case}.npz')) as stored:
        golden = {name: stored[name] for name in stored.files}
    prefix = 'param5/'
    trained = {
        name.removeprefix(prefix): torch.from_numpy(value)
        for name, value in golden.items()
        if name.startswith(prefix)
    }
    trained |= {  # a neck that was fixed
        name.removeprefix('frozen/'): torch.from_numpy(value)
        for name, value in golden.items()
        if name.startswith('frozen/')
    }
    if 'head.temperature' in trained:
        trained['head.temperature'] = trained['head.temperature'].reshape(())  # as it is saved
    model = described[case]['config']
    model['backbone'].pop('init_cfg', None)
    tower = tower_of(parity, case)
    path = save_checkpoint(
        tmp_path / 'iter_1000.pth',
        tower,
        trained,
        prefix='backbone.' if case.startswith('vit') else 'backbone.model.',
    )
    base = base_of(tmp_path / 'base', case, tower)
    options = Options(model=str(base), text_encoder=str(parity('bert_tiny')))
    migrate_checkpoint(path, tmp_path / 'out', {'model': model, 'data': DATA}, options)

    classifier, info = load_adapter(tmp_path / 'out' / 'adapter.safetensors')
    side = 224 if '224' in case else 32
    normalised = torch.from_numpy(np.load(parity(f'inputs_{side}.npz'))['x'])
    pixels = normalised * classifier.backbone.std + classifier.backbone.mean
    with torch.no_grad():
        classifier(pixels[1])  # loading in the original would change a 'token' prompt here
        scores = classifier(pixels[0]).softmax(1).numpy()
    check = Golden('migrated checkpoints: scores', case)
    check.close(scores, golden['test_scores_after'], LOOSE)
    np.testing.assert_allclose(info.backbone['mean'], IMAGENET['mean'])
    if 'text_embeddings' in golden:
        check.close(classifier.head.anchors, golden['text_embeddings'])
