"""The page: tabs over what it was started with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cite.demo.settings import NOTE
from cite.demo.viewer_script import SCRIPT, STYLE
from cite.demo.workspace import Workspace

if TYPE_CHECKING:
    from cite.demo.models import Models
    from cite.demo.retrieval import Searched

ONE: dict[str, Any] = {
    'concurrency_id': 'model',
    'concurrency_limit': 1,
    'api_visibility': 'private',
}
"""Of every event that asks a model: one at a time over all users, in the order of their clicks."""
FREE: dict[str, Any] = {'api_visibility': 'private'}
"""Of events that do not."""
WAITING = 16
"""Calls that may wait; more are refused with a message."""
HEAD = f'<style>{STYLE}</style><script>{SCRIPT}</script>'
CSS = """
footer { display: none !important; }
.gradio-container { padding-top: 44px !important; }
.gradio-container .cite-note { position: fixed; top: 0; left: 0; right: 0; z-index: 30; padding: 7px 16px;
  text-align: center; font-size: 15px; background: #fff7ed; color: #7c2d12;
  border-bottom: 2px solid #b45309; }
.gradio-container .cite-note b { color: inherit; }
.gradio-container input[role="combobox"] { text-overflow: ellipsis !important;
  padding-right: 34px !important; }
.cite-hits .grid-wrap { max-height: none !important; height: auto !important; }
.cite-empty { min-height: 220px; padding: 14px; opacity: .6; font-size: 14px; }
.cite-quiet p { color: var(--body-text-color); opacity: .75; font-size: 14px; }
.cite-hits .caption-label { white-space: pre-line; overflow-wrap: anywhere; max-width: 100%;
  font-size: 12px; line-height: 1.25; }
"""


@dataclass(frozen=True, eq=False)
class Content:
    """What a page is built over.

    Attributes:
        models: That can be chosen.
        searched: The folder; None for none.
        slides: Name → file.
        workspace: Where results are written.
    """

    models: Models
    searched: Searched | None
    slides: dict[str, Path]
    workspace: Workspace


def build(content: Content) -> Any:
    """The page as `gradio.Blocks`, not served yet."""
    import gradio as gr

    from cite.demo.patch_tab import patch_tab
    from cite.demo.retrieval_tab import retrieval_tab
    from cite.demo.slide_tab import slide_tab

    with gr.Blocks(title='cite demo', analytics_enabled=False, fill_width=False) as page:
        gr.HTML(
            f'<div class="cite-note"><b>{NOTE}</b> Nothing here was validated for patients.</div>'
        )
        with gr.Tab('Patch', id='patch'):
            patch_tab(content)
        with gr.Tab('Retrieval', id='retrieval'):
            retrieval_tab(content)
        with gr.Tab('Slide', id='slide'):
            slide_tab(content)
    page.queue(max_size=WAITING, default_concurrency_limit=4, api_open=False)
    return page


def look() -> dict[str, Any]:
    """Theme, style and script, as `launch` takes them. Fonts are the system's: none is fetched."""
    import gradio as gr

    theme = gr.themes.Default(
        primary_hue='blue',
        font=['system-ui', 'sans-serif'],
        font_mono=['ui-monospace', 'monospace'],
    )
    return {'theme': theme, 'css': CSS, 'head': HEAD}
