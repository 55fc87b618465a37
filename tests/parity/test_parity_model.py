"""The rooms compute what the published code computed (golden arrays of the original, see `parity`)."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pytest
import timm
import torch
from timm.models.vision_transformer import VisionTransformer
from tiny_models import tiny_card
from torch import nn
from torch.nn import functional as F

from cite.anchors import Anchors
from cite.classifier import Classifier
from cite.encoders.checkpoints import load_strict, to_timm
from cite.encoders.text import load_text
from cite.encoders.towers.vit import VisionTower
from cite.frozen import trainable
from cite.heads import HEADS
from cite.heads.text_embedding import TextEmbeddingHead
from cite.necks import NECKS
from cite.tuning import TUNINGS

CASES = [
    *(
        f'cite32_{position}_{init}_len{length}_layers{layers}'
        for position in ('prepend', 'add')
        for init, length, layers in (
            ('token', 1, 'default'),
            ('token', 1, '01'),
            ('normal', 1, 'default'),
            ('normal', 1, '01'),
            ('normal', 4, 'default'),
        )
    ),
    'cite32_prepend_token_len4_layersdefault',
    'cite32_prepend_normal_len4_layers01',
    'cite32_prepend_normal_len1_layers10',
    'cite32_prepend_uniform_len1_layersdefault',
    'cite32_prepend_kaiming_len1_layersdefault',
    'cite32_add_token_len4_layers01',
    'cite32_token_learnable_t',
    'cite32_token_noproj',
    'cite32_plainbackbone',
    'linear32_probe',
    'vit32_normal_len1_layersdefault',
    'vit32_token_len1_layersdefault',
    'vit32_uniform_len1_layers012',
    'vit32_normal_linear',
    'vitfrozen32_cite',
    'cite224_prepend_token_len1',
]
CLASSES = ('well', 'moderate', 'poor')


def close(found: Any, expected: Any, tolerance: float = 2e-5) -> None:
    """Within a fraction of the largest magnitude of the expected array."""
    found = found.detach().numpy() if isinstance(found, torch.Tensor) else np.asarray(found)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= tolerance * max(np.abs(expected).max(), 1e-6)


def make_tower(parity: Any, case: str, project: bool, tuning: Any) -> VisionTower:
    """The tiny tower of a case: CLIP in OpenAI's layout or a ViT in mmcls', through our conversion."""
    clip = not case.startswith('vit')
    side = 224 if '224' in case else 32
    patch = 16 if side == 224 else 8
    sizes: dict[str, Any] = {'img_size': side, 'patch_size': patch, 'depth': 3}
    if clip:
        arch, width = 'vit_base_patch32_clip_quickgelu_224', 128
        kwargs = {**sizes, 'embed_dim': 128, 'num_heads': 2, 'num_classes': 64 if project else 0}
        file = f'weights/clip_visual_{side}.npz'
    else:
        arch, width = 'vit_tiny_patch16_224', 96
        kwargs = {**sizes, 'embed_dim': 96, 'num_heads': 4, 'mlp_ratio': 2, 'num_classes': 0}
        file = 'weights/vit_32.npz'
    trunk = timm.create_model(arch, **kwargs)
    assert isinstance(trunk, VisionTransformer)
    with np.load(parity(file)) as stored:
        state = {name: torch.from_numpy(stored[name]) for name in stored.files}
    load_strict(trunk, to_timm(state, trunk, 'mae'), file)
    card = tiny_card(
        'projection' if clip and project else 'token',
        64 if clip and project else width,
        mean=(0, 0, 0),
        std=(1, 1, 1),
        image_size=side,
        patch_size=patch,
    )
    return VisionTower(card, trunk.eval(), TUNINGS.build(tuning) if tuning else None)


def make_tuning(case: str, described: dict[str, Any], init: str | None = None) -> Any:
    backbone = described['config']['backbone']
    if 'prompt_init' not in backbone:
        return None
    return {
        'type': 'VisualPrompt',
        'length': backbone['prompt_length'],
        'layers': backbone.get('prompt_layers') or [0],
        'position': backbone.get('prompt_pos', 'prepend'),
        'init': init or backbone['prompt_init'],
    }


def make_head(golden: Any, described: dict[str, Any]) -> Any:
    spec = described['config']['head']
    if spec['type'] != 'TextEmbeddingHead':
        return {'type': 'LinearHead'}
    texts = tuple(spec['texts'])
    return {
        'type': 'TextEmbeddingHead',
        'texts': texts,
        'anchors': Anchors(torch.from_numpy(golden['text_embeddings']), texts),
        'temperature': spec['temperature'],
        'learnable_temperature': spec.get('learnable_t', False),
    }


def ours(name: str) -> str:
    return name.replace('backbone.prompt', 'backbone.tuning.prompt')


@pytest.fixture(scope='module')
def described(parity):
    return json.loads(parity('README.json').read_text(encoding='utf-8'))['model']['cases']


@pytest.mark.parametrize('case', CASES)
def test_forward_gradients_and_five_steps(parity, described, case):
    with np.load(parity(f'model/{case}.npz')) as stored:
        golden = {name: stored[name] for name in stored.files}
    with np.load(parity(f'inputs_{224 if "224" in case else 32}.npz')) as inputs:
        images, labels = torch.from_numpy(inputs['x']), torch.from_numpy(inputs['y'])
    about = described[case]
    tower = make_tower(parity, case, 'noproj' not in case, make_tuning(case, about))
    neck = NECKS.build('ProjectionNeck') if 'neck' in about['config'] else None
    model = Classifier(tower, neck, HEADS.build(make_head(golden, about)), CLASSES)
    weights = trainable(model)
    initial = {ours(k[7:]): v for k, v in golden.items() if k.startswith('param0/')}
    assert weights.keys() == initial.keys()
    with torch.no_grad():
        for name, value in initial.items():
            weights[name].copy_(torch.from_numpy(value).view_as(weights[name]))
    model.train()

    features = tower(images[0])
    close(features, golden['image_features'])
    if 'prompt_after_first_forward' in golden:
        close(weights['backbone.tuning.prompt'], golden['prompt_after_first_forward'])
    if neck is not None:
        close(neck(features), golden['projected'])
    close(model(images[0]), golden['logits'])

    optimizer = torch.optim.SGD(weights.values(), lr=0.03)
    for step in range(5):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images[step]), labels[step])
        loss.backward()
        assert loss.item() == pytest.approx(golden['losses'][step], rel=1e-4)
        if step == 0:
            for name in weights:
                expected = golden['grad0/' + name.replace('tuning.', '')]
                close(weights[name].grad, expected.reshape(weights[name].shape))
        optimizer.step()
    for name, value in weights.items():
        expected = golden['param5/' + name.replace('tuning.', '')]
        close(value, expected.reshape(value.shape))
    with torch.no_grad():
        close(model.eval()(images[0]).softmax(1), golden['test_scores_after'], 1e-4)


def test_a_reloaded_token_prompt_is_not_added_to_again(parity, described):
    """The original corrupts a token prompt when it is loaded; here the scores stay those of training."""
    case = 'cite32_prepend_token_len1_layersdefault'
    bug = np.load(parity('unit/token_reinit_bug.npz'))
    golden = np.load(parity(f'model/{case}.npz'))
    images = torch.from_numpy(np.load(parity('inputs_32.npz'))['x'])
    tower = make_tower(parity, case, True, make_tuning(case, described[case]))
    head = HEADS.build(make_head(golden, described[case]))
    model = Classifier(tower, NECKS.build('ProjectionNeck'), head, CLASSES).eval()
    state = model.state_dict()
    for name in ('backbone.prompt', 'neck.weight', 'neck.bias'):
        state[ours(name)] = torch.from_numpy(bug[f'state/{name}'])
    state['backbone.tuning.initialized'] = torch.tensor(True)
    model.load_state_dict(state, strict=True)
    with torch.no_grad():
        model(images[1])
        close(tower.tuning.prompt, bug['prompt_trained'])
        close(model(images[0]).softmax(1), bug['scores_batch0_in_process'], 1e-4)


@pytest.mark.parametrize('side', [32, 224])
@pytest.mark.parametrize('project', [True, False])
def test_clip_towers(parity, side, project):
    tower = make_tower(parity, f'cite{side}', project, None)
    images = torch.from_numpy(np.load(parity(f'inputs_{side}.npz'))['x'][0])
    suffix = '' if project else '_noproj'
    close(tower(images), np.load(parity('unit/clip_towers.npz'))[f'visual_{side}{suffix}'])


def test_projection_neck(parity):
    golden = np.load(parity('unit/projection_neck.npz'))
    x = torch.from_numpy(golden['x'])
    cases = {name.removesuffix('/y') for name in golden.files if re.search(r'_\w+_\w+/y$', name)}
    assert len(cases) == 24
    for case in cases:
        match = re.fullmatch(r'(.+)_(\d+)_([A-Za-z]+)_([A-Za-z]+)', case)
        assert match is not None
        init, size, before, after = match.groups()
        options = {'init': init, 'act_before': before, 'act_after': after}
        options = {k: v for k, v in options.items() if v != 'None'}
        torch.manual_seed(5)
        neck = NECKS.build({'type': 'ProjectionNeck', **options})
        neck.attach(64, int(size))
        close(neck.weight, golden[f'{case}/weight'])  # the same draws from the same seed
        close(neck.bias, golden[f'{case}/bias'])
        close(neck(x), golden[f'{case}/y'])


@pytest.mark.parametrize('pooling', ['pooler_output', 'last_hidden_state'])
@pytest.mark.parametrize(
    ('value', 'learnable'), [('4.6052', False), ('4.6052', True), ('1.0', False)]
)
def test_text_head(parity, value, learnable, pooling):
    golden = np.load(parity('unit/text_head.npz'))
    case = f't{value}_learn{learnable}_{pooling}'
    anchors = Anchors(torch.from_numpy(golden[f'{case}/weights']), CLASSES)
    head = TextEmbeddingHead(CLASSES, None, anchors, float(value), learnable)
    x = torch.from_numpy(golden['x']).requires_grad_()
    logits = head(x)
    close(logits, golden[f'{case}/logits'])
    close(logits.softmax(1), golden[f'{case}/scores'])
    F.cross_entropy(logits, torch.from_numpy(golden['y'])).backward()
    close(x.grad, golden[f'{case}/grad_x'])
    if learnable:
        assert isinstance(head.temperature, nn.Parameter)
        close(head.temperature.grad, golden[f'{case}/grad_temperature'])


@pytest.mark.parametrize(
    ('pooling', 'key'), [('pooler_output', 'pooler_output'), ('cls', 'last_hidden_state')]
)
def test_text_encoder(parity, pooling, key):
    """Batched with a mask, it gives what the original computed text by text."""
    golden = np.load(parity('unit/text_encoders.npz'))
    encoder = load_text(str(parity('bert_tiny')), pooling=pooling)
    texts = [str(text) for text in golden['texts']]
    close(encoder.encode_text(texts, batch_size=4), golden[f'bert_{key}'])
