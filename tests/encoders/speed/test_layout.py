from __future__ import annotations

import copy
from dataclasses import replace

import timm
import torch
from tiny_models import tiny_card, tiny_images, tiny_tower

from cite.encoders.speed import StepOptions
from cite.encoders.towers.tower import VisionTower
from cite.precision import autocast


def convnet():
    torch.manual_seed(0)
    trunk = timm.create_model('test_resnet', num_classes=0).eval()
    card = tiny_card('pool', trunk.num_features, patch_size=32, image_size=64)
    return VisionTower(replace(card, arch='test_resnet', tower='ConvNet'), trunk)


def is_last(tensor):
    return tensor.is_contiguous(memory_format=torch.channels_last)


def test_maps_follow_the_weights_and_features_stay():
    plain = convnet()
    last = copy.deepcopy(plain)
    StepOptions().apply(last, 'cpu', 'fp32')
    maps = []
    last.blocks[1].register_forward_hook(lambda _m, _i, out: maps.append(out))
    images = tiny_images(2, side=64)
    torch.testing.assert_close(last(images), plain(images), rtol=1e-4, atol=1e-5)
    assert is_last(maps[0]) and not maps[0].is_contiguous()
    assert last.digest == plain.digest and last.frozen_stands()


def test_in_bf16():
    plain, last = convnet(), convnet()
    StepOptions().apply(last, 'cpu', 'bf16')
    images = tiny_images(2, side=64)
    with autocast('bf16', 'cpu'):
        found, wanted = last(images).float(), plain(images).float()
    assert (found - wanted).norm() < 0.02 * wanted.norm()


def test_it_can_be_left_out_and_other_towers_stay():
    tower = convnet()
    StepOptions(channels_last=False).apply(tower, 'cpu', 'fp32')
    assert all(weight.is_contiguous() for weight in tower.trunk.parameters())
    vit = tiny_tower()
    StepOptions().apply(vit, 'cpu', 'fp32')
    assert vit.trunk.patch_embed.proj.weight.is_contiguous()
