from __future__ import annotations

import pytest
import torch
from old_cite import CITE, openai_names, save_checkpoint, tiny_clip, write_configs
from tiny_models import save_tiny_bert

import cite
from cite.cli import main


@pytest.fixture
def old(tmp_path):
    return write_configs(tmp_path / 'old')[CITE]


def test_a_config(old, capsys):
    before = old.read_bytes()
    assert main(['migrate', str(old)]) == 0
    out = old.with_name(f'{old.stem}_migrated.py')
    shown = capsys.readouterr().out
    assert shown.splitlines()[-1] == f'{old} → {out}'
    assert 'model.neck.float16=True is left out' in shown
    assert 'Protocol: fixed' in out.read_text(encoding='utf-8')
    assert old.read_bytes() == before
    assert main(['migrate', str(old)]) == 2  # a config that was migrated may have been edited since
    assert 'exists; name another place' in capsys.readouterr().err


def test_a_config_with_the_published_defects(old, tmp_path, capsys):
    out = tmp_path / 'new' / 'cite.py'
    words = ['--protocol', 'original', '--text-encoder', 'scibert', '--model', 'clip-vit-l14']
    assert main(['migrate', str(old), '--out', str(out), *words]) == 0
    text = out.read_text(encoding='utf-8')
    for part in ('OriginalSampler', 'OriginalAugment', "'scibert'", "'clip-vit-l14'"):
        assert part in text


def test_a_checkpoint(old, tmp_path, capsys):
    base, trunk = tiny_clip(tmp_path / 'clip')
    bert = save_tiny_bert(tmp_path / 'bert')
    trained = {
        'backbone.prompt': torch.ones(1, 1, 48),
        'neck.weight': torch.eye(24),
        'neck.bias': torch.zeros(24),
    }
    path = save_checkpoint(tmp_path / 'iter_1000.pth', openai_names(trunk), trained)
    words = ['--model', str(base), '--text-encoder', str(bert)]
    assert main(['migrate', str(path), *words]) == 2
    assert '--config' in capsys.readouterr().err
    assert main(['migrate', str(path), '--config', str(old), *words]) == 0
    adapter = tmp_path / 'iter_1000_migrated' / 'adapter.safetensors'
    assert f'{path} → {adapter}' in capsys.readouterr().out
    assert (adapter.parent / 'MODEL_CARD.md').is_file()
    image = torch.zeros(3, 40, 40, dtype=torch.uint8)
    assert cite.load(adapter).predict(image).scores.shape == (1, 3)


def bad(words, capsys):
    assert main(['migrate', *map(str, words)]) == 2
    out, err = capsys.readouterr()
    assert out == '' and err.startswith('cite migrate: error: ') and err.count('\n') == 1
    return err


def test_bad_input_takes_one_line(old, tmp_path, capsys):
    assert 'no such file' in bad([tmp_path / 'none.py'], capsys)
    assert 'a folder' in bad([tmp_path], capsys)
    assert '--config goes with a checkpoint' in bad([old, '--config', old], capsys)
    weights = tmp_path / 'iter_1.pth'
    weights.write_bytes(b'no checkpoint')
    assert '--protocol goes with a config' in bad([weights, '--protocol', 'fixed'], capsys)
    assert 'cannot be read' in bad([weights, '--config', old], capsys)
    assert 'no config of the original' in bad([cite.configs_dir() / 'quickstart/cite.py'], capsys)
    broken = tmp_path / 'broken.py'
    broken.write_text('x = = 1\n')
    assert 'cannot be read: SyntaxError' in bad([broken], capsys)
    broken.write_text(
        old.read_text().replace('ViT-B/16', 'RN50').replace('../_base_', 'old/_base_')
    )
    assert "model.backbone.arch='RN50' (a ResNet" in bad([broken], capsys)
    assert not list(tmp_path.glob('*_migrated*'))
