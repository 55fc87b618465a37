"""docs/data.md: its commands run as written, on made-up data where it says, and its config trains."""

from __future__ import annotations

import csv
import re
import shlex
import zipfile

import numpy as np
import pytest
from PIL import Image
from repo import REPO

from cite.cli import main

PAGE = (REPO / 'docs' / 'data.md').read_text(encoding='utf-8')
SUBTYPES = (
    'Well differentiated tubular adenocarcinoma',
    'Moderately differentiated tubular adenocarcinoma',
    'Poorly differentiated adenocarcinoma, non-solid type',
)


def blocks(language):
    return re.findall(rf'^```{language}\n(.*?)^```', PAGE, re.M | re.S)


def tile(seed):
    coarse = np.random.default_rng(seed).integers(60, 250, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((24, 24), Image.Resampling.BICUBIC)


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """`data/patchgastric` with captions.csv and the archive, `data/mine` with tiles and a table."""
    gastric, mine = tmp_path / 'data' / 'patchgastric', tmp_path / 'data' / 'mine'
    gastric.mkdir(parents=True)
    tile(0).save(tmp_path / 'patch.jpg')
    slides = [(f'{i:032x}', SUBTYPES[i % 3], 'text') for i in range(3 * 80)]
    with (gastric / 'captions.csv').open('w', newline='') as file:
        csv.writer(file).writerows([('id', 'subtype', 'text'), *slides])
    with zipfile.ZipFile(gastric / 'patches_captions.zip', 'w') as archive:
        for slide, *_ in slides:
            archive.write(tmp_path / 'patch.jpg', f'patches_captions/{slide}_0.jpg')
    rows = [('file', 'diagnosis', 'slide_id', 'case')]
    for number in range(2 * 12):
        name, slide = ('stroma', 'tumour')[number % 2], f's{number}'
        folder = mine / 'tiles' / name / slide
        folder.mkdir(parents=True)
        tile(number).save(folder / '0.png')
        rows.append((f'tiles/{name}/{slide}/0.png', name, slide, f'case {number // 4}'))
    with (mine / 'patches.csv').open('w', newline='') as file:
        csv.writer(file).writerows(rows)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_commands_run_as_written(desk, capsys):
    commands = [line for block in blocks('sh') for line in block.splitlines()]
    assert len(commands) == 5
    for line in commands:
        program, *words = shlex.split(line)
        assert program == 'cite'
        assert main(words) == 0, capsys.readouterr().err
    data = desk / 'data'
    for folder in (
        'patchgastric/splits', 'patchgastric/splits_cap100', 'mine/splits', 'mine/tiles_splits',
    ):  # fmt: skip
        assert (data / folder / 'split.json').is_file(), folder
    assert (data / 'patchgastric' / 'gastric_cls3_ann' / 'val_0.8.txt').is_file()
    written = {path.name for path in (data / 'mine' / 'splits').iterdir()}
    for row in re.findall(r'^\| (`.*?) \|', PAGE.partition('## What is written')[2], re.M):
        assert set(re.findall(r'`(.*?)`', row)) <= written

    from cite.mm.launch import load_config
    from cite.mm.resolve import resolve

    (text,) = blocks('python')
    (desk / 'configs' / 'mine').mkdir(parents=True)
    (desk / 'configs' / '_base_').symlink_to(REPO / 'configs' / '_base_')
    (desk / 'configs' / 'mine' / 'cite.py').write_text(text, encoding='utf-8')
    (option,) = re.findall(r'--cfg-options (\S+)=(\S+)`', PAGE)
    cfg = resolve(load_config('configs/mine/cite.py', 'run', dict([option])), 'cpu')
    assert cfg.train_dataloader.dataset.classes == ['stroma', 'tumour']
    root, file = cfg.data_root, cfg.train_dataloader.dataset.ann_file
    assert (data / 'mine').resolve().samefile(root) and (data / 'mine' / file).is_file()
