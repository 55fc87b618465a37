"""The status of a study as text, and as a table in a terminal that follows it."""

from __future__ import annotations

import shutil
import sys
import textwrap
import time
from pathlib import Path
from typing import TextIO

from cite.studies.status import Counts, StudyStatus, study_status

RUNNING, FAILED = '▸', '!'
NARROW = 8  # what a method's name is cut to, before columns move to a second table
RUNS_SHOWN = 3


def status_table(status: StudyStatus, width: int = 80) -> str:
    """Methods × shots, then what failed.

    Args:
        width: Columns of the terminal. Names of methods are cut to fit; shots that still do not fit come
            below in a table of their own.

    Returns:
        Lines such as 'cite  5/5  3/5 ▸1 !1': of five runs three are done, one runs and one failed.
    """
    head = textwrap.wrap(_headline(status), width, subsequent_indent='    ')
    return '\n'.join([*head, *_blocks(status, width), *_errors(status, width)])


def watch(
    study_dir: str | Path, interval: float = 2.0, once: bool = False, stream: TextIO | None = None
) -> StudyStatus:
    """Shows the table until the study is over or Ctrl-C is pressed, and returns what was last seen.

    Args:
        interval: Seconds between looks.
        once: Show it once. So it is where the stream is no terminal.
        stream: Where to; the standard output by default.

    Raises:
        DataError: There is no study in that folder.
    """
    stream = stream or sys.stdout
    live = stream.isatty() and not once
    status = study_status(study_dir)
    drawn = 0
    try:
        while True:
            columns, lines = shutil.get_terminal_size()
            text = status_table(status, columns - 1 if live else columns)
            if live:
                text = _fit(text, columns - 1, lines - 1)
                if drawn:
                    stream.write(
                        f'\x1b[{drawn}F\x1b[J'
                    )  # to the first line drawn, and clear from there
                drawn = text.count('\n') + 1
            stream.write(text + '\n')
            stream.flush()
            if not live or status.over:
                return status
            time.sleep(interval)
            status = study_status(study_dir)
    except KeyboardInterrupt:
        return status


def duration(seconds: float) -> str:
    """'45 s', '12 min', '3 h 20 min', '2 d 5 h'."""
    if seconds < 100:
        return f'{seconds:.0f} s'
    minutes = round(seconds / 60)
    if minutes < 60:
        return f'{minutes} min'
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f'{hours} h {minutes} min'
    return f'{hours // 24} d {hours % 24} h'


def _headline(status: StudyStatus) -> str:
    counts = status.counts
    parts = [f'{counts.done} of {counts.total} done']
    for number, what in (
        (counts.running, 'running'),
        (counts.failed, 'failed'),
        (counts.waiting, 'waiting'),
    ):
        if number:
            parts.append(f'{number} {what}')
    if counts.interrupted:
        parts[-1] += f' ({counts.interrupted} interrupted)'
    text = f'{status.name}: {", ".join(parts)}; {duration(status.seconds)} used'
    if not status.over and status.seconds_left is not None:
        whose = '' if counts.running else ' of one worker'
        text += f', about {duration(status.seconds_left)}{whose} left'
    return text


def _cell(counts: Counts) -> str:
    text = f'{counts.done}/{counts.total}'
    if counts.running:
        text += f' {RUNNING}{counts.running}'
    if counts.failed:
        text += f' {FAILED}{counts.failed}'
    return text


def _blocks(status: StudyStatus, width: int) -> list[str]:
    name_width = max(map(len, (*status.methods, 'shots')))
    columns = []
    for shots in status.shots:
        column = [shots, *(_cell(status.cells[method, shots]) for method in status.methods)]
        columns.append([text.ljust(max(map(len, column))) for text in column])
    room = width - sum(len(column[0]) + 2 for column in columns)
    name_width = min(name_width, max(room, NARROW))
    names = [_cut(name, name_width).ljust(name_width) for name in ('shots', *status.methods)]
    lines: list[str] = []
    while columns:
        used = name_width
        block: list[list[str]] = []
        while columns and (not block or used + len(columns[0][0]) + 2 <= width):
            used += len(columns[0][0]) + 2
            block.append(columns.pop(0))
        lines += ['  '.join(row).rstrip() for row in zip(names, *block, strict=True)]
    return lines


def _errors(status: StudyStatus, width: int) -> list[str]:
    lines = []
    for error, runs in sorted(status.errors.items(), key=lambda item: -len(item[1])):
        shown = ', '.join(runs[:RUNS_SHOWN]) + (', …' if len(runs) > RUNS_SHOWN else '')
        lines += [_cut(f'{FAILED} {len(runs)} × {error}', width), _cut(f'    {shown}', width)]
    return lines


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + '…'


def _fit(text: str, width: int, lines: int) -> str:
    """What a terminal can redraw: no line that wraps, no more lines than it has."""
    found = [_cut(line, width) for line in text.split('\n')]
    if len(found) > max(lines, 2):
        kept = max(lines, 2) - 1
        found = [*found[:kept], f'… {len(found) - kept} more lines']
    return '\n'.join(found)
