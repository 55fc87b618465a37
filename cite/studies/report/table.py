"""The tidy table: one row per run and level, for whatever somebody wants to compute from it."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cite.atomic import replacing, write_text
from cite.studies.record import DONE
from cite.studies.report import numbers
from cite.studies.report.gather import Material, Run

Row = dict[str, Any]
STEPS = ('choosing', 'training', 'testing')


def tidy_rows(material: Material) -> list[Row]:
    """One row per run and level; a run that is not done has one row, without level and metrics.

    Columns: method, factor_<name> of each factor, shots, split_seed, seed, level, state, n, the metrics
    of `numbers.COLUMNS`, temperature, trained_parameters, seconds_choosing, seconds_training,
    seconds_testing, peak_memory_mb, choice, split_hash, error. What is not known is None.
    """
    rows = []
    for run in material.runs:
        for level in run.metrics if run.state == DONE else [None]:
            rows.append(_row(material, run, level))
    return rows


def factors(material: Material) -> list[str]:
    """Names of the grid's factors, in the order in which methods name them."""
    return list(dict.fromkeys(name for method in material.study.methods for name in method.factors))


def choice_of(run: Run) -> str:
    """How the setting was chosen, and which: 'leave-one-slide-out: lr=0.001'."""
    if run.record is None or not run.record.choice:
        return ''
    choice = run.record.choice
    candidate = choice.get('candidate')
    setting = str(choice.get('setting', ''))
    if not setting and isinstance(candidate, Mapping):
        setting = ', '.join(f'{key}={value}' for key, value in _flat(candidate).items())
    return ': '.join(part for part in (str(choice.get('how', '')), setting) if part)


def write_table(material: Material, rows: Sequence[Row], folder: Path) -> list[Path]:
    """As `table.csv` (numbers with six digits) and `table.parquet` (as they are); same bytes each time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = list(rows[0])
    write_csv(folder / 'table.csv', columns, rows)
    kinds = {name: _kind(name, pa) for name in columns}
    table = pa.table({name: pa.array([row[name] for row in rows], kinds[name]) for name in columns})
    with replacing(folder / 'table.parquet') as temporary:
        pq.write_table(table, temporary)
    return [folder / 'table.csv', folder / 'table.parquet']


def write_csv(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """UTF-8 with line feeds; None is empty, floats have six significant digits."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator='\n')
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_text(row[name]) for name in columns])
    write_text(path, text.getvalue())


def _row(material: Material, run: Run, level: str | None) -> Row:
    record = run.record
    method = material.study.method(run.key.method)
    seconds = record.seconds if record else {}
    metrics = run.metrics[level] if level else {}
    return {
        'method': run.key.method,
        **{f'factor_{name}': method.factors.get(name) for name in factors(material)},
        'shots': run.key.shots,
        'split_seed': run.key.split_seed,
        'seed': run.key.seed,
        'level': level,
        'state': run.state,
        'n': metrics.get('n'),
        **{name: metrics.get(name) for name in numbers.COLUMNS},
        'temperature': record.temperature if record else None,
        'trained_parameters': record.trained_parameters if record else None,
        **{f'seconds_{step}': seconds.get(step) for step in STEPS},
        'peak_memory_mb': record.peak_memory_mb if record else None,
        'choice': choice_of(run) or None,
        'split_hash': (record.split_hash if record else '') or None,
        'error': run.error or None,
    }


def _kind(name: str, pa: Any) -> Any:
    if name in ('split_seed', 'seed', 'n', 'trained_parameters'):
        return pa.int64()
    measured = (*numbers.COLUMNS, 'temperature', 'peak_memory_mb')
    return pa.float64() if name in measured or name.startswith('seconds_') else pa.string()


def _text(value: Any) -> str:
    if value is None:
        return ''
    return f'{value:.6g}' if isinstance(value, float) else str(value)


def _flat(values: Mapping[str, Any], prefix: str = '') -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f'{prefix}{key}.')
        elif value is not None:
            found[f'{prefix}{key}'] = value
    return found
