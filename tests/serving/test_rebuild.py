from __future__ import annotations

import dataclasses
import json
import pickle

import pytest
import torch
from safetensors.torch import save_file
from small_adapter import CLASSES, PROMPT, TEXTS, build, pictures, text_head, write

from cite.adapter import KEY, save_adapter
from cite.encoders.vision import load_vision
from cite.errors import CheckpointError, ModelError
from cite.images import image_batches
from cite.serving import load
from cite.serving.rebuild import load_adapter

SMALL_TIMM = {'model': 'timm:vit_tiny_patch16_224', 'pretrained': False, 'image_size': 32}
LINEAR = {'neck': None, 'head': {'type': 'LinearHead'}}
ZERO_SHOT = {'type': 'ZeroShotHead', 'texts': TEXTS, 'anchors': text_head(192)['anchors']}
CASES = {
    'shallow prompt': {},
    'deep prompts': {'tuning': {**PROMPT, 'layers': 'deep', 'init': 'uniform'}},
    'prompt at the last layer': {'tuning': {**PROMPT, 'layers': [-1]}},
    'added prompt': {'tuning': {**PROMPT, 'position': 'add'}},
    'token prompt': {'tuning': {**PROMPT, 'init': 'token'}},
    'activations': {'neck': {'type': 'ProjectionNeck', 'act_after': 'Tanh', 'bias': False}},
    'learnable temperature': {'head': text_head(learnable_temperature=True)},
    'high temperature': {'head': text_head(temperature=4.6052)},
    'zero-shot': {'tuning': None, 'neck': None, 'head': ZERO_SHOT},
    'linear': LINEAR,
    'fine-tuned': {
        'tuning': {'type': 'FullFineTuning'},
        'tower': SMALL_TIMM,
        **LINEAR,
    },
    'other normalisation': {
        'tower': {'model': 'random-vit-tiny', 'mean': [0.7, 0.5, 0.6], 'std': [0.2, 0.2, 0.2]}
    },
}


def expected(classifier, images) -> torch.Tensor:
    with torch.inference_mode():
        (batch,) = image_batches(images, classifier.backbone.resize, len(images))
        return classifier(batch).softmax(1)


@pytest.fixture(scope='module')
def trained():
    return build()


@pytest.mark.parametrize('case', CASES)
def test_loaded_adapter_scores_as_the_trained_model(tmp_path, case):
    classifier, info = build(**CASES[case])
    # before saving: the first batch that a token prompt sees decides it
    trained = expected(classifier, pictures(5))
    path = tmp_path / 'adapter.safetensors'
    save_adapter(path, classifier.state_dict(), info)
    torch.manual_seed(99)  # nothing of the new model may be left as it was drawn
    predictor = load(path, device='cpu')
    scores = predictor.predict(pictures(5), batch_size=5).scores
    assert predictor.classes == CLASSES
    assert torch.equal(torch.from_numpy(scores), trained)
    assert not torch.equal(trained[0], trained[1])
    assert not any(module.training for module in predictor.classifier.modules())


def test_token_prompt_that_saw_no_image_starts_from_its_first_batch(tmp_path):
    """An adapter saved before the first step is as good as the model it was saved from."""
    classifier, info = build(tuning={**PROMPT, 'init': 'token'})
    path = tmp_path / 'adapter.safetensors'
    save_adapter(path, classifier.state_dict(), info)
    loaded, _ = load_adapter(path)
    assert not bool(loaded.backbone.tuning.initialized)
    assert torch.equal(expected(loaded, pictures(3)), expected(classifier, pictures(3)))
    assert bool(loaded.backbone.tuning.initialized)


def test_another_base_model_is_refused_by_digest(trained, tmp_path):
    classifier, info = trained
    path = tmp_path / 'adapter.safetensors'
    save_adapter(path, classifier.state_dict(), info)
    state = {name: value.clone() for name, value in classifier.backbone.trunk.state_dict().items()}
    same = tmp_path / 'elsewhere.safetensors'
    save_file(state, same)
    assert len(load(path, weights=same).predict(pictures(2))) == 2

    state['blocks.0.mlp.fc1.bias'][0] += 1e-3
    other = tmp_path / 'other.safetensors'
    save_file(state, other)
    with pytest.raises(CheckpointError, match='digest') as error:
        load(path, weights=other)
    message = str(error.value)
    there = load_vision('random-vit-tiny', weights=other).digest
    assert info.tower_digest[:12] in message and there[:12] in message
    assert 'random-vit-tiny' in message and str(path) in message
    assert '\n' not in message


def test_another_image_size_is_refused_by_digest(trained, tmp_path):
    classifier, info = trained
    path = tmp_path / 'adapter.safetensors'
    backbone = {**info.backbone, 'image_size': 64}
    save_adapter(path, classifier.state_dict(), dataclasses.replace(info, backbone=backbone))
    with pytest.raises(CheckpointError, match=r'digest .* image size') as error:
        load(path)
    assert info.tower_digest[:12] in str(error.value)


def test_a_base_model_of_another_depth_is_refused_by_digest_too(trained, tmp_path):
    classifier, info = trained
    path = tmp_path / 'adapter.safetensors'
    backbone = {**info.backbone, **SMALL_TIMM, 'image_size': 112}
    save_adapter(path, classifier.state_dict(), dataclasses.replace(info, backbone=backbone))
    with pytest.raises(CheckpointError, match=f'digest {info.tower_digest[:12]}'):
        load(path)


def test_same_weights_with_other_preprocessing_are_refused(trained, tmp_path):
    classifier, info = trained
    path = tmp_path / 'adapter.safetensors'
    here = {**info.preprocessing, 'interpolation': 'bilinear'}
    save_adapter(path, classifier.state_dict(), dataclasses.replace(info, preprocessing=here))
    with pytest.raises(CheckpointError, match=r'interpolation bilinear \(here bicubic\)'):
        load(path)


