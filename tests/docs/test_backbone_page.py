"""What docs/add_a_backbone.md shows works as written: the row joins the zoo, the scripts find its files."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace

import pytest
import timm
import torch
from repo import REPO
from safetensors.torch import save_file

import cite
from cite.encoders.zoo import CARDS
from cite.errors import CheckpointError, ModelError

PAGE = (REPO / 'docs' / 'add_a_backbone.md').read_text(encoding='utf-8')
OWN, ROW, USE, STAGES_OF_MINE = re.findall(r'^```python\n(.*?)^```', PAGE, re.M | re.S)


def run(script):
    names: dict = {}
    exec(script, names)
    return names


@pytest.fixture
def rowed(tmp_path, monkeypatch):
    """A zoo with the page's row, in a folder with a file that fits it; returns that file's content."""
    monkeypatch.chdir(tmp_path)
    for card in run(ROW)['CARDS']:
        monkeypatch.setitem(CARDS, card.name, card)
    state = timm.create_model('vit_small_patch16_224', depth=2, num_classes=5).state_dict()
    torch.save({'state_dict': state}, 'mine.pth')
    return state


def test_own_weights_are_loaded_by_the_first_script(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    trunk = cite.load_vision('random-vit-tiny').trunk
    weights = {key: value + 1 for key, value in trunk.state_dict().items()}
    save_file(weights, tmp_path / 'my_weights.safetensors')
    assert torch.equal(run(OWN)['tower'].trunk.cls_token, trunk.cls_token + 1)


def test_the_row_makes_a_model(rowed, capsys):
    tower = run(USE)['tower']
    assert capsys.readouterr().out.split() == ['384', 'CC-BY-4.0']
    assert torch.equal(tower.trunk.cls_token, rowed['cls_token'])
    assert tower.tuning.prompt.shape == (1, 4, 384)


def test_the_row_is_strict_and_says_how_to_get_its_file(rowed):
    with pytest.raises(ModelError, match='ask us'):
        cite.load_vision('mine-vit-s16')
    torch.save({**rowed, 'surprise': torch.zeros(1)}, 'mine.pth')
    with pytest.raises(CheckpointError, match='surprise'):
        run(USE)


def test_an_architecture_of_ones_own(rowed, monkeypatch):
    kind = run(STAGES_OF_MINE)['MyStages']
    card = replace(
        CARDS['mine-vit-s16'], arch='mine', tower='MyStages', feature='pool', feature_dim=32
    )
    monkeypatch.setitem(CARDS, card.name, card)
    torch.save(kind.build(card, 224).state_dict(), 'mine.pth')
    for tuning in (None, 'VisualPrompt', {'type': 'LoRA', 'targets': ['0']}):
        tower = cite.load_vision('mine-vit-s16', weights='mine.pth', tuning=tuning)
        assert tower(torch.rand(2, 3, 224, 224)).shape == (2, 32)


def test_a_file_among_the_cards_is_found(tmp_path):
    """In a process of its own, with a second folder of cards in place of a changed package."""
    (tmp_path / 'mine.py').write_text(ROW, encoding='utf-8')
    script = (
        f'from cite.encoders import cards; cards.__path__.append({str(tmp_path)!r})\n'
        'from cite.cli import main; main(["models", "mine-vit-s16"])'
    )
    done = subprocess.run(
        [sys.executable, '-c', script], cwd=REPO, capture_output=True, text=True, timeout=60
    )
    assert 'Us et al., 2026' in done.stdout and 'prompts, LoRA, full' in done.stdout
