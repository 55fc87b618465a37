"""The files of published text encoders, drawn small: they load, and compute what transformers does."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

import layouts
import pytest
import torch
import transformers as t
from tiny_language_models import TEXTS, save_tokenizer

from cite.encoders.text.bert import TextEncoder
from cite.encoders.text.hf_model import HEADS, T5_HEADS
from cite.errors import ModelError

LAYOUTS = (
    'bio_clinicalbert',
    'biobert_base_cased_v1_2',
    'biobert_v1_1',
    'biolinkbert_base',
    'biolinkbert_large',
    'biomedbert_base_abstract',
    'biomedbert_base_abstract_fulltext',
    'bluebert_pubmed_mimic_base',
    'biogpt',
    'llama_7b',
    't5_base_clinical',
    't5_large_clinical',
)
PREFIXES = {'bert': 'bert.', 'biogpt': 'biogpt.', 'llama': 'model.', 't5': ''}
SMALL = {512: 32, 768: 48, 1024: 64, 1026: 34, 3072: 96, 4096: 128, 11008: 160}
"""Full size → size here; all vocabularies become 32 tokens."""


def kind_of(name):
    return next((kind for kind in ('biogpt', 'llama', 't5') if kind in name), 'bert')


def config_of(name, shapes, depth=None):
    """The config that belongs to weights of these shapes; heads as published."""
    kind = kind_of(name)
    numbers = [re.search(r'(?:layer|layers|block)\.(\d+)\.', key) for key in shapes]
    layers = depth or 1 + max(int(number[1]) for number in numbers if number)

    def rows(ending):
        return next(shape for key, shape in shapes.items() if key.endswith(ending))

    if kind == 't5':
        vocabulary, width = shapes['shared.weight']
        heads = rows('relative_attention_bias.weight')[1]
        return t.T5Config(
            vocab_size=vocabulary,
            d_model=width,
            d_kv=width // heads,
            d_ff=rows('DenseReluDense.wi.weight')[0],
            num_layers=layers,
            num_heads=heads,
        )
    vocabulary, width = rows('embed_tokens.weight' if kind != 'bert' else 'word_embeddings.weight')
    full = {48: 768, 64: 1024, 128: 4096}.get(width, width)
    inner = {
        'bert': '0.intermediate.dense.weight',
        'biogpt': 'fc1.weight',
        'llama': 'up_proj.weight',
    }
    sizes = {
        'vocab_size': vocabulary,
        'hidden_size': width,
        'num_hidden_layers': layers,
        'num_attention_heads': full // (128 if kind == 'llama' else 64),
        'intermediate_size': rows(inner[kind])[0],
    }
    if kind == 'llama':
        return t.LlamaConfig(**sizes, max_position_embeddings=2048)
    if kind == 'biogpt':
        positions = rows('embed_positions.weight')[0] - 2
        return t.BioGptConfig(**sizes, max_position_embeddings=positions)
    positions = rows('position_embeddings.weight')[0]
    return t.BertConfig(**sizes, max_position_embeddings=positions)


def model_of(name, config):
    classes = {'bert': t.BertModel, 'biogpt': t.BioGptModel, 'llama': t.LlamaModel}
    return classes.get(kind_of(name), t.T5EncoderModel)(config)


def own_names(name, keys):
    """Keys of the file that belong to the encoder → its names; and the others."""
    prefix = PREFIXES[kind_of(name)]
    if not any(key.startswith(prefix) for key in keys):
        prefix = ''
    own = {key: key.removeprefix(prefix) for key in keys if key.startswith(prefix)}
    heads = (*HEADS, *(T5_HEADS if kind_of(name) == 't5' else ()))
    left = {
        key
        for key in keys
        if any(fnmatchcase(key, head) for head in heads) and not fnmatchcase(key, '*pooler.dense.*')
    }
    return {key: new for key, new in own.items() if key not in left}, set(keys) - own.keys() - left


@pytest.mark.parametrize('name', LAYOUTS)
def test_the_full_layout_is_that_of_transformers(name):
    shapes = layouts.shapes(name)
    with torch.device('meta'):
        model = model_of(name, config_of(name, shapes))
    own, unknown = own_names(name, shapes)
    assert not unknown
    found = {new: tuple(shapes[key]) for key, new in own.items()}
    expected = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    assert found == expected


@pytest.fixture(scope='module')
def small_layouts():
    """Two layers of every layout, narrow."""
    made = {}

    def small(name):
        if name not in made:
            generator = torch.Generator().manual_seed(0)
            made[name] = {}
            for key, shape in layouts.shapes(name).items():
                number = layouts.STACK.search(key)
                if number and int(number[1]) >= 2:
                    continue
                sides = [32 if side > 20_000 else SMALL.get(side, side) for side in shape]
                made[name][key] = layouts._values(key, tuple(sides), generator)
        return dict(made[name])

    return small


def save(folder, name, state):
    folder.mkdir(exist_ok=True)
    shapes = {key: tuple(value.shape) for key, value in state.items()}
    config_of(name, shapes, depth=2).save_pretrained(folder)
    torch.save(layouts.wrapped(name, state), folder / 'pytorch_model.bin')
    save_tokenizer(folder, kind_of(name))
    return folder


def direct(name, state, folder, pooling):
    """The same by transformers' own class, filled by hand, text by text."""
    model = model_of(name, t.AutoConfig.from_pretrained(folder)).eval()
    own, _ = own_names(name, state)
    model.load_state_dict({new: state[key] for key, new in own.items()}, strict=True)
    tokenizer = t.AutoTokenizer.from_pretrained(folder)
    vectors = []
    for text in TEXTS:
        with torch.no_grad():
            output = model(input_ids=tokenizer(text, return_tensors='pt').input_ids)
        hidden = output.last_hidden_state[0]
        vectors.append(
            {'mean': lambda h: h.mean(0), 'last': lambda h: h[-1]}[pooling](hidden)
            if pooling != 'pooler_output'
            else output.pooler_output[0]
        )
    return torch.stack(vectors)


