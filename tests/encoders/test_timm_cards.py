from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import timm
import torch
from tiny_models import tiny_images

from cite.encoders import timm_cards
from cite.encoders.card import Source
from cite.encoders.checkpoints import load_strict, to_timm
from cite.encoders.towers.tower import VisionTower
from cite.encoders.vision import load_vision, random_trunk
from cite.encoders.zoo import get_card
from cite.errors import CheckpointError, ModelError


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
        ('timm:resnetv2_50x3_bit.nonsense', 'Invalid pretrained tag.*goog_in21k'),
        ('timm:resnet10', "timm has no model 'resnet10'.*close: .*resnet101"),
        ('timm:test_vit_relpos', 'timm knows no weights'),
        ('timm:volo_d5_512', 'resized to 445 pixels'),
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


# name: tower, feature, its length, multiple of sizes, size, side before the crop
OTHERS = {
    'resnet18.a1_in1k': ('ConvNet', 'pool', 512, 32, 224, 235),
    'resnetv2_50x1_bit.goog_in21k': ('ConvNet', 'pool', 2048, 32, 224, 256),
    'densenet121.ra_in1k': ('ConvNet', 'pool', 1024, 32, 224, 256),
    'swin_tiny_patch4_window7_224.ms_in22k': ('Swin', 'pool', 768, 32, 224, 248),
    'convnext_tiny.fb_in22k': ('AnyModel', 'pool', 768, 32, 224, 256),
    'efficientnet_b0.ra_in1k': ('AnyModel', 'pool', 1280, 32, 224, 256),
    'mobilenetv3_small_100.lamb_in1k': ('AnyModel', 'pool', 1024, 32, 224, 256),
    'inception_v3.tv_in1k': ('AnyModel', 'pool', 2048, 1, 299, 341),
    'maxvit_tiny_tf_224.in1k': ('AnyModel', 'pool', 512, 32, 224, 235),
    'eva02_tiny_patch14_224.mim_in22k': ('AnyModel', 'pool', 192, 14, 224, 248),
    'resnet50_clip.openai': ('AnyModel', 'projection', 1024, 32, 224, 248),
    'deit_tiny_distilled_patch16_224.fb_in1k': ('AnyModel', 'pool', 192, 16, 224, 248),
}


@pytest.mark.parametrize('name', OTHERS)
def test_any_model_of_timm(name):
    """The tower runs, its feature is as long as the card says, the hub's file fits it."""
    card = get_card(f'timm:{name}')
    side = card.image_size
    found = (card.tower, card.feature, card.feature_dim, card.patch_size, side, card.resize_size)
    assert found == OTHERS[name]
    cfg = timm.get_pretrained_cfg(name)
    with torch.device('meta'):
        trunk = random_trunk(card, side)
        published = timm.create_model(card.arch, num_classes=cfg.num_classes).state_dict()
        tower = VisionTower(card, trunk.eval())
        assert tower(torch.empty(1, 3, side, side)).shape == (1, card.feature_dim)
    load_strict(trunk, to_timm(published, trunk, card.pos_interp, card.leftovers), name)
    assert (card.mean, card.std) == (cfg.mean, cfg.std)
    assert not any(key in trunk.state_dict() for key in card.leftovers)


def test_how_images_get_their_size():
    def resize(name):
        card = get_card(f'timm:{name}')
        return card.resize, card.interpolation, card.image_size

    assert resize('convnext_base.fb_in22k_ft_in1k_384') == ('squash', 'bicubic', 384)
    # tested at 288 pixels, trained at 224
    assert resize('resnet18.a1_in1k') == ('shortest', 'bicubic', 224)
    assert resize('resnet18.tv_in1k') == ('shortest', 'bilinear', 224)
    border = 'deepseek_vit_412m.deepseek_v4_1_flash'
    assert timm.get_pretrained_cfg(border).crop_mode == 'border'
    assert resize(border)[0] == 'shortest'


def test_weights_that_are_on_no_hub():
    card = get_card('timm:gcvit_xxtiny.in1k')
    assert card.source is not None
    assert card.source.repo is None
    assert 'https://github.com/' in card.source.how
    with pytest.raises(ModelError, match=r'are on no hub: download https://.*gcvit_xxtiny'):
        load_vision('timm:gcvit_xxtiny.in1k')


@pytest.mark.parametrize('arch', ['test_convnext', 'test_resnet', 'test_efficientnet'])
def test_local_models_of_other_kinds(tmp_path, arch):
    torch.manual_seed(0)
    theirs = timm.create_model(arch, num_classes=3).eval()
    torch.save(theirs.state_dict(), tmp_path / 'pytorch_model.bin')
    config = {
        'architecture': arch,
        'num_classes': 3,
        'pretrained_cfg': {'input_size': [3, 64, 64], 'mean': [0, 0, 0], 'std': [1, 1, 1]},
    }
    (tmp_path / 'config.json').write_text(json.dumps(config))
    tower = load_vision(str(tmp_path))
    images = tiny_images(side=64)
    with torch.no_grad():
        maps = theirs.forward_features(images)
        expected = theirs.forward_head(maps, pre_logits=True)
        torch.testing.assert_close(tower(images), expected, rtol=1e-5, atol=1e-6)
    state = theirs.state_dict()
    key = next(key for key in state if 'stages.1.' in key or 'layer2.' in key or 'blocks.1.' in key)
    for changed in (
        {k: v for k, v in state.items() if k != key},
        {**state, f'{key}2': state[key]},
        {**state, key: torch.zeros(9)},
    ):
        torch.save(changed, tmp_path / 'pytorch_model.bin')
        with pytest.raises(CheckpointError, match=re.escape(key)):
            load_vision(str(tmp_path))


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
