"""What a probing leaves in its folder: the probe, predictions, results, the choice, the page."""

from __future__ import annotations

import csv
import io
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cite.atomic import write_json, write_text
from cite.evaluation.predictions import Predictions
from cite.evaluation.table import printable, results_table
from cite.pages.terminal import aligned
from cite.probing.file import save_probe
from cite.probing.page import FIGURES, SHOTS, level_tables, write_page
from cite.probing.protocols import Protocol
from cite.probing.results import results_of, shots_record
from cite.probing.run import Probed
from cite.probing.sets import Sets

BASELINES = 'baselines'
OF_A_MODEL = ('probe.safetensors', 'probe.json', 'predictions.parquet')


def write_report(
    folder: Path,
    probed: Sequence[Probed],
    sets: Sets,
    protocol: Protocol,
    notes: Sequence[str] = (),
    curves: Mapping[str, Mapping[int, list[Predictions]]] | None = None,
    ordered: bool = False,
    sources: Mapping[str, Any] | None = None,
) -> str:
    """Writes everything into `folder`, and removes what only a former run has written there.

    Files: probe.safetensors and probe.json, predictions.parquet, the same of each baseline under
    `baselines/<name>/`, regularisation.csv, results.json, probe.html, probe.md and figures/.

    Args:
        folder: Where to.
        probed: The model, then the baselines.
        sets: They were fitted and measured on.
        protocol: Of all.
        notes: What a reader should know besides.
        curves: Model → shots → predictions of each draw.
        ordered: Whether the order of the classes is that of grades (see `results_of`).
        sources: What 'sources' of results.json says: where each set is from.

    Returns:
        The table and the paths, for the terminal.
    """
    folder.mkdir(parents=True, exist_ok=True)
    baselines = [_file_name(one.name) for one in probed[1:]]
    for place, one in enumerate(probed):
        own = folder if place == 0 else folder / BASELINES / baselines[place - 1]
        save_probe(one.probe, own / 'probe.safetensors')
        one.predictions.to_parquet(own / 'predictions.parquet')
    write_text(folder / 'regularisation.csv', choices_csv(probed, protocol))
    results = results_of(probed, sets, protocol, notes, ordered)
    if sources is not None:
        results['sources'] = dict(sources)
    if curves:
        results['shots'] = shots_record(curves)
    html, _ = write_page(folder, probed, results, protocol)
    write_json(folder / 'results.json', results)
    _remove_former(folder, baselines, bool(curves))
    lines = [_terminal_table(results)]
    chosen = ', '.join(
        f'{one.name} {protocol.varied} = {one.choice.value:g} ({one.seconds:.1f} s)'
        for one in probed
    )
    lines += [f'chosen: {chosen}', f'{html}, results.json, probe.safetensors']
    return '\n'.join(lines)


def choices_csv(probed: Sequence[Probed], protocol: Protocol) -> str:
    """One line for each value that was tried, of each model."""
    out = io.StringIO()
    rows = csv.writer(out, lineterminator='\n')
    metric = f'validation_{protocol.score}'
    rows.writerow(['model', protocol.varied, metric, 'converged', 'iterations', 'chosen'])
    for one in probed:
        for tried in one.choice.tried:
            chosen = tried.value == one.choice.value
            values = [
                f'{tried.value:.10g}',
                f'{tried.score:.6f}',
                tried.converged,
                tried.iterations,
            ]
            rows.writerow([one.name, *values, chosen])
    return out.getvalue()


def _terminal_table(results: dict[str, Any]) -> str:
    """The table, and below it what it lacks and why."""
    left_out = [f'{what.replace("_", " ")}: {why}' for what, why in results['left_out'].items()]
    if 'slide' in results:
        return results_table({**results, 'baseline_notes': left_out})
    lines = [printable(results['title'])]
    for table in level_tables(results):
        lines += ['', *aligned(table)]
    return '\n'.join([*lines, '', *(textwrap.fill(printable(line), 100) for line in left_out)])


def _remove_former(folder: Path, baselines: Sequence[str], shots: bool) -> None:
    """Removes the picture of shots and the baselines of a former run, as far as this one has none."""
    if not shots:
        (folder / FIGURES / SHOTS).unlink(missing_ok=True)
    root = folder / BASELINES
    if not root.is_dir():
        return
    for one in root.iterdir():
        if one.is_dir() and one.name not in baselines:
            for name in OF_A_MODEL:
                (one / name).unlink(missing_ok=True)
            _remove_empty(one)
    _remove_empty(root)


def _remove_empty(folder: Path) -> None:
    if not any(folder.iterdir()):
        folder.rmdir()


def _file_name(name: str) -> str:
    return ''.join(letter if letter.isalnum() or letter in '-_.' else '_' for letter in name)
