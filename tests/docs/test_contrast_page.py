"""docs/contrast.md: its commands run on less data and for fewer iterations, its tables are complete."""

from __future__ import annotations

import contextlib
import io
import re
import shlex

import pytest
from repo import REPO

from cite.cli import main
from cite.paths import configs_dir

PAGE = (REPO / 'docs' / 'contrast.md').read_text(encoding='utf-8')
FEW = {'--slides-per-class': '2'}
SHORT = ['train_cfg.max_iters=2', 'train_dataloader.batch_size=8', 'val_dataloader.batch_size=8']


def blocks(language):
    return re.findall(rf'^```{language}\n(.*?)^```', PAGE, re.M | re.S)


def shortened(words):
    """The command with small numbers in place of its own, and a pair that needs no hub."""
    if words[0] == 'prepare':
        few = [FEW.get(before, word) for before, word in zip(['', *words[:-1]], words, strict=True)]
        return [*few, '--patches-per-slide', '4']
    words = [word.replace('iter_60', 'iter_2') for word in words]
    words = ['tiny-tissue' if word == 'plip' else word for word in words]
    return [*words, '--cfg-options', *SHORT]


@pytest.mark.slow
def test_commands_and_scripts_do_what_the_page_says(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shown = io.StringIO()
    for kind, block in re.findall(r'^```(sh|python)\n(.*?)^```', PAGE, re.M | re.S):
        if kind == 'python' and not block.startswith('model ='):
            with contextlib.redirect_stdout(shown):
                exec(block, {})
        for line in block.replace('\\\n', ' ').splitlines() if kind == 'sh' else ():
            program, *words = shlex.split(line)
            assert program == 'cite'
            assert main(shortened(words)) == 0, capsys.readouterr().err
    assert (tmp_path / 'work_dirs/tiny_lora/results.json').is_file()
    for run in ('tiny_lora', 'contrast', 'house'):
        assert (tmp_path / 'work_dirs' / run / 'recall.json').is_file()
    first, *checks = shown.getvalue().splitlines()
    assert first.startswith('(8, 2) ')
    assert [line.split()[0] for line in checks] == [
        'tiny-tissue',
        'work_dirs/house/pair.safetensors',
    ]


def test_every_config_of_pairs_is_in_the_table():
    there = {f'contrast/{path.stem}' for path in (configs_dir() / 'contrast').glob('*.py')}
    assert there == set(re.findall(r'^\| `(contrast/\w+)` \|', PAGE, re.M))


def test_the_config_it_shows_is_one():
    from cite.mm.contrast.model import CitePair
    from cite.registry import check_options

    script = next(block for block in blocks('python') if block.startswith('model ='))
    names: dict = {}
    exec(script, names)
    options = dict(names['model'])
    assert options.pop('type') == 'CitePair'
    check_options('CitePair', CitePair, options)
