"""Runs of a made-up method, and the bench program that measures coverage."""

from __future__ import annotations

import importlib.util
import sys

import numpy as np
from repo import REPO

from cite.evaluation.predictions import Predictions

CLASSES = ('a', 'b', 'c')


def draw_runs(
    runs=5, per_class=30, patches=1, quality=2.0, seed=0, patients=None, between=0.3, copies=1
):
    """Predictions of `runs` trainings. `copies` slides in a row are the same; `patients` names those of
    slides, in order."""
    rng = np.random.default_rng(seed)
    n = per_class * len(CLASSES)
    labels = np.repeat(np.repeat(np.arange(3), per_class), patches)
    slides = np.repeat([f's{i:03d}' for i in range(n)], patches)
    files = [f'{slide}_{i % patches}.png' for i, slide in enumerate(slides)]
    who = None if patients is None else list(np.repeat(patients, patches))
    hardness = np.repeat(np.repeat(rng.normal(0, 1, (n // copies, 3)), copies, 0), patches, 0)
    found = []
    for _ in range(runs):
        noise = np.repeat(rng.normal(0, 0.7, (len(labels) // copies, 3)), copies, 0)
        logits = hardness + noise + rng.normal(0, between, 3)
        logits[np.arange(len(labels)), labels] += quality + rng.normal(0, between)
        p = np.exp(logits)
        found.append(
            Predictions(
                files, labels, p / p.sum(1, keepdims=True), list(slides), CLASSES, patients=who
            )
        )
    return found


def flawless_runs(runs=5, per_class=30):
    """Trainings that are certain of the true class of each slide."""
    labels = np.repeat(np.arange(3), per_class)
    slides = [f's{i:03d}' for i in range(len(labels))]
    return [Predictions(slides, labels, np.eye(3)[labels], slides, CLASSES)] * runs


def bench():
    """tools/bench/coverage.py as a module."""
    spec = importlib.util.spec_from_file_location(
        'bench_of_coverage', REPO / 'tools' / 'bench' / 'coverage.py'
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
