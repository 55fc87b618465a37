"""What a probing leaves in its folder: the probe, predictions, results, the choice, the page."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from cite.atomic import write_json, write_text
from cite.evaluation.predictions import Predictions
from cite.evaluation.table import results_table
from cite.probing.file import save_probe
from cite.probing.page import write_page
from cite.probing.protocols import Protocol
from cite.probing.results import results_of, shots_record
from cite.probing.run import Probed
from cite.probing.sets import Sets


def write_report(
    folder: Path,
    probed: Sequence[Probed],
    sets: Sets,
    protocol: Protocol,
    notes: Sequence[str] = (),
    curves: Mapping[str, Mapping[int, list[Predictions]]] | None = None,
) -> str:
    """Writes everything into `folder`.

    Files: probe.safetensors and probe.json, predictions.parquet, the same of each baseline under
    `baselines/<name>/`, regularisation.csv, results.json, probe.html, probe.md and figures/.

    Returns:
        The table and the paths, for the terminal.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for place, one in enumerate(probed):
        own = folder if place == 0 else folder / 'baselines' / _file_name(one.name)
        save_probe(one.probe, own / 'probe.safetensors')
        one.predictions.to_parquet(own / 'predictions.parquet')
    write_text(folder / 'regularisation.csv', choices_csv(probed, protocol))
    results = results_of(probed, sets, protocol, notes)
    if curves:
        results['shots'] = shots_record(curves)
    html, _ = write_page(folder, probed, results, protocol)
    write_json(folder / 'results.json', results)
    lines = [results_table(results)]
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


def _file_name(name: str) -> str:
    return ''.join(letter if letter.isalnum() or letter in '-_.' else '_' for letter in name)
