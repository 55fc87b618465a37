from __future__ import annotations

import json
from pathlib import Path

import pytest
import timm
import torch

from cite.encoders import timm_cards
from cite.encoders.card import Source
from cite.encoders.zoo import get_card
from cite.errors import ModelError


def test_dino_by_timm_name():
    card = get_card('timm:vit_small_patch16_224.dino')
    assert (card.arch, card.feature, card.feature_dim) == ('vit_small_patch16_224', 'token', 384)
    assert (card.image_size, card.resize_size, card.patch_size) == (224, 248, 16)
    assert card.mean == (0.485, 0.456, 0.406)
    assert card.source is not None
    assert card.source.repo == 'timm/vit_small_patch16_224.dino'
    assert card.pos_interp == 'dino'
    assert card.arch_kwargs['num_classes'] == 0


def test_bare_timm_name_is_the_default_tag():
    card = get_card('vit_tiny_patch16_224')
    assert card.source is not None
    assert card.source.repo == 'timm/vit_tiny_patch16_224.augreg_in21k_ft_in1k'


def test_clip_by_timm_name_keeps_projection_and_activation():
    card = get_card('timm:vit_base_patch32_clip_224.openai')
    assert (card.feature, card.feature_dim, card.pos_interp) == ('projection', 512, 'timm')
    with torch.device('meta'):
        model = timm.create_model(card.arch, weight_init='skip', **card.arch_kwargs)
    assert 'QuickGELU' in type(model.blocks[0].mlp.act).__name__
    laion = get_card('timm:vit_base_patch32_clip_224.laion2b')
    assert 'act_layer' not in laion.arch_kwargs
    assert get_card('timm:vit_base_patch32_clip_224.laion2b_ft_in1k').feature == 'token'
    assert get_card('timm:vit_base_patch16_siglip_224').feature == 'pool'


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('timm:resnet18', 'is no plain vision transformer .*resnet'),
        ('deit_small_distilled_patch16_224', 'is a VisionTransformerDistilled'),
        (
            'timm:vit_small_patch16_224.nonsense',
            r'Invalid pretrained tag.*vit_small_patch16_224.dino',
        ),
        ('timm:vit_smal_patch16', "timm has no model 'vit_smal_patch16'"),
        ('timm:vit_small_patch16_22', 'close: .*vit_small_patch16_224'),
    ],
)
def test_what_cannot_be_used(name, message):
    with pytest.raises(ModelError, match=message):
        get_card(name)


CONFIG = {
    'architecture': 'vit_small_patch16_224',
    'num_classes': 0,
    'model_args': {'init_values': 1e-5, 'img_size': 224},
    'pretrained_cfg': {
        'input_size': [3, 224, 224],
        'mean': [0.7, 0.5, 0.6],
        'std': [0.2, 0.2, 0.2],
        'interpolation': 'bilinear',
        'crop_pct': 1.0,
        'license': 'cc-by-nc-4.0',
    },
}


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / 'config.json').write_text(json.dumps(CONFIG))
    (tmp_path / 'model.safetensors').touch()
    return tmp_path


@pytest.mark.parametrize('name', ['', 'model.safetensors'], ids=['folder', 'file'])
def test_local_model(folder, name):
    card = get_card(str(folder / name))
    assert card.weights == folder / name
    assert card.source is None
    assert card.mean == (0.7, 0.5, 0.6)
    assert (card.interpolation, card.resize_size, card.licence) == ('bilinear', 224, 'cc-by-nc-4.0')
    assert card.arch_kwargs == {'init_values': 1e-5, 'img_size': 224, 'num_classes': 0}


def test_hub_repository(folder, monkeypatch):
    asked = []

    def fetch(source: Source) -> Path:
        asked.append(source)
        return folder / 'config.json'

    monkeypatch.setattr(timm_cards, 'fetch', fetch)
    card = get_card('hf-hub:someone/vit@v1')
    assert asked == [Source('someone/vit', ('config.json',), 'v1')]
    assert card.source is not None
    assert (card.source.repo, card.source.revision) == ('someone/vit', 'v1')


@pytest.mark.parametrize(
    ('config', 'message'),
    [
        ('{"model_type": "vit"}', r'found a transformers config \(vit\)'),
        ('[]', 'found no "architecture"'),
        ('<html>', 'is not JSON'),
        (json.dumps({**CONFIG, 'architecture': 'vit_new'}), "has no architecture 'vit_new'"),
        (json.dumps({**CONFIG, 'model_args': {'depht': 2}}), 'timm cannot build'),
        (
            json.dumps({**CONFIG, 'pretrained_cfg': {'interpolation': 'nearest'}}),
            'cannot use the preprocessing',
        ),
    ],
)
def test_bad_config(folder, config, message):
    (folder / 'config.json').write_text(config)
    with pytest.raises(ModelError, match=message):
        get_card(str(folder))


def test_local_file_without_config(tmp_path):
    (tmp_path / 'w.pth').touch()
    with pytest.raises(ModelError, match=r'no config\.json beside it'):
        get_card(str(tmp_path / 'w.pth'))
    with pytest.raises(ModelError, match='neither a folder nor'):
        get_card('./no-such-folder')
