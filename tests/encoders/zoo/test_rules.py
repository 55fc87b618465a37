"""What goes wrong between libraries and files of pathology models, rule by rule.

Each of these errors loads without complaint somewhere and changes numbers, or fails with a message that
nobody understands. The zoo must get them right by itself.
"""

from __future__ import annotations

import argparse
import dataclasses
import pickle

import pytest
import timm
import torch
from layouts import synthetic, wrapped
from timm.layers import QuickGELU
from torch import nn

from cite.encoders.checkpoints import load_strict, to_timm
from cite.encoders.files.state_file import read_state, unwrap
from cite.encoders.text import build_text_encoder
from cite.encoders.towers.stages import STAGES
from cite.encoders.towers.tower import VisionTower
from cite.encoders.vision import load_vision, random_trunk
from cite.encoders.zoo import CARDS, PAIRS, TEXT_CARDS
from cite.errors import CheckpointError, ConfigError, ModelError
from cite.tuning import TUNINGS


def trunk_on_meta(name):
    card = CARDS[name]
    with torch.device('meta'):
        return random_trunk(card, card.image_size).eval()


def small_tower(name, tuning=None, **kwargs):
    """The row's architecture with two blocks and random weights."""
    card = CARDS[name]
    card = dataclasses.replace(card, arch_kwargs={**card.arch_kwargs, **kwargs})
    trunk = random_trunk(card, card.image_size).eval()
    return VisionTower(card, trunk, TUNINGS.build(tuning) if tuning else None)


@pytest.mark.parametrize(
    ('hub', 'model', 'kind'),
    [
        ('hf_vit_base_patch16_224_in21k', 'vit-b16-in21k-google', 'ViTModel'),
        ('hf_dinov2_small', 'dinov2-vit-s14', 'Dinov2Model'),
        ('plip_hf', 'plip', 'CLIPVisionModel'),
    ],
)
def test_1_names_of_transformers_4_and_5_lead_to_the_same_weights(hub, model, kind):
    """Files keep the names of version 4; a model of version 5 in memory has others."""
    import transformers

    old = synthetic(hub, depth=2)
    config = {
        'ViTModel': lambda: transformers.ViTConfig(num_hidden_layers=2),
        'Dinov2Model': lambda: transformers.Dinov2Config(
            num_hidden_layers=2, hidden_size=384, num_attention_heads=6, image_size=518
        ),
        'CLIPVisionModel': lambda: transformers.CLIPVisionConfig(
            num_hidden_layers=2, patch_size=32
        ),
    }[kind]()
    theirs, info = getattr(transformers, kind).from_pretrained(
        None, config=config, state_dict=old, output_loading_info=True
    )
    assert not info['missing_keys']
    new = theirs.state_dict()
    assert not {k for k in new if '.0.' in k} <= old.keys(), 'the names are no longer two'
    card = dataclasses.replace(CARDS[model], arch_kwargs={**CARDS[model].arch_kwargs, 'depth': 2})
    trunk = random_trunk(card, card.image_size)
    converted = [to_timm(s, trunk, card.pos_interp, card.leftovers) for s in (old, new)]
    assert converted[0].keys() == trunk.state_dict().keys()
    # a vision model alone has no projection, and no prefix either
    assert converted[0].keys() - converted[1].keys() <= {'head.weight', 'head.bias'}
    assert all(torch.equal(converted[0][k], converted[1][k]) for k in converted[1])


def test_2_a_home_made_model_around_transformers_is_remapped():
    """MedCLIP embeds transformers' Swin under its old names; `load_state_dict` would fail."""
    state = unwrap(synthetic('medclip_vit'), 'medclip')
    trunk = random_trunk(CARDS['medclip-vit'], 224)
    assert not trunk.state_dict().keys() & state.keys()
    load_strict(trunk, to_timm(state, trunk, None, CARDS['medclip-vit'].leftovers), 'MedCLIP')


@pytest.mark.parametrize('name', ['uni', 'virchow2', 'ctranspath', 'musk', 'plip', 'medclip-vit'])
def test_3_lora_finds_the_attention_by_its_meaning(name):
    """Whoever tunes need not know whether it is called qkv, query or q_proj."""
    depth = {} if CARDS[name].tower == 'Swin' else {'depth': 2}
    tower = small_tower(name, {'type': 'LoRA', 'r': 2, 'targets': 'attn', 'blocks': [-1]}, **depth)
    trained = [n for n, p in tower.named_parameters() if p.requires_grad]
    assert len(trained) == 4
    assert all('.attn.qkv.' in n or '.attn.proj.' in n for n in trained)


