"""One table over all slides: `slides.csv`, and what the terminal shows of it."""

from __future__ import annotations

import csv
import io
from collections.abc import Container, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from cite.atomic import write_text
from cite.inference.shards import Shard
from cite.slides.outputs.folder import OutputError
from cite.slides.written import summaries

TABLE, PARTS = 'slides.csv', '.shards'


@dataclass(frozen=True)
class Row:
    """What became of a slide.

    Attributes:
        name: Of its folder.
        file: Of the slide.
        status: 'done' now, 'kept' from before, or 'failed'.
        error: Why it failed.
        seconds: That it took, when it was computed.
        values: Columns of `slides.csv` between label and seconds.
    """

    name: str
    file: str
    label: str = ''
    status: Literal['done', 'kept', 'failed'] = 'failed'
    error: str = ''
    seconds: float = 0.0
    values: dict[str, float | int] = field(default_factory=dict)

    @property
    def line(self) -> str:
        """In a few words."""
        if self.status == 'failed':
            return f'{self.name}: failed'
        share = self.values[f'p_{self.label}']
        kept = ', kept from before' if self.status == 'kept' else ''
        tiles = self.values['tiles']
        return f'{self.name}: {self.label} {share:.3f}, {tiles} tiles, {self.seconds:.0f} s{kept}'


def row_of(
    summary: dict[str, Any], name: str, seconds: float, status: Literal['done', 'kept']
) -> Row:
    """The row of a slide from its `summary.json`."""
    unsure = summary['uncertainty']
    values: dict[str, float | int] = {}
    for part, found in (
        ('p', summary['probabilities']),
        ('low', unsure['low'] or {}),
        ('high', unsure['high'] or {}),
    ):
        values.update({f'{part}_{key}': value for key, value in found.items()})
    values.update({key: unsure[key] for key in ('entropy', 'margin', 'agreement', 'blocks')})
    values['tiles'] = summary['tiles']['predicted']
    values['tissue_mm2'] = summary['area_mm2']['tissue']
    return Row(name, summary['file'], summary['label'], status, '', seconds, values)


def columns_of(classes: Sequence[str]) -> list[str]:
    """Of `slides.csv`."""
    shares = [f'{part}_{name}' for part in ('p', 'low', 'high') for name in classes]
    unsure = ['entropy', 'margin', 'agreement', 'blocks', 'tiles', 'tissue_mm2']
    return ['slide', 'label', *shares, *unsure, 'seconds', 'status', 'error', 'file']


def write_rows(
    out: Path,
    rows: Sequence[Row],
    names: Sequence[str],
    classes: Sequence[str],
    shard: Shard,
    key: str,
) -> None:
    """Writes `slides.csv`: the rows of this run, and below them a row for each other folder in `out` that
    has a `summary.json`. Of several shards each writes a part, under the name of the question; who finds
    that no part is missing puts them together.

    Args:
        names: Of all slides, in order.
        key: Of the question that all shards work on.

    Raises:
        OutputError: A disk that is full or read-only.
    """
    columns = columns_of(classes)
    lines = {row.name: _fields(row, columns) for row in rows}
    try:
        if shard.count > 1:
            parts = out / PARTS / key[:16]
            write_text(
                parts / f'{shard.index + 1}_of_{shard.count}.csv', _csv(columns, lines.values())
            )
            files = [parts / f'{at + 1}_of_{shard.count}.csv' for at in range(shard.count)]
            if not all(file.exists() for file in files):
                return
            for file in files:
                with file.open(newline='', encoding='utf-8') as opened:
                    lines.update({line['slide']: line for line in csv.DictReader(opened)})
        former = _former_rows(out, lines)
        known = [key[2:] for row in former for key in row.values if key.startswith('p_')]
        columns = columns_of(list(dict.fromkeys([*classes, *known])))
        ordered = [lines[name] for name in names if name in lines]
        ordered += [_fields(row, columns) for row in former]
        write_text(out / TABLE, _csv(columns, ordered))
    except OSError as error:
        raise OutputError(f'{out}: cannot be written ({error.strerror or error})') from error


def _former_rows(out: Path, known: Container[str]) -> list[Row]:
    """Of the folders in `out` that are not known yet."""
    rows = []
    for name, about in summaries(out).items():
        if name in known:
            continue
        with suppress(KeyError, TypeError, AttributeError):  # of another version
            rows.append(row_of(about, name, about['seconds'] or 0.0, 'kept'))
    return rows


def _fields(row: Row, columns: Sequence[str]) -> dict[str, str]:
    known: dict[str, Any] = {
        'slide': row.name,
        'label': row.label,
        'seconds': round(row.seconds, 2),
        'status': row.status,
        'error': row.error,
        'file': row.file,
        **row.values,
    }
    return {column: _cell(known.get(column, '')) for column in columns}


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f'{value:.6g}'
    return _plain(str(value))


def _plain(text: str) -> str:
    """Names of files may hold bytes that are no UTF-8, which can be neither written nor printed."""
    return text.encode('utf-8', 'backslashreplace').decode()


def _csv(columns: Sequence[str], lines: Any) -> str:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, columns, restval='', lineterminator='\n')
    writer.writeheader()
    writer.writerows(lines)
    return stream.getvalue()


def show(rows: Sequence[Row]) -> str:
    """A table for the terminal; why slides failed stands below it."""
    head = ('slide', 'label', 'probability', 'interval', 'tiles', 'tissue mm²', 'seconds', 'status')
    cells = [head, *(_shown(row) for row in rows)]
    widths = [max(len(line[at]) for line in cells) for at in range(len(head))]
    lines = []
    for line in cells:
        parts = [
            cell.ljust(width) if at in (0, 1, 7) else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        lines.append('  '.join(parts).rstrip())
    lines += [f'{row.name}: {row.error}' for row in rows if row.status == 'failed']
    return _plain('\n'.join(lines))


def _shown(row: Row) -> tuple[str, ...]:
    if row.status == 'failed':
        return row.name, '-', '-', '-', '-', '-', f'{row.seconds:.0f}', row.status
    low, high = row.values.get(f'low_{row.label}'), row.values.get(f'high_{row.label}')
    return (
        row.name,
        row.label,
        f'{row.values[f"p_{row.label}"]:.3f}',
        '-' if low is None or high is None else f'{low:.3f}–{high:.3f}',
        str(row.values['tiles']),
        f'{row.values["tissue_mm2"]:.2f}',
        f'{row.seconds:.0f}',
        row.status,
    )
