"""Slides with patches of several classes: a query finds nothing of its own slide or patient."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cite.data.table import PatchTable
from cite.retrieval.collection import Collection
from cite.retrieval.work import evaluate


@pytest.mark.parametrize('patients', [False, True])
def test_own_slides_and_patients_are_no_candidates(patients):
    from cite.inference import FeatureTable

    slides = np.arange(6).repeat(8)
    labels = np.arange(48) % 2  # both classes on each slide
    apart = slides // 2 if patients else slides
    rng = np.random.default_rng(0)
    # a patch is the neighbour of those of its class on its own slide (or patient), of no others
    features = np.eye(12)[2 * apart + labels] + rng.normal(0, 0.01, (48, 12))
    names = [f'{row}.png' for row in range(48)]
    table = PatchTable(
        names,
        labels,
        slides.astype(str),
        ('a', 'b'),
        Path(),
        patients=apart.astype(str) if patients else None,
    )
    images = Collection([Path(name) for name in names], names, table, slides_known=True)
    assert np.array_equal(images.apart, apart.astype(str))
    found = evaluate(images, FeatureTable(features.astype('f4'), names, {}), None, None)
    own = found['image_to_image']
    assert own['candidates'] == 48 - (16 if patients else 8)
    assert own['precision@5'] < 0.8
    unknown = Collection(images.files, names, PatchTable(names, labels, names, ('a', 'b'), Path()))
    near = evaluate(unknown, FeatureTable(features.astype('f4'), names, {}), None, None)
    assert near['image_to_image']['precision@1'] == 1
