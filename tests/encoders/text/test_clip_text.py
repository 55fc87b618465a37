from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_clip import save_tiny_clip

from cite.encoders.text.clip import CLIPTextEncoder
from cite.encoders.text.openai_clip import text_tower
from cite.errors import CheckpointError, ConfigError, ModelError
from cite.heads.zero_shot import ZeroShotHead

TEXTS = ['gland', 'a tubular gland', 'no gland at all here']


@pytest.fixture(scope='module')
def clip(tmp_path_factory):
    return save_tiny_clip(tmp_path_factory.mktemp('models') / 'clip')


def transformers_features(folder, text):
    from transformers import AutoTokenizer, CLIPModel

    tokenizer, model = AutoTokenizer.from_pretrained(folder), CLIPModel.from_pretrained(folder)
    with torch.no_grad():
        out = model.eval().get_text_features(**tokenizer(text, return_tensors='pt'))
    return getattr(out, 'pooler_output', out)[0]


def test_equals_transformers_text_features(clip):
    vectors = CLIPTextEncoder(str(clip)).encode_text(TEXTS, batch_size=2)
    assert vectors.shape == (3, 12)
    assert not vectors.requires_grad
    for text, vector in zip(TEXTS, vectors, strict=True):
        torch.testing.assert_close(vector, transformers_features(clip, text), rtol=1e-4, atol=1e-5)
    assert torch.cdist(vectors, vectors)[0, 1:].min() > 1e-2


def test_records_the_logit_scale(clip):
    record = CLIPTextEncoder(str(clip)).provenance()
    assert record['logit_scale'] == pytest.approx(3.25)
    assert record['model'] == str(clip)
    assert record['fingerprint'].startswith('sha256 ')


def test_zero_shot_head_uses_template_and_logit_scale(clip):
    spec = {'type': 'CLIPTextEncoder', 'model': str(clip)}
    head = ZeroShotHead(['gland', 'fat'], spec, template='a {}.')
    expected = CLIPTextEncoder(str(clip)).encode_text(['a gland.', 'a fat.'])
    torch.testing.assert_close(head.anchors, expected)
    assert head.temperature.item() == pytest.approx(3.25)
    assert not list(head.parameters())
    again = ZeroShotHead(['gland', 'fat'], spec, template='a {}.')  # from the cache
    assert again.temperature.item() == pytest.approx(3.25)


def test_wrong_templates_and_texts(clip):
    spec = {'type': 'CLIPTextEncoder', 'model': str(clip)}
    with pytest.raises(ConfigError, match='template'):
        ZeroShotHead(['gland', 'fat'], spec, template='a photo')
    with pytest.raises(ConfigError, match='list with one string per class'):
        ZeroShotHead('gland', spec)
    with pytest.raises(ConfigError, match='text_encoder'):
        ZeroShotHead(['gland', 'fat'])


def test_long_and_empty_texts(clip):
    encoder = CLIPTextEncoder(str(clip))
    with pytest.raises(ConfigError, match='longer than the 24 that'):
        encoder.encode_text(['gland', 'g ' * 23])
    with pytest.raises(ConfigError, match='empty text'):
        encoder.encode_text(['gland', ''])


def test_a_tower_that_is_missing_or_incomplete_is_refused(clip, tmp_path):
    with pytest.raises(ModelError, match=r'weights of clip-vit-b16: .*weights=<its path>'):
        CLIPTextEncoder('clip-vit-b16').encode_text(TEXTS)
    with pytest.raises(ModelError, match='neither a folder nor in the hub cache'):
        CLIPTextEncoder('owner/no-clip').encode_text(TEXTS)
    weights = Path(shutil.copytree(clip, tmp_path / 'part')) / 'model.safetensors'
    state = load_file(weights)
    del state['text_projection.weight']
    save_file(state, weights, {'format': 'pt'})
    with pytest.raises(ModelError, match=r'lacks 1 weights \(text_projection\.weight\)'):
        CLIPTextEncoder(str(weights.parent)).encode_text(TEXTS)


@pytest.mark.parametrize('shape', [(10,), (10, 32)])
def test_weights_that_are_no_text_tower_of_openai_are_refused(shape):
    state = dict.fromkeys(('token_embedding.weight', 'text_projection'), torch.zeros(shape))
    state |= {'positional_embedding': torch.zeros(8, 32), 'logit_scale': torch.zeros(())}
    with pytest.raises(CheckpointError, match=r'file.pt holds no CLIP text tower in OpenAI names'):
        text_tower(state, 'file.pt')


