"""CLIPs with their own two towers: published layouts, against transformers' and open_clip's classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from layouts import check_refusals, shapes, synthetic, wrapped
from pair_files import (
    TEXTS,
    clip_config,
    normalised,
    open_clip_of,
    pictures,
    save_bpe,
    save_torchscript,
    shorten,
    small,
)
from safetensors.torch import save_file

from cite.encoders import zoo
from cite.encoders.checkpoints import find_family, hf_clip, load_strict, openai_clip, to_timm
from cite.encoders.pairs import load_pair
from cite.encoders.text import build_text_encoder, load_text
from cite.encoders.text.openai_clip import text_tower
from cite.encoders.vision import load_vision, random_trunk
from cite.errors import CheckpointError

pytestmark = pytest.mark.filterwarnings('ignore:`torch.jit:FutureWarning')

LAYOUTS = {
    'openai_clip_ViT_B_16': 'clip-vit-b16',
    'openai_clip_ViT_L_14': 'clip-vit-l14',
    'openai_clip_ViT_L_14_336px': 'clip-vit-l14-336',
    'hf_clip_vit_base_patch32': 'clip-vit-b32',
    'hf_clip_vit_base_patch16': 'clip-vit-b16',
    'hf_clip_vit_large_patch14': 'clip-vit-l14',
    'plip_hf': 'plip',
    'pubmedclip_hf_vit_base_patch32': 'pubmedclip-vit-b32',
    'quiltnet_b16': 'quiltnet-b16',
    'quiltnet_b32': 'quiltnet-b32',
    'whyxrayclip_vit_l14': 'whyxrayclip',
}
BASE = [name for name, model in LAYOUTS.items() if 'l14' not in model and model != 'whyxrayclip']
# those not here are tried when there is time: each is another size of one that is
FIRST = (
    'openai_clip_ViT_B_16',
    'hf_clip_vit_base_patch16',
    'plip_hf',
    'quiltnet_b16',
    'whyxrayclip_vit_l14',
)
OPEN_CLIP_NAMES = {
    'clip-vit-b32': 'ViT-B-32-quickgelu',
    'clip-vit-b16': 'ViT-B-16-quickgelu',
    'clip-vit-l14': 'ViT-L-14-quickgelu',
    'clip-vit-l14-336': 'ViT-L-14-336-quickgelu',
    'laion-clip-vit-b32': 'ViT-B-32',
    'laion-clip-vit-b16': 'ViT-B-16',
    'laion-clip-vit-l14': 'ViT-L-14',
    'laion-clip-vit-h14': 'ViT-H-14',
    'metaclip-vit-b32': 'ViT-B-32-quickgelu',
    'metaclip-vit-b16': 'ViT-B-16-quickgelu',
    'metaclip-vit-l14': 'ViT-L-14-quickgelu',
    'plip': 'ViT-B-32-quickgelu',
    'pubmedclip-vit-b32': 'ViT-B-32-quickgelu',
    'quiltnet-b32': 'ViT-B-32-quickgelu',
    'quiltnet-b16': 'ViT-B-16-quickgelu',
    'pathgen-clip-b16': 'ViT-B-16',
    'pathgen-clip-l14': 'ViT-L-14-336',
    'whylesionclip': 'ViT-L-14',
    'whyxrayclip': 'ViT-L-14',
    'pmc-clip-vit-l14': 'ViT-L-14',
}


@pytest.fixture(scope='module')
def bpe(tmp_path_factory):
    return save_bpe(tmp_path_factory.mktemp('tokenizer') / 'bpe')


def trunk_of(name: str, device: str = 'cpu'):
    card = zoo.CARDS[name]
    with torch.device(device):
        return random_trunk(card, card.image_size)


def text_of(name: str, state, device: str = 'cpu'):
    options = zoo.TEXT_CARDS[name].options
    with torch.device(device):
        return text_tower(state, name, options.get('activation', 'quick_gelu'))


@pytest.mark.parametrize('layout', LAYOUTS)
def test_the_published_layout_fits_both_halves(layout):
    model = LAYOUTS[layout]
    state = synthetic(layout, device='meta') | {'logit_scale': torch.tensor(4.0)}
    card = zoo.CARDS[model]
    trunk = trunk_of(model, 'meta')
    load_strict(trunk, to_timm(state, trunk, card.pos_interp, card.leftovers), layout)
    text, scale = text_of(model, state, 'meta')
    assert scale == 4.0
    assert text.text_projection.out_features == card.feature_dim == zoo.TEXT_CARDS[model].dim
    assert find_family(state) in (hf_clip, openai_clip)


def save(layout: str, state, folder: Path) -> Path:
    """The file as its authors publish it."""
    folder.mkdir(exist_ok=True)
    if layout.startswith('openai'):
        save_torchscript(state, folder / 'ViT.pt')
        return folder / 'ViT.pt'
    if layout.startswith('hf'):
        save_file(state, folder / 'model.safetensors', {'format': 'pt'})
        return folder / 'model.safetensors'
    kind = 'open_clip_pytorch_model.bin' if 'conv1' in ' '.join(state) else 'pytorch_model.bin'
    torch.save(wrapped(layout, state), folder / kind)
    return folder / kind


@torch.no_grad()
def reference(layout: str, state, path: Path, images, tokens, quick: bool):
    """Image and text embeddings and logit scale by the class of the file's own library."""
    if 'visual.proj' in state:
        clip = open_clip_of(state, quick)
        padded = torch.zeros(len(tokens['input_ids']), 77, dtype=torch.long)
        padded[:, : tokens['input_ids'].shape[1]] = tokens['input_ids'] * tokens['attention_mask']
        return clip.encode_image(images), clip.encode_text(padded), clip.logit_scale.exp()
    from transformers import CLIPModel

    clip_config(state, 'quick_gelu' if quick else 'gelu').save_pretrained(path.parent)
    clip = CLIPModel.from_pretrained(path.parent).eval()
    image, text = clip.get_image_features(images), clip.get_text_features(**tokens)
    return (
        getattr(image, 'pooler_output', image),
        getattr(text, 'pooler_output', text),
        clip.logit_scale.exp(),
    )


