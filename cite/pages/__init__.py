"""Pages as plain parts: a document once, as one HTML file with its pictures inside and as Markdown."""

from cite.pages.document import Block, Bullets, Document, Paragraph, Picture, Section, Table
from cite.pages.html import render_html
from cite.pages.markdown import render_markdown

__all__ = [
    'Block',
    'Bullets',
    'Document',
    'Paragraph',
    'Picture',
    'Section',
    'Table',
    'render_html',
    'render_markdown',
]
