"""Tables of results, as text."""

from __future__ import annotations

from cite.pages.document import Table
from cite.studies.report import numbers
from cite.studies.report.facts import Facts, shots_text
from cite.studies.report.figures.cost import median
from cite.studies.report.figures.forest import p_text
from cite.studies.report.figures.style import METRIC_NAMES
from cite.studies.report.gather import MAIN_LEVEL
from cite.studies.report.summary import Cell

NONE = '-'


def shots_table(facts: Facts, metric: str, level: str) -> Table:
    """A row per method, a column per shots: mean and 95 % interval."""
    material, summary = facts.material, facts.summary
    rows = []
    for method in material.methods:
        cells = [summary.of(method, shots, metric, level) for shots in material.shots]
        rows.append([_name(facts, method), *map(_interval, cells)])
    return Table(['method', *map(shots_text, material.shots)], rows, _runs_note(facts))


def metrics_table(facts: Facts, level: str) -> Table:
    """A row per method, a column per metric, at the largest shots: mean ± std."""
    material, summary = facts.material, facts.summary
    metrics = [*numbers.METRICS, *numbers.SELECTIVE]
    rows = [
        [
            _name(facts, method),
            *(_spread(summary.of(method, material.most, metric, level)) for metric in metrics),
        ]
        for method in facts.at_most_shots()
    ]
    note = (
        'Lower is better for log loss, ECE, classwise ECE, Brier score and AURC. Quadratic κ takes '
        'classes as grades in their order.'
    )
    return Table(['method', *(METRIC_NAMES[metric] for metric in metrics)], rows, note)


def comparison_table(facts: Facts) -> Table:
    """A row per method and shots: difference to the reference."""
    rows = [
        [
            one.method,
            one.shots,
            f'{one.difference:+.3f}'.replace('-', '−'),
            f'{one.low:.3f} to {one.high:.3f}'.replace('-', '−'),
            p_text(one.p).removeprefix('= '),
            p_text(one.p_holm).removeprefix('= '),
            str(one.draws),
        ]
        for one in facts.summary.comparisons
    ]
    head = [
        'method',
        'k',
        f'minus {facts.summary.reference}',
        '95 % interval',
        'p',
        'p (Holm)',
        'draws',
    ]
    return Table(head, rows)


def cost_table(facts: Facts) -> Table:
    """A row per method at the largest shots: medians over runs."""
    rows = []
    for method, runs in facts.at_most_shots().items():
        parameters = median(runs, 'trained_parameters')
        seconds, memory = median(runs, 'seconds'), median(runs, 'peak_memory_mb')
        rows.append(
            [
                _name(facts, method),
                NONE if parameters is None else f'{parameters:,.0f}',
                NONE if seconds is None else f'{seconds:,.1f}',
                NONE if memory is None else f'{memory:,.0f}',
            ]
        )
    head = ['method', 'trained parameters', 'seconds per run', 'peak memory, MiB']
    return Table(head, rows, f'Medians over runs at {shots_text(facts.material.most)}.')


def calibration_table(facts: Facts) -> Table:
    """A row per method at the largest shots: before and after temperature scaling."""
    material, summary = facts.material, facts.summary
    rows = []
    for method in facts.at_most_shots():
        row = [_name(facts, method)]
        for metric in numbers.CALIBRATION:
            for name in (metric, f'{metric}_calibrated'):
                cell = summary.of(method, material.most, name, MAIN_LEVEL)
                row.append(NONE if cell is None else f'{cell.mean:.3f}')
        rows.append(row)
    head = ['method']
    for metric in numbers.CALIBRATION:
        head += [METRIC_NAMES[metric], f'{METRIC_NAMES[metric]}, scaled']
    return Table(head, rows, 'Slides, mean over runs; scaled over those that have a temperature.')


def _runs_note(facts: Facts) -> str:
    """How many runs stand behind a mean: one number where it is the same everywhere."""
    material = facts.material
    counts = {
        (method, shots): len(material.of(method, shots))
        for method in material.methods
        for shots in material.shots
    }
    least, most = min(counts.values()), max(counts.values())
    if least == most:
        return f'{most} runs each.'
    models = sorted({n for (method, _), n in counts.items() if not material.baseline(method)})
    if len(models) == 1:
        return f'{models[0]} runs each; baselines one per draw.'
    return f'{least} to {most} runs each; how many, summary.csv says.'


def _name(facts: Facts, method: str) -> str:
    return f'{method} (baseline)' if facts.material.baseline(method) else method


def _interval(cell: Cell | None) -> str:
    if cell is None:
        return NONE
    if cell.low is None or cell.high is None:
        return f'{cell.mean:.3f}'
    return f'{cell.mean:.3f} [{cell.low:.3f}, {cell.high:.3f}]'


def _spread(cell: Cell | None) -> str:
    if cell is None:
        return NONE
    return f'{cell.mean:.3f}' + ('' if cell.std is None else f' ± {cell.std:.3f}')
