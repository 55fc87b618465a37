"""The pool that training slides are drawn from, and the evaluation set, which is the same for all runs."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from cite.data.table import PatchTable
from cite.errors import ConfigError
from cite.studies.description import Study
from cite.studies.options import LOADERS, config_with

if TYPE_CHECKING:
    from mmengine.config import Config


class Data(NamedTuple):
    """Patches of a study."""

    pool: PatchTable
    evaluation: PatchTable


def data_of(study: Study) -> Data:
    """Pool and evaluation set of a study: those of the training and test loaders of its configs.

    Raises:
        ConfigError: Methods with different patches, or no method with a model to take them from.
        DataError: Patches that cannot be read, or whose table contradicts itself.
    """
    found: dict[str, str] = {}
    for method in study.methods:
        if method.baseline is None:
            cfg = config_with(method.config, method.options, Path(), 0)
            found.setdefault(_question(cfg), method.name)
    tables = {name: _tables(question) for question, name in found.items()}
    pools = {name: pool for name, (pool, _) in tables.items() if pool is not None}
    if not pools:
        raise ConfigError(
            f'study {study.name}: no method has training data to draw slides from; add one that has'
        )
    _refuse_others(study, 'training', pools)
    evaluation = _refuse_others(study, 'evaluation', {name: t for name, (_, t) in tables.items()})
    return Data(next(iter(pools.values())), evaluation)


def _refuse_others(study: Study, what: str, tables: dict[str, PatchTable]) -> PatchTable:
    (first, table), *others = tables.items()
    for name, other in others:
        if digest(other) != digest(table):
            raise ConfigError(
                f'study {study.name}: {first!r} and {name!r} have different {what} patches '
                f'({table.source}, {other.source}); methods are compared on the same ones'
            )
    return table


def _question(cfg: Config) -> str:
    """The data sets of a config as text: what decides their tables."""
    loaders = {}
    for name in LOADERS:
        if cfg.get(name) is not None:
            dataset = cfg[name].dataset
            loaders[name] = {
                'dataset': {k: v for k, v in dataset.to_dict().items() if k != 'pipeline'}
            }
    return json.dumps({'data_root': cfg.get('data_root'), **loaders}, sort_keys=True, default=str)


@lru_cache(maxsize=8)
def _tables(question: str) -> tuple[PatchTable | None, PatchTable]:
    from cite.mm.baselines import read_table
    from cite.mm.plain_file import config_from

    cfg = config_from(json.loads(question))
    training, testing = LOADERS
    pool = read_table(cfg, training) if training in cfg else None
    return pool, read_table(cfg, testing)


@lru_cache(maxsize=8)  # of the same table: every run of a study asks
def digest(table: PatchTable) -> str:
    """SHA-256 of what a table says: file names as they are listed, labels, slides, patients, classes."""
    patients = [] if table.patients is None else table.patients.tolist()
    columns: list[Any] = [table.files.tolist(), table.labels.tolist(), table.slides.tolist()]
    text = json.dumps([*columns, patients, list(table.classes)], separators=(',', ':'))
    return hashlib.sha256(text.encode()).hexdigest()


def about(data: Data) -> dict[str, Any]:
    """What the study records of its data."""
    return {
        part: {
            'source': table.source,
            'digest': digest(table),
            'patches': len(table),
            'slides_per_class': {name: count.slides for name, count in table.counts().items()},
            'patients_known': table.patients is not None,
        }
        for part, table in zip(Data._fields, data, strict=True)
    } | {'classes': list(data.pool.classes), 'root': str(data.evaluation.root)}
