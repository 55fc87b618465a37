from __future__ import annotations

import pytest
import timm
import torch
from safetensors.torch import save_file
from tiny_models import tiny_images

import cite
from cite.encoders import vision
from cite.encoders.vision import load_vision
from cite.errors import CheckpointError, ConfigError, ModelError

VIT = 'timm:vit_tiny_patch16_224'


def test_random_towers_are_the_same_everywhere_and_leave_the_random_state():
    state = torch.get_rng_state()
    first = load_vision('random-vit-tiny')
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(5)
    assert load_vision('random-vit-tiny').digest == first.digest
    assert (first.image_size, first.depth, first.feature_dim) == (112, 2, 192)
    assert cite.load_vision is load_vision


def test_a_random_tower_needs_no_files_and_takes_any_size():
    tower = load_vision(VIT, pretrained=False, image_size=32)
    assert (tower.image_size, tower.num_patches) == (32, 4)
    assert tower(tiny_images()).shape == (2, 192)
    assert tower.resize.size == 32
    assert not any(p.requires_grad for p in tower.parameters())
    assert not tower.trunk.training


def test_weights_from_a_file(tmp_path):
    torch.manual_seed(1)
    source = timm.create_model('vit_tiny_patch16_224', num_classes=10).eval()
    file = tmp_path / 'weights.safetensors'
    save_file(source.state_dict(), file)
    tower = load_vision(VIT, weights=file, mean=(0, 0, 0), std=(1, 1, 1))
    images = tiny_images(side=224)
    with torch.no_grad():
        expected = source.forward_head(source.forward_features(images), pre_logits=True)
        torch.testing.assert_close(tower(images), expected)
    small = load_vision(VIT, weights=file, image_size=112)
    assert small.num_patches == 49
    assert torch.isfinite(small(tiny_images(side=112))).all()
    state = source.state_dict()
    del state['norm.weight']
    save_file(state, file)
    with pytest.raises(CheckpointError, match=r'1 missing \(norm\.weight\)'):
        load_vision(VIT, weights=file)


def test_mean_and_std_may_be_given():
    plain, other = (
        load_vision('random-vit-tiny', image_size=32, mean=mean) for mean in (None, (0.1, 0.2, 0.3))
    )
    assert plain.mean.flatten().tolist() == [0.5, 0.5, 0.5]
    assert other.mean.flatten().tolist() == pytest.approx([0.1, 0.2, 0.3])
    assert other.card.std == plain.card.std
    shift = (other.mean - plain.mean).expand(2, 3, 32, 32)
    images = tiny_images()
    torch.testing.assert_close(other(images + shift), plain(images), rtol=1e-4, atol=1e-4)


def test_missing_weights_are_told_before_anything_is_built(monkeypatch, tmp_path):
    monkeypatch.setattr(vision, 'random_trunk', lambda *_: pytest.fail('built'))
    with pytest.raises(ModelError, match='no file or folder'):
        load_vision('uni2-h', weights=tmp_path / 'none.pth')
    with pytest.raises(ModelError, match='multiple of it, found 100'):
        load_vision('uni2-h', image_size=100)  # and that before anything is fetched


@pytest.mark.parametrize(
    ('options', 'error', 'named'),
    [
        ({'image_size': 100}, ModelError, 'multiple of it, found 100'),
        ({'image_size': -16}, ModelError, 'found -16'),
        ({'mean': (123.7, 116.3, 103.5)}, ConfigError, r'mean must be three numbers .*123\.7'),
        ({'mean': (0.5,)}, ConfigError, 'mean must be three numbers'),
        ({'std': (0.5, 0.5, 0)}, ConfigError, 'std must be three numbers'),
        ({'tuning': 'VisualPromt'}, ConfigError, "Did you mean 'VisualPrompt'"),
        ({'tuning': {'type': 'VisualPrompt', 'layers': 4}}, ConfigError, 'tower of 2 blocks'),
    ],
)
def test_mistakes_are_named(options, error, named):
    with pytest.raises(error, match=named):
        load_vision('random-vit-tiny', **options)
