"""Pairs of a ViT and a BERT in one file: published layouts, against open_clip's own class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from layouts import check_refusals, synthetic
from pair_files import TEXTS, custom_clip, normalised, pictures, save_wordpiece, shorten, small

from cite.encoders import zoo
from cite.encoders.checkpoints import load_strict, to_timm
from cite.encoders.files.state_file import unwrap
from cite.encoders.pairs import load_pair
from cite.encoders.text.projected import projected_bert
from cite.encoders.vision import random_trunk

LAYOUTS = {
    'biomedclip': 'biomedclip',
    'unimed_clip_vit_b16': 'unimed-clip-vit-b16',
    'unimed_clip_vit_l14_base_text_encoder': 'unimed-clip-vit-l14',
}
TIMM = {
    'timm_model_name': 'vit_base_patch16_224',
    'timm_model_pretrained': False,
    'timm_pool': '',
    'timm_proj': 'linear',
    'image_size': 224,
}


@pytest.fixture(scope='module')
def wordpiece(tmp_path_factory):
    return save_wordpiece(tmp_path_factory.mktemp('tokenizer') / 'bert')


@pytest.mark.parametrize('layout', LAYOUTS)
def test_the_published_layout_fits_both_halves(layout):
    state = unwrap(synthetic(layout, device='meta'), layout)
    card = zoo.CARDS[LAYOUTS[layout]]
    with torch.device('meta'):
        trunk = random_trunk(card, card.image_size)
        load_strict(trunk, to_timm(state, trunk, card.pos_interp, card.leftovers), layout)
        text = projected_bert(state, layout)
    assert text.dim == card.feature_dim == zoo.TEXT_CARDS[LAYOUTS[layout]].dim
    assert text.transformer.config.num_hidden_layers == 12


def bert_config(layers: int, width: int = 768, words: int = 600):
    from transformers import BertConfig

    return BertConfig(
        vocab_size=words,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=width // 64,
        intermediate_size=4 * width,
    )


def open_clip_pair(layout: str, state, depth: int, folder: Path):
    """open_clip's own pair with the weights of the file."""
    words = next(len(v) for k, v in state.items() if k.endswith('word_embeddings.weight'))
    bert = bert_config(depth, words=words)
    if layout == 'biomedclip':
        import timm

        model = custom_clip(TIMM, 512, folder, bert, quick=False)
        model.visual.trunk = timm.create_model('vit_base_patch16_224', depth=depth, num_classes=0)
    else:
        large = 'l14' in layout
        vision = {
            'image_size': 336 if large else 224,
            'patch_size': 14 if large else 16,
            'width': 1024 if large else 768,
            'layers': depth,
        }
        model = custom_clip(vision, 768 if large else 512, folder, bert, quick=True)
    renamed = {
        k.removeprefix('module.').replace('text_encoder.', 'text.'): v
        for k, v in state.items()
        if not k.endswith('position_ids')
    }
    model.load_state_dict(renamed, strict=True)
    return model.eval()


def save(layout: str, state, path: Path) -> None:
    if layout == 'biomedclip':
        torch.save(state, path)
        return
    state = {f'module.{key.removeprefix("module.")}': value for key, value in state.items()}
    torch.save({'epoch': 10, 'name': layout, 'state_dict': state, 'optimizer': {}}, path)


