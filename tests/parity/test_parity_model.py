"""Every model case of the published code: features, logits, losses, gradients, weights after training."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from golden import (
    CLASSES,
    LOOSE,
    Golden,
    arrays,
    make_head,
    make_neck,
    make_tower,
    make_tuning,
    ours,
    tensors,
)
from torch.nn import functional as F

from cite.classifier import Classifier
from cite.encoders.checkpoints import openai_clip
from cite.frozen import trainable
from cite.heads import HEADS
from cite.necks import NECKS

PROMPTED = [
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
    'cite32_add_zero_len20_layersdefault',
    'cite32_token_learnable_t',
    'cite32_token_neck_fixed',
    'cite32_token_noproj',
    'cite224_prepend_token_len1',
    'vit32_normal_len1_layersdefault',
    'vit32_token_len1_layersdefault',
    'vit32_uniform_len1_layers012',
    'vit32_normal_linear',
    'prompted32_cliptexthead_onestep',
]
FROZEN = [
    'cite32_plainbackbone',
    'vitfrozen32_cite',
    'linear32_probe',
    'linear224_probe',
    'zeroshot32',
    'zeroshot224',
]
WHOLE = ['cite32_token_fixFalse', 'linear32_finetune']
GROUPS = {
    'prompted towers: forward, 5 steps': PROMPTED,
    'frozen towers: forward, 5 steps': FROZEN,
    'whole towers: forward, 5 steps': WHOLE,
}


@pytest.fixture(scope='module')
def described(parity):
    return json.loads(parity('README.json').read_text(encoding='utf-8'))['model']['cases']


def test_no_case_is_left_out(described):
    assert sorted(described) == sorted(case for cases in GROUPS.values() for case in cases)


@pytest.mark.parametrize(
    ('group', 'case'), [(group, case) for group, cases in GROUPS.items() for case in cases]
)
def test_case(parity, described, group, case):
    check = Golden(group, case)
    about = described[case]
    with arrays(parity(about['file'])) as golden, arrays(parity(about['inputs'])) as inputs:
        images, labels = torch.from_numpy(inputs['x']), torch.from_numpy(inputs['y'])
    tower = make_tower(parity, case, 'noproj' not in case, make_tuning(about))
    neck = NECKS.build(make_neck(about)) if about['config'].get('neck') else None
    model = Classifier(tower, neck, HEADS.build(make_head(golden, about)), CLASSES)
    weights = trainable(model)
    names = name_originals(weights, tower)
    assert {names[name] for name in weights} == {name for name, _ in about['trainable']}
    set_weights(model, names, golden)
    model.train()

    features = tower(images[0])
    check.close(features, golden['image_features'])
    if 'prompt_after_first_forward' in golden:
        check.close(tower.tuning.prompt, golden['prompt_after_first_forward'])
    if neck is not None:
        check.close(neck(features), golden['projected'])
    check.close(model(images[0]), golden['logits'])

    steps = about['sgd_steps']
    if steps == 0:
        check.close(F.cross_entropy(model(images[0]), labels[0]).view(1), golden['loss'], LOOSE)
        check.close(model.eval()(images[0]).softmax(1), golden['test_scores'], LOOSE)
        return
    optimizer = torch.optim.SGD(weights.values(), lr=about['lr'])
    for step in range(steps):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images[step]), labels[step])
        loss.backward()
        check.close(loss, golden['losses'][step], LOOSE)
        if step == 0:
            compare(check, model, names, golden, 'grad0')
        optimizer.step()
        if step == 0 and 'param1/backbone.prompt' in golden:
            check.close(tower.tuning.prompt, golden['param1/backbone.prompt'])
    if steps == 5:
        compare(check, model, names, golden, 'param5')
    with torch.no_grad():
        check.close(model.eval()(images[0]).softmax(1), golden['test_scores_after'], LOOSE)


def name_originals(weights, tower):
    """Our name of a trained weight → the published one."""
    found = {name: name.replace('backbone.tuning.prompt', 'backbone.prompt') for name in weights}
    if any(name.startswith('backbone.trunk.') for name in weights):
        back = {v: k for k, v in timm_names(tower).items()}
        for name in weights:
            if name.startswith('backbone.trunk.'):
                inner = name.removeprefix('backbone.trunk.')
                found[name] = f'backbone.model.{back[inner]}' if inner in back else name
    return found


def timm_names(tower):
    """OpenAI's names of the tower's weights → timm's, by way of the converter."""
    template = {name: torch.zeros(1, 1) for name in openai_names(len(tower.trunk.blocks))}
    pairs = {}
    for name in template:
        marked = {**template, name: torch.ones(1, 1)}
        for theirs, value in openai_clip.convert(marked, tower.trunk).items():
            if bool((value == 1).any()) and theirs != 'head.bias':
                pairs[name] = theirs
    return pairs


