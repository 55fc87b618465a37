"""A report as Markdown that links its figures."""

from __future__ import annotations

from collections.abc import Sequence

from cite.evaluation.table import markdown_text as _text
from cite.pages.document import Block, Bullets, Document, Paragraph, Table


def render_markdown(document: Document) -> str:
    """GitHub-flavoured Markdown; the figures are linked by their relative paths."""
    parts = [f'# {_text(document.title)}', *(_text(line) for line in document.lead)]
    parts.append(
        '\n'.join(f'- [{_text(part.title)}](#{part.anchor})' for part in document.sections)
    )
    for section in document.sections:
        parts += [f'## {_text(section.title)}', *map(_block, section.blocks)]
    parts += ['---', *(_text(line) for line in document.footer)]
    return '\n\n'.join(parts) + '\n'


def _block(block: Block) -> str:
    if isinstance(block, Paragraph):
        return _text(block.text)
    if isinstance(block, Bullets):
        return '\n'.join(f'- {_text(item)}' for item in block.items)
    if isinstance(block, Table):
        rule = ['---:' if block.is_number(at) else '---' for at in range(len(block.head))]
        lines = [_row(block.head), f'| {" | ".join(rule)} |', *map(_row, block.rows)]
        note = f'\n\n{_text(block.note)}' if block.note else ''
        return '\n'.join(lines) + note
    return f'![{_text(block.alt)}]({block.path})\n\n{_text(block.caption)}'


def _row(cells: Sequence[str]) -> str:
    return '| ' + ' | '.join(map(_text, cells)) + ' |'
