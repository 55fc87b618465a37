"""What is there to go by: runs, slides, patients."""

from __future__ import annotations

from cite.studies.record import FAILED
from cite.studies.report import inference
from cite.studies.report.facts import Facts
from cite.studies.report.gather import MAIN_LEVEL

FEW_UNITS, FEW_RUNS = 30, 5


def incomplete(facts: Facts) -> list[str]:
    """Runs that failed or were not done."""
    missing = facts.not_done()
    if not missing:
        return []
    runs = facts.material.runs
    failed = sum(run.state == FAILED for run in runs)
    touched = ', '.join(dict.fromkeys(key.method for key in missing))
    return [
        f'{len(missing)} of {len(runs)} runs have no result ({failed} failed, {len(missing) - failed} not '
        f'done), of {touched}. Means are over the runs that are there, which need not be like those that '
        'are missing.'
    ]


def few_units(facts: Facts) -> list[str]:
    """Classes with fewer than 30 patients or slides to evaluate on."""
    units = facts.material.units
    few = {name: count for name, count in units.items() if 0 < count < FEW_UNITS}
    if not few:
        return []
    kind = facts.material.unit_kind
    listed = ', '.join(f'{name} {count}' for name, count in few.items())
    runs = max(map(len, facts.at_most_shots().values()))
    covered = inference.coverage(min(few.values()), runs)
    measured = (
        ''
        if covered is None
        else f' In simulations of studies of this size a 95 % interval held the truth in '
        f'{100 * covered:.0f} % of cases.'
    )
    return [
        f'Classes with fewer than {FEW_UNITS} evaluation {kind}: {listed}. Intervals are wide, and one '
        f'{kind[:-1]} more or less that is right moves a result.{measured}'
    ]


def few_runs(facts: Facts) -> list[str]:
    """Fewer than five runs per method and shots."""
    material = facts.material
    counts = {
        (method, shots): len(material.of(method, shots))
        for method in material.methods
        for shots in material.shots
    }
    few = [key for key, count in counts.items() if 0 < count < FEW_RUNS]
    if not few:
        return []
    where = (
        'all methods' if len(few) == len(counts) else ', '.join(dict.fromkeys(m for m, _ in few))
    )
    least = min(count for count in counts.values() if count)
    return [
        f'Fewer than {FEW_RUNS} runs for {where} (least: {least}). Which slides happen to train decides '
        f'much of a few-shot result; draw {FEW_RUNS} splits or more.'
        + (' Intervals of a single run hold for that training only.' if least == 1 else '')
    ]


def no_patients(facts: Facts) -> list[str]:
    """Slides are known, patients are not."""
    table = facts.material.done[0].tables[MAIN_LEVEL]
    if table.patients is not None:
        return []
    return [
        'Patients are not given: training and evaluation are apart by slide but not by patient, as far as '
        'is known. Slides of one patient on both sides would flatter every method, and slides of one '
        'patient in the evaluation set make intervals too narrow.'
    ]


def classes_missing(facts: Facts) -> list[str]:
    """Classes that the evaluation set does not have."""
    missing = [name for name, count in facts.material.units.items() if not count]
    if not missing:
        return []
    return [
        f'No evaluation slide of {", ".join(missing)}: balanced accuracy is over the other classes.'
    ]
