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
    """The command with small numbers in place of its own."""
    if words[0] == 'prepare':
        few = [FEW.get(before, word) for before, word in zip(['', *words[:-1]], words, strict=True)]
        return [*few, '--patches-per-slide', '4']
    words = [word.replace('iter_60', 'iter_2') for word in words]
    return [*words, '--cfg-options', *SHORT]


@pytest.mark.slow
def test_commands_and_script_do_what_the_page_says(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for line in (line for block in blocks('sh') for line in block.splitlines()):
        program, *words = shlex.split(line)
        assert program == 'cite'
        assert main(shortened(words)) == 0, capsys.readouterr().err
    assert (tmp_path / 'work_dirs/tiny_lora/results.json').is_file()
    script = next(block for block in blocks('python') if block.startswith('from pathlib'))
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        exec(script, {})
    assert shown.getvalue().startswith('(8, 2) ')


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
