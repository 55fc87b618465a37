"""CTransPath, CHIEF's variant of it, and MedCLIP's image halves: published files → towers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from layouts import check_refusals, synthetic, wrapped
from old_swin import OldSwin
from PIL import Image

from cite.encoders.checkpoints import find_family, load_strict, to_timm
from cite.encoders.files.state_file import unwrap
from cite.encoders.towers.stages import STAGES
from cite.encoders.vision import load_vision
from cite.encoders.zoo import CARDS
from cite.errors import CheckpointError, ModelError

LAYOUTS = ('ctranspath', 'medclip_vit', 'medclip_resnet')
MODELS = {
    'ctranspath': 'ctranspath',
    'medclip_vit': 'medclip-vit',
    'medclip_resnet': 'medclip-resnet',
}


@pytest.fixture(scope='module')
def published():
    """Whole image halves, whose stages `depth` counts; of the text halves what is small."""
    states = {name: synthetic(name, depth=4) for name in LAYOUTS}
    return {
        name: {k: v for k, v in state.items() if 'text_model' not in k or v.ndim < 2}
        for name, state in states.items()
    }


@pytest.fixture(scope='module')
def images():
    return torch.rand(1, 3, 224, 224, generator=torch.Generator().manual_seed(5))


def meta_trunk(name):
    card = CARDS[MODELS[name]]
    with torch.device('meta'):
        return card, STAGES.get(card.tower).build(card, card.image_size)


@pytest.mark.parametrize('name', LAYOUTS)
def test_published_layout_fills_the_zoo_model(name):
    card, trunk = meta_trunk(name)
    state = unwrap(wrapped(name, synthetic(name, device='meta')), name)
    load_strict(trunk, to_timm(state, trunk, card.pos_interp, card.leftovers), name)


@pytest.mark.parametrize('name', LAYOUTS)
def test_what_does_not_fit_is_refused_by_name(name):
    _, trunk = meta_trunk(name)
    state = {k: v for k, v in synthetic(name, device='meta').items() if 'text_model' not in k}

    def load(changed):
        load_strict(trunk, to_timm(changed, trunk), name)

    if name != 'medclip_resnet':  # whose matrices are in no stack
        check_refusals(load, state, named='attn')
        return
    key = 'vision_model.model.layer3.1.conv2.weight'
    for changed in (
        {k: v for k, v in state.items() if k != key},
        {**state, f'{key}2': state[key]},
        {**state, key: state[key][:-1]},
    ):
        with pytest.raises(CheckpointError, match=r'layer3\.1\.conv2\.weight'):
            load(changed)


def load(name, state, tmp_path, model=None):
    torch.save(wrapped(name, state), tmp_path / 'published.pth')
    return load_vision(model or MODELS[name], weights=tmp_path / 'published.pth')


def test_ctranspath_equals_a_computation_from_the_papers(published, images, tmp_path):
    state = published['ctranspath']
    tower = load('ctranspath', state, tmp_path)
    expected = OldSwin(state).features((images - tower.mean) / tower.std)
    assert expected.std() > 0.1
    torch.testing.assert_close(tower(images), expected, rtol=1e-5, atol=1e-5)
    without = {key: value for key, value in state.items() if 'attn_mask' not in key}
    chief = load('ctranspath', without, tmp_path, 'chief-ctranspath')
    assert chief.digest == tower.digest


def test_ctranspath_is_used_as_its_authors_do(tmp_path):
    card = CARDS['ctranspath']
    assert (card.interpolation, card.resize, card.resize_size) == ('bilinear', 'shortest', 224)
    assert card.mean == (0.485, 0.456, 0.406)
    with pytest.raises(ModelError, match='Google Drive'):
        load_vision('ctranspath')


def test_medclip_vit_equals_transformers(published, images, tmp_path):
    """`SwinModel` reads the names of older versions itself."""
    from safetensors.torch import save_file
    from transformers import SwinConfig, SwinModel

    state = published['medclip_vit']
    prefix = 'vision_model.model.'
    inner = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
    inner = {k: v for k, v in inner.items() if 'position_index' not in k}
    SwinConfig().save_pretrained(tmp_path / 'swin')
    save_file(inner, tmp_path / 'swin' / 'model.safetensors', {'format': 'pt'})
    swin, info = SwinModel.from_pretrained(tmp_path / 'swin', output_loading_info=True)
    assert not info['missing_keys']
    assert not info['unexpected_keys']
    tower = load('medclip_vit', state, tmp_path)
    with torch.no_grad():
        pooled = swin.eval()((images - tower.mean) / tower.std).pooler_output
    expected = pooled @ state['vision_model.projection_head.weight'].T
    assert expected.std() > 0.1
    torch.testing.assert_close(tower(images), expected, rtol=1e-4, atol=1e-5)


def test_medclip_resnet_equals_torchvision(published, images, tmp_path):
    from torchvision.models import resnet50

    state = published['medclip_resnet']
    prefix = 'vision_model.model.'
    resnet = resnet50()
    resnet.fc = torch.nn.Linear(2048, 512, bias=False)
    resnet.load_state_dict(
        {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
    )
    tower = load('medclip_resnet', state, tmp_path)
    with torch.no_grad():
        expected = resnet.eval()((images - tower.mean) / tower.std)
    assert expected.std() > 0.1
    torch.testing.assert_close(tower(images), expected, rtol=1e-4, atol=1e-5)


def test_medclip_sees_the_whole_picture_on_black(published, tmp_path):
    tower = load('medclip_resnet', published['medclip_resnet'], tmp_path)
    assert tower.resize.how == 'pad'
    wide = Image.new('RGB', (300, 100), 'white')
    square = np.zeros((300, 300, 3), np.uint8)
    square[100:200] = 255
    both = tower.encode_images([wide, square])
    np.testing.assert_allclose(both[0], both[1], rtol=1e-4, atol=1e-5)


def test_layouts_are_told_apart():
    found = [find_family(synthetic(name, device='meta')).LAYOUT for name in LAYOUTS]
    assert found == ['Swin transformer', 'MedCLIP', 'MedCLIP']
