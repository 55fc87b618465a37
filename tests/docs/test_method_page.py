"""What docs/add_a_method.md shows works as written: a file in the folder is a method."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
import torch
from repo import REPO
from tiny_models import tiny_classifier, tiny_images

from cite.frozen import trainable
from cite.heads import HEADS
from cite.tuning import TUNINGS

PAGE = (REPO / 'docs' / 'add_a_method.md').read_text(encoding='utf-8')
TUNING, USE, HEAD = re.findall(r'^```python\n(.*?)^```', PAGE, re.M | re.S)


@pytest.fixture
def registered(monkeypatch):
    """Both methods, for this test alone."""
    for registry in (TUNINGS, HEADS):
        registry.names()
        monkeypatch.setattr(registry, '_classes', dict(registry._classes))
    for name, code in (('page_tuning', TUNING), ('page_head', HEAD)):
        exec(code, {'__name__': name})


def test_the_tuning_is_a_name_like_others(registered, capsys):
    exec(USE, {})
    assert capsys.readouterr().out.strip() == str(192 + 2 * 192)


@pytest.mark.parametrize(
    'tuning', [{'type': 'FeatureScale'}, {'type': 'FeatureScale', 'shift': False}]
)
def test_both_train_by_their_formulas(registered, tuning):
    classifier = tiny_classifier(tuning, None, {'type': 'TemperedHead'}).train()
    tower = classifier.backbone
    plain = tiny_classifier(None, None, {'type': 'TemperedHead'})
    assert torch.equal(tower(tiny_images()), plain.backbone(tiny_images()))
    weights = trainable(classifier)
    counted = sum(weight.numel() for weight in weights.values())
    formula = tower.tuning.trained_parameters(tower)
    assert counted == formula + classifier.head.trained_parameters(tower.feature_dim, 3)
    torch.nn.functional.cross_entropy(classifier(tiny_images()), torch.tensor([0, 1])).backward()
    assert all(weight.grad.any() for weight in weights.values())
    assert not any(p.requires_grad for p in tower.trunk.parameters())


def test_files_in_the_folders_are_found(tmp_path):
    """In a process of its own, with second folders in place of a changed package."""
    (tmp_path / 'tunings').mkdir()
    (tmp_path / 'tunings' / 'feature_scale.py').write_text(TUNING, encoding='utf-8')
    (tmp_path / 'heads').mkdir()
    (tmp_path / 'heads' / 'tempered.py').write_text(HEAD, encoding='utf-8')
    script = (
        f'import cite.tuning, cite.heads\n'
        f'cite.tuning.__path__.append({str(tmp_path / "tunings")!r})\n'
        f'cite.heads.__path__.append({str(tmp_path / "heads")!r})\n'
        "print(cite.tuning.TUNINGS.get('FeatureScale').paper)\n"
        "print(cite.heads.HEADS.get('TemperedHead').__name__)"
    )
    done = subprocess.run(
        [sys.executable, '-c', script], cwd=REPO, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.split() == ['SSF:', 'Lian', 'et', 'al.,', 'NeurIPS', '2022', 'TemperedHead']
