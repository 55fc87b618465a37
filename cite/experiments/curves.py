"""The training log of a run, as mmengine's LocalVisBackend leaves it in the run folder.

Every start of a run writes `<timestamp>/vis_data/scalars.json`: one JSON object a line, training
entries with `iter`, validation entries without. A resumed run is several such files.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cite.errors import DataError


def read_training_log(run_dir: Path) -> list[dict[str, Any]]:
    """Entries of the whole run in order of `step`, which always counts iterations.

    Starts are read in the order of their timestamps. From its first training step on, a later start
    replaces what an earlier one logged: that is resuming from a checkpoint, or starting over.
    A validation that mmengine numbered by epoch (its LoggerHook does so unless told otherwise) gets
    the last training step logged before it. A last line that was cut off is dropped.

    Returns:
        Entries such as `{'lr': …, 'loss': …, 'iter': 10, 'step': 10}` (training) and
        `{'patch/balanced_accuracy': …, 'step': 40}` (validation); [] where there is no log.

    Raises:
        DataError: a line other than the last cannot be read.
    """
    training: dict[int, dict[str, Any]] = {}
    validation: dict[int, dict[str, Any]] = {}
    for path in sorted(Path(run_dir).glob('*/vis_data/scalars.json')):
        entries = _read_lines(path)
        first = next((entry['step'] for entry in entries if 'iter' in entry), None)
        if first is not None:
            training = {step: entry for step, entry in training.items() if step < first}
            # a validation at `first` or later saw weights that are no part of this history
            validation = {step: entry for step, entry in validation.items() if step < first}
        reached = 0
        for entry in entries:
            if 'iter' in entry:
                reached = entry['step']
                training[reached] = entry
            else:
                # a step that lies behind counts epochs (or nothing: 0), not iterations
                step = max(entry['step'], reached)
                validation[step] = entry | {'step': step}
    # at one step, the validation follows the training iteration
    return sorted(
        [*training.values(), *validation.values()],
        key=lambda entry: (entry['step'], 'iter' not in entry),
    )


def _read_lines(path: Path) -> list[dict[str, Any]]:
    lines = [
        line
        for line in path.read_text(encoding='utf-8', errors='replace').splitlines()
        if line.strip()
    ]
    entries = []
    for number, line in enumerate(lines, start=1):
        try:
            entry = json.loads(line)
            if not isinstance(entry.get('step'), int):
                raise ValueError('no integer step')
        except (ValueError, AttributeError) as error:
            if number == len(lines):
                break  # the run was stopped while it wrote
            raise DataError(
                f'{path}, line {number}: not an entry of a training log ({error}); '
                f'mend or remove the file.'
            ) from error
        entries.append(entry)
    return entries
