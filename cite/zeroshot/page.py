"""The page of a zero-shot run: zeroshot.html with its pictures inside, and zeroshot.md."""

from __future__ import annotations

from pathlib import Path

from cite.atomic import replacing, write_text
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
from cite.zeroshot.findings import Findings
from cite.zeroshot.picture import draw_matrices, draw_templates, save
from cite.zeroshot.sheet import draw_sheet, shown_classes
from cite.zeroshot.terminal import OPTIMISTIC, classes_table, metrics_table, number, prompts_line

HTML, MARKDOWN, FIGURES = 'zeroshot.html', 'zeroshot.md', 'figures'


def write_page(found: Findings, folder: str | Path) -> Path:
    """Draws the figures and writes both pages into a folder; gives the HTML's path."""
    folder = Path(folder)
    document = zero_shot_page(found, _draw(found, folder))
    write_text(folder / MARKDOWN, render_markdown(document))
    write_text(folder / HTML, render_html(document, folder))
    return folder / HTML


def zero_shot_page(found: Findings, pictures: dict[str, str]) -> Document:
    """The page as plain parts.

    Args:
        pictures: 'templates', 'confusion', 'images' → path relative to the page, of those that there are.
    """
    record = found.scores.record
    sections = [_results(found), _images(found, pictures), _templates(found, pictures)]
    if 'confusion' in pictures:
        sections.insert(1, _confusion(pictures['confusion']))
    if found.warnings:
        sections.insert(0, Section('Warnings', (Bullets(found.warnings),)))
    sections.append(_texts(found))
    lead = [
        f'{len(found.names):,} images, {len(found.scores.classes)} classes, no training.',
        prompts_line(found),
    ]
    text = record['text']
    footer = [
        f'Images: {record["image"].get("model", record["space"])} '
        f'({str(record["image"].get("digest", ""))[:12]}); texts: {text["model"]} '
        f'({str(text["digest"])[:12]}).',
        'Radford et al., Learning transferable visual models from natural language supervision, ICML 2021. '
        'Not for diagnosis.',
    ]
    return Document(f'Zero-shot: {record["space"]}', lead, sections, footer)


def _results(found: Findings) -> Section:
    tables: list[Block] = [classes_table(found, most=len(found.scores.classes))]
    if found.metrics:
        tables.insert(0, metrics_table(found))
    else:
        tables.insert(0, Paragraph('Nothing is known of the labels, so nothing is measured.'))
    return Section('Results', tables)


def _confusion(path: str) -> Section:
    caption = 'Numbers of images; the colour is the share of the row, so that rare classes show.'
    return Section('What is taken for what', (Picture(path, 'Confusion matrix', caption),))


def _images(found: Findings, pictures: dict[str, str]) -> Section:
    shown, size = len(shown_classes(found)), len(found.scores.classes)
    caption = (
        'Of each class the images given to it with the highest probability, which is written below them.'
        if found.labels is None
        else 'Of each class its images that are given to it (green) and to another (orange) with the '
        'highest probability. Below: that probability, the class that was given, the file.'
    )
    if shown < size:
        caption += f' {shown} of {size} classes.'
    picture = Picture(pictures['images'], 'Images of each class', caption)
    return Section('Most certain images', (picture,))


def _templates(found: Findings, pictures: dict[str, str]) -> Section:
    labelled = bool(found.metrics)
    head = [
        'template',
        *(('bal. accuracy', 'accuracy', 'weighted F1', 'AUROC') if labelled else ()),
    ]
    rows = [
        [
            'all templates' if row.is_ensemble else row.template,
            *(number(value) for value in row.metrics.values()),
            number(row.agreement),
            number(row.spread),
        ]
        for row in found.templates
    ]
    note = (
        'Agreement: share of the images with the class that all templates give. Spread: entropy of the '
        'classes given, 0 where all images get one class, 1 where all classes get as many.'
    )
    blocks: list[Block] = [Table([*head, 'agreement', 'spread'], rows, note)]
    if labelled:
        blocks.insert(0, Paragraph(OPTIMISTIC))
    if 'templates' in pictures:
        caption = 'A dot per template, all together as a line. The axis need not start at 0.'
        blocks.append(Picture(pictures['templates'], 'A dot per template', caption))
    return Section('Per template', blocks)


def _texts(found: Findings) -> Section:
    classes = found.scores.classes
    rows = [
        [name, ' | '.join(text if len(text) <= 300 else f'{text[:299]}…' for text in texts)]
        for name, texts in zip(classes.names, classes.texts, strict=True)
    ]
    return Section('Texts of the classes', (Table(['class', 'texts'], rows),))


def _draw(found: Findings, folder: Path) -> dict[str, str]:
    """Name → path relative to the page; a figure of an earlier run that is no more goes."""
    pictures = {}
    for name, draw in (('templates', draw_templates), ('confusion', draw_matrices)):
        path = folder / FIGURES / f'{name}.png'
        figure = draw(found)
        if figure is None:
            path.unlink(missing_ok=True)
            continue
        save(figure, path)
        pictures[name] = f'{FIGURES}/{name}.png'
    with replacing(folder / FIGURES / 'images.png') as temporary:
        draw_sheet(found).save(temporary, format='PNG')
    return {**pictures, 'images': f'{FIGURES}/images.png'}