@torch.no_grad()
def check_pair(layout: str, depth: int, tmp_path: Path, wordpiece: str) -> None:
    model = LAYOUTS[layout]
    card = zoo.CARDS[model]
    state = synthetic(layout) if depth == 12 else small(layout, depth)
    save(layout, state, tmp_path / 'pair.pt')
    pair = load_pair(model, weights=tmp_path / 'pair.pt', text={'tokenizer': wordpiece})
    theirs = open_clip_pair(layout, state, depth, tmp_path / 'bert')
    images = pictures(card.image_size)
    tokens = pair.text.tokenizer(TEXTS, padding='max_length', max_length=256, return_tensors='pt')
    for ours, expected in (
        (
            pair.encode_images(list(images), normalise=False),
            theirs.encode_image(normalised(images, card)),
        ),
        (pair.encode_text(TEXTS, normalise=False), theirs.encode_text(tokens['input_ids'])),
    ):
        assert ours.shape == (len(expected), card.feature_dim)
        np.testing.assert_allclose(ours, expected, atol=1e-5 * float(expected.abs().max()), rtol=0)
    assert pair.scale.item() == pytest.approx(theirs.logit_scale.exp().item())
    assert pair.templates


@pytest.mark.parametrize('layout', LAYOUTS)
def test_a_file_gives_the_embeddings_of_open_clip(layout, tmp_path, monkeypatch, wordpiece):
    depth = 1 if 'l14' in layout else 2
    shorten(monkeypatch, LAYOUTS[layout], depth)
    check_pair(layout, depth, tmp_path, wordpiece)


@pytest.mark.slow
@pytest.mark.parametrize('layout', ['biomedclip', 'unimed_clip_vit_b16'])
def test_a_file_of_full_depth_does_too(layout, tmp_path, wordpiece):
    check_pair(layout, 12, tmp_path, wordpiece)


@pytest.mark.parametrize('layout', ['biomedclip', 'unimed_clip_vit_b16'])
def test_what_does_not_fit_is_refused_by_name(layout, monkeypatch):
    shorten(monkeypatch, LAYOUTS[layout])
    card = zoo.CARDS[LAYOUTS[layout]]
    with torch.device('meta'):
        trunk = random_trunk(card, card.image_size)
    state = unwrap(synthetic(layout, depth=2, device='meta'), layout)
    vision = {k: v for k, v in state.items() if k.startswith('visual.')}
    text = {k: v for k, v in state.items() if k not in vision}
    check_refusals(
        lambda s: load_strict(trunk, to_timm(s, trunk, card.pos_interp, card.leftovers), 'file'),
        vision | text,
    )

    def load_text(state):
        with torch.device('meta'):
            return projected_bert(state, 'file')

    check_refusals(load_text, text | vision)


@pytest.mark.parametrize(
    ('name', 'width', 'hidden', 'dim'),
    [
        ('quiltnet-b16-pmb', 768, 640, 512),
        ('unimed-clip-vit-l14-large-text', 1024, 896, 768),
    ],
)
def test_rows_without_a_published_layout_take_that_of_open_clip(
    name, width, hidden, dim, tmp_path, monkeypatch, wordpiece
):
    shorten(monkeypatch, name, depth=1)
    if name == 'quiltnet-b16-pmb':
        import timm

        theirs = custom_clip(TIMM, dim, tmp_path / 'bert', bert_config(1, width), quick=False)
        theirs.visual.trunk = timm.create_model('vit_base_patch16_224', depth=1, num_classes=0)
    else:
        vision = {'image_size': 336, 'patch_size': 14, 'width': 1024, 'layers': 1}
        theirs = custom_clip(vision, dim, tmp_path / 'bert', bert_config(1, width), quick=True)
    assert theirs.text.proj[0].out_features == hidden
    state = {key: value.contiguous() for key, value in theirs.eval().state_dict().items()}
    torch.save(state, tmp_path / 'pair.pt')
    pair = load_pair(name, weights=tmp_path / 'pair.pt', text={'tokenizer': wordpiece})
    tokens = pair.text.tokenizer(TEXTS, padding='max_length', max_length=256, return_tensors='pt')
    with torch.no_grad():
        expected = theirs.encode_text(tokens['input_ids'])
    found = pair.encode_text(TEXTS, normalise=False)
    np.testing.assert_allclose(found, expected, atol=1e-5 * float(expected.abs().max()), rtol=0)
    assert pair.vision.feature_dim == dim
