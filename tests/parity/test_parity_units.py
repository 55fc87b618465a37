"""Single classes of the published code: towers, interpolation, neck, text head, text encoders."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from golden import CLASSES, LOOSE, PERCENT, Golden, arrays, make_tower, tensors
from torch import nn
from torch.nn import functional as F

from cite.anchors import Anchors
from cite.encoders.text import load_text
from cite.encoders.text.openai_clip import text_tower
from cite.heads.text_embedding import TextEmbeddingHead
from cite.legacy.half import HalfTextEmbeddingHead
from cite.legacy.metrics import original_metrics
from cite.necks import NECKS


@pytest.mark.parametrize('side', [32, 224])
@pytest.mark.parametrize('project', [True, False])
def test_clip_towers(parity, side, project):
    tower = make_tower(parity, f'cite{side}', project, None)
    images = tensors(parity(f'inputs_{side}.npz'))['x'][0]
    name = f'visual_{side}{"" if project else "_noproj"}'
    with arrays(parity('unit/clip_towers.npz')) as golden:
        Golden('CLIP vision towers', name).close(tower(images), golden[name])


@pytest.mark.parametrize('side', [32, 48])
@pytest.mark.parametrize('prompted', [True, False])
def test_positional_interpolation(parity, side, prompted):
    tuning = {'type': 'VisualPrompt', 'length': 4, 'layers': [0, 1], 'init': 'normal'}
    tower = make_tower(parity, 'vit32', False, tuning if prompted else None, side)
    images = tensors(parity(f'inputs_{side}.npz'))['x']
    name = f'{"" if prompted else "frozen_"}features_{side}'
    with arrays(parity('unit/vit_interp.npz')) as golden:
        if prompted:
            tower.tuning.prompt.data.copy_(torch.from_numpy(golden['prompt']))
        features = tower(images[0] if side == 32 else images)
        Golden('positional interpolation', name).close(features, golden[name])


def test_projection_neck(parity):
    with arrays(parity('unit/projection_neck.npz')) as golden:
        x = torch.from_numpy(golden['x'])
    cases = {name.removesuffix('/y') for name in golden if re.search(r'_\w+_\w+/y$', name)}
    assert len(cases) == 24
    for case in sorted(cases):
        match = re.fullmatch(r'(.+)_(\d+)_([A-Za-z]+)_([A-Za-z]+)', case)
        assert match is not None
        init, size, before, after = match.groups()
        options = {'init': init, 'act_before': before, 'act_after': after}
        options = {k: v for k, v in options.items() if v != 'None'}
        torch.manual_seed(5)
        neck = NECKS.build({'type': 'ProjectionNeck', **options})
        neck.attach(64, int(size))
        check = Golden('projection neck', case)
        check.close(neck.weight, golden[f'{case}/weight'])  # the same draws from the same seed
        check.close(neck.bias, golden[f'{case}/bias'])
        check.close(neck(x), golden[f'{case}/y'])


@pytest.mark.parametrize('pooling', ['pooler_output', 'last_hidden_state'])
@pytest.mark.parametrize('learnable', [False, True])
@pytest.mark.parametrize('value', ['4.6052', '1.0', '0.0'])
def test_text_head(parity, value, learnable, pooling):
    case = f't{value}_learn{learnable}_{pooling}'
    check = Golden('text head', case)
    with arrays(parity('unit/text_head.npz')) as golden:
        labels = torch.from_numpy(golden['y'])
    anchors = Anchors(torch.from_numpy(golden[f'{case}/weights']), CLASSES)
    head = TextEmbeddingHead(CLASSES, None, anchors, float(value), learnable)
    x = torch.from_numpy(golden['x']).requires_grad_()
    logits = head(x)
    check.close(logits, golden[f'{case}/logits'])
    check.close(logits.softmax(1), golden[f'{case}/scores'])
    loss = F.cross_entropy(logits, labels)
    check.close(loss.view(1), golden[f'{case}/loss'], LOOSE)
    loss.backward()
    check.close(x.grad, golden[f'{case}/grad_x'])
    if learnable:
        assert isinstance(head.temperature, nn.Parameter)
        check.close(head.temperature.grad, golden[f'{case}/grad_temperature'])
    # during training it is taken from the logits, of which the largest may be below 0: wrong, then
    found = original_metrics(logits.detach().numpy(), labels.numpy(), ['slide'] * len(labels))
    accuracy = found['accuracy']
    assert accuracy == pytest.approx(golden[f'{case}/acc_top1'].item(), abs=PERCENT)


@pytest.mark.parametrize('pooling', ['pooler_output', 'last_hidden_state'])
def test_text_head_in_half_precision(parity, pooling):
    """The published code rounds anchors to float16 before it normalises them."""
    check = Golden('text head', f'fp16_{pooling}')
    with arrays(parity('unit/text_head.npz')) as golden:
        weights = golden[f't4.6052_learnFalse_{pooling}/weights']
    head = HalfTextEmbeddingHead(CLASSES, None, Anchors(torch.from_numpy(weights), CLASSES))
    assert head.anchors.dtype == head.temperature.dtype == torch.float16
    check.same(head.anchors.tolist(), golden[f'fp16_{pooling}/weights'].tolist())
    check.same(head.temperature.tolist(), golden[f'fp16_{pooling}/temperature'].tolist())
    half = head(torch.from_numpy(golden['x']))
    assert half.dtype == torch.float16
    exact = torch.from_numpy(golden[f't4.6052_learnFalse_{pooling}/logits'])
    assert (half.float() - exact).abs().max() < 0.01 * exact.abs().max()


@pytest.mark.parametrize(
    ('pooling', 'key'), [('pooler_output', 'pooler_output'), ('cls', 'last_hidden_state')]
)
def test_bert(parity, pooling, key):
    """Batched with a mask, it gives what the original computed text by text."""
    check = Golden('text encoders', f'bert_{key}')
    with arrays(parity('unit/text_encoders.npz')) as golden:
        texts = [str(text) for text in golden['texts']]
    encoder = load_text(str(parity('bert_tiny')), pooling=pooling)
    check.close(encoder.encode_text(texts, batch_size=4), golden[f'bert_{key}'])
    check.close(encoder.encode_text(texts, batch_size=1), golden[f'bert_{key}'])


def test_bert_tokens(parity):
    from transformers import AutoTokenizer

    with arrays(parity('unit/text_encoders.npz')) as golden:
        texts = [str(text) for text in golden['texts']]
    tokenizer = AutoTokenizer.from_pretrained(parity('bert_tiny'))
    expected = [
        [i for i in row if i >= 0] for row in golden['bert_input_ids_padded_minus1'].tolist()
    ]
    Golden('text encoders', 'bert tokens').same(tokenizer(texts)['input_ids'], expected)


def test_clip_text_tower(parity):
    check = Golden('text encoders', 'clip text tower')
    with arrays(parity('unit/text_encoders.npz')) as golden:
        tokens = torch.from_numpy(golden['clip_tokens'])
    model, scale = text_tower(tensors(parity('weights/clip_text.npz')), 'clip_text.npz')
    with torch.no_grad():
        check.close(model(input_ids=tokens).text_embeds, golden['clip_text_features'])
    check.close(np.exp([scale]), golden['clip_logit_scale_exp'])
