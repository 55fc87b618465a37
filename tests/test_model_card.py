from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from small_adapter import TEXTS, build

from cite.adapter import base_licences, read_info, save_adapter, with_licences
from cite.evaluation.metrics import evaluate
from cite.evaluation.predictions import Predictions
from cite.model_card import model_card

TRAINING = {
    'trained_parameters': 1234567,
    'tuning': 'VisualPrompt(length=1)',
    'head': 'TextEmbeddingHead',
    'iterations': 1000,
    'seed': 7,
    'data': {'train': {'source': 'data/train_4.csv', 'sha256': 'ab' * 32, 'split_hash': 'cd' * 32}},
    'versions': {'cite': '0.1.0', 'torch': '2.14.1'},
}


@pytest.fixture(scope='module')
def info():
    return dataclasses.replace(build()[1], training=TRAINING)


def results(classes) -> dict:
    count = 12
    labels = np.arange(count) % len(classes)
    found = evaluate(
        Predictions(
            files=[f'{i}.png' for i in range(count)],
            labels=labels,
            probabilities=np.random.default_rng(0).dirichlet(np.ones(len(classes)), count),
            slides=[str(label) for label in labels],
            classes=tuple(classes),
        )
    )
    return {**found, 'about': {'data': {'test': {'source': 'data/val.csv'}}}}


def test_card_says_what_it_is_and_is_not_for(info):
    card = model_card(info)
    assert 'research use, not for diagnosis' in card
    assert 'random-vit-tiny' in card
    assert 'licence of its weights: none needed' in card
    assert info.tower_digest in card
    assert 'ab' * 32 in card and 'cd' * 32 in card and '`data/train_4.csv`' in card
    assert '1,234,567 parameters' in card and '1,000 iterations, seed 7' in card
    assert '`VisualPrompt(length=1)`' in card
    for name, text in zip(info.classes, TEXTS, strict=True):
        assert f'{name}: “{text}”' in card
    assert 'some-bert (cls)' in card
    assert '112 × 112 pixels (bicubic), cut at 300 pixels' in card
    assert 'Not tested yet' in card
    assert 'cite 0.1.0, torch 2.14.1' in card


def test_licence_of_a_real_base_model(info):
    backbone = {**info.backbone, 'model': 'clip-vit-b16'}
    card = model_card(dataclasses.replace(info, backbone=backbone))
    assert 'clip-vit-b16, Radford' in card and 'licence of its weights: MIT' in card


def test_card_of_a_tested_run_has_the_numbers(info):
    found = results(info.classes)
    card = model_card(info, found)
    assert 'Not tested yet' not in card
    assert '`data/val.csv`' in card
    assert (
        f'| accuracy | {found["patch"]["accuracy"]:.3f} | {found["slide"]["accuracy"]:.3f} |'
        in card
    )
    for name in info.classes:
        assert f'| accuracy, {name} |' in card


def test_card_shows_baselines_beside_the_run(info):
    found = results(info.classes)
    found['baselines'] = {'colour': {**results(info.classes), 'title': 'colour histogram'}}
    card = model_card(info, {**found, 'baseline_notes': ['No other: it broke']})
    assert '| patch (n=12): run | patch (n=12): colour |' in card
    assert 'colour histogram' in card and 'No other: it broke' in card


def test_little_known_is_no_reason_to_fail(info):
    bare = dataclasses.replace(info, training={}, anchors={}, head={'type': 'LinearHead'})
    card = model_card(bare)
    assert '- ? parameters' in card and 'Text anchors' not in card


def test_names_cannot_change_the_page(info):
    names = ['a|b', 'line\n# broken', '<script>x</script>']
    texts = ['`code` *bold*', '[link](http://x)', '![image](y)\n\n- item']
    odd = dataclasses.replace(
        info,
        classes=names,
        head={**info.head, 'texts': texts},
        training={**TRAINING, 'data': {'train': {'source': 'a`b\n# c', 'sha256': 'ab' * 32}}},
    )
    card = model_card(odd)
    headings = [line for line in card.splitlines() if line.startswith('#')]
    assert len(headings) == 1 + 5 and headings[0].startswith('# Adapter of')
    assert '<script>' not in card
    assert r'a\|b' in card and r'\[link\]' in card and r'!\[image\]' in card
    assert r'\`code\` \*bold\*' in card
    assert "`a'b # c`" in card
    assert len([line for line in card.splitlines() if line.startswith('- ')]) == 8

    names = ['a|b', 'c\n# d', '<b>']
    table = model_card(dataclasses.replace(info, classes=names), results(names))
    rows = [line for line in table.splitlines() if line.startswith('|')]
    assert {line.replace(r'\|', '').count('|') for line in rows} == {4}
    assert len(rows) == 2 + 9 + 3 and '<b>' not in table


def test_licences_of_vision_and_text_are_stated_with_what_they_forbid(info, tmp_path):
    def carded(vision: str, text: str) -> list[str]:
        other = dataclasses.replace(
            info,
            backbone={**info.backbone, 'model': vision},
            anchors={'model': text, 'pooling': 'cls'},
        )
        return model_card(other).splitlines()

    lines = carded('uni2-h', 'epfl-llm/meditron-7b')
    assert any('uni2-h, Chen' in line and 'CC-BY-NC-ND-4.0' in line for line in lines)
    assert any(
        'Text encoder meditron-7b; licence of its weights: Llama 2' in line for line in lines
    )
    assert '- **Terms: uni2-h is non-commercial and no derivatives.**' in lines
    lines = carded('clip-vit-b16', 'pmc-llama-7b')
    assert '- **Terms: pmc-llama-7b is non-commercial.**' in lines
    assert not any('Terms' in line for line in carded('clip-vit-b16', 'biolinkbert-large'))
    assert any(
        'some-bert; licence of its weights: not known' in line
        for line in carded('uni', 'some-bert')
    )


def test_an_adapter_keeps_the_licences_that_it_was_made_under(info, tmp_path):
    save_adapter(tmp_path / 'a.safetensors', {}, with_licences(info))
    read = read_info(tmp_path / 'a.safetensors')
    assert read.training['licences'] == {
        'vision': {'name': 'random-vit-tiny', 'licence': base_licences(info)['vision']['licence']},
        'text': {'name': 'some-bert', 'licence': 'not known here, see the page of the model'},
    }
    stated = {'vision': {'name': 'random-vit-tiny', 'licence': 'as it once was'}}
    other = dataclasses.replace(info, training={**TRAINING, 'licences': stated})
    save_adapter(tmp_path / 'b.safetensors', {}, with_licences(other))
    assert 'as it once was' in model_card(read_info(tmp_path / 'b.safetensors'))
