"""The file of a trained pair: what it holds, what it refuses, and that nothing in it is executed."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from tiny_models import save_tiny_bert

from cite.encoders.pair import build_pair
from cite.encoders.pair_file import KEY, PairInfo, read_pair, read_pair_info, save_pair
from cite.errors import CheckpointError, CiteError
from cite.frozen import trainable

TEXTS = ['red glands', 'mucus']
VISION = {'model': 'random-vit-tiny', 'image_size': 32}
TEXT = {'model': 'random-bert-tiny', 'pooling': 'mean'}
LORA = {'type': 'LoRA', 'r': 2}
TUNED = [
    ('NoTuning', 'NoTuning'),
    (LORA, LORA),
    ({'type': 'VisualPrompt', 'length': 2}, {'type': 'TextPrompt', 'length': 3}),
    ('FullFineTuning', 'NoTuning'),
    ('NoTuning', 'FullFineTuning'),
]


def made(vision='NoTuning', text='NoTuning', bias=None, dim=5, **training):
    """A pair whose trained weights are not their first ones, and what its file says."""
    torch.manual_seed(1)
    specs = {**VISION, 'tuning': vision}, {**TEXT, 'tuning': text}
    pair = build_pair(*specs, dim, bias=bias).eval()
    pair.encode_images(images())  # so that a prompt has met its first batch
    digests = pair.vision.digest, pair.text.digest
    for weight in trainable(pair).values():
        weight.data.add_(0.05 * torch.randn_like(weight))
    return pair, PairInfo(*specs, dim, bias is not None, *digests, training)


def images():
    return list(np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8))


@pytest.fixture
def file(tmp_path):
    path = tmp_path / 'pair.safetensors'
    save_pair(path, *made(seed=3))
    return path


def changed(path, **content):
    """The file with other metadata; a key with None is left out."""
    with safe_open(path, 'pt') as old:
        tensors = {name: old.get_tensor(name) for name in old.keys()}  # noqa: SIM118
        info = json.loads(old.metadata()[KEY])
    info = {k: v for k, v in {**info, **content}.items() if v is not None}
    save_file(tensors, path, {KEY: json.dumps(info)})


@pytest.mark.parametrize('bias', [None, -3.0])
@pytest.mark.parametrize(('vision', 'text'), TUNED)
def test_a_pair_comes_back_as_it_was(vision, text, bias, tmp_path):
    pair, info = made(vision, text, bias, seed=3)
    save_pair(tmp_path / 'pair.safetensors', pair, info)
    again = read_pair(tmp_path / 'pair.safetensors')
    assert np.array_equal(again.encode_images(images()), pair.encode_images(images()))
    assert np.array_equal(again.encode_text(TEXTS), pair.encode_text(TEXTS))
    assert again.scale == pair.scale
    assert (again.bias is None) == (bias is None)
    assert not again.training
    assert read_pair_info(tmp_path / 'pair.safetensors') == info


def test_frozen_weights_stay_out(file, tmp_path):
    assert file.stat().st_size < 20_000
    with safe_open(file, 'pt') as content:
        names = set(content.keys())
    assert names == {'log_scale', 'image_projection.weight', 'text_projection.weight'}
    save_pair(tmp_path / 'whole.safetensors', *made('FullFineTuning'))
    with safe_open(tmp_path / 'whole.safetensors', 'pt') as content:
        assert sum('vision.trunk.' in name for name in content.keys()) > 20  # noqa: SIM118
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith('.')] == []


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ({'format': 2}, 'has format 2, this version reads 1'),
        ({'format': None}, 'has format None'),
        ({'dim': None, 'bias': None}, 'its metadata are not as cite writes them'),
        ({'more': 1}, 'its metadata are not as cite writes them'),
        ({'vision': ['model']}, 'its metadata are not as cite writes them'),
        ({'text': 7}, 'its metadata are not as cite writes them'),
        ({'vision': {**VISION, 'weights': '/etc/passwd'}}, r"options it may not: \['weights'\]"),
        ({'text': {**TEXT, 'trust_remote_code': True}}, r"may not: \['trust_remote_code'\]"),
        ({'text': {**TEXT, 'weights': 'x.pt'}}, r"may not: \['weights'\]"),
        ({'vision_digest': '0' * 64}, 'base model with digest 000000000000, but random-vit-tiny'),
        ({'text_digest': 'f' * 64}, 'base model with digest ffffffffffff, but random-bert-tiny'),
        ({'vision': {**VISION, 'image_size': 48}}, 'random-vit-tiny as loaded here has'),
        ({'dim': 6}, 'does not fit the pair it describes: .*image_projection.weight'),
        ({'bias': True}, r'does not fit the pair it describes: 1 missing \(bias\)'),
        ({'vision': {'model': 'random-vit-tny'}}, 'random-vit-tiny'),
    ],
)
def test_files_that_say_something_else_are_refused(content, message, file):
    changed(file, **content)
    with pytest.raises(CiteError, match=message) as error:
        read_pair(file)
    assert '\n' not in str(error.value)


def test_the_same_name_with_other_weights_is_refused(tmp_path):
    spec = {'model': str(save_tiny_bert(tmp_path / 'bert')), 'pooling': 'cls'}
    pair = build_pair(VISION, spec, 5)
    info = PairInfo(VISION, spec, 5, False, pair.vision.digest, pair.text.digest)
    save_pair(tmp_path / 'pair.safetensors', pair, info)
    read_pair(tmp_path / 'pair.safetensors')
    save_tiny_bert(tmp_path / 'bert', seed=1)
    with pytest.raises(CheckpointError, match='was trained on a base model with digest'):
        read_pair(tmp_path / 'pair.safetensors')


def test_files_that_are_no_pairs_are_refused(file, tmp_path):
    other = tmp_path / 'other.safetensors'
    save_file({'x': torch.zeros(1)}, other, {'cite_adapter': '{}'})
    broken = tmp_path / 'broken.safetensors'
    broken.write_bytes(file.read_bytes()[:-50])
    for path, message in (
        (tmp_path / 'gone.safetensors', 'no such file'),
        (tmp_path, 'a folder'),
        (other, 'not of a pair: its metadata lack the key `cite_pair`'),
        (broken, 'damaged or no safetensors file'),
    ):
        for read in (read_pair, read_pair_info):
            with pytest.raises(CheckpointError, match=message):
                read(path)
    for text in ('{', '[]', '7', '"x"', '[' * 100_000):
        save_file({'x': torch.zeros(1)}, other, {KEY: text})
        with pytest.raises(CheckpointError, match=r'metadata are not as|has format'):
            read_pair_info(other)


class Bomb:
    def __reduce__(self):
        return exec, ('raise SystemExit("executed")',)


def test_a_pickle_is_not_executed(tmp_path):
    path = tmp_path / 'pair.safetensors'
    path.write_bytes(pickle.dumps({'state': Bomb()}))
    with pytest.raises(CheckpointError, match='damaged or no safetensors file'):
        read_pair(path)
    torch.save({'state': torch.zeros(2)}, path)
    with pytest.raises(CheckpointError, match='damaged or no safetensors file'):
        read_pair(path)


def test_whoever_loads_it_may_say_where_a_base_model_lies(tmp_path):
    first = save_tiny_bert(tmp_path / 'first')
    vision, text = {**VISION, 'tuning': 'NoTuning'}, {'model': str(first), 'pooling': 'mean'}
    pair = build_pair(vision, text, 5).eval()
    info = PairInfo(vision, text, 5, False, pair.vision.digest, pair.text.digest)
    save_pair(tmp_path / 'pair.safetensors', pair, info)
    (tmp_path / 'first').rename(tmp_path / 'moved')
    with pytest.raises(CiteError, match='first'):
        read_pair(tmp_path / 'pair.safetensors')
    again = read_pair(tmp_path / 'pair.safetensors', text={'model': str(tmp_path / 'moved')})
    assert np.array_equal(again.encode_text(['red']), pair.encode_text(['red']))


def test_what_a_tower_that_was_trained_whole_began_with_does_not_matter(tmp_path):
    pair, info = made('FullFineTuning', 'FullFineTuning')
    other = PairInfo(**{**vars(info), 'vision_digest': 'another', 'text_digest': 'another'})
    save_pair(tmp_path / 'pair.safetensors', pair, other)
    again = read_pair(tmp_path / 'pair.safetensors')
    assert np.array_equal(again.encode_images(images()), pair.encode_images(images()))


def test_a_description_that_builds_nothing_is_told_in_one_line(file):
    changed(file, dim='x')
    with pytest.raises(CheckpointError, match='cannot be built: TypeError'):
        read_pair(file)
