"""A finished study that no model has run: predictions of a stated quality, in the folder's layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cite.evaluation.predictions import Predictions
from cite.studies.description import Choosing, Method, Study
from cite.studies.record import DONE, HELD_OUT, PREDICTIONS, RunRecord

CLASSES = ('well', 'moderately', 'poorly')


def draw_study(
    folder: Path,
    quality: dict[str, float],
    shots: tuple[str, ...] = ('1', '4', '16'),
    split_seeds: int = 5,
    slides_per_class: int = 30,
    patches_per_slide: int = 4,
    patients: bool = False,
    seed: int = 0,
) -> Study:
    """Writes a study whose methods' logits lie `quality` × log2(2 k) above noise for the true class.

    Slides have effects of their own, the same for all methods and seeds, as real slides have. A method
    called 'colour histogram' is the baseline of that name.
    """
    rng = np.random.default_rng(seed)
    n = slides_per_class * len(CLASSES)
    labels = np.repeat(np.repeat(np.arange(3), slides_per_class), patches_per_slide)
    slides = np.repeat([f'slide{i:03d}' for i in range(n)], patches_per_slide)
    hardness = np.repeat(rng.normal(0, 1.0, (n, 3)), patches_per_slide, axis=0)
    files = [f'{slide}_{i}.jpg' for i, slide in enumerate(slides)]
    who = [f'patient{int(s[5:]) // 2:03d}' for s in slides] if patients else None
    methods = tuple(
        Method(name, baseline='colour')
        if name == 'colour histogram'
        else Method(name, config='lc25000/linear', factors={'tuning': name})
        for name in quality
    )
    study = Study(
        folder.name, methods, shots, tuple(range(split_seeds)), (0,), Choosing(3, 2), stain_groups=0
    )
    study.check()
    study.write(folder)
    for key in study.runs():
        draw = np.random.default_rng([seed, key.split_seed, int(key.shots), len(key.method)])
        lift = quality[key.method] * np.log2(2 * int(key.shots)) + draw.normal(0, 0.2)
        logits = hardness + draw.normal(0, 1.0, hardness.shape)
        logits[np.arange(len(labels)), labels] += lift
        p = np.exp(1.5 * logits)
        p /= p.sum(1, keepdims=True)
        predictions = Predictions(files, labels, p.astype(np.float32), list(slides), CLASSES, who)
        record = RunRecord(
            key,
            'drawn',
            DONE,
            seconds={'choosing': 10.0 * lift, 'training': 2.0 + lift, 'testing': 1.0},
            peak_memory_mb=100.0 + 40 * len(key.method),
            trained_parameters=1000 * len(key.method),
            choice={'how': 'preset' if key.shots == '1' else 'leave-one-slide-out', 'budget': 3},
            split_hash=f'{key.shots}-{key.split_seed}',
            temperature=None if key.shots == '1' else 1.4,
        )
        record.write(folder)
        predictions.to_parquet(key.folder(folder) / PREDICTIONS)
        if key.shots != '1':
            rows = np.flatnonzero(
                np.arange(len(labels)) // patches_per_slide % slides_per_class < 4
            )
            Predictions(
                [files[row] for row in rows], labels[rows], p[rows], slides[rows].tolist(), CLASSES
            ).to_parquet(key.folder(folder) / HELD_OUT)
    return study
