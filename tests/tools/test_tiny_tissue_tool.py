"""tools/tiny_tissue.py from drawing to the packed pair, on a handful of patches."""

from __future__ import annotations

import importlib.util
import json

import numpy as np
import pytest
from repo import REPO

import cite
from cite.data.synthetic.attributes import Grade
from cite.data.synthetic.tissue import open_slide


@pytest.fixture
def tool(monkeypatch):
    spec = importlib.util.spec_from_file_location('tiny_tissue', REPO / 'tools' / 'tiny_tissue.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name, seed in (('SEEN', 1), ('HELD_OUT', 2)):
        few = {'slides_per_class': 11, 'patches_per_slide': 2, 'seed': seed, 'population': 'any'}
        monkeypatch.setattr(module, name, few)
    return module


@pytest.mark.slow
def test_what_is_packed_is_the_pair_that_was_trained(tool, tmp_path):
    tool.draw(tmp_path, 1)
    tool.write_text_model(tmp_path / 'pairs' / 'pairs.csv', tmp_path / 'text')
    run = tool.train(tmp_path, tmp_path / 'run', 2)
    tool.pack(run, tmp_path / 'packed', tmp_path / 'text')
    about = json.loads((tmp_path / 'packed' / 'pair.json').read_text(encoding='utf-8'))
    assert len(about['first_losses']) == 2 and about['iterations'] == 2

    trained = cite.load_pair(run / 'pair.safetensors')
    patch = open_slide(3, Grade.WELL, 0).patch(0, 300)
    vision = cite.load_vision('tiny-tissue', weights=tmp_path / 'packed' / 'vision.safetensors')
    text = cite.load_text(str(tmp_path / 'packed' / 'text'), pooling='mean')
    image = trained.encode_images([patch], normalise=False)
    words = trained.encode_text(['No necrosis.'], normalise=False)
    # half precision keeps three digits
    np.testing.assert_allclose(
        vision.encode_images([patch]), image, atol=0.02 * np.abs(image).max()
    )
    found = text.encode_text(['No necrosis.']).numpy()
    np.testing.assert_allclose(found, words, atol=0.02 * np.abs(words).max())


def test_a_vocabulary_of_captions_spells_what_it_has_not_met(tool, tmp_path, monkeypatch):
    from cite.encoders.cards import tiny_tissue

    monkeypatch.setattr(tiny_tissue, 'FOLDER', tmp_path / 'nothing packed')
    captions = tmp_path / 'pairs.csv'
    captions.write_text('file,caption\n' + 'a.jpg,Red glands. No necrosis.\n' * 3, encoding='utf-8')
    tool.write_text_model(captions, tmp_path / 'text')
    tower = cite.load_text(str(tmp_path / 'text'), pooling='mean', pretrained=False).tower()
    tokens = tower.tokenizer.tokenize('Red glands jaw 12')
    assert tokens[:2] == ['red', 'glands'] and '[UNK]' not in tokens