def test_4_features_of_a_clip_are_vectors_whatever_transformers_returns(tmp_path):
    from tiny_clip import save_tiny_clip
    from transformers import AutoTokenizer, CLIPModel

    folder = save_tiny_clip(tmp_path / 'clip')
    spec = {'type': 'CLIPTextEncoder', 'model': str(folder)}
    ours = build_text_encoder(spec).encode_text(['mucin', 'a gland'])
    tokens = AutoTokenizer.from_pretrained(folder)(['mucin', 'a gland'], padding=True)
    tokens = {k: torch.tensor(v) for k, v in tokens.items()}
    with torch.no_grad():
        theirs = CLIPModel.from_pretrained(folder).get_text_features(**tokens)
    theirs = getattr(theirs, 'pooler_output', theirs)
    assert ours.shape == (2, 12)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)


class Malicious:
    def __reduce__(self):
        return (pytest.fail, ('foreign code ran',))


def test_5_training_files_are_read_without_running_what_is_in_them(tmp_path):
    """DINO, MAE and RETFound save an `argparse.Namespace` beside their weights."""
    state = synthetic('hipt_vit256_teacher', depth=1)
    path = tmp_path / 'vit256_small_dino.pth'
    content = wrapped('hipt_vit256_teacher', state)
    assert isinstance(content['args'], argparse.Namespace)
    torch.save(content, path)
    with pytest.raises(pickle.UnpicklingError):
        torch.load(path, weights_only=True)
    assert 'blocks.0.attn.qkv.weight' in read_state(path)
    torch.save({**content, 'args': Malicious()}, path)
    with pytest.raises(CheckpointError, match='foreign code'):
        read_state(path)


QUICK = {
    'clip-vit-b16', 'clip-vit-b32', 'clip-vit-l14', 'clip-vit-l14-336', 'plip', 'pubmedclip-vit-b32',
    'metaclip-vit-b32', 'metaclip-vit-b16', 'metaclip-vit-l14', 'quiltnet-b16', 'quiltnet-b32',
    'unimed-clip-vit-b16', 'unimed-clip-vit-l14', 'unimed-clip-vit-l14-large-text',
}  # fmt: skip
EXACT = {
    'laion-clip-vit-b32', 'laion-clip-vit-b16', 'laion-clip-vit-l14', 'laion-clip-vit-h14',
    'whyxrayclip', 'whylesionclip', 'biomedclip', 'quiltnet-b16-pmb', 'pathgen-clip-b16',
    'pathgen-clip-l14', 'pmc-clip-vit-l14', 'conch', 'keep', 'uni', 'phikon', 'dinov2-vit-b14',
}  # fmt: skip


@pytest.mark.parametrize('name', sorted(QUICK | EXACT))
def test_6_the_activation_is_the_authors(name):
    """The other GELU loads the same file and is about 3 % off."""
    found = type(trunk_on_meta(name).blocks[0].mlp.act)
    assert found is (QuickGELU if name in QUICK else nn.GELU)
    card = TEXT_CARDS.get(name)
    if card is not None and card.encoder == 'CLIPTextEncoder':
        assert card.options.get('activation', 'quick_gelu') == (
            'quick_gelu' if name in QUICK else 'gelu'
        )


def test_6_every_pair_of_the_clip_family_is_looked_at():
    clips = {n for n, p in PAIRS.items() if CARDS[p.vision].arch.startswith('vit') and 'clip' in n}
    assert clips - {'tiny-tissue'} <= QUICK | EXACT


@pytest.mark.parametrize(
    ('name', 'eps'),
    [
        ('clip-vit-b16', 1e-5),
        ('plip', 1e-5),
        ('unimed-clip-vit-b16', 1e-5),
        ('musk', 1e-5),
        ('dinov2-vit-b14', 1e-6),
        ('mae-vit-b16', 1e-6),
        ('uni', 1e-6),
        ('hipt-vit256', 1e-6),
        ('biomedclip', 1e-6),
        ('phikon', 1e-12),
        ('vit-b16-in21k-google', 1e-12),
    ],
)
def test_7_norms_have_the_authors_epsilon(name, eps):
    trunk = trunk_on_meta(name)
    assert {m.eps for m in (trunk.blocks[0].norm1, trunk.blocks[0].norm2, trunk.norm)} == {eps}


