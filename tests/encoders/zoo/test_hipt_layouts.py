"""HIPT's two files, alone and together, against its forward pass written out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import timm
import torch
from layouts import check_refusals, synthetic, wrapped
from published import (
    check_full_size,
    check_same,
    feature,
    normalised,
    random_images,
    shorten,
    write,
)
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from cite.encoders.files.sources import resolve_weights
from cite.encoders.vision import load_vision
from cite.encoders.zoo import CARDS
from cite.errors import CheckpointError, ModelError

LAYOUTS = ('hipt_vit256_teacher', 'hipt_vit4k_teacher')
TILES, REGIONS = 'vit256_small_dino.pth', 'vit4k_xs_dino.pth'


@pytest.fixture(scope='module')
def halves() -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    tiles, regions = (short(synthetic(name, depth=2, seed=i)) for i, name in enumerate(LAYOUTS))
    return tiles, regions


def short(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """With a small head, which no model of ours reads."""
    return {k: v[:8].clone() if 'head.last_layer' in k else v for k, v in state.items()}


@pytest.fixture
def folder(tmp_path: Path, halves, monkeypatch) -> Path:
    for name, file, state in zip(LAYOUTS, (TILES, REGIONS), halves, strict=True):
        torch.save(wrapped(name, state), tmp_path / file)
    card = replace(CARDS['hipt-4k'], arch_kwargs={'depth': 2, 'tile_depth': 2})
    monkeypatch.setitem(CARDS, 'hipt-4k', card)
    return tmp_path


def positions(stored: Tensor, side: int) -> Tensor:
    """DINO's way to another number of patches."""
    grid = stored[:, 1:].reshape(1, 14, 14, -1).permute(0, 3, 1, 2)
    grid = F.interpolate(grid, scale_factor=(side + 0.1) / 14, mode='bicubic')
    return torch.cat([stored[:, :1], grid.permute(0, 2, 3, 1).flatten(1, 2)], dim=1)


def tile_vectors(state: dict[str, Tensor], tiles: Tensor) -> Tensor:
    """ViT-256 by timm, at 256 pixels."""
    model = timm.create_model('vit_small_patch16_224', img_size=256, num_classes=0, depth=2).eval()
    own = {k[9:]: v for k, v in state.items() if k.startswith('backbone.')}
    model.load_state_dict({**own, 'pos_embed': positions(own['pos_embed'], 16)})
    return model(tiles)


def region_vectors(state: dict[str, Tensor], grid: Tensor) -> Tensor:
    """ViT-4K on a grid (B, 384, w, h), out of functions alone."""
    own = {k[9:]: v for k, v in state.items() if k.startswith('backbone.')}

    def linear(x: Tensor, name: str) -> Tensor:
        return F.linear(x, own[f'{name}.weight'], own[f'{name}.bias'])

    def norm(x: Tensor, name: str) -> Tensor:
        return F.layer_norm(x, (192,), own[f'{name}.weight'], own[f'{name}.bias'], 1e-6)

    x = F.gelu(linear(grid.flatten(2, 3).transpose(1, 2), 'phi.0'))
    x = torch.cat([own['cls_token'].expand(len(x), -1, -1), x], dim=1)
    x = x + positions(own['pos_embed'], grid.shape[2])
    for block in ('blocks.0', 'blocks.1'):
        qkv = linear(norm(x, f'{block}.norm1'), f'{block}.attn.qkv')
        q, k, v = qkv.unflatten(-1, (3, 6, 32)).permute(2, 0, 3, 1, 4)
        seen = (q @ k.transpose(-1, -2) / 32**0.5).softmax(-1) @ v
        x = x + linear(seen.transpose(1, 2).flatten(2), f'{block}.attn.proj')
        inner = F.gelu(linear(norm(x, f'{block}.norm2'), f'{block}.mlp.fc1'))
        x = x + linear(inner, f'{block}.mlp.fc2')
    return norm(x, 'norm')[:, 0]


