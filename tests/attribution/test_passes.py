from __future__ import annotations

import pytest
import torch
from explained_models import KINDS, model_of, sides, tower_of
from tiny_models import tiny_images

from cite.attribution.passes import as_maps, each_patch, entering, onwards, with_maps

PROMPT = {'type': 'VisualPrompt', 'length': 3, 'layers': 'deep', 'init': 'normal'}
TUNINGS = {
    'none': None,
    'deep prompts': PROMPT,
    'prompts that run through': {**PROMPT, 'layers': [1]},
    'added prompts': {**PROMPT, 'position': 'add'},
    'lora': 'LoRA',
    'beside': 'SideTuning',
    'pixels': {'type': 'PixelPrompt', 'width': 2},
    'several': [{**PROMPT, 'layers': 'shallow'}, 'LoRA'],
}


def shaken(tower):
    with torch.no_grad():
        for weight in tower.parameters():
            if weight.requires_grad:
                weight.add_(0.05 * torch.randn_like(weight))
    return tower.eval()


def normalised(tower, count=2):
    return tower.normalise(tiny_images(count, tower.image_size))


def check_parts(tower):
    images = tiny_images(2, tower.image_size)
    with torch.no_grad():
        whole = tower(images)
        for stop in (0, tower.depth - 1, tower.depth):
            own = tower.normalise(images)
            parts = onwards(tower, entering(tower, own, stop), stop, own)
            torch.testing.assert_close(parts, whole)


@pytest.mark.parametrize('kind', KINDS)
def test_a_pass_in_two_parts_is_the_towers_own(kind):
    check_parts(tower_of(kind))


@pytest.mark.parametrize('tuning', TUNINGS.values(), ids=TUNINGS)
def test_and_so_it_is_under_every_hook_of_a_tuning(tuning):
    torch.manual_seed(0)
    check_parts(shaken(tower_of('registers and LayerScale', tuning)))


@pytest.mark.parametrize('layers', ['shallow', 'deep'])
def test_and_with_prompts_in_windows(layers):
    """From the first block on: what runs beside the grid belongs to one pass."""
    tower = shaken(tower_of('swin', {**PROMPT, 'layers': layers}))
    images = tiny_images(2, 64)
    own = tower.normalise(images)
    with torch.no_grad():
        parts = onwards(tower, entering(tower, own, tower.depth), tower.depth, own)
        torch.testing.assert_close(parts, tower(images))


@pytest.mark.parametrize('kind', KINDS)
def test_maps_are_the_grid_of_patches_and_go_back(kind):
    tower = tower_of(kind)
    with torch.no_grad():
        tokens = entering(tower, normalised(tower), tower.depth)
        maps = as_maps(tower, tokens)
    cells = sides(kind)[1]
    assert maps.shape[0] == 2 and maps.shape[2:] == (cells, cells)
    assert torch.equal(with_maps(tower, tokens, maps), tokens)
    changed = as_maps(tower, with_maps(tower, tokens, maps + 1))
    torch.testing.assert_close(changed, maps + 1)


def test_prompts_are_in_no_map_though_they_change_it():
    """Tokens in front of the last block: prefix, prompts, patches."""
    plain = tower_of('registers and LayerScale')
    tower = tower_of('registers and LayerScale', PROMPT)
    with torch.no_grad():
        own = normalised(tower)
        without, tokens = entering(plain, own, 2), entering(tower, own, 2)
        maps = as_maps(tower, tokens)
        assert tokens.shape[1] == without.shape[1] + 3
        assert maps.shape == as_maps(plain, without).shape
        assert not torch.allclose(maps, as_maps(plain, without), atol=1e-3)
        # whatever stands where the prompts are, the maps are the same
        tokens[:, plain.num_prefix_tokens : plain.num_prefix_tokens + 3] = float('nan')
        assert torch.equal(as_maps(tower, tokens), maps)


@pytest.mark.parametrize('kind', KINDS)
def test_a_patch_that_is_everywhere_is_the_image(kind):
    """Where all places of the last map agree, each one's feature is the image's."""
    tower = tower_of(kind)
    with torch.no_grad():
        own = normalised(tower, 1)
        tokens = entering(tower, own, tower.depth)
        if tokens.ndim == 3:
            tokens = tokens[:, -1:].repeat(1, tokens.shape[1], 1)
        else:
            maps = as_maps(tower, tokens)
            tokens = with_maps(tower, tokens, maps[..., :1, :1].expand_as(maps))
        features = each_patch(tower, tokens, own)
        whole = onwards(tower, tokens, tower.depth, own)
    torch.testing.assert_close(features, whole.expand_as(features), rtol=1e-4, atol=1e-5)


def test_patches_are_pooled_with_what_lies_behind_the_pooling():
    model = model_of('mean of normed tokens', 'SideTuning')
    tower = model.backbone
    with torch.no_grad():
        tower.tuning.net[-1].bias.fill_(3.0)
        own = normalised(tower, 1)
        tokens = entering(tower, own, tower.depth)
        features = each_patch(tower, tokens, own)
        # pooling is a mean of normed tokens, and what lies beside is the same for all
        torch.testing.assert_close(features.mean(0), tower(tiny_images(1))[0])
