"""The tab `Patch`: how `cite.demo.patch` looks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cite.demo.bars import write_png
from cite.demo.inputs import read_picture
from cite.demo.messages import told
from cite.demo.parts import model_fields, picture_field
from cite.demo.patch import classify, drawn_example, explain_patch, write_csv

if TYPE_CHECKING:
    from cite.demo.page import Content

BEST = 'the most probable'


def patch_tab(content: Content) -> None:
    """Builds it inside the open tab."""
    import gradio as gr

    from cite.attribution import METHODS
    from cite.demo.page import FREE, ONE

    models, workspace = content.models, content.workspace
    with gr.Row():
        with gr.Column(scale=1, min_width=320):
            image = picture_field('Patch')
            example = gr.Button('Draw an example', size='sm')
            model, lines, prompts = model_fields(models)
            ask = gr.Button('Classify', variant='primary')
        with gr.Column(scale=2, min_width=420):
            bars = gr.Label(label='Probabilities', buttons=[])
            note = gr.Markdown(elem_classes='cite-quiet')
            with gr.Row():
                table = gr.DownloadButton('scores.csv', size='sm', interactive=False)
                picture = gr.DownloadButton('scores.png', size='sm', interactive=False)
            with gr.Row(equal_height=True):
                class_name = gr.Dropdown([BEST], value=BEST, label='Map of', filterable=False)
                method = gr.Dropdown(
                    METHODS.names(), value='scores', label='Method', filterable=False
                )
                where = gr.Button('Show where', scale=0, min_width=170)
            seen = gr.Image(
                label='Map',
                show_label=False,
                format='png',
                interactive=False,
                buttons=['download', 'fullscreen'],
                height=380,
            )

    def classified(path: Any, name: Any, text: Any, templates: Any) -> tuple[Any, ...]:
        patch = read_picture(path)
        found = classify(models, patch, name, text, templates)
        csv, png = workspace.place('scores.csv'), workspace.place('scores.png')
        write_csv(found, csv)
        write_png(found, patch, png)
        return (
            found.bars,
            found.note,
            gr.update(value=str(csv), interactive=True),
            gr.update(value=str(png), interactive=True),
            gr.update(choices=[BEST, *found.classes], value=BEST),
        )

    def explained(path: Any, name: Any, text: Any, templates: Any, of: Any, how: Any) -> Any:
        patch = read_picture(path)
        return explain_patch(models, patch, name, text, templates, None if of == BEST else of, how)

    fields = [image, model, lines, prompts]
    outputs = [bars, note, table, picture, class_name]
    asked = ask.click(told(classified), fields, outputs, **ONE)
    maps = [*fields, class_name, method]
    asked.success(told(explained), maps, seen, **ONE)
    where.click(told(explained), maps, seen, **ONE)
    example.click(told(drawn_example), None, image, show_progress='hidden', **FREE)
