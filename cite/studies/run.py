"""A study from its description to finished runs: checked, planned, executed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from cite.errors import ConfigError
from cite.studies.claims import is_claimed
from cite.studies.data import about, data_of
from cite.studies.description import STUDY, Study
from cite.studies.executors import Event, Executor, Finished, Lost, Task
from cite.studies.leakage import refuse_leakage
from cite.studies.options import with_whole_paths
from cite.studies.plan import Plan, make_plan
from cite.studies.plan_text import plan_text
from cite.studies.record import FAILED, read_record, write_digests
from cite.studies.run_key import RunKey

WORK = 'cite.studies.work:execute'


@dataclass(frozen=True)
class Started:
    """A study whose data were found to be clean, and what it will take.

    Attributes:
        text: The plan for people to read.
    """

    study: Study
    folder: Path
    plan: Plan
    text: str


def start_study(study: Study, folder: Path, images: bool = True, probe: bool = True) -> Started:
    """Checks the data of a study for leaks, and plans. Nothing is written into its folder.

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
    study = with_whole_paths(study)
    data = data_of(study)
    leaks = refuse_leakage(data.pool, data.evaluation, images=images)
    study = replace(study, data={**about(data), 'leakage': leaks.lines()})
    _refuse_other_study(study, folder)
    plan = make_plan(study, data, folder, probe)
    return Started(study, folder, plan, plan_text(study, plan, folder))


def begin(started: Started) -> None:
    """Writes `study.json`, which workers, status and report go by.

    Raises:
        ConfigError: Another description of the study is being worked on.
    """
    folder, study = started.folder, started.study
    if (folder / STUDY).is_file():
        before = Study.load(folder)
        if before.digest != study.digest and any(
            is_claimed(key.folder(folder)) for key in before.runs()
        ):
            raise ConfigError(
                f'{folder} is being worked on as it was described before; stop that first, or name another '
                'folder with --out'
            )
    folder.mkdir(parents=True, exist_ok=True)
    write_digests(folder, started.plan.digests)
    study.write(folder)


def run_study(started: Started, place: Executor) -> int:
    """Does the runs that are still to be done, under a progress bar.

    Args:
        place: As `get_executor` gives it.

    Returns:
        How many failed; their errors are printed.
    """
    from tqdm import tqdm

    begin(started)
    folder, pending = started.folder, started.plan.pending
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


def _refuse_other_study(study: Study, folder: Path) -> None:
    """Two studies would take turns in one folder, each hiding the runs of the other."""
    if not (folder / STUDY).is_file():
        return
    before = Study.load(folder)
    evaluated = [each.data.get('evaluation', {}).get('digest') for each in (before, study)]
    names = [{m.name for m in each.methods if m.baseline is None} for each in (before, study)]
    if evaluated[0] != evaluated[1] or not names[0] & names[1]:
        what = 'of other evaluation patches' if names[0] & names[1] else 'of other methods'
        raise ConfigError(
            f'{folder} holds another study, {what} ({", ".join(sorted(names[0])[:4])}); name a folder '
            'of its own with --out'
        )


def _refuse_other_folder(folder: Path) -> None:
    if folder.is_file():
        raise ConfigError(f'{folder} is a file; name a folder with --out')
    if folder.is_dir() and any(folder.iterdir()) and not (folder / STUDY).is_file():
        raise ConfigError(
            f'{folder} holds other things and no {STUDY}; name an empty folder with --out'
        )
