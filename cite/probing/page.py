"""The page of a probing: tables and pictures, as HTML and Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cite.atomic import write_text
from cite.experiments.names import key_to_names
from cite.pages import (
    Block,
    Bullets,
    Document,
    Paragraph,
    Picture,
    Section,
    Table,
    render_html,
    render_markdown,
)
from cite.probing.pictures import draw_choice, draw_matrices, draw_shots, matrix_names
from cite.probing.protocols import Protocol
from cite.probing.results import LEVELS, MAJORITY, METRICS
from cite.probing.run import Probed

FIGURES, SHOTS = 'figures', 'shots.png'
NAMES = {
    'balanced_accuracy': 'balanced accuracy',
    'accuracy': 'accuracy',
    'macro_f1': 'macro F1',
    'auroc': 'AUROC',
    'weighted_f1': 'weighted F1',
    'log_loss': 'log loss',
    'ece': 'ECE',
    'quadratic_kappa': 'quadratic kappa',
}


def write_page(
    folder: Path,
    probed: Sequence[Probed],
    results: dict[str, Any],
    protocol: Protocol,
) -> tuple[Path, Path]:
    """Draws the pictures and writes `probe.html` and `probe.md`.

    Args:
        folder: Where to.
        probed: The model, then the baselines.
        results: What `results_of` gave, with 'shots' where there are some.
        protocol: Of all.

    Returns:
        The paths of both pages.
    """
    sections = [
        Section('Results', _results(results)),
        Section('Regularisation', _choice(folder, probed, protocol)),
        Section('Confusion', _confusion(folder, probed, results)),
    ]
    if results.get('shots'):
        sections.append(Section('Shots', _shots(folder, results)))
    sections.append(Section('How it was done', _how(results, protocol)))
    document = Document(
        title=results['title'],
        lead=_lead(results),
        sections=sections,
        footer=['Linear probing by cite; results.json has every number.'],
    )
    html, markdown = folder / 'probe.html', folder / 'probe.md'
    write_text(html, render_html(document, folder))
    write_text(markdown, render_markdown(document))
    return html, markdown


def _lead(results: dict[str, Any]) -> list[str]:
    counts = results['sets']
    parts = [
        f'{name} {one["patches"]:,} patches of {one["slides"]:,} slides'
        for name, one in counts.items()
        if one is not None
    ]
    lead = [f'{"; ".join(parts)}.']
    if results['measured_on'] == 'validation':
        lead.append(
            'There is no test set: these are validation scores, of the patches that chose the '
            'regularisation, and too high for that.'
        )
    return lead


def level_tables(results: dict[str, Any]) -> list[Table]:
    """A table for each level, a column for each model; metrics that are left out have no row."""
    columns = {results['model']: results, **results['baselines']}
    tables = []
    for level in (level for level in LEVELS if level in results):
        rows = [
            [name, *(_cell(one, level, metric) for one in columns.values())]
            for metric, name in NAMES.items()
            if metric not in results['left_out']
        ]
        rows += [
            [
                f'accuracy, {name}',
                *(_number(one[level]['per_class_accuracy'][name]) for one in columns.values()),
            ]
            for name in results[level]['classes']
        ]
        head = [f'{level} (n = {results[level]["n"]:,})', *columns]
        tables.append(Table(head, rows))
    return tables


def _results(results: dict[str, Any]) -> list[Block]:
    blocks: list[Block] = [*level_tables(results)]
    unit = results['intervals']['patch']['balanced_accuracy']['unit']
    blocks.append(
        Paragraph(
            f'In brackets: 95% intervals over {unit}s, for these trainings. Log loss and ECE: lower is '
            f'better. {MAJORITY}: the {results["baselines"][MAJORITY]["title"]} for every patch.'
        )
    )
    lines = [_difference(name, found) for name, found in results['differences'].items()]
    return [*blocks, Bullets(lines)] if lines else blocks


def _difference(name: str, found: dict[str, Any]) -> str:
    level, unit = ('slide', 'slides') if 'slide' in found else ('patch', 'patches')
    one = found[level]
    if one['estimate'] is None:
        return f'minus {name}: not defined on these {unit}'
    return (
        f'balanced accuracy of {unit} minus that of {name}: {one["estimate"]:+.3f} '
        f'({one["low"]:+.3f} to {one["high"]:+.3f}), p = {one["p_bootstrap"]:.3f} over {one["n_units"]} '
        'units'
    )


def _cell(one: dict[str, Any], level: str, metric: str) -> str:
    value = _number(one[level].get(metric))
    found = one.get('intervals', {}).get(level, {}).get(metric)
    if not found or found['low'] is None or metric not in METRICS:
        return value
    return f'{value} ({found["low"]:.3f} to {found["high"]:.3f})'


def _number(value: float | None) -> str:
    return '-' if value is None else f'{value:.3f}'


def _choice(folder: Path, probed: Sequence[Probed], protocol: Protocol) -> list[Block]:
    path = f'{FIGURES}/regularisation.png'
    draw_choice(probed, protocol, folder / path)
    late = any(not tried.converged for one in probed for tried in one.choice.tried)
    cross = ' A cross: the solver stopped at its limit of iterations.' if late else ''
    caption = f'Validation score over {protocol.varied}; the star is what was chosen.{cross}'
    return [Picture(path, f'validation score over {protocol.varied}', caption)]


def _confusion(folder: Path, probed: Sequence[Probed], results: dict[str, Any]) -> list[Block]:
    path = f'{FIGURES}/confusion.png'
    metrics = [results, *(results['baselines'][one.name] for one in probed[1:])]
    draw_matrices(probed, metrics, folder / path)
    classes = probed[0].predictions.classes
    key = key_to_names(classes, matrix_names(classes))
    caption = f'Patches; the colour is the share of the row.{f" {key}." if key else ""}'
    return [Picture(path, 'confusion matrix', caption)]


def _shots(folder: Path, results: dict[str, Any]) -> list[Block]:
    path = f'{FIGURES}/{SHOTS}'
    full = {results['model']: results['slide']['balanced_accuracy']}
    full |= {
        name: one['slide']['balanced_accuracy']
        for name, one in results['baselines'].items()
        if name != MAJORITY
    }
    draw_shots(results['shots'], full, folder / path)
    rows = [
        [
            row['model'],
            str(row['shots']),
            f'{row["mean"]:.3f} ({row["low"]:.3f} to {row["high"]:.3f})',
            f'{min(row["draws"]):.3f} to {max(row["draws"]):.3f}',
        ]
        for row in results['shots']
        if (row['level'], row['metric']) == ('slide', 'balanced_accuracy')
    ]
    caption = (
        'Balanced accuracy of slides: mean over draws of training slides with its 95% interval; dots: the '
        'draws; dashed: all training slides.'
    )
    return [
        Picture(path, 'balanced accuracy over slides per class', caption),
        Table(['model', 'slides per class', 'balanced accuracy', 'draws'], rows),
        Paragraph(
            'With k training slides of each class, the regularisation is chosen by at most k validation '
            'slides of each, and the probe is not fitted again with them.'
        ),
    ]


def _how(results: dict[str, Any], protocol: Protocol) -> list[Block]:
    refit = (
        'The final probe is fitted anew on training and validation patches.'
        if results['probe']['train_patches'] > results['sets']['train']['patches']
        else 'The final probe has seen the training patches alone.'
    )
    about = results['features']
    lines = [
        f'Protocol {protocol.name}: {protocol.source}.',
        f'What differs: {protocol.differs}.',
        f'Features: {SCALINGS[protocol.scaling]}. Solver: {protocol.solver}.',
        f'Chosen: {protocol.varied} = {results["choice"]["value"]:g}, of {results["choice"]["tried"]} '
        f'tried, by {NAMES[results["choice"]["metric"]]} of the validation patches '
        f'({results["choice"]["score"]:.3f}). {refit}',
        f'Model: {about.get("model", results["model"])}, '
        f'digest {str(about.get("digest", "not known"))[:12]}.',
    ]
    left_out = [f'{what.replace("_", " ")}: {why}' for what, why in results['left_out'].items()]
    return [Bullets([*lines, *results['notes'], *left_out])]


SCALINGS = {
    'standard': 'mean 0 and standard deviation 1 over the training patches',
    'unit': 'each vector at length 1',
    'none': 'as the model gives them',
}
