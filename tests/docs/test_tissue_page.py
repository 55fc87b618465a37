"""docs/tissue.md: its commands run with fewer slides, its scripts as written, its table is complete."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shlex

import pytest
from PIL import Image
from repo import REPO

from cite.cli import main
from cite.data.synthetic.attributes import Artefact
from cite.data.synthetic.folder import MPP
from cite.data.synthetic.terms import FINDINGS

PAGE = (REPO / 'docs' / 'tissue.md').read_text(encoding='utf-8')
FEW = {'--slides-per-class': '1', '--patches-per-slide': '1', '--side': '512', '--workers': '1'}


def blocks(language):
    return re.findall(rf'^```{language}\n(.*?)^```', PAGE, re.M | re.S)


def fewer(words):
    """The command with small numbers in place of its own."""
    return [FEW.get(before, word) for before, word in zip([None, *words[:-1]], words, strict=True)]


@pytest.fixture
def drawn(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for line in (line for block in blocks('sh') for line in block.splitlines()):
        program, *words = shlex.split(line)
        assert program == 'cite'
        assert main(fewer(words)) == 0, capsys.readouterr().err
    return tmp_path / 'data'


def test_commands_and_scripts_do_what_the_page_says(drawn):
    layouts = {
        folder.name: json.loads((folder / 'dataset.json').read_text(encoding='utf-8'))
        for folder in drawn.iterdir()
    }
    assert {name: (about['layout'], about['population']) for name, about in layouts.items()} == {
        'drawn': ('patchgastric', 'any'),
        'pairs': ('pairs', 'seen'),
        'pairs_unseen': ('pairs', 'unseen'),
        'slides': ('slides', 'any'),
    }
    header = (drawn / 'pairs' / 'pairs.csv').read_text(encoding='utf-8').split('\n')[0].split(',')
    said = re.search(r'`pairs.csv` has the columns (.*?) A caption', PAGE, re.S)
    assert said and set(re.findall(r'`(\w+)`', said[1])) <= set(header)
    header = (drawn / 'slides' / 'slides.csv').read_text(encoding='utf-8').split('\n')[0]
    assert header == 'slide,file,label,caption'
    shown = io.StringIO()
    for script in blocks('python'):
        with contextlib.redirect_stdout(shown):
            exec(compile(script, 'docs/tissue.md', 'exec'), {})
    assert len(shown.getvalue().splitlines()) == 2


def test_what_the_page_tells_of_numbers():
    assert f'{MPP} micrometres per pixel' in PAGE
    kinds = [kind.name.lower() for kind in Artefact if kind is not Artefact.NONE]
    assert f'bare glass; {", ".join(kinds)} lines |' in PAGE
    assert {'necrosis', 'inflammation', 'mitoses', 'artefact', 'glands'} <= set(FINDINGS)


def test_the_picture_is_legible_and_not_heavy():
    path = REPO / 'docs' / 'tissue.jpg'
    assert path.stat().st_size < 1.5e6
    with Image.open(path) as image:
        assert image.width >= 1500
