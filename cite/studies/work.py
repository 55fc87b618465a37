"""One run of a study, from its name to its record: what every executor calls."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import time
import traceback
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cite.atomic import write_text
from cite.errors import DataError
from cite.experiments.choosing import Candidate
from cite.studies.choice import choose_setting, clear
from cite.studies.claims import claim
from cite.studies.data import Data, data_of, digest
from cite.studies.description import Method, Study
from cite.studies.draws import Draw, draw_slides, write_manifest
from cite.studies.leakage import refuse_draw
from cite.studies.memory import PeakMemory
from cite.studies.named_files import files_in
from cite.studies.options import config_with
from cite.studies.record import DONE, FAILED, HELD_OUT, PREDICTIONS, RUNNING, RunRecord, read_record
from cite.studies.run_key import RunKey
from cite.studies.settings import describe, settings_of
from cite.studies.training import set_patches, train_and_test

if TYPE_CHECKING:
    from mmengine.config import Config

SKIPPED = 'skipped'
CHOOSING = 'choosing'
PLACES = ('work_dir', 'launcher', 'data_root')
"""Keys of a config that tell where things are, not what comes out."""
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
    described = _load(str(folder), (folder / 'study.json').stat().st_mtime_ns)
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
            record.seconds = dict(before.seconds)  # what it took before it was stopped counts
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


def in_one_line(error: Exception) -> str:
    """An error for a table; with its kind where it is none of ours, whose messages say all."""
    text = ' '.join((str(error) or type(error).__name__).split())[:500]
    ours = type(error).__module__.partition('.')[0] == 'cite'
    return text if ours else f'{type(error).__name__}: {text}'


def has_predictions(folder: Path) -> bool:
    """Whether the predictions of a run are there and whole: the end of the file is written last."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return bool(pq.read_metadata(folder / PREDICTIONS).num_rows)
    except (OSError, pa.ArrowException):
        return False


def run_digest(study: Study, method: Method, key: RunKey, draw: Draw, data: Data) -> str:
    """SHA-256 of all that decides the result of a run: config, seed, slides, choosing, evaluation set."""
    config = {}
    if method.baseline is None:
        cfg = config_with(method.config, method.options, Path(), key.seed)
        config = {k: v for k, v in cfg.to_dict().items() if k not in PLACES}
    decides = {
        'config': config,
        'files': files_in(config.get('model')),
        'preset by what trains': bool(method.factors),
        'baseline': method.baseline,
        'choose': method.choose,
        'choosing': [study.choosing.budget, study.choosing.folds],
        'seed': key.seed,
        'slides': draw.hash,
        'pool': digest(data.pool),
        'evaluation': digest(data.evaluation),
    }
    text = json.dumps(decides, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _empty(folder: Path) -> None:
    """Of what a run with other settings, or one that failed, left; the claim stays."""
    for path in folder.iterdir():
        if path.name == '.lock':
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


def run_config(method: Method, seed: int, candidate: Candidate, work_dir: Path) -> Config:
    """The config of a run of a method with a setting; its results go into `work_dir`."""
    options: dict[str, Any] = {**method.options, **candidate.options}
    cfg = config_with(method.config, options, work_dir, seed)
    cfg.baselines = []  # rows of their own in the study
    if cfg.get('data_root'):
        cfg.data_root = str(Path(cfg.data_root).expanduser().absolute())
    return cfg


def groups_of(method: Method) -> dict[str, int]:
    """What of a method trains, see `cite.mm.trained_groups`."""
    return _groups(method.config, json.dumps(method.options, default=str))


@lru_cache(maxsize=64)
def _groups(config: str, options: str) -> dict[str, int]:
    from cite.mm.trained_groups import trained_groups

    return trained_groups(config_with(config, json.loads(options), Path(), 0))