def check_pair(layout: str, path: Path, state, bpe: str) -> None:
    model = LAYOUTS[layout]
    card = zoo.CARDS[model]
    pair = load_pair(model, weights=path, text={'tokenizer': bpe})
    images = pictures(card.image_size)
    tokens = pair.text.tokenize(TEXTS)
    quick = 'activation' not in zoo.TEXT_CARDS[model].options
    expected = reference(layout, state, path, normalised(images, card), tokens, quick)
    found = (
        pair.encode_images(list(images), normalise=False),
        pair.encode_text(TEXTS, normalise=False),
    )
    for ours, theirs in zip(found, expected[:2], strict=True):
        assert ours.shape == (len(theirs), card.feature_dim)
        np.testing.assert_allclose(ours, theirs, atol=1e-5 * float(theirs.abs().max()), rtol=0)
    assert pair.scale.item() == pytest.approx(expected[2].item())


@pytest.mark.parametrize(
    'layout', [n if n in FIRST else pytest.param(n, marks=pytest.mark.slow) for n in LAYOUTS]
)
def test_a_file_gives_the_embeddings_of_its_own_library(layout, tmp_path, monkeypatch, bpe):
    depth = 1 if 'l14' in LAYOUTS[layout] or 'why' in layout else 2
    shorten(monkeypatch, LAYOUTS[layout], depth)
    state = small(layout, depth)
    check_pair(layout, save(layout, state, tmp_path / 'model'), state, bpe)


@pytest.mark.slow
@pytest.mark.parametrize('layout', BASE)
def test_a_file_of_full_depth_does_too(layout, tmp_path, bpe):
    state = synthetic(layout)
    check_pair(layout, save(layout, state, tmp_path / 'model'), state, bpe)


@pytest.mark.parametrize('layout', ['openai_clip_ViT_B_16', 'plip_hf', 'quiltnet_b32'])
def test_what_does_not_fit_is_refused_by_name(layout, monkeypatch):
    model = LAYOUTS[layout]
    shorten(monkeypatch, model)
    card = zoo.CARDS[model]
    trunk = trunk_of(model, 'meta')
    state = synthetic(layout, depth=2, device='meta') | {'logit_scale': torch.tensor(4.0)}
    vision = {k: v for k, v in state.items() if k.startswith('vis')}
    text = {k: v for k, v in state.items() if k not in vision}
    joined = 'qkv' if layout == 'plip_hf' else None
    check_refusals(
        lambda s: load_strict(trunk, to_timm(s, trunk, card.pos_interp, card.leftovers), 'file'),
        vision | text,
        joined,
    )
    named = None if layout == 'plip_hf' else 'self_attn'
    check_refusals(lambda s: text_of(model, s, 'meta'), text | vision, named)


