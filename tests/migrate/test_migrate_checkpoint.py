"""Original checkpoints in, adapters out, with the scores that the original's formulas give."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from old_cite import (
    CITE,
    openai_names,
    read_config,
    save_base,
    save_checkpoint,
    tiny_clip,
    write_configs,
)
from PIL import Image
from safetensors.torch import load_file, save_file
from tiny_models import CITE_STATE, save_tiny_bert, tiny_trunk
from torch import Tensor
from torch.nn import functional as F

import cite
from cite.adapter import read_info
from cite.errors import CheckpointError, ConfigError, ModelError
from cite.migrate import migrate_checkpoint
from cite.migrate.backbone import used_rows
from cite.migrate.options import Options

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@pytest.fixture(scope='module')
def models(tmp_path_factory):
    """(folder of a CLIP tower, the tower, folder of a BERT)."""
    root = tmp_path_factory.mktemp('models')
    return *tiny_clip(root / 'clip'), save_tiny_bert(root / 'bert')


@pytest.fixture(scope='module')
def old_config(tmp_path_factory):
    return read_config(write_configs(tmp_path_factory.mktemp('old'))[CITE])


@pytest.mark.parametrize(
    ('part', 'value', 'message'),
    [
        (('model', 'neck'), [1], 'model.neck is no dict'),
        (('model', 'backbone'), [1], 'model.backbone is no dict'),
        (('data', 'test', 'pipeline'), ['a'], r'data.test.pipeline\[0\] is no dict'),
        (('model', 'backbone', 'prompt_layers'), 3, 'prompt_layers=3 .list the blocks'),
    ],
)
def test_configs_of_odd_form_are_refused(config, tmp_path, part, value, message):
    inside = config
    for key in part[:-1]:
        inside = inside[key]
    inside[part[-1]] = value
    tower = {'backbone.model.class_embedding': torch.zeros(2)}
    torch.save({'state_dict': tower, 'meta': {}}, tmp_path / 'old.pth')
    with pytest.raises(ConfigError, match=message):
        migrate_checkpoint(tmp_path / 'old.pth', tmp_path / 'out', config)


@pytest.fixture
def config(old_config):
    return copy.deepcopy(old_config)


@pytest.fixture(scope='module')
def pictures():
    rng = np.random.default_rng(2)
    return [
        Image.fromarray(rng.integers(0, top, (50, 70, 3), dtype=np.uint8))
        for top in (30, 90, 170, 256)
    ]


def weights(*shapes: tuple[int, ...], seed: int = 5, std: float = 0.3) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [std * torch.randn(shape, generator=generator) for shape in shapes]


def cite_weights(rows: int = 1, length: int = 1) -> dict[str, Tensor]:
    prompt, weight, bias = weights((rows, length, 48), (24, 24), (24,))
    return {'backbone.prompt': prompt, 'neck.weight': weight, 'neck.bias': bias}


@torch.no_grad()
def features(trunk: Any, pictures: Any, prompts: dict[int, Tensor], add: bool = False) -> Tensor:
    """The published preprocessing and forward pass in test mode, from timm's parts."""
    resized = [np.asarray(p.resize((32, 32), Image.Resampling.BILINEAR)) for p in pictures]
    x = torch.tensor(np.stack(resized)).permute(0, 3, 1, 2).float() / 255
    x = (x - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
    x = trunk.norm_pre(trunk._pos_embed(trunk.patch_embed(x)))
    inside = 0
    for index, block in enumerate(trunk.blocks):
        prompt = prompts.get(index)
        if prompt is not None and add:
            x = torch.cat([x[:, :1], x[:, 1:] + prompt.repeat(16 // len(prompt), 1)], 1)
        elif prompt is not None:
            x = torch.cat([x[:, :1], prompt.expand(len(x), -1, -1), x[:, 1 + inside :]], 1)
            inside = len(prompt)
        x = block(x)
    return trunk.forward_head(trunk.norm(x[:, :1]))


def text_scores(
    found: Tensor, trained: dict[str, Tensor], bert: Any, scale: float, texts: Any
) -> Any:
    projected = found @ trained['neck.weight'].T + trained['neck.bias']
    anchors = cite.load_text(str(bert), pooling='pooler_output').encode_text(texts)
    cosines = F.normalize(projected, dim=1) @ F.normalize(anchors, dim=1).T
    return (scale * cosines).softmax(1).numpy()


def migrated(folder, path, config, models, **options):
    base, _, bert = models
    names = {'model': str(base), 'text_encoder': str(bert), **options}
    notes = migrate_checkpoint(path, folder / 'out', config, Options(**names))
    return folder / 'out' / 'adapter.safetensors', notes


@pytest.mark.parametrize(
    ('layers', 'position', 'length', 'blocks'),
    [
        (None, 'prepend', 1, [0]),
        ([0, 1], 'prepend', 2, [0, 1]),
        ([1, 0, 2], 'prepend', 1, [0, 1, 2]),
        ([1, 1], 'prepend', 1, [0, 1]),  # row 0 goes in front of block 0 in any case
        (None, 'add', 1, [0]),
        ([0, 1], 'add', 4, [0, 1]),
        ([1, 1], 'add', 1, [1]),
    ],
)
def test_scores_of_a_prompted_tower(
    tmp_path, config, models, pictures, layers, position, length, blocks
):
    trained = cite_weights(len(layers or [0]), length)
    config['model']['backbone'] |= {'prompt_length': length, 'prompt_pos': position}
    if layers is not None:
        config['model']['backbone']['prompt_layers'] = layers
    config['model']['head'] |= {'float16': False, 'temperature': 3.0}
    path = save_checkpoint(tmp_path / 'iter_1000.pth', openai_names(models[1]), trained, seed=3)
    before = path.read_bytes()
    adapter, notes = migrated(tmp_path, path, config, models)
    assert path.read_bytes() == before
    prompts = {block: trained['backbone.prompt'][block] for block in blocks}
    found = features(models[1], pictures, prompts, position == 'add')
    texts = config['model']['head']['texts']
    expected = text_scores(found, trained, models[2], np.exp(3.0), texts)
    predictor = cite.load(adapter)
    np.testing.assert_allclose(predictor.predict(pictures).scores, expected, atol=2e-5)
    np.testing.assert_allclose(predictor.predict(pictures).scores, expected, atol=2e-5)  # as before
    assert expected.std(0).max() > 1e-3  # the pictures differ, so it says something
    assert bool(notes) == (layers == [1, 1] and position == 'add')


def test_the_file_says_what_it_is(tmp_path, config, models):
    path = save_checkpoint(
        tmp_path / 'iter_1000.pth', openai_names(models[1]), cite_weights(), seed=3
    )
    adapter, _ = migrated(tmp_path, path, config, models)
    info = read_info(adapter)
    assert info.classes[0].startswith('well') and info.head['texts'][0].startswith('Well')
    assert info.preprocessing['fit'] == {'size': 32, 'interpolation': 'bilinear', 'how': 'squash'}
    assert info.backbone['mean'] == list(MEAN) and info.precision == 'fp32'
    assert info.training['iterations'] == 1000 and info.training['seed'] == 3
    assert info.anchors['pooling'] == 'pooler_output'
    assert set(load_file(adapter)) == CITE_STATE
    card = (adapter.parent / 'MODEL_CARD.md').read_text(encoding='utf-8')
    assert '32 × 32 pixels (bilinear)' in card
    assert 'Migrated from iter_1000.pth of the original' in card and 'mmcls 0.25.0' in card


def test_half_precision_and_the_config_inside(tmp_path, config, models, pictures):
    """As GPUs leave it: weights and anchors in fp16, the config in the checkpoint's own notes."""
    from mmengine.config import Config

    trained = {key: value.half() for key, value in cite_weights().items()}
    tower = {k: v.half() for k, v in openai_names(models[1]).items()}
    text = Config(config).pretty_text
    path = save_checkpoint(tmp_path / 'iter_1000.pth', tower, trained, text)
    base, _, bert = models
    half = tmp_path / 'half'
    half.mkdir()
    (half / 'config.json').write_text((base / 'config.json').read_text())
    save_file({k: v.contiguous() for k, v in tower.items()}, half / 'model.safetensors')
    adapter, _ = migrated(tmp_path, path, None, (half, None, bert))
    anchors = load_file(adapter)['head.anchors']
    exact = cite.load_text(str(bert), pooling='pooler_output').encode_text(
        config['model']['head']['texts']
    )
    assert torch.equal(anchors, exact.half().float()) and not torch.equal(anchors, exact)
    assert {value.dtype for value in load_file(adapter).values()} == {torch.float32, torch.bool}
    assert cite.load(adapter).predict(pictures).scores.shape == (4, 3)


def test_learned_temperature_and_a_fixed_projection(tmp_path, config, models, pictures):
    trained = {**cite_weights(), 'head.temperature': torch.tensor(1.5)}
    config['model']['head'] |= {'learnable_t': True, 'float16': False}
    config['model']['neck']['fix'] = True
    path = save_checkpoint(tmp_path / 'iter_1000.pth', openai_names(models[1]), trained)
    adapter, _ = migrated(tmp_path, path, config, models)
    found = features(models[1], pictures, {0: trained['backbone.prompt'][0]})
    texts = config['model']['head']['texts']
    expected = text_scores(found, trained, models[2], np.exp(1.5), texts)
    np.testing.assert_allclose(cite.load(adapter).predict(pictures).scores, expected, atol=2e-5)


def linear(config: dict[str, Any], fix: bool) -> dict[str, Tensor]:
    config['model'] = {
        'type': 'ImageClassifier',
        'backbone': {'type': 'CLIPImageBackbone', 'arch': 'ViT-B/16', 'fix': fix},
        'head': {'type': 'MyLinearClsHead', 'num_classes': 3, 'in_channels': 24},
    }
    weight, bias = weights((3, 24), (3,))
    return {'head.fc.weight': weight, 'head.fc.bias': bias}


def test_scores_of_a_linear_probe(tmp_path, config, models, pictures):
    trained = linear(config, fix=True)
    path = save_checkpoint(tmp_path / 'iter_1000.pth', openai_names(models[1]), trained)
    adapter, _ = migrated(tmp_path, path, config, models)
    logits = features(models[1], pictures, {}) @ trained['head.fc.weight'].T
    expected = (logits + trained['head.fc.bias']).softmax(1).numpy()
    np.testing.assert_allclose(cite.load(adapter).predict(pictures).scores, expected, atol=2e-5)


def test_a_fine_tuned_tower_is_stored_whole(tmp_path, config, models, pictures):
    trained = linear(config, fix=False)
    tuned = tiny_trunk('vit_base_patch32_clip_quickgelu_224', 9, num_classes=24)
    torch.nn.init.zeros_(tuned.head.bias)
    path = save_checkpoint(tmp_path / 'iter_1000.pth', openai_names(tuned), trained)
    adapter, _ = migrated(tmp_path, path, config, models)
    logits = features(tuned, pictures, {}) @ trained['head.fc.weight'].T
    expected = (logits + trained['head.fc.bias']).softmax(1).numpy()
    np.testing.assert_allclose(cite.load(adapter).predict(pictures).scores, expected, atol=2e-5)


def mmcls_names(trunk: Any) -> dict[str, Tensor]:
    renames = (
        ('patch_embed.proj.', 'patch_embed.projection.'),
        ('blocks.', 'layers.'),
        ('norm1.', 'ln1.'),
        ('norm2.', 'ln2.'),
        ('mlp.fc1.', 'ffn.layers.0.0.'),
        ('mlp.fc2.', 'ffn.layers.1.'),
    )
    state = {}
    for key, value in trunk.state_dict().items():
        if key.startswith('norm.'):
            key = key.replace('norm.', 'ln1.')
        for ours, theirs in renames:
            key = key.replace(ours, theirs)
        state[key] = value
    return state


@pytest.mark.parametrize('position', ['prepend', 'add'])
def test_scores_of_a_vision_transformer(tmp_path, config, models, pictures, position):
    """mmcls' own transformer; 'add' did nothing there, and so there is no prompt."""
    trunk = tiny_trunk()
    tower = mmcls_names(trunk)
    sizes = {'patch_size': 8, 'embed_dim': 48, 'depth': 3, 'num_heads': 3}
    base = save_base(tmp_path / 'vit', tower, 'vit_tiny_patch16_224', 0, **sizes)
    prompt, weight, bias = weights((2, 1, 48), (24, 48), (24,))
    trained = {'backbone.prompt': prompt, 'neck.weight': weight, 'neck.bias': bias}
    config['model']['backbone'] = {
        'type': 'PromptedVisionTransformer',
        'arch': 'deit-t',
        'img_size': 32,
        'patch_size': 8,
        'prompt_layers': [0, 1],
        'prompt_pos': position,
    }
    config['model']['head']['float16'] = False
    path = save_checkpoint(tmp_path / 'iter_1000.pth', tower, trained, prefix='backbone.')
    adapter, notes = migrated(tmp_path, path, config, (base, None, models[2]))
    prompts = {0: prompt[0], 1: prompt[1]} if position == 'prepend' else {}
    found = features(trunk, pictures, prompts)
    texts = config['model']['head']['texts']
    expected = text_scores(found, trained, models[2], np.exp(4.6052), texts)
    np.testing.assert_allclose(cite.load(adapter).predict(pictures).scores, expected, atol=2e-5)
    assert bool(notes) == (position == 'add')


def test_another_base_model_is_noticed(tmp_path, config, models):
    path = save_checkpoint(tmp_path / 'iter_1000.pth', openai_names(models[1]), cite_weights())
    adapter, _ = migrated(tmp_path, path, config, models)
    other, _ = tiny_clip(tmp_path / 'other', seed=1)
    with pytest.raises(CheckpointError, match='digest'):
        cite.load(adapter, model=str(other))


def test_used_rows():
    assert used_rows(None, 'prepend', 3, 1) == [0]
    assert used_rows([2], 'prepend', 3, 1) == [0, 2]  # the original fails at row 2
    assert used_rows([0, 7], 'add', 3, 2) == [0]  # passed over


def refused(kind, match, tmp_path, config, models, trained=None, path=None, **options):
    path = path or save_checkpoint(
        tmp_path / 'iter_1000.pth', openai_names(models[1]), trained or cite_weights()
    )
    with pytest.raises(kind, match=match) as error:
        migrated(tmp_path, path, config, models, **options)
    assert '\n' not in str(error.value) and not (tmp_path / 'out').exists()


def test_a_prompt_that_the_original_could_not_run(tmp_path, config, models):
    config['model']['backbone']['prompt_layers'] = [2]
    refused(
        CheckpointError, r'1 rows does not go with prompt_layers=\[2\]', tmp_path, config, models
    )


def test_an_added_prompt_that_is_longer_than_the_patches(tmp_path, config, models, pictures):
    """It was added to none of them."""
    trained = cite_weights(length=20)
    config['model']['backbone'] |= {'prompt_length': 20, 'prompt_pos': 'add'}
    config['model']['head'] |= {'float16': False, 'temperature': 3.0}
    path = save_checkpoint(tmp_path / 'iter_1000.pth', openai_names(models[1]), trained)
    adapter, notes = migrated(tmp_path, path, config, models)
    found = features(models[1], pictures, {})
    texts = config['model']['head']['texts']
    expected = text_scores(found, trained, models[2], np.exp(3.0), texts)
    np.testing.assert_allclose(cite.load(adapter).predict(pictures).scores, expected, atol=2e-5)
    assert notes == ['the prompt is left out: the original never read it']


def test_a_prompt_that_the_config_does_not_have(tmp_path, config, models):
    config['model']['backbone'] = {'type': 'CLIPImageBackbone', 'arch': 'ViT-B/16'}
    refused(CheckpointError, r'unexpected \(backbone\.tuning\.prompt\)', tmp_path, config, models)


def test_unknown_weights_are_named(tmp_path, config, models):
    trained = {**cite_weights(), 'ema_neck_weight': torch.ones(1), 'head.fc2.weight': torch.ones(1)}
    match = r'unknown weights ema_neck_weight, head\.fc2\.weight'
    refused(CheckpointError, match, tmp_path, config, models, trained)


def test_weights_that_do_not_fit_the_config(tmp_path, config, models):
    trained = {
        **cite_weights(),
        'neck.weight': torch.ones(7, 24),
        'head.temperature': torch.ones(()),
    }
    match = r'head\.temperature.*neck\.weight is \(7, 24\), the model has \(24, 24\)'
    refused(CheckpointError, match, tmp_path, config, models, trained)
    del trained['neck.bias']
    refused(CheckpointError, r'missing \(neck\.bias\)', tmp_path, config, models, trained)


def test_no_config(tmp_path, models):
    refused(ConfigError, 'holds no config; give the one .*--config', tmp_path, None, models)


def test_a_config_that_cannot_be_carried(tmp_path, config, models):
    config['model']['backbone']['with_cp'] = True
    refused(ConfigError, r'model\.backbone\.with_cp=True', tmp_path, config, models)


def test_zero_shot_has_nothing_to_migrate(tmp_path, config, models):
    config['model']['backbone'] = {'type': 'CLIPImageBackbone', 'arch': 'ViT-B/16'}
    config['model']['head'] = {'type': 'CLIPTextHead', 'arch': 'ViT-B/16', 'texts': ['a', 'b', 'c']}
    del config['model']['neck']
    refused(ConfigError, 'CLIPTextHead', tmp_path, config, models)


def test_a_text_encoder_that_is_not_at_hand(tmp_path, config, models):
    match = r'text encoder .*--text-encoder'
    refused(ModelError, match, tmp_path, config, models, text_encoder='nobody/no-bert')


def test_a_resnet_tower(tmp_path, config, models):
    path = tmp_path / 'resnet.pth'
    save_checkpoint(path, {'layer1.0.conv1.weight': torch.ones(1)}, cite_weights())
    refused(CheckpointError, 'layout', tmp_path, config, models, path=path)


class Opener:
    def __init__(self, path: Any) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return open, (str(self.path), 'w')


def test_pickled_code_is_not_run(tmp_path, config, models):
    path = tmp_path / 'evil.pth'
    torch.save({'state_dict': {}, 'meta': Opener(tmp_path / 'owned')}, path)
    refused(CheckpointError, 'which are not loaded', tmp_path, config, models, path=path)
    path.write_bytes(pickle.dumps(Opener(tmp_path / 'owned')))
    refused(CheckpointError, 'cannot be read', tmp_path, config, models, path=path)
    assert not (tmp_path / 'owned').exists()


@pytest.mark.parametrize(
    ('content', 'match'),
    [
        ({'model': {}}, 'no `state_dict`'),
        ([1], 'no `state_dict`'),
        ({'state_dict': {'head.fc.weight': torch.ones(1)}}, 'no weights of a vision tower'),
        ({'state_dict': {}, 'cite': {}}, 'needs no migration'),
    ],
)
def test_other_files(tmp_path, config, models, content, match):
    path = tmp_path / 'other.pth'
    torch.save(content, path)
    refused(CheckpointError, match, tmp_path, config, models, path=path)
