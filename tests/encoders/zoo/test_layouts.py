"""The layouts themselves: folding loses nothing, and every one of them is tried by some test."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from layouts import fold, names, shapes, synthetic, unfold

HERE = Path(__file__).parent


def covered() -> set[str]:
    """What the tests beside this one declare in `LAYOUTS`."""
    found: set[str] = set()
    for path in HERE.glob('test_*_layouts.py'):
        for node in ast.parse(path.read_text(encoding='utf-8')).body:
            targets = getattr(node, 'targets', [getattr(node, 'target', None)])
            if any(getattr(target, 'id', '') == 'LAYOUTS' for target in targets):
                found |= {c.value for c in ast.walk(node.value) if isinstance(c, ast.Constant)}
    return found


def test_every_layout_is_loaded_by_a_test():
    assert len(names()) >= 85
    assert not set(names()) - covered()


@pytest.mark.parametrize('name', names())
def test_folding_loses_nothing(name):
    keys = shapes(name)
    assert len(keys) > 50
    assert unfold(fold(keys)) == keys


def test_depth_shortens_every_stack():
    short = synthetic('openai_clip_ViT_B_16', depth=2, device='meta')
    blocks = {k.rpartition('resblocks.')[2].split('.')[0] for k in short if 'resblocks' in k}
    assert blocks == {'0', '1'}
    chunked = synthetic('gpfm_github_teacher', depth=7, device='meta')
    assert 'backbone.blocks.1.6.norm1.weight' in chunked
    assert 'backbone.blocks.1.7.norm1.weight' not in chunked