@pytest.mark.parametrize('name', OPEN_CLIP_NAMES)
def test_every_row_is_the_architecture_of_its_authors(name):
    """Layers, widths, heads, activation, of both halves, as open_clip configures them."""
    import open_clip

    theirs = open_clip.get_model_config(OPEN_CLIP_NAMES[name])
    quick = theirs.get('quick_gelu', False)
    with torch.device('meta'):
        clip = open_clip.CLIP(**theirs)
    state = clip.state_dict() | {'logit_scale': torch.tensor(4.0)}
    trunk = trunk_of(name, 'meta')
    load_strict(trunk, to_timm(state, trunk), name)
    text, _ = text_of(name, state, 'meta')
    assert type(trunk.blocks[0].mlp.act).__name__ == ('QuickGELU' if quick else 'GELU')
    assert text.config.hidden_act == ('quick_gelu' if quick else 'gelu')
    assert trunk.blocks[0].attn.num_heads == clip.visual.transformer.resblocks[0].attn.num_heads
    assert text.config.num_attention_heads == theirs['text_cfg']['heads']
    for norm in (trunk.norm_pre, trunk.blocks[0].norm1, trunk.norm):
        assert norm.eps == clip.visual.ln_pre.eps == 1e-5
    row = zoo.CARDS[name]
    assert (row.image_size, row.feature_dim) == (
        theirs['vision_cfg']['image_size'],
        theirs['embed_dim'],
    )
    assert (zoo.PAIRS[name].vision, zoo.PAIRS[name].text) == (name, name)


def test_all_rows_of_clips_are_named_above():
    rows = {row.name for row in zoo.TEXT_CARDS.values() if row.encoder == 'CLIPTextEncoder'}
    assert rows == set(OPEN_CLIP_NAMES)


def test_the_other_activation_computes_something_else(tmp_path, monkeypatch, bpe):
    """Rule of the field: it loads without complaint, so the row has to be right."""
    for name in ('laion-clip-vit-b16', 'clip-vit-b16'):
        shorten(monkeypatch, name)
    path = save('quiltnet_b16', small('quiltnet_b16'), tmp_path)
    gelu, quick = (
        load_pair(name, weights=path, text={'tokenizer': bpe})
        for name in ('laion-clip-vit-b16', 'clip-vit-b16')
    )
    images = list(pictures(224))
    for one, other in (
        (gelu.encode_images(images), quick.encode_images(images)),
        (gelu.encode_text(TEXTS), quick.encode_text(TEXTS)),
    ):
        assert np.abs(one - other).max() > 1e-4
    again = load_text('clip-vit-b16', weights=path, tokenizer=bpe, activation='gelu')
    expected = torch.from_numpy(gelu.encode_text(TEXTS, normalise=False))
    torch.testing.assert_close(again.encode_text(TEXTS), expected)


def test_the_training_file_of_pubmedclip_loads(tmp_path, monkeypatch, bpe):
    """OpenAI's names beside the state of training."""
    shorten(monkeypatch, 'pubmedclip-vit-b32')
    state = small('quiltnet_b32')
    beside = {'epoch': 49, 'optimizer_state_dict': {'state': {}}, 'loss': 0.25}
    torch.save({'state_dict': state, **beside}, tmp_path / 'PubMedCLIP_ViT32.pth')
    pair = load_pair(
        'pubmedclip-vit-b32', weights=tmp_path / 'PubMedCLIP_ViT32.pth', text={'tokenizer': bpe}
    )
    clip = open_clip_of(state, quick=True)
    images = pictures(224)
    with torch.no_grad():
        expected = clip.encode_image(normalised(images, zoo.CARDS['pubmedclip-vit-b32']))
    found = pair.encode_images(list(images), normalise=False)
    np.testing.assert_allclose(found, expected, atol=1e-5 * float(expected.abs().max()), rtol=0)


def test_a_folder_of_the_repository_serves_both_halves_and_the_tokenizer(tmp_path, monkeypatch):
    shorten(monkeypatch, 'plip')
    save_bpe(tmp_path / 'plip')
    save('plip_hf', small('plip_hf'), tmp_path / 'plip')
    pair = load_pair('plip', weights=tmp_path / 'plip')
    assert pair.card.name == 'plip'
    assert pair.templates == zoo.PAIRS['plip'].templates and len(pair.templates) == 2
    found = pair.encode_text([t.format('gland') for t in pair.templates])
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)
    # each half alone is the same
    vision = load_vision('plip', weights=tmp_path / 'plip')
    images = list(pictures(224))
    np.testing.assert_allclose(
        vision.encode_images(images), pair.encode_images(images, normalise=False), atol=1e-6
    )
    spec = {'type': 'TextEncoder', 'model': 'plip', 'weights': tmp_path / 'plip'}
    encoder = build_text_encoder(spec)
    assert torch.equal(
        encoder.encode_text(TEXTS), torch.from_numpy(pair.encode_text(TEXTS, normalise=False))
    )
    record = encoder.provenance()
    assert record['logit_scale'] == pytest.approx(4.0)
    assert record['model'] == 'vinid/plip' and len(record['fingerprint']) == 64


def test_a_text_tower_is_not_half_a_pair(tmp_path):
    with pytest.raises(CheckpointError, match='holds no CLIP text tower'):
        text_tower(
            {
                k: torch.zeros(s)
                for k, s in shapes('plip_hf').items()
                if k.startswith('vision_model.e')
            },
            'half.bin',
        )
