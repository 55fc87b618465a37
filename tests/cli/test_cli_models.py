from __future__ import annotations

from cite.cli import main
from cite.encoders.zoo import CARDS, TEXT_CARDS


def first_words(text: str) -> set[str]:
    return {line.split()[0] for line in text.splitlines() if line}


def test_lists_every_short_name(capsys):
    assert main(['models']) == 0
    shown = capsys.readouterr().out
    assert {*CARDS, *TEXT_CARDS} <= first_words(shown)
    line = next(line for line in shown.splitlines() if line.startswith('clip-vit-b16 '))
    assert '512' in line and '224' in line and 'MIT' in line and 'openai/' in line


def test_filter(capsys):
    assert main(['models', 'CLIP']) == 0
    shown = first_words(capsys.readouterr().out)
    assert 'clip-vit-l14' in shown
    assert not shown & {'biolinkbert-large', 'random-vit-tiny', 'dinov2-vit-b14'}
    assert main(['models', 'random']) == 0
    assert {'random-vit-tiny', 'random-bert-tiny'} <= first_words(capsys.readouterr().out)


def test_filter_without_a_hit(capsys):
    assert main(['models', 'resnet']) == 2
    out, err = capsys.readouterr()
    assert out == '' and "'resnet'" in err and err.count('\n') == 1
