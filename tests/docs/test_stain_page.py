"""What docs/stain.md tells to type works, on a small quickstart and with few iterations."""

from __future__ import annotations

import json
import re
import shlex

import pytest
from repo import REPO

from cite.cli import main
from cite.mm.launch import load_config
from cite.mm.resolve import resolve
from cite.paths import configs_dir

PAGE = (REPO / 'docs' / 'stain.md').read_text(encoding='utf-8')
ITERATIONS = 'train_cfg.max_iters=2'


def blocks(language):
    return re.findall(rf'^```{language}\n(.*?)^```', PAGE, re.M | re.S)


def test_the_config_with_jitter_is_one(tmp_path):
    (block,) = blocks('python')
    (tmp_path / 'configs').symlink_to(configs_dir())
    (tmp_path / 'jitter.py').write_text(block, encoding='utf-8')
    cfg = resolve(load_config(tmp_path / 'jitter.py', str(tmp_path)), 'cpu')
    steps = [step.type for step in cfg.train_dataloader.dataset.pipeline]
    assert steps == ['ResizePatch', 'AugmentPatch', 'StainJitter']
    assert [step.type for step in cfg.test_dataloader.dataset.pipeline] == ['ResizePatch']


@pytest.mark.slow
def test_the_commands_work_as_written_but_for_the_iterations(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'configs').symlink_to(configs_dir())
    size = ['--slides-per-class', '10', '--patches-per-slide', '2']
    assert main(['prepare', 'synthetic', 'data/quickstart', *size]) == 0
    assert main(['prepare', 'patchgastric', 'data/quickstart', '--shots', '2']) == 0
    few = ['train_dataloader.dataset.ann_file=splits/train_2.csv', ITERATIONS]
    lines = [line for block in blocks('sh') for line in block.replace('\\\n', ' ').splitlines()]
    for line in lines:
        program, *words = shlex.split(line.replace('iter_120.pth', 'iter_2.pth'))
        if program != 'cite' or words[0] == 'prepare':
            continue
        if words[0] in ('train', 'test'):
            words += few if '--cfg-options' in words else ['--cfg-options', *few]
        assert main(words) == 0, f'{line}\n{capsys.readouterr().err}'
    run = tmp_path / 'work_dirs' / 'macenko'
    assert json.loads((run / 'stain.json').read_text())['fitted_on']['slides'] == 6
    assert (run / 'stain_groups.png').is_file() and (run / 'stain_slides.csv').is_file()
