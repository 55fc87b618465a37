from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from cite.mm.contrast.recall import RecallAtK

ROWS = 30


def test_recall_is_that_of_every_image_and_every_text_by_hand(tmp_path):
    """30 images of 9 texts in any order; a text is asked for once."""
    generator = torch.Generator().manual_seed(0)
    groups = torch.randint(9, (ROWS,), generator=generator) * 7 + 2**62
    names, number = groups.unique(return_inverse=True)
    texts = normalize(torch.randn(len(names), 4, generator=generator), dim=1)
    images = normalize(texts[number] + torch.randn(ROWS, 4, generator=generator), dim=1)
    metric = RecallAtK(ks=(1, 3), out_dir=str(tmp_path))
    metric.about = {'about': {'seed': 5}}
    for start in range(0, ROWS, 8):
        rows = range(start, min(start + 8, ROWS))
        samples = [
            {'image': images[i], 'text': texts[number[i]], 'group': int(groups[i])} for i in rows
        ]
        metric.process(None, samples)
    found = metric.evaluate(ROWS)
    cosines, mine = images @ texts.T, groups[:, None] == names
    for k in (1, 3):
        of_images = mine.gather(1, cosines.topk(k, dim=1).indices).any(1).float().mean()
        of_texts = mine.gather(0, cosines.topk(k, dim=0).indices).any(0).float().mean()
        assert found[f'image_to_text/recall@{k}'] == pytest.approx(float(of_images))
        assert found[f'text_to_image/recall@{k}'] == pytest.approx(float(of_texts))
        assert found[f'image_to_text/chance_recall@{k}'] == pytest.approx(k / len(names))
        assert 0 < float(of_images) < 1
    written = json.loads((tmp_path / 'results.json').read_text())
    assert written['recall'] == found
    assert (written['images'], written['texts'], written['about']) == (30, len(names), {'seed': 5})


def test_nothing_is_written_without_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    metric = RecallAtK()
    one = torch.eye(2)
    metric.process(None, [{'image': one[i], 'text': one[i], 'group': i} for i in range(2)])
    found = metric.evaluate(2)
    assert found['image_to_text/recall@1'] == found['text_to_image/recall@5'] == 1
    assert not list(tmp_path.iterdir())
    assert np.isclose(found['text_to_image/chance_recall@1'], 0.5)
