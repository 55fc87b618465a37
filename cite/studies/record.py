"""What a run of a study leaves behind: `run.json`, and predictions where it is done."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from cite.atomic import write_json
from cite.errors import DataError
from cite.evaluation.predictions import Predictions
from cite.studies.run_key import RunKey

RECORD = 'run.json'
DIGESTS = 'digests.json'
PREDICTIONS = 'predictions.parquet'
HELD_OUT = 'held_out.parquet'
DONE, FAILED, RUNNING, WAITING = 'done', 'failed', 'running', 'waiting'
SKIPPED = 'skipped'  # another process works on it: what an executor is told, and no record says


@dataclass
class RunRecord:
    """The state of a run and what it took.

    Attributes:
        key: Which run.
        digest: Of everything that decides its result: another digest is another run, and is done anew.
        state: 'done', 'failed' or 'running' (begun, and perhaps killed since). A run that was never begun
            has no record.
        error: One line, of a failed run.
        host: Machine and process that worked on it.
        started: When, as seconds since 1970.
        seconds: 'choosing', 'training', 'testing' → how long.
        peak_memory_mb: Of the GPU where there is one, else the growth of the process while it ran.
        trained_parameters: Weights that train.
        choice: What was chosen among which settings, as `cite.experiments.choosing.Choice.record`.
        split_hash: SHA-256 of the training slides.
        temperature: Fitted on held-out training slides; None where none were held out.
        about: Backbone, tuning, head, text encoder, versions, device.
    """

    key: RunKey
    digest: str
    state: str
    error: str | None = None
    host: str = ''
    started: float = 0.0
    seconds: dict[str, float] = field(default_factory=dict)
    peak_memory_mb: float | None = None
    trained_parameters: int | None = None
    choice: dict[str, Any] = field(default_factory=dict)
    split_hash: str = ''
    temperature: float | None = None
    about: dict[str, Any] = field(default_factory=dict)

    def write(self, study: Path) -> None:
        """Into the run's folder; atomic."""
        write_json(self.key.folder(study) / RECORD, asdict(self))


def write_digests(study: Path, digests: Mapping[RunKey, str]) -> None:
    """What decides each run of a study as it is described now, beside `study.json`."""
    write_json(study / DIGESTS, {str(key): digest for key, digest in digests.items()})


def read_record(study: Path, key: RunKey) -> RunRecord | None:
    """The record of a run.

    Returns:
        None where it was never begun, left a file that was cut off, or is done by a description that the
        study no longer has.

    Raises:
        DataError: It is about another run.
    """
    path = key.folder(study) / RECORD
    try:
        found = json.loads(path.read_text(encoding='utf-8'))
        record = RunRecord(**{**found, 'key': RunKey(**found['key'])})
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError):
        return None
    if record.key != key:
        raise DataError(
            f'{path} is about {record.key}, not {key}: two methods share a folder; rename one'
        )
    wanted = _digests(study).get(str(key), record.digest)
    return None if record.state == DONE and record.digest != wanted else record


def _digests(study: Path) -> Mapping[str, str]:
    try:
        changed = (study / DIGESTS).stat().st_mtime_ns
    except OSError:
        return {}  # a study that was not begun by `cite fewshot`
    return _read_digests(study / DIGESTS, changed)


@lru_cache(maxsize=4)
def _read_digests(path: Path, _changed: int) -> Mapping[str, str]:
    try:
        found: dict[str, str] = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError):
        return {}
    return found


@dataclass(frozen=True)
class RunResult:
    """A finished run: its record and what it predicted of the evaluation set.

    Attributes:
        held_out: Predictions of training slides that the chosen setting was not trained on, where the
            choice held some out; None otherwise.
    """

    key: RunKey
    record: RunRecord
    predictions: Predictions
    held_out: Predictions | None


def read_result(study: Path, key: RunKey) -> RunResult | None:
    """The result of a run; None where it is not done.

    Raises:
        DataError: Its predictions are gone or damaged.
    """
    record = read_record(study, key)
    if record is None or record.state != DONE:
        return None
    folder = key.folder(study)
    held_out = folder / HELD_OUT
    return RunResult(
        key,
        record,
        Predictions.from_parquet(folder / PREDICTIONS),
        Predictions.from_parquet(held_out) if held_out.is_file() else None,
    )


def has_predictions(folder: Path) -> bool:
    """Whether the predictions of a run are there and whole: the end of the file is written last."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return bool(pq.read_metadata(folder / PREDICTIONS).num_rows)
    except (OSError, pa.ArrowException):
        return False


def in_one_line(error: Exception) -> str:
    """An error for a table; with its kind where it is none of ours, whose messages say all."""
    text = ' '.join((str(error) or type(error).__name__).split())[:500]
    ours = type(error).__module__.partition('.')[0] == 'cite'
    return text if ours else f'{type(error).__name__}: {text}'
