"""What a study is going to take: runs, trainings, time, disk. Made before anything runs."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cite.atomic import write_json
from cite.errors import DataError
from cite.evaluation.predictions import Predictions
from cite.paths import cache_dir
from cite.studies.data import Data
from cite.studies.description import Method, Study
from cite.studies.draws import Draw, draw_slides
from cite.studies.options import config_with
from cite.studies.probe import Pace, measure
from cite.studies.record import DONE, has_predictions, in_one_line, read_record
from cite.studies.run_digest import run_digest
from cite.studies.run_key import RunKey, shots_order
from cite.studies.settings import groups_of, settings_of


@dataclass(frozen=True)
class MethodPlan:
    """One method's part.

    Attributes:
        runs: All of them.
        done: That need not be done any more.
        trainings: Still to be done, those for choosing included.
        settings: To choose among.
        seconds: Of what is to be done, on one worker; None where it was not measured.
        note: Why it was not.
    """

    name: str
    runs: int
    done: int
    trainings: int
    settings: int
    seconds: float | None
    note: str = ''


@dataclass(frozen=True)
class Plan:
    """Of a study.

    Attributes:
        pending: Runs to do, in the order of the study.
        digests: All runs → what decides them.
        disk_mb: What they will leave behind; None where it was not measured.
    """

    methods: list[MethodPlan]
    pending: list[RunKey]
    digests: Mapping[RunKey, str]
    disk_mb: float | None

    @property
    def seconds(self) -> float | None:
        """Of all that is to be done, on one worker."""
        known = [part.seconds for part in self.methods if part.seconds is not None]
        return sum(known) if len(known) == len(self.methods) else None


def make_plan(study: Study, data: Data, folder: Path, probe: bool = True) -> Plan:
    """Looks at what is done, and measures how long a training of each method takes.

    A pace that was measured before is taken from the cache.

    Args:
        probe: Measure; else only count.

    Raises:
        DataError: A class with too few slides for a k; less free disk than the runs will take.
    """
    digests = _digests(study, data)
    pending = [key for key, digest in digests.items() if not _is_done(folder, key, digest)]
    waiting = {m.name: [key for key in pending if key.method == m.name] for m in study.methods}
    paces = _paces(study, data, [m for m in study.methods if waiting[m.name]]) if probe else {}
    parts, disk = [], 0.0
    row_mb = _predictions_mb(data) if probe else 0.0
    for method in study.methods:
        keys = waiting[method.name]
        settings, note = _settings(study, method)
        trainings = sum(_trainings(study, data, key.shots, settings) for key in keys)
        pace = paces.get(method.name)
        seconds: float | None = None
        if not keys or method.baseline is not None:
            seconds = 0.0
        elif isinstance(pace, Pace):
            tests = pace.patch * len(data.evaluation) * len(keys)
            seconds = trainings * pace.training + tests
            disk += len(keys) * (pace.folder_mb + row_mb)
        total = sum(key.method == method.name for key in digests)
        note = note or (pace if isinstance(pace, str) else '')
        parts.append(
            MethodPlan(method.name, total, total - len(keys), trainings, settings, seconds, note)
        )
    if probe:
        _refuse_full_disk(folder, disk)
    return Plan(parts, pending, digests, disk if probe else None)


def _digests(study: Study, data: Data) -> dict[RunKey, str]:
    """Of all runs; a k for which a class has too few slides is told by this."""
    draws: dict[tuple[str, int], Draw] = {}
    found = {}
    for key in study.runs():
        which = key.shots, key.split_seed
        if which not in draws:
            draws[which] = draw_slides(data.pool, *which)
        found[key] = run_digest(study, study.method(key.method), key, draws[which], data)
    return found


def _is_done(folder: Path, key: RunKey, digest: str) -> bool:
    """Whether a run is done as the study describes it now, and has its predictions."""
    record = read_record(folder, key)
    if record is None or record.state != DONE or record.digest != digest:
        return False
    return has_predictions(key.folder(folder))


def _settings(study: Study, method: Method) -> tuple[int, str]:
    """How many settings a method has, and why its model cannot be built."""
    if method.baseline is not None:
        return 1, ''
    cfg = config_with(method.config, method.options, Path(), 0)
    try:
        return len(settings_of(method, cfg, groups_of(method), study.choosing.budget)), ''
    except Exception as error:  # its runs will fail by this, and the others go on
        return 1, in_one_line(error)


def _trainings(study: Study, data: Data, shots: str, settings: int) -> int:
    slides = [len(data.pool.slides_of(name)) for name in data.pool.classes]
    fewest, most = (min(slides), max(slides)) if shots == 'all' else (int(shots), int(shots))
    if fewest < 2 or settings < 2:
        return 1
    return 1 + settings * min(most, study.choosing.folds or most)


def _paces(study: Study, data: Data, methods: Sequence[Method]) -> Mapping[str, Pace | str]:
    from tqdm import tqdm

    known = _read_probe()
    shots = min(study.shots, key=shots_order)
    found: dict[str, Pace | str] = {}
    models = [method for method in methods if method.baseline is None]
    for method in tqdm(models, 'probing', unit='method', delay=2):
        draw = draw_slides(data.pool, shots, 0)
        name = run_digest(study, method, RunKey(method.name, shots, 0, 0), draw, data)
        if name not in known:
            try:
                known[name] = measure(method, data, shots).values()
            except Exception as error:  # likewise
                found[method.name] = in_one_line(error)
                continue
            write_json(_probes(), known)
        found[method.name] = Pace(**known[name])  # type: ignore[arg-type]
    return found


def _probes() -> Path:
    """Paces are of this machine, not of the study."""
    return cache_dir() / 'probes.json'


def _read_probe() -> dict[str, dict[str, float]]:
    try:
        known: dict[str, dict[str, float]] = json.loads(_probes().read_text('utf-8'))
    except (FileNotFoundError, ValueError):
        return {}
    return known


def _predictions_mb(data: Data) -> float:
    """Of the predictions of a run, by writing some that are as hard to compress."""
    table = data.evaluation
    noise = np.random.default_rng(0).dirichlet(np.ones(len(table.classes)), len(table))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'predictions.parquet'
        files = [str(table.path(row)) for row in range(len(table))]
        patients = None if table.patients is None else table.patients.tolist()
        Predictions(
            files, table.labels, noise, table.slides.tolist(), table.classes, patients
        ).to_parquet(path)
        return path.stat().st_size / 1024**2


def _refuse_full_disk(folder: Path, needed: float) -> None:
    there = next(place for place in (folder, *folder.parents) if place.is_dir())
    free = shutil.disk_usage(there).free / 1024**2
    if needed > free:
        raise DataError(
            f'{folder}: the runs will take about {needed:,.0f} MB, and {free:,.0f} MB are free; make room '
            'or name another folder with --out'
        )
