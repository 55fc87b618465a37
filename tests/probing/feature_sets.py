"""Features drawn around class centres, with slides, for the tests of probing."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cite.data.table import PatchTable
from cite.probing.sets import Part, Sets

CLASSES = ('aca', 'normal', 'scc')


def drawn(count=120, dim=12, classes=3, seed=0, apart=1.0):
    """(count, dim) float32 and labels; the first features of each class differ."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    centres = np.random.default_rng(99).normal(size=(classes, dim)) * apart
    features = (centres[labels] + rng.normal(size=(count, dim))) * np.linspace(0.1, 9, dim) + 3
    return features.astype(np.float32), labels


def table(labels, prefix, per_slide=4, classes=CLASSES, patients=False):
    """Slides of `per_slide` patches of one class each; two slides to a patient where asked for."""
    slides = np.empty(len(labels), object)
    for label in range(len(classes)):
        rows = np.flatnonzero(labels == label)
        slides[rows] = [f'{prefix}{label}_{n // per_slide:03}' for n in range(len(rows))]
    owners = [f'p{s[:-3]}{int(s[-3:]) // 2}' for s in slides] if patients else None
    return PatchTable(
        files=np.array([f'{prefix}{n}.png' for n in range(len(labels))]),
        labels=np.asarray(labels),
        slides=slides.astype(str),
        classes=classes,
        root=Path('nowhere'),
        patients=owners,
        source=prefix,
    )


def sets(apart=1.0, dim=12, test=True):
    """Features of train (120), validation (48), test (60) in one array, and the sets."""
    sizes = {'train': 120, 'validation': 48, 'test': 60}
    parts, features, start = {}, [], 0
    for seed, (name, size) in enumerate(sizes.items()):
        found, labels = drawn(size, dim, seed=seed, apart=apart)
        features.append(found)
        parts[name] = Part(table(labels, name), np.arange(start, start + size))
        start += size
    return np.concatenate(features), Sets(
        parts['train'], parts['validation'], parts['test'] if test else None
    )