@torch.no_grad()
def test_tiles(tmp_path, halves, monkeypatch):
    shorten(monkeypatch, 'hipt-vit256', 2)
    images = random_images(256)
    path = write(tmp_path, LAYOUTS[0], halves[0])
    expected = tile_vectors(halves[0], normalised('hipt-vit256', images))
    check_same(feature('hipt-vit256', path, images), expected)


@torch.no_grad()
@pytest.mark.parametrize('side', [2, 3])
def test_regions(folder, halves, side):
    images = torch.rand(2, 3, 256 * side, 256 * side, generator=torch.Generator().manual_seed(2))
    expected = []
    for image in normalised('hipt-4k', images):
        # as the authors write it down, one region at a time
        tiles = image[None].unfold(2, 256, 256).unfold(3, 256, 256)
        tiles = tiles.permute(0, 2, 3, 1, 4, 5).reshape(-1, 3, 256, 256)
        vectors = tile_vectors(halves[0], tiles)
        grid = vectors.reshape(side, side, 384).transpose(0, 1).transpose(0, 2)[None]
        expected.append(region_vectors(halves[1], grid))
    check_same(feature('hipt-4k', folder, images), torch.cat(expected))


def merged(halves: tuple[dict[str, Tensor], dict[str, Tensor]]) -> dict[str, Tensor]:
    names = zip(('vit256.', 'vit4k.'), halves, strict=True)
    return {
        f'{half}{key.removeprefix("backbone.")}': value
        for half, state in names
        for key, value in state.items()
    }


def test_one_file_of_both_halves(folder, halves):
    save_file(merged(halves), folder / 'both.safetensors')
    one = load_vision('hipt-4k', weights=folder / 'both.safetensors', image_size=512)
    assert one.digest == load_vision('hipt-4k', weights=folder, image_size=512).digest


@pytest.mark.parametrize('half', [0, 1])
def test_refusals_of_either_half(folder, halves, half):
    prefix = ('vit256.', 'vit4k.')[half]
    both = merged(halves)
    own = {key: value for key, value in both.items() if key.startswith(prefix)}
    others = {key: value for key, value in both.items() if not key.startswith(prefix)}

    def whole(state: dict[str, Tensor]) -> None:
        save_file({**others, **state}, folder / 'both.safetensors')
        load_vision('hipt-4k', weights=folder / 'both.safetensors', image_size=256)

    check_refusals(whole, own)


def test_files_are_found_where_weights_are_kept(folder, monkeypatch):
    monkeypatch.setenv('CITE_WEIGHTS', str(folder))
    assert resolve_weights(CARDS['hipt-4k']).path == folder
    assert resolve_weights(CARDS['hipt-vit256']).path == folder / TILES
    inner = folder / 'hipt-4k'
    inner.mkdir()
    for file in (TILES, REGIONS):
        (folder / file).rename(inner / file)
    assert resolve_weights(CARDS['hipt-4k']).path == inner


def test_messages_name_the_files(folder, monkeypatch):
    monkeypatch.delenv('CITE_WEIGHTS', raising=False)
    with pytest.raises(ModelError, match=f'github.com/mahmoodlab/HIPT.*{TILES} and {REGIONS}'):
        load_vision('hipt-4k')
    with pytest.raises(CheckpointError, match='unknown checkpoint layout'):
        load_vision('hipt-4k', weights=folder / REGIONS)
    (folder / REGIONS).unlink()
    with pytest.raises(ModelError, match=f'lacks {REGIONS}'):
        load_vision('hipt-4k', weights=folder)


def test_full_size_tiles():
    check_full_size('hipt_vit256_teacher', 'hipt-vit256')


@pytest.mark.slow
@torch.no_grad()
def test_full_depth(tmp_path):
    for name, file in zip(LAYOUTS, (TILES, REGIONS), strict=True):
        torch.save(wrapped(name, synthetic(name)), tmp_path / file)
    tower = load_vision('hipt-4k', weights=tmp_path, image_size=512)
    assert len(tower.blocks) == 6 and len(tower.trunk.patch_embed.vit256.blocks) == 12
    assert tower(random_images(512)).shape == (1, 192)
