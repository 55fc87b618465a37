"""A checkpoint holds its anchors: testing and resuming need no text encoder."""

from __future__ import annotations

import json
import shutil

import pytest

from cite.errors import ModelError
from cite.mm.launch import test as evaluate
from cite.mm.launch import train


@pytest.fixture
def with_bert(tiny, tmp_path, own_cache):
    """A run with a text encoder in a folder, which can be taken away."""
    from tiny_models import save_tiny_bert

    folder = save_tiny_bert(tmp_path / 'bert')
    options = {
        'model.head.text_encoder.model': str(folder),
        'model.head.texts': ['well', 'moderately', 'poorly'],
        'train_cfg.max_iters': 4,
    }
    train(tiny(options))

    def take_away():
        shutil.rmtree(folder)
        shutil.rmtree(own_cache)

    return options, take_away


def test_testing_and_resuming_need_no_text_encoder(tiny, with_bert, tmp_path):
    options, take_away = with_bert
    checkpoint = str(tmp_path / 'run' / 'iter_4.pth')
    first = evaluate(tiny(options), checkpoint)
    take_away()
    assert evaluate(tiny(options), checkpoint) == first
    about = json.loads((tmp_path / 'run' / 'results.json').read_text())['about']
    assert about['text_encoder']['model'] == str(tmp_path / 'bert')
    assert train(tiny({**options, 'train_cfg.max_iters': 6}), resume=True).iter == 6


def test_anchors_of_other_texts_or_of_another_encoder_do_not_stand_in(tiny, with_bert, tmp_path):
    options, take_away = with_bert
    take_away()
    checkpoint = str(tmp_path / 'run' / 'iter_4.pth')
    for change in (
        {'model.head.texts': ['well', 'well', 'poorly']},
        {'model.head.text_encoder.model': str(tmp_path / 'other')},
    ):
        with pytest.raises(ModelError, match='could not be loaded'):
            evaluate(tiny({**options, **change}), checkpoint)
    with pytest.raises(ModelError, match='could not be loaded'):
        train(tiny(options))