def test_zoo_names_find_the_text_half_of_the_pair():
    assert CLIPTextEncoder('clip-vit-b16').source == 'openai/clip-vit-base-patch16'


# Files


def openai_state(width: int = 64, words: int = 514, layers: int = 2):
    """A text tower in OpenAI's names with as many words as the tokenizer, random weights."""
    shapes = {
        'token_embedding.weight': (words, width),
        'positional_embedding': (24, width),
        'ln_final.weight': (width,),
        'ln_final.bias': (width,),
        'text_projection': (width, 12),
    }
    for layer in range(layers):
        for name, shape in {
            'ln_1.weight': (width,),
            'ln_1.bias': (width,),
            'ln_2.weight': (width,),
            'ln_2.bias': (width,),
            'attn.in_proj_weight': (3 * width, width),
            'attn.in_proj_bias': (3 * width,),
            'attn.out_proj.weight': (width, width),
            'attn.out_proj.bias': (width,),
            'mlp.c_fc.weight': (4 * width, width),
            'mlp.c_fc.bias': (4 * width,),
            'mlp.c_proj.weight': (width, 4 * width),
            'mlp.c_proj.bias': (width,),
        }.items():
            shapes[f'transformer.resblocks.{layer}.{name}'] = shape
    generator = torch.Generator().manual_seed(0)
    state = {k: 0.2 * torch.randn(shape, generator=generator) for k, shape in shapes.items()}
    return state | {'logit_scale': torch.tensor(3.25)}


def test_padding_is_never_seen_whichever_token_it_is(clip, tmp_path):
    """OpenAI pads with 0, transformers with the end of the text."""
    torch.save(openai_state(), tmp_path / 'clip.pt')
    tower = CLIPTextEncoder(str(clip), weights=tmp_path / 'clip.pt').tower()
    tokens = tower.tokenize(TEXTS)
    kept = tokens['attention_mask'].bool()
    assert not kept.all()
    zeros = {**tokens, 'input_ids': tokens['input_ids'] * kept}
    unmasked = {**zeros, 'attention_mask': torch.ones_like(tokens['attention_mask'])}
    expected = torch.cat([tower(tower.tokenize([text])) for text in TEXTS])
    for given in (tokens, zeros, unmasked):
        torch.testing.assert_close(tower(given), expected, rtol=1e-4, atol=1e-5)


def test_the_end_of_a_text_stays_when_it_is_cut(clip, tmp_path):
    torch.save(openai_state(), tmp_path / 'clip.pt')
    tower = CLIPTextEncoder(str(clip), weights=tmp_path / 'clip.pt').tower()
    cut = tower.tokenize(['g' * 100], truncate=True)['input_ids'][0]
    assert len(cut) == 24 and cut[-1] == cut.max() == tower.tokenizer.eos_token_id


def test_a_folder_with_a_tokenizer_needs_no_hub(clip, tmp_path):
    folder = tmp_path / 'clip'
    shutil.copytree(clip, folder)
    (folder / 'model.safetensors').unlink()
    torch.save(openai_state(), folder / 'open_clip_pytorch_model.bin')
    one = CLIPTextEncoder('laion-clip-vit-b16', weights=folder)
    other = CLIPTextEncoder('plip', weights=folder / 'open_clip_pytorch_model.bin')
    third = CLIPTextEncoder(str(folder), activation='gelu')
    assert one.activation == 'gelu' and other.activation == 'quick_gelu'
    assert torch.equal(one.encode_text(TEXTS), third.encode_text(TEXTS))
    assert not torch.allclose(one.encode_text(TEXTS), other.encode_text(TEXTS), atol=1e-3)
    assert one.fingerprint() == other.fingerprint() and len(one.fingerprint()) == 64
    assert one.settings() != other.settings()


def test_an_unknown_activation_is_refused():
    with pytest.raises(ConfigError, match='activation must be one of quick_gelu, gelu'):
        CLIPTextEncoder('plip', activation='relu')


@pytest.mark.parametrize(('width', 'heads'), [(64, 1), (512, 8), (1024, 16)])
def test_a_head_is_64_wide(width, heads):
    tower, scale = text_tower(openai_state(width, words=4, layers=1), 'file', 'gelu')
    assert tower.config.num_attention_heads == heads
    assert tower.config.hidden_act == 'gelu' and scale == 3.25
