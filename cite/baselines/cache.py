"""Baselines on disk: the next test of the same patches need not decode them all again.

One small safetensors file per question in `$CITE_CACHE/baselines`. The question holds the method and,
of every training and test patch, path, label, slide, size and time of change, so that other patches are
another question.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator
from pathlib import Path

from cite.atomic import write_bytes
from cite.baselines.run import check_tables, get_method, predictions_of, run_baseline
from cite.data.table import PatchTable
from cite.errors import DataError
from cite.evaluation.predictions import Predictions
from cite.paths import cache_dir


def cached_baseline(
    kind: str,
    train: PatchTable,
    test: PatchTable,
    progress: bool = True,
    logger: logging.Logger | None = None,
) -> Predictions:
    """What `run_baseline` gives, from the cache where it has been computed before.

    A damaged file counts as none. No room or no permission to store costs a warning.

    Args:
        logger: told whether the result was there; default this module's.

    Raises:
        ConfigError, DataError: as `run_baseline`.
    """
    logger = logger or logging.getLogger(__name__)
    method = get_method(kind)
    if method.CACHE_VERSION is None:
        return run_baseline(kind, train, test, progress)
    check_tables(train, test)
    path = _path(kind, method.CACHE_VERSION, train, test)
    found = _load(path, test, logger)
    if found is not None:
        logger.info(f'baseline {kind}: from the cache ({path})')
        return found
    logger.info(f'baseline {kind}: {len(train)} training and {len(test)} test patches')
    found = run_baseline(kind, train, test, progress)
    _store(path, found, logger)
    return found


def _path(kind: str, version: int, train: PatchTable, test: PatchTable) -> Path:
    digest = hashlib.sha256(json.dumps([kind, version, train.classes]).encode())
    for table in (train, test):
        digest.update(json.dumps([str(table.root.resolve()), *_rows(table)]).encode())
    return cache_dir() / 'baselines' / f'{digest.hexdigest()[:24]}.safetensors'


def _rows(table: PatchTable) -> Iterator[tuple[str, int, str, int, int]]:
    labels, slides = table.labels.tolist(), table.slides.tolist()
    for index, (label, slide) in enumerate(zip(labels, slides, strict=True)):
        path = table.path(index)
        try:
            status = path.stat()
        except OSError as error:
            raise DataError(f'{path}: {error.strerror}') from error
        yield str(table.files[index]), label, slide, status.st_size, status.st_mtime_ns


def _load(path: Path, test: PatchTable, logger: logging.Logger) -> Predictions | None:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, 'np') as file:
            return predictions_of(test, file.get_tensor('probabilities'))
    except FileNotFoundError:
        return None
    except (SafetensorError, OSError, DataError) as error:
        logger.warning(f'cached baseline {path} is damaged ({error}) and is made anew')
        return None


def _store(path: Path, found: Predictions, logger: logging.Logger) -> None:
    from safetensors.numpy import save

    try:
        write_bytes(path, save({'probabilities': found.probabilities}))
    except OSError as error:
        logger.warning(f'baseline could not be cached in {path.parent}: {error}')
