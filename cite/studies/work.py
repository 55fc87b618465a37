"""One run of a study, from its name to its record: what every executor calls."""

from __future__ import annotations

import os
import platform
import shutil
import time
import traceback
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from cite.atomic import write_text
from cite.errors import DataError
from cite.experiments.choosing import Candidate
from cite.studies.choice import choose_setting, clear
from cite.studies.claims import LOCK, claim
from cite.studies.data import Data, data_of
from cite.studies.description import STUDY, Method, Study
from cite.studies.draws import Draw, draw_slides, write_manifest
from cite.studies.leakage import refuse_draw
from cite.studies.memory import PeakMemory
from cite.studies.options import config_with, run_config
from cite.studies.record import (
    DONE,
    FAILED,
    HELD_OUT,
    PREDICTIONS,
    RUNNING,
    SKIPPED,
    RunRecord,
    has_predictions,
    in_one_line,
    read_record,
)
from cite.studies.run_digest import run_digest
from cite.studies.run_key import RunKey
from cite.studies.settings import describe, groups_of, settings_of
from cite.studies.training import set_patches, train_and_test

if TYPE_CHECKING:
    from mmengine.config import Config

CHOOSING = 'choosing'
ERROR = 'error.txt'


def execute(study: str, run_id: str) -> str:
    """Does a run unless it is done; a run that was interrupted goes on.

    An error of the run is recorded in its folder, with the traceback in `error.txt`, and not raised.

    Args:
        study: Folder of the study.
        run_id: `str(RunKey)`.

    Returns:
        'done', 'failed', or 'skipped' where another process has it.

    Raises:
        DataError: There is no such study or no such run in it.
    """
    folder = Path(study).absolute()
    described = _load(str(folder), (folder / STUDY).stat().st_mtime_ns)
    key = next((key for key in described.runs() if str(key) == run_id), None)
    if key is None:
        raise DataError(f'{study}: the study has no run {run_id}')
    with claim(key.folder(folder)) as mine:
        if not mine:
            return SKIPPED
        return _execute(described, folder, key)


@lru_cache(maxsize=2)
def _load(folder: str, _changed: int) -> Study:
    return Study.load(Path(folder))


def _execute(study: Study, folder: Path, key: RunKey) -> str:
    method = study.method(key.method)
    before = read_record(folder, key)
    record = RunRecord(key, '', RUNNING, host=f'{platform.node()}:{os.getpid()}')
    try:
        data = data_of(study)
        draw = draw_slides(data.pool, key.shots, key.split_seed)
        record.digest = run_digest(study, method, key, draw, data)
        if before is not None and before.digest != record.digest:
            before = None
        state = None if before is None else before.state
        if state == DONE and has_predictions(key.folder(folder)):
            return DONE
        resume = state == RUNNING
        if before is not None and resume:
            record.seconds = dict(before.seconds)  # of stages that had ended before it was stopped
        else:
            _empty(key.folder(folder))
        record.started, record.split_hash = time.time(), draw.hash
        record.write(folder)
        refuse_draw(draw.table, data.evaluation)
        with PeakMemory() as memory:
            if method.baseline is not None:
                _run_baseline(method.baseline, draw, data, folder, record)
            else:
                _run_model(study, method, draw, data, folder, record, resume)
        record.peak_memory_mb = memory.mb
        record.state, record.error = DONE, None
    except Exception as error:  # recorded, so that the others go on
        record.state, record.error = FAILED, in_one_line(error)
        write_text(key.folder(folder) / ERROR, traceback.format_exc())
    record.write(folder)
    return record.state


def _empty(folder: Path) -> None:
    """Of what a run with other settings, or one that failed, left; the claim stays."""
    for path in folder.iterdir():
        if path.name == LOCK:
            continue
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _run_baseline(kind: str, draw: Draw, data: Data, folder: Path, record: RunRecord) -> None:
    from cite.baselines.run import run_baseline
    from cite.mm.about import versions

    start = time.perf_counter()
    predictions = run_baseline(kind, draw.table, data.evaluation, progress=False)
    record.seconds = {'choosing': 0.0, 'training': time.perf_counter() - start, 'testing': 0.0}
    record.about = {'baseline': kind, 'versions': versions()}
    predictions.to_parquet(record.key.folder(folder) / PREDICTIONS)


def _run_model(
    study: Study,
    method: Method,
    draw: Draw,
    data: Data,
    folder: Path,
    record: RunRecord,
    resume: bool,
) -> None:
    key, own = record.key, record.key.folder(folder)

    def make(candidate: Candidate, work_dir: Path) -> Config:
        return run_config(method, key.seed, candidate, work_dir)

    start, before = time.perf_counter(), record.seconds.get(CHOOSING, 0.0)
    preset = config_with(method.config, method.options, own, key.seed)
    candidates = settings_of(method, preset, groups_of(method), study.choosing.budget)
    choice, held_out = choose_setting(
        candidates, study, draw.table, data.evaluation, make, own / CHOOSING, key.seed
    )
    record.choice = {**choice.record(), 'setting': describe(choice.candidate.options)}
    record.seconds[CHOOSING] = before + time.perf_counter() - start
    record.write(folder)
    if held_out is not None:
        from cite.evaluation.calibration import fit_temperature

        held_out.to_parquet(own / HELD_OUT)
        record.temperature = fit_temperature(held_out.probabilities, held_out.labels)
    cfg = make(choice.candidate, own)
    cfg.test_evaluator = {
        'type': 'PatchSlideMetric',
        'aggregation': study.aggregation,
        'top_k': study.top_k,
    }
    if cfg.get('train_dataloader') is not None:
        set_patches(cfg, 'train_dataloader', write_manifest(draw.table, own / 'train.csv'))
    if study.tracking is not None:
        from cite.mm.tracking import tracking_options

        kind, _, offline = study.tracking.partition('-')
        cfg.visualizer = tracking_options(kind, study.name, str(key), folder, bool(offline))
    trained = train_and_test(cfg, resume)
    for what, seconds in trained.seconds.items():
        record.seconds[what] = record.seconds.get(what, 0.0) + seconds
    record.about = trained.about
    record.trained_parameters = trained.about['trained_parameters']
    clear(own / CHOOSING)
    for checkpoint in own.glob('iter_*.pth'):  # the adapter holds the same weights
        checkpoint.unlink()
    (own / 'last_checkpoint').unlink(missing_ok=True)
