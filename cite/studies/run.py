"""A study from its description to finished runs: checked, planned, executed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cite.errors import ConfigError
from cite.studies.data import about, data_of
from cite.studies.description import STUDY, Study
from cite.studies.executors import Event, Finished, Lost, Task, get_executor
from cite.studies.leakage import refuse_leakage
from cite.studies.plan import Plan, make_plan
from cite.studies.plan_text import plan_text
from cite.studies.record import FAILED, read_record
from cite.studies.run_key import RunKey

WORK = 'cite.studies.work:execute'


@dataclass(frozen=True)
class Started:
    """A study whose folder is there and whose data were found to be clean.

    Attributes:
        text: The plan for people to read.
    """

    study: Study
    folder: Path
    plan: Plan
    text: str


def start_study(study: Study, folder: Path, images: bool = True, probe: bool = True) -> Started:
    """Checks the data of a study for leaks, writes `study.json`, and plans.

    Runs that are done stay so where what decides them is the same; a study can grow.

    Args:
        images: Look for pictures that are in the pool and in the evaluation set.
        probe: Measure how long runs take.

    Raises:
        ConfigError: The description contradicts itself, or its folder holds something else.
        DataError: Patches that cannot be read, that leak, or are too few; too little free disk.
    """
    study.check()
    folder = folder.absolute()
    _refuse_other_folder(folder)
    if study.tracking is not None:
        from cite.mm.tracking import check_tracking

        check_tracking(study.tracking.partition('-')[0])
    data = data_of(study)
    leaks = refuse_leakage(data.pool, data.evaluation, images=images)
    study = replace(study, data={**about(data), 'leakage': leaks.lines()})
    folder.mkdir(parents=True, exist_ok=True)
    study.write(folder)
    plan = make_plan(study, data, folder, probe)
    return Started(study, folder, plan, plan_text(study, plan, folder))


def run_study(started: Started, executor: str, options: dict[str, Any]) -> int:
    """Does the runs that are still to be done, under a progress bar.

    Returns:
        How many failed; their errors are printed.

    Raises:
        ConfigError: An executor that there is not, or options that it does not take.
    """
    from tqdm import tqdm

    folder, pending = started.folder, started.plan.pending
    place = get_executor(executor, **options)
    tasks = [Task(str(folder), str(key), key.method) for key in pending]
    failed: list[str] = []
    with tqdm(total=len(tasks), desc='runs', unit='run', smoothing=0.1) as bar:

        def tell(event: Event) -> None:
            if isinstance(event, Finished):
                bar.update()
                if event.state == FAILED:
                    failed.append(event.run_id)
                    bar.set_postfix_str(f'{len(failed)} failed')
            elif isinstance(event, Lost):
                bar.write(
                    f'{event.run_id}: {event.worker} died ({event.why}); the run begins again'
                )

        place.run(tasks, WORK, tell)
    for line in errors(folder, [key for key in pending if str(key) in failed]):
        print(line)
    return len(failed)


def errors(folder: Path, failed: list[RunKey]) -> list[str]:
    """One line for each error, with how many runs failed by it."""
    by_error: dict[str, list[str]] = {}
    for key in failed:
        record = read_record(folder, key)
        by_error.setdefault(record.error or '?' if record else 'no record', []).append(str(key))
    return [
        f'{len(runs)} failed ({", ".join(runs[:3])}{", …" if len(runs) > 3 else ""}): {error}'
        for error, runs in by_error.items()
    ]


def _refuse_other_folder(folder: Path) -> None:
    if folder.is_file():
        raise ConfigError(f'{folder} is a file; name a folder with --out')
    if folder.is_dir() and any(folder.iterdir()) and not (folder / STUDY).is_file():
        raise ConfigError(
            f'{folder} holds other things and no {STUDY}; name an empty folder with --out'
        )