def openai_names(depth):
    yield from ('class_embedding', 'positional_embedding', 'proj', 'conv1.weight')
    parts = [f'ln_pre.{end}' for end in ('weight', 'bias')]
    parts += [f'ln_post.{end}' for end in ('weight', 'bias')]
    for block in range(depth):
        front = f'transformer.resblocks.{block}'
        parts += [f'{front}.attn.in_proj_weight', f'{front}.attn.in_proj_bias']
        for layer in ('attn.out_proj', 'mlp.c_fc', 'mlp.c_proj', 'ln_1', 'ln_2'):
            parts += [f'{front}.{layer}.{end}' for end in ('weight', 'bias')]
    yield from parts


def in_their_shape(name, value, expected):
    """A tensor of ours as the published code holds it."""
    value = value.detach()
    if name.endswith('.proj'):  # CLIP multiplies from the right
        value = value.T
    return value.reshape(expected.shape)


def set_weights(model, names, golden):
    state = dict(model.named_parameters())
    with torch.no_grad():
        for name, value in state.items():
            theirs = names.get(name, name)
            for kind in ('param0', 'frozen'):
                if f'{kind}/{theirs}' in golden:
                    value.copy_(torch.from_numpy(golden[f'{kind}/{theirs}']).view_as(value))


def compare(check, model, names, golden, kind):
    """All arrays of a kind; the rest of a whole tower by sum, length and largest magnitude."""
    summaries = {}
    if 'summary_names' in golden:
        summaries = dict(
            zip(golden['summary_names'].tolist(), golden['summary_sum_l2_maxabs'], strict=True)
        )
    compared = 0
    for name, weight in trainable(model).items():
        theirs, value = names[name], weight.grad if kind == 'grad0' else weight
        key = f'{kind}/{theirs}'
        if key in golden:
            expected = golden[key]
            check.close(in_their_shape(theirs, value, expected), expected)
            compared += 1
        if key in summaries:
            total, length, largest = summaries[key]
            values = value.detach().double()
            # a sum of n terms is off by their rounding, not by its own
            check.note(
                abs(values.sum().item() - total) / (length * len(values.flatten()) ** 0.5), 2e-5
            )
            check.note(abs(values.norm().item() - length) / length, 2e-5)
            check.note(abs(values.abs().max().item() - largest) / largest, 2e-5)
            compared += 1
    assert compared >= len(names)


@pytest.mark.parametrize('prompt', ['VisualPrompt', 'OriginalVisualPrompt'])
def test_a_token_prompt_after_loading(parity, described, prompt):
    """Ours scores as it did when training ended; the original's adds the mean token once more."""
    check = Golden('token prompt after loading', prompt)
    case = 'cite32_prepend_token_len1_layersdefault'
    with (
        arrays(parity('unit/token_reinit_bug.npz')) as bug,
        arrays(parity(f'model/{case}.npz')) as golden,
    ):
        images = tensors(parity('inputs_32.npz'))['x']
    tower = make_tower(parity, case, True, {**make_tuning(described[case]), 'type': prompt})
    head = HEADS.build(make_head(golden, described[case]))
    model = Classifier(tower, NECKS.build('ProjectionNeck'), head, CLASSES).eval()
    state = model.state_dict()
    for name in ('backbone.prompt', 'neck.weight', 'neck.bias'):
        state[ours(name)] = torch.from_numpy(bug[f'state/{name}'])
    state['backbone.tuning.initialized'] = torch.tensor(True)
    model.load_state_dict(state, strict=True)
    broken = prompt == 'OriginalVisualPrompt'
    expected = bug['prompt_after_reload_and_forward_of_batch1' if broken else 'prompt_trained']
    scores = bug[f'scores_batch0_{"after_reload" if broken else "in_process"}']
    with torch.no_grad():
        model(images[1])
        check.close(tower.tuning.prompt, expected)
        check.close(model(images[0]).softmax(1), scores, LOOSE)


def test_the_defect_is_one(parity):
    """The two scores that the fixture holds differ, so the test above can tell them apart."""
    with np.load(parity('unit/token_reinit_bug.npz')) as bug:
        off = np.abs(bug['scores_batch0_after_reload'] - bug['scores_batch0_in_process']).max()
    assert off > 0.01
