"""Colour histogram + logistic regression: how far stain and tissue density alone go."""

from __future__ import annotations

import os
from functools import lru_cache
from multiprocessing.pool import ThreadPool
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cite.data.table import PatchTable, some
from cite.errors import DataError
from cite.images import load_rgb

CACHE_VERSION = 1  # to be raised when the method changes

BINS = 16
MAX_THREADS = 8


def probabilities(train: PatchTable, test: PatchTable, progress: bool) -> NDArray[np.float64]:
    """(N, C) of a logistic regression on standardised `histograms` of the training patches.

    Its strength (C = 1) is fixed, so that nothing is chosen on test data. Classes weigh the same
    however many patches they have, as in training by `balance='class'`. A class without training
    patches gets probability 0.

    Raises:
        DataError: an image that cannot be read; training patches of one class only.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    train = train.sorted()  # the fit depends on the order in its last digits
    seen = np.unique(train.labels)
    if len(seen) < 2:
        raise DataError(
            f'{train.source}: a logistic regression needs training patches of two classes or more, '
            f'found only {some([train.classes[label] for label in seen])}'
        )
    model = make_pipeline(
        StandardScaler(), LogisticRegression(C=1.0, max_iter=2000, class_weight='balanced')
    )
    model.fit(histograms(train, 'colours (train)', progress), train.labels)
    found = np.zeros((len(test), len(test.classes)))
    found[:, seen] = model.predict_proba(histograms(test, 'colours (test)', progress))
    return found


def histograms(
    table: PatchTable, title: str = 'colours', progress: bool = True
) -> NDArray[np.float64]:
    """(N, 3 · BINS): of red, green and blue, the fraction of a patch's pixels in each bin of 16 values.

    Patches are taken in the size of their files, without augmentation. Those of files that this process
    has seen before, unchanged since, are not decoded again: a study asks for the same ones many times.

    Args:
        title: of the progress bar, which comes after two seconds.

    Raises:
        DataError: an image that cannot be read; of several, the first in the table.
    """
    from tqdm import tqdm

    def histogram(index: int) -> NDArray[np.float64]:
        path = table.path(index)
        status = path.stat() if path.is_file() else None  # load_rgb says what is wrong
        return _histogram(path, status and (status.st_size, status.st_mtime_ns))

    found = np.empty((len(table), 3 * BINS))
    with ThreadPool(min(os.cpu_count() or 1, MAX_THREADS)) as pool:  # decoding frees Python's lock
        rows = pool.imap(histogram, range(len(table)), chunksize=16)
        bar = tqdm(rows, total=len(table), desc=title, unit='patch', delay=2, disable=not progress)
        for index, row in enumerate(bar):
            found[index] = row
    return found


@lru_cache(maxsize=1 << 18)  # 100 MB
def _histogram(path: Path, _unchanged: tuple[int, int] | None) -> NDArray[np.float64]:
    image = load_rgb(path)
    counts = np.array(image.histogram()).reshape(3 * BINS, -1).sum(axis=1)
    return counts / (image.width * image.height)