@pytest.mark.parametrize(
    ('flavour', 'names'),
    [
        ('dino', ['dinov2-vit-s14', 'dinov2-vit-g14', 'hipt-vit256', 'hipt-4k', 'conch-v1.5']),
        ('timm', ['dinov2-vit-s14-reg', 'hibou-b', 'hibou-l']),
        ('mae', ['mae-vit-b16', 'mae-vit-l16', 'retfound-cfp', 'musk']),
        ('conch', ['conch', 'conch-clip']),
        ('openclip', ['unimed-clip-vit-b16', 'unimed-clip-vit-l14']),
    ],
)
def test_8_position_embeddings_are_resized_as_the_authors_do(flavour, names):
    """What the flavours compute is tested in test_pos_embed.py."""
    assert {name: CARDS[name].pos_interp for name in names} == dict.fromkeys(names, flavour)


def test_9_switching_modes_returns_the_tower():
    """mmpretrain's backbones return None, which breaks `model = model.eval()`."""
    tower = load_vision('random-vit-tiny')
    assert tower.eval() is tower
    assert tower.train() is tower


def test_10_head_counts_which_no_shape_shows_are_the_authors():
    assert trunk_on_meta('transpath-mocov3-s16').blocks[0].attn.num_heads == 12
    assert trunk_on_meta('mocov3-vit-s16').blocks[0].attn.num_heads == 12
    assert trunk_on_meta('lunit-dino-s16').blocks[0].attn.num_heads == 6
    assert trunk_on_meta('hipt-vit256').blocks[0].attn.num_heads == 6
    six, twelve = (
        timm.create_model(
            'vit_small_patch16_224', num_classes=0, depth=1, num_heads=heads, weight_init='skip'
        ).eval()
        for heads in (6, 12)
    )
    for parameter in six.parameters():
        nn.init.normal_(parameter, std=0.5)
    twelve.load_state_dict(six.state_dict())  # the shapes fit
    image = torch.rand(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    assert not torch.allclose(six(image), twelve(image), atol=1e-3)


@pytest.mark.parametrize(
    'name',
    [n for n, c in CARDS.items() if not STAGES.get(c.tower).takes_prompts],
)
def test_11_what_cannot_be_prompted_says_what_can_be_done(name):
    stages = STAGES.get(CARDS[name].tower)
    tower = object.__new__(VisionTower)
    nn.Module.__init__(tower)
    tower.card, tower.stages = CARDS[name], object.__new__(stages)
    with pytest.raises(ConfigError) as told:
        TUNINGS.build('VisualPrompt').attach(tower)
    assert name in str(told.value)
    assert stages.alternatives in str(told.value)


def test_11_convolutions_are_among_them_and_swin_is_not():
    none = {n for n, c in CARDS.items() if not STAGES.get(c.tower).takes_prompts}
    assert {'medclip-resnet', 'remedis-path-50x1', 'internimage-t', 'densenet121'} <= none
    assert not none & {'ctranspath', 'medclip-vit'}


@pytest.mark.parametrize('name', ['ctranspath', 'densenet121', 'internimage-t', 'medclip-resnet'])
def test_12_running_statistics_of_a_frozen_tower_stand_still(name):
    tower = small_tower(name).train()
    norms = {
        n: m for n, m in tower.named_modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)
    }
    assert norms
    assert not any(norm.training for norm in norms.values())
    before = tower.digest
    tower(torch.rand(2, 3, tower.image_size, tower.image_size))
    assert tower.frozen_digest() == before


@pytest.mark.parametrize('prefix', ['trunk.', 'model.visual.', 'net.'])
def test_13_a_wrong_prefix_never_loads_nothing(prefix, tmp_path, monkeypatch):
    """Loaders of the field use strict=False: a random model then passes for a pretrained one."""
    card = CARDS['lunit-dino-s16']
    short = dataclasses.replace(card, arch_kwargs={**card.arch_kwargs, 'depth': 2})
    monkeypatch.setitem(CARDS, card.name, short)
    state = synthetic('lunit_dino_vits16', depth=2)
    torch.save({prefix + key: value for key, value in state.items()}, tmp_path / 'wrong.pth')
    with pytest.raises(CheckpointError, match=prefix.partition('.')[0]):
        load_vision(card.name, weights=tmp_path / 'wrong.pth')


@pytest.mark.parametrize('package', ['sentencepiece', 'sacremoses'])
def test_14_a_missing_tokenizer_package_is_named(package, monkeypatch, tmp_path):
    """T5, LLaMA and MUSK need sentencepiece, BioGPT needs sacremoses; neither is always there."""
    import sys

    from cite.encoders.text.hf_tokenizer import load_tokenizer

    monkeypatch.setitem(sys.modules, package, None)

    def fails(*_args, **_options):
        raise ImportError(f'This tokenizer requires the {package} library')

    monkeypatch.setattr('transformers.AutoTokenizer.from_pretrained', fails)
    with pytest.raises(ModelError, match=f'pip install.*{package}'):
        load_tokenizer(str(tmp_path))
