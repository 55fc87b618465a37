"""The page of a slide: result, where, which tiles, what was left out, how it was done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cite.pages.document import Bullets, Document, Paragraph, Picture, Section, Table
from cite.slides.outputs.summary import NOTICE

LEAST_PEN = 0.01
"""mm²; less is dirt."""
FILES = (
    (
        'predictions.parquet',
        'every tile: place in pixels of level 0, tissue, sharpness, probabilities',
    ),
    ('tiles.geojson', 'the same for QuPath: File, Import objects'),
    ('heatmap_….tif', 'the map of a class as a pyramid, a pixel per tile, registered to the slide'),
    ('summary.json', 'this page as values'),
)


def report(summary: dict[str, Any], classes: Sequence[tuple[str, str]]) -> Document:
    """The page, whose pictures lie in its folder.

    Args:
        summary: See `cite.slides.outputs.summary`.
        classes: Name of each class that is drawn, and the file of its picture.
    """
    return Document(
        f'Slide {summary["slide"]}',
        [NOTICE, verdict(summary)],
        [
            Section('Result', [result_table(summary), Bullets(remarks(summary))]),
            Section('Where', _maps(summary, classes)),
            Section(
                'Tiles',
                [
                    Picture(
                        'tiles.png',
                        'The tiles with the highest and the lowest probability of each class',
                        'Tiles of highest and of lowest probability of each class, at the resolution of '
                        'the model; below each its probability and its place in pixels of level 0.',
                    )
                ],
            ),
            Section('What was left out', [left_out_table(summary), Bullets(warnings(summary))]),
            Section('How it was done', [Table(('what', 'value'), how(summary))]),
            Section('Files', [Table(('file', 'what it is'), FILES)]),
        ],
        [NOTICE],
    )


def verdict(summary: dict[str, Any]) -> str:
    """The result in a sentence."""
    label = summary['label']
    tiles = summary['tiles']['predicted']
    return (
        f'Most probable: {label}, {_share(summary, label)}; from {tiles:,} '
        f'{"tile" if tiles == 1 else "tiles"}, {summary["area_mm2"]["tissue_predicted"]:.2f} mm² of tissue.'
    )


def _share(summary: dict[str, Any], name: str) -> str:
    low, high = summary['uncertainty']['low'], summary['uncertainty']['high']
    ends = f' [{low[name]:.3f}, {high[name]:.3f}]' if low else ''
    return f'{summary["probabilities"][name]:.3f}{ends}'


def result_table(summary: dict[str, Any]) -> Table:
    """A row per class."""
    unsure, by_class = summary['uncertainty'], summary['tiles']['by_class']
    total = max(1, summary['tiles']['predicted'])
    rows = []
    for name, share in summary['probabilities'].items():
        ends = (f'{unsure["low"][name]:.3f} – {unsure["high"][name]:.3f}',) if unsure['low'] else ()
        counts = f'{by_class[name]:,}', f'{100 * by_class[name] / total:.1f}'
        rows.append((name, f'{share:.3f}', *ends, *counts))
    interval = (f'{unsure["confidence"]:.0%} interval',) if unsure['low'] else ()
    return Table(
        ('class', 'probability', *interval, 'tiles most probable', '% of tiles'),
        rows,
        _about_intervals(unsure),
    )


def _about_intervals(unsure: dict[str, Any]) -> str:
    if unsure['why_none']:
        return f'{unsure["why_none"][:1].upper()}{unsure["why_none"][1:]}.'
    return (
        f'Intervals: spatial block bootstrap, blocks of {unsure["block_mm"]:.2g} mm (as good as '
        f'{unsure["blocks"]:.0f} equal ones). They say how the result would vary with other tissue of the '
        'same kind, not whether the model is right.'
    )


def remarks(summary: dict[str, Any]) -> list[str]:
    """What else is known of how sure the result is."""
    unsure = summary['uncertainty']
    return [
        f'Tiles that agree with the slide: {unsure["agreement"]:.1%}.',
        f'Margin between the first two classes: {unsure["margin"]:.3f}.',
        f'Entropy of the probabilities: {unsure["entropy"]:.3f} (0: one class, 1: all alike).',
    ]


def left_out_table(summary: dict[str, Any]) -> Table:
    """A row per reason."""
    tiles, record = summary['tiles'], summary['record']
    reasons = (
        ('less than {:.0%} of tissue', record.get('least_tissue', 0), 'too_little_tissue'),
        ('blurred (sharpness below {:g})', record.get('least_sharpness', 0), 'blurred'),
        ('damaged', 0, 'damaged'),
        ('shown to the model', 0, 'predicted'),
        ('together', 0, 'on_grid'),
    )
    return Table(
        ('tiles of the grid', 'tiles'),
        [(text.format(value), f'{tiles[key]:,}') for text, value, key in reasons],
    )


def warnings(summary: dict[str, Any]) -> list[str]:
    """What a reader should know before believing the result."""
    area, record = summary['area_mm2'], summary['record']
    part = area['tissue_predicted'] / area['tissue'] if area['tissue'] else 0.0
    found = [
        f'Of {area["tissue"]:.2f} mm² of tissue, {part:.0%} lie in tiles that the model saw; the rest lies '
        'at edges, or in tiles that were left out.'
    ]
    if area['pen'] >= LEAST_PEN:
        found.append(f'{area["pen"]:.2f} mm² were taken for pen marks.')
    if record.get('enlarged', 1) > 1:
        found.append(
            f'The slide was scanned coarser than the model was trained: tiles were enlarged by '
            f'{record["enlarged"]:.2f}, details are missing.'
        )
    if summary['damaged']:
        place, why = next(iter(summary['damaged'].items()))
        found.append(f'First damaged tile, at {place}: {why}.')
    return found


def how(summary: dict[str, Any]) -> list[tuple[str, str]]:
    """Name and value of what decided the result."""
    record = summary['record']
    width, height = summary['size']
    mpp_x, mpp_y = summary['mpp']
    digest = str(record.get('adapter_digest', ''))
    rows = [
        ('slide', str(summary['file'])),
        (
            'size',
            f'{width:,} × {height:,} pixels, {width * mpp_x / 1000:.2f} × {height * mpp_y / 1000:.2f} mm',
        ),
        (
            'resolution',
            f'{mpp_x:.4g} µm per pixel'
            + ('' if abs(mpp_x - mpp_y) < 1e-9 else f' across, {mpp_y:.4g} down')
            + f', from {summary["mpp_from"]}'.replace('from given', 'as given'),
        ),
        (
            'tiles',
            f'{record.get("tile_size")} pixels at {record.get("tile_mpp")} µm per pixel, overlap '
            f'{record.get("overlap")}',
        ),
        ('from tiles to slide', str(record.get('aggregation'))),
        ('model', f'{record.get("model")}, {record.get("precision")}'),
        ('adapter', f'{record.get("adapter", "")} (sha256 {digest[:16]}…)' if digest else ''),
        ('software', ', '.join(f'{k} {v}' for k, v in dict(record.get('versions', {})).items())),
    ]
    return [row for row in rows if row[1]]


def _maps(summary: dict[str, Any], classes: Sequence[tuple[str, str]]) -> list[Any]:
    blocks: list[Any] = [
        Paragraph(
            'Tissue is grey under the maps. What stays clear was not shown to the model; hatched tiles '
            'were too blurred, crossed ones damaged.'
        ),
        Picture(
            'heatmap.png',
            f'Slide {summary["slide"]}, the most probable class of its tiles and the probability of each',
            'The slide, the most probable class of each tile, and the probability of each class.',
        ),
    ]
    if len(classes) > 1:
        blocks += [
            Picture(file, f'Probability of {name} over the slide', f'Probability of {name}.')
            for name, file in classes
        ]
    return blocks