@pytest.mark.parametrize('name', LAYOUTS)
def test_a_file_of_that_layout_computes_what_transformers_does(name, small_layouts, tmp_path):
    state = small_layouts(name)
    folder = save(tmp_path / name, name, state)
    for pooling in ('mean', 'pooler_output' if kind_of(name) == 'bert' else 'last'):
        found = TextEncoder(str(folder), pooling).encode_text(TEXTS)
        expected = direct(name, state, folder, pooling)
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
        assert torch.pdist(found).min() > 1e-3


@pytest.mark.parametrize('name', LAYOUTS)
def test_what_does_not_fit_is_refused_by_name(name, small_layouts, tmp_path):
    state = small_layouts(name)
    config_shapes = {key: tuple(value.shape) for key, value in state.items()}

    def load(changed):
        save(tmp_path, name, state)  # the config follows the whole state
        config_of(name, config_shapes, depth=2).save_pretrained(tmp_path)
        torch.save(changed, tmp_path / 'pytorch_model.bin')
        TextEncoder(str(tmp_path), 'mean').encode_text(TEXTS)

    layouts.check_refusals(load, state)
    with pytest.raises(ModelError, match=r'holds 1 weights .* \(surprise\.weight\).*leftovers='):
        load({**state, 'surprise.weight': torch.zeros(2)})


def test_a_head_that_is_named_is_left_aside(small_layouts, tmp_path):
    state = small_layouts('biolinkbert_base') | {'my_head.weight': torch.zeros(2, 2)}
    folder = save(tmp_path, 'biolinkbert_base', state)
    encoder = TextEncoder(str(folder), 'mean', leftovers=['my_head.*'])
    assert encoder.encode_text(TEXTS).shape == (3, 48)


def test_norms_of_old_files_are_called_gamma_and_beta(small_layouts, tmp_path):
    state = small_layouts('bio_clinicalbert')
    old = {
        key.replace('LayerNorm.weight', 'LayerNorm.gamma').replace(
            'LayerNorm.bias', 'LayerNorm.beta'
        ): value
        for key, value in state.items()
    }
    assert old.keys() != state.keys()
    expected = TextEncoder(str(save(tmp_path / 'new', 'bio_clinicalbert', state)), 'mean')
    folder = save(tmp_path / 'old', 'bio_clinicalbert', state)
    torch.save(old, folder / 'pytorch_model.bin')
    found = TextEncoder(str(folder), 'mean').encode_text(TEXTS)
    assert torch.equal(found, expected.encode_text(TEXTS))


@pytest.mark.parametrize('name', ['bio_clinicalbert', 'biolinkbert_base'])
def test_half_precision_files_are_read_as_float32(name, small_layouts, tmp_path):
    state = {k: v.half() if v.is_floating_point() else v for k, v in small_layouts(name).items()}
    found = TextEncoder(str(save(tmp_path, name, state)), 'mean').encode_text(TEXTS)
    expected = direct(name, {k: v.float() for k, v in state.items()}, tmp_path, 'mean')
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
