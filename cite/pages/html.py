"""A report as one HTML file: figures inside, nothing fetched from anywhere."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path

from cite.pages.document import Block, Bullets, Document, Paragraph, Section, Table

STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1b1b1b; background: #fff;
       max-width: 62rem; margin: 0 auto; padding: 1rem; overflow-wrap: break-word; }
h1 { font-size: 1.6rem; margin: .5rem 0; } h2 { font-size: 1.25rem; margin: 2rem 0 .5rem;
       border-bottom: 1px solid #ccc; }
nav ul { columns: 2; padding-left: 1.2rem; } @media (max-width: 40rem) { nav ul { columns: 1; } }
a { color: #005a8c; } .scroll { overflow-x: auto; margin: .5rem 0; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .6rem; text-align: right; border-bottom: 1px solid #ddd;
         white-space: nowrap; }
th.words, td.words { text-align: left; white-space: normal; min-width: 7rem; }
th { background: #f2f2f2; } th button { all: unset; cursor: pointer; }
th button:focus-visible { outline: 2px solid #005a8c; }
th[aria-sort=ascending] button::after { content: ' \\25B2'; }
th[aria-sort=descending] button::after { content: ' \\25BC'; }
figure { margin: 1rem 0; } figure img { max-width: 100%; height: auto; }
figcaption, .note { font-size: .9rem; color: #444; }
#warnings { border-left: 4px solid #D55E00; padding-left: .8rem; }
footer { margin-top: 2rem; border-top: 1px solid #ccc; font-size: .85rem; color: #444; }
@media print { nav { display: none; } figure, table { break-inside: avoid; } }
"""

# without it the tables are plain; a column is sorted by its first number, else as text
SCRIPT = """
for (const head of document.querySelectorAll('thead th')) {
  const button = document.createElement('button');
  button.append(...head.childNodes); head.append(button);
  button.addEventListener('click', () => {
    const body = head.closest('table').tBodies[0], at = head.cellIndex;
    const up = head.getAttribute('aria-sort') !== 'ascending';
    for (const other of head.parentNode.children) other.removeAttribute('aria-sort');
    head.setAttribute('aria-sort', up ? 'ascending' : 'descending');
    const value = row => { const text = row.cells[at].textContent.replaceAll(',', '');
      const number = parseFloat(text.replace('<', '').replace('−', '-').trim());
      return [number, text]; };
    const compare = (a, b) => { const [x, s] = value(a), [y, t] = value(b);
      if (isNaN(x) || isNaN(y)) return isNaN(x) - isNaN(y) || s.localeCompare(t);
      return x - y; };
    [...body.rows].sort((a, b) => up ? compare(a, b) : compare(b, a))
      .forEach(row => body.append(row));
  });
}
"""


def render_html(document: Document, folder: Path) -> str:
    """One page that needs nothing besides itself.

    Args:
        folder: What the pictures' paths start from; they are read and put in as base64.
    """
    contents = ''.join(
        f'<li><a href="#{_anchor(part)}">{escape(part.title)}</a></li>'
        for part in document.sections
    )
    sections = '\n'.join(_section(part, folder) for part in document.sections)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(document.title)}</title>
<style>{STYLE}</style>
</head>
<body>
<header><h1>{escape(document.title)}</h1>
{_lines(document.lead)}</header>
<nav aria-label="Contents"><ul>{contents}</ul></nav>
<main>
{sections}
</main>
<footer>{_lines(document.footer)}</footer>
<script>{SCRIPT}</script>
</body>
</html>
"""


def _anchor(part: Section) -> str:
    return escape(part.anchor, quote=True)


def _lines(lines: Sequence[str]) -> str:
    return '\n'.join(f'<p>{escape(line)}</p>' for line in lines)


def _section(part: Section, folder: Path) -> str:
    blocks = '\n'.join(_block(block, folder) for block in part.blocks)
    return f'<section id="{_anchor(part)}">\n<h2>{escape(part.title)}</h2>\n{blocks}\n</section>'


def _block(block: Block, folder: Path) -> str:
    if isinstance(block, Paragraph):
        return f'<p>{escape(block.text)}</p>'
    if isinstance(block, Bullets):
        return f'<ul>{"".join(f"<li>{escape(item)}</li>" for item in block.items)}</ul>'
    if isinstance(block, Table):
        kinds = ['' if block.is_number(at) else ' class="words"' for at in range(len(block.head))]
        head = ''.join(
            f'<th scope="col"{kind}>{escape(cell)}</th>'
            for cell, kind in zip(block.head, kinds, strict=True)
        )
        rows = ''.join(_row(row, kinds) for row in block.rows)
        note = f'<p class="note">{escape(block.note)}</p>' if block.note else ''
        return (
            f'<div class="scroll"><table><thead><tr>{head}</tr></thead>'
            f'<tbody>{rows}</tbody></table></div>{note}'
        )
    picture = base64.b64encode((folder / block.path).read_bytes()).decode()
    return (
        f'<figure><img alt="{escape(block.alt, quote=True)}" '
        f'src="data:image/png;base64,{picture}">'
        f'<figcaption>{escape(block.caption)}</figcaption></figure>'
    )


def _row(row: Sequence[str], kinds: Sequence[str]) -> str:
    cells = (f'<td{kind}>{escape(cell)}</td>' for cell, kind in zip(row, kinds, strict=True))
    return f'<tr>{"".join(cells)}</tr>'
