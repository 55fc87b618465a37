from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from cite.encoders.towers import hipt
from cite.encoders.towers.hipt import TileEmbed
from cite.encoders.towers.tower import VisionTower
from cite.encoders.vision import random_trunk
from cite.encoders.zoo import CARDS
from cite.errors import ModelError
from cite.tuning.base import TUNINGS

CARD = replace(CARDS['hipt-4k'], arch_kwargs={'depth': 2, 'tile_depth': 1})


class Mean(nn.Module):
    """In place of ViT-256: tiles → their mean colour."""

    embed_dim = 3

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[int] = []

    def forward(self, tiles: Tensor) -> Tensor:
        self.seen.append(len(tiles))
        return tiles.mean(dim=(2, 3))


def tower(side: int, tuning: str | None = None) -> VisionTower:
    trunk = random_trunk(CARD, 256 * side).eval()
    return VisionTower(CARD, trunk, TUNINGS.build({'type': tuning}) if tuning else None)


def test_tokens_are_tiles_in_the_order_of_reading():
    embed = TileEmbed(Mean(), img_size=768, embed_dim=3)
    embed.phi = nn.Identity()
    colours = torch.rand(2, 3, 3, 3)  # regions, channels, rows, columns
    regions = colours.repeat_interleave(256, 2).repeat_interleave(256, 3)
    assert torch.allclose(embed(regions), colours.flatten(2).transpose(1, 2), atol=1e-5)


def test_chunks_bound_memory_and_change_nothing(monkeypatch):
    embed = TileEmbed(Mean(), img_size=512, embed_dim=5)
    regions = torch.rand(2, 3, 512, 512)
    whole = embed(regions)
    monkeypatch.setattr(hipt, 'CHUNK', 3)
    assert torch.allclose(embed(regions), whole)
    assert embed.vit256.seen == [8, 3, 3, 2]


def test_sizes():
    four = tower(4)
    assert (four.image_size, four.num_patches, four.width, four.depth) == (1024, 16, 192, 2)
    with pytest.raises(ModelError, match='multiple of it, found 1000'):
        random_trunk(CARD, 1000)


def test_prompts_join_the_tiles_and_nothing_in_front_keeps_gradients():
    prompted = tower(2, 'VisualPrompt')
    feature = prompted(torch.rand(1, 3, 512, 512))
    feature.sum().backward()
    assert feature.shape == (1, 192)
    trained = {name for name, p in prompted.named_parameters() if p.requires_grad}
    assert trained == {'tuning.prompt'} and prompted.tuning.prompt.grad is not None


def test_full_fine_tuning_reaches_the_tiles():
    tuned = tower(1, 'FullFineTuning')
    tuned(torch.rand(1, 3, 256, 256)).square().sum().backward()
    assert tuned.trunk.patch_embed.vit256.patch_embed.proj.weight.grad is not None
