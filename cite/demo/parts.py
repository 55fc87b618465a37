"""Pieces of the page that more than one tab has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cite.demo.inputs import read_picture
from cite.demo.messages import told

if TYPE_CHECKING:
    import gradio as gr

    from cite.demo.models import Models

EXAMPLE = '\n'.join(
    f'{grade}: {grade} differentiated adenocarcinoma' for grade in ('well', 'moderately', 'poorly')
)


def picture_field(label: str) -> gr.Image:
    """A field for an image, which hands over the file as it was uploaded.

    Gradio would decode it itself, with whatever decoder Pillow has; `read_picture` is to do that. What was
    uploaded is shown as it was read, since browsers know no TIFF.
    """
    import gradio as gr

    from cite.demo.page import FREE

    field = gr.Image(
        label=label,
        type='filepath',
        format='png',
        sources=['upload', 'clipboard'],
        height=320,
        buttons=[],
    )
    field.preprocess = lambda payload: None if payload is None else payload.path  # type: ignore
    field.upload(told(read_picture), field, field, show_progress='hidden', **FREE)
    return field


def model_fields(models: Models) -> tuple[gr.Dropdown, gr.Textbox, gr.Dropdown]:
    """Model, classes, prompts; the latter two are only there for pairs, since adapters have their own."""
    import gradio as gr

    from cite.demo.models import prompt_names
    from cite.demo.page import FREE

    first = models.names[0]
    asks = first in models.pairs
    model = gr.Dropdown(models.names, value=first, label='Model', filterable=False)
    own = gr.Markdown(_own(models, first), visible=not asks, elem_classes='cite-quiet')
    lines = gr.Textbox(
        EXAMPLE,
        label='Classes',
        info='one per line: a name, or name: text',
        lines=4,
        max_lines=12,
        visible=asks,
    )
    prompts = gr.Dropdown(
        list(prompt_names()),
        value='none',
        label='Prompts',
        info='sentences around each text; none: the texts alone',
        filterable=False,
        visible=asks,
    )

    def switch(name: Any) -> tuple[Any, Any, Any]:
        pair = name in models.pairs
        told_ = '' if pair else _own(models, name)
        return (
            gr.update(value=told_, visible=not pair),
            gr.update(visible=pair),
            gr.update(visible=pair),
        )

    model.change(told(switch), model, [own, lines, prompts], show_progress='hidden', **FREE)
    return model, lines, prompts


def _own(models: Models, name: str) -> str:
    return 'Classes of the adapter: ' + ' · '.join(map(plain, models.classes_of(name)))


def plain(text: str) -> str:
    """A name inside Markdown, without what Markdown or HTML would make of it."""
    import html

    kept = html.escape(' '.join(text.split()), quote=False)
    return ''.join(f'\\{sign}' if sign in '\\`*_{}[]()#+-.!|~$' else sign for sign in kept)