def test_base_model_that_cannot_be_had_names_the_adapter(tmp_path):
    path, *_ = write(tmp_path)
    with pytest.raises(ModelError, match=r'adapter.safetensors: unknown model .no-such-vit'):
        load(path, model='no-such-vit')
    with pytest.raises(ModelError, match='no file or folder'):
        load(path, weights=tmp_path / 'gone.pth')


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda s: s.pop('neck.weight'), r'1 missing \(neck.weight\)'),
        (lambda s: s.pop('backbone.tuning.prompt'), r'1 missing \(backbone.tuning.prompt\)'),
        (lambda s: s.pop('head.anchors'), 'missing head.anchors'),
        (lambda s: s.update({'neck.extra': torch.ones(1)}), r'1 unexpected \(neck.extra\)'),
        (
            lambda s: s.update({'backbone.trunk.norm.bias': torch.ones(192)}),
            r'1 unexpected \(backbone.trunk.norm.bias\)',
        ),
        (lambda s: s.update({'neck.bias': torch.ones(7)}), r'neck.bias is \(7,\), the model has'),
        (lambda s: s.update({'head.anchors': torch.ones(2, 24)}), 'anchors: 3 texts'),
        (lambda s: s.update({'head.anchors': torch.ones(3)}), 'anchors: 3 texts'),
        (lambda s: s.clear(), 'missing head.anchors'),
        (
            lambda s: s.update({f'x{i}': torch.ones(1) for i in range(9)}),
            r'9 unexpected \(.*x4 and 4 more\)',
        ),
    ],
)
def test_tensors_that_do_not_fit(trained, tmp_path, change, message):
    classifier, info = trained
    state = dict(classifier.state_dict())
    change(state)
    path = tmp_path / 'adapter.safetensors'
    save_adapter(path, state, info)
    with pytest.raises(CheckpointError, match=message) as error:
        load(path)
    assert str(path) in str(error.value) and '\n' not in str(error.value)


HOSTILE = {
    'neck': {'type': 'os.system', 'command': 'touch owned'},
    'neck without type': {},
    'neck class': {'type': 'ProjectionNeck', 'act_before': 'MultiheadAttention'},
    'neck option': {'type': 'ProjectionNeck', '__init__': 'x'},
    'neck size': {'type': 'ProjectionNeck', 'out_features': '../../x'},
    'neck number': {'type': 'ProjectionNeck', 'out_features': -1},
    'head': {'type': '../../evil.py'},
    'head dotted': {'type': 'subprocess.Popen', 'args': ['touch', 'owned']},
    'head texts': {'type': 'LinearHead', 'texts': ['a', 'b', 'c']},
    'head fewer texts': {'type': 'TextEmbeddingHead', 'texts': ['a']},
    'head temperature': {'type': 'TextEmbeddingHead', 'texts': ['a', 'b', 'c'], 'temperature': []},
    'backbone tuning': {'model': 'random-vit-tiny', 'tuning': {'type': 'builtins.exec'}},
    'backbone option': {'model': 'random-vit-tiny', 'exec': 'import os'},
    'backbone size': {'model': 'random-vit-tiny', 'image_size': '112; rm -rf /'},
    'backbone mean': {'model': 'random-vit-tiny', 'mean': [1]},
    'backbone prompt': {
        'model': 'random-vit-tiny',
        'tuning': {'type': 'VisualPrompt', 'layers': [99]},
    },
}


@pytest.mark.parametrize('case', HOSTILE)
def test_hostile_description_builds_nothing(trained, tmp_path, monkeypatch, own_cache, case):
    run = tmp_path / 'run'
    run.mkdir()
    monkeypatch.chdir(run)
    classifier, info = trained
    changed = dataclasses.replace(info, **{case.split()[0]: HOSTILE[case]})
    path = tmp_path / 'adapter.safetensors'
    save_adapter(path, classifier.state_dict(), changed)
    with pytest.raises(CheckpointError) as error:
        load(path)
    assert str(path) in str(error.value) and '\n' not in str(error.value)
    assert not list(run.iterdir()) and not list(own_cache.iterdir())


@pytest.mark.parametrize('model', ['../../etc/passwd', '/etc', '~/x', 'file:///etc', 'os.system'])
def test_path_like_model_runs_and_writes_nothing(trained, tmp_path, monkeypatch, own_cache, model):
    run = tmp_path / 'run'
    run.mkdir()
    monkeypatch.chdir(run)
    classifier, info = trained
    path = tmp_path / 'adapter.safetensors'
    save_adapter(
        path, classifier.state_dict(), dataclasses.replace(info, backbone={'model': model})
    )
    with pytest.raises((ModelError, CheckpointError), match=r'adapter\.safetensors'):
        load(path)
    assert not list(run.iterdir()) and not list(own_cache.iterdir())


def test_pickled_base_weights_are_not_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / 'owned'), 'w'))

    weights = tmp_path / 'weights.pth'
    weights.write_bytes(pickle.dumps({'model': Evil()}, protocol=2))
    path, *_ = write(tmp_path)
    with pytest.raises(CheckpointError):
        load(path, weights=weights)
    assert not (tmp_path / 'owned').exists()


def test_loading_leaves_the_file_alone(tmp_path):
    path, *_ = write(tmp_path)
    before = path.read_bytes()
    loaded, _ = load_adapter(path)
    with torch.no_grad():
        for value in loaded.state_dict().values():
            value.zero_()
    assert path.read_bytes() == before
    assert KEY in json.loads(before[8 : 8 + int.from_bytes(before[:8], 'little')])['__metadata__']
