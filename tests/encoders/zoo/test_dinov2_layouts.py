"""Files in DINOv2's own names, against DINOv2 written down once more."""

from __future__ import annotations

import re

import pytest
import torch
from layouts import synthetic
from plain_transformer import dinov2_tokens
from published import (
    check_full_size,
    check_same,
    feature,
    normalised,
    random_images,
    short,
    shorten,
    small_enough,
    write,
)
from torch import Tensor

from cite.encoders.checkpoints import dinov2, find_family
from cite.encoders.files.state_file import read_state

LAYOUTS = {
    'dinov2_vits14_pretrain': 'dinov2-vit-s14',
    'dinov2_vitb14_pretrain': 'dinov2-vit-b14',
    'dinov2_vitl14_pretrain': 'dinov2-vit-l14',
    'dinov2_vitg14_pretrain': 'dinov2-vit-g14',
    'dinov2_vitb14_reg4_pretrain': 'dinov2-vit-b14-reg',
    'dinov2_vitl14_reg4_pretrain': 'dinov2-vit-l14-reg',
    'dinov2_vitg14_reg4_pretrain': 'dinov2-vit-g14-reg',
    'gpfm_github_teacher': 'gpfm',
    'hibou_b_github': 'hibou-b',
}


def heads(width: int) -> int:
    return width // 64


def own_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A training run's teacher without head, prefix and chunks."""
    found = {}
    for key, value in state.items():
        if not key.startswith('dino_head'):
            key = key.removeprefix('backbone.')
            found[re.sub(r'^blocks\.\d\.(\d+)\.', r'blocks.\1.', key)] = value
    return found


def check(name: str, depth: int | None, tmp_path, monkeypatch) -> None:
    model = LAYOUTS[name]
    shorten(monkeypatch, model, depth)
    state, images = synthetic(name, depth), random_images()
    own = own_names(state)
    with torch.no_grad():
        tokens = dinov2_tokens(own, normalised(model, images), heads(own['cls_token'].shape[-1]))
    check_same(feature(model, write(tmp_path, name, state), images), tokens[:, 0])


@pytest.mark.parametrize('name', LAYOUTS)
def test_full_size_fits_and_damage_is_refused(name):
    check_full_size(name, LAYOUTS[name])


@pytest.mark.parametrize('name', LAYOUTS)
def test_same_feature_as_the_paper(name, tmp_path, monkeypatch):
    check(name, short(name), tmp_path, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize('name', [name for name in LAYOUTS if small_enough(name)])
def test_same_feature_in_full_depth(name, tmp_path, monkeypatch):
    check(name, None, tmp_path, monkeypatch)


def test_gpfm_is_told_apart_by_its_keys(tmp_path):
    """Two files of one name: a training run on GitHub, timm's names on the hub."""
    for name in ('gpfm_github_teacher', 'gpfm'):
        state = read_state(write(tmp_path, name, synthetic(name, 1)))
        assert (find_family(state) is dinov2) == (name == 'gpfm_github_teacher')
