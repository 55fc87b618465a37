from __future__ import annotations

import pytest
import torch

from cite.encoders.checkpoints import find_family, load_strict, openai_clip, to_timm
from cite.errors import CheckpointError

CLIP = {'arch': 'vit_base_patch16_clip_quickgelu_224', 'num_classes': 16}


@pytest.fixture
def clip():
    """A small CLIP of the original class, random weights everywhere."""
    open_clip = pytest.importorskip('open_clip')
    torch.manual_seed(3)
    clip = open_clip.CLIP(
        embed_dim=16,
        vision_cfg={'image_size': 28, 'patch_size': 14, 'width': 48, 'layers': 2, 'head_width': 16},
        text_cfg={'context_length': 8, 'vocab_size': 20, 'width': 16, 'heads': 2, 'layers': 1},
        quick_gelu=True,
    ).eval()
    for value in clip.parameters():
        torch.nn.init.normal_(value, std=0.2)
    return clip


@pytest.mark.parametrize('part', ['whole CLIP', 'visual tower'])
@torch.no_grad()
def test_same_embedding_as_the_original(clip, tiny_vit, images, part):
    state = (clip if part == 'whole CLIP' else clip.visual).state_dict()
    model = tiny_vit(**CLIP)
    load_strict(model, to_timm(state, model), 'tiny CLIP')
    expected = clip.encode_image(images)
    assert (model(images) - expected).abs().max() < 1e-5 * expected.abs().max()


def test_half_precision_archive_with_scalars(clip, tiny_vit):
    state = {key: value.half() for key, value in clip.state_dict().items()}
    state |= {k: torch.tensor(7) for k in ('input_resolution', 'context_length', 'vocab_size')}
    model = tiny_vit(**CLIP)
    converted = to_timm(state, model)
    assert {value.dtype for value in converted.values()} == {torch.float32}
    load_strict(model, converted, 'tiny CLIP')


def test_no_projection_without_a_head(clip, tiny_vit):
    model = tiny_vit(CLIP['arch'])
    load_strict(model, to_timm(clip.visual.state_dict(), model), 'tiny CLIP')


def test_surprise_is_reported(clip, tiny_vit):
    model = tiny_vit(**CLIP)
    state = {**clip.state_dict(), 'visual.extra.weight': torch.zeros(1)}
    with pytest.raises(CheckpointError, match=r'1 unexpected \(extra.weight\)'):
        load_strict(model, to_timm(state, model), 'tiny CLIP')


def test_not_a_text_tower(clip):
    text = {k: v for k, v in clip.state_dict().items() if not k.startswith('visual.')}
    assert not openai_clip.matches(text)
    with pytest.raises(CheckpointError, match='unknown checkpoint layout'):
        find_family(text)
