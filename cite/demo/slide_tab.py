"""The tab `Slide`: how `cite.demo.slide` looks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cite.demo.messages import told
from cite.demo.parts import model_fields
from cite.demo.slide import AGGREGATIONS, chosen_slide, class_rows, predict_slide, said_mpp, summary
from cite.demo.slide_files import FILES, write_files
from cite.demo.viewer import viewer

if TYPE_CHECKING:
    from cite.demo.page import Content

BLANK = '<div class="cite-empty">The map of the slide will be here.</div>'
EMPTY = 'Choose a slide or upload one.'


def slide_tab(content: Content) -> None:
    """Builds it inside the open tab."""
    import gradio as gr

    from cite.demo.page import FREE, ONE
    from cite.slides.readers import COMPANIONS, SUFFIXES

    models, slides, workspace = content.models, content.slides, content.workspace
    with gr.Row():
        with gr.Column(scale=1, min_width=320):
            name = gr.Dropdown(
                list(slides),
                value=None,
                label='Slide',
                visible=bool(slides),
            )
            uploaded = gr.File(
                label='or upload a slide (one file)' if slides else 'Upload a slide (one file)',
                file_types=[suffix for suffix in SUFFIXES if suffix not in COMPANIONS],
                type='filepath',
                height=160,
            )
            told_mpp = gr.Markdown(EMPTY, elem_classes='cite-quiet')
            with gr.Row():
                slide_mpp = gr.Textbox(
                    label='Resolution of the slide',
                    info='µm per pixel',
                    placeholder='as its file says',
                )
                tile_mpp = gr.Textbox(
                    label='Resolution of the tiles',
                    info='µm per pixel',
                    placeholder='as in training',
                )
            model, lines, prompts = model_fields(models)
            how = gr.Dropdown(
                list(AGGREGATIONS),
                value='mean',
                label='From tiles to the slide',
                filterable=False,
            )
            ask = gr.Button('Predict', variant='primary')
        with gr.Column(scale=3, min_width=480):
            rows = gr.Dataframe(
                headers=['class', 'probability', '95% interval', 'tiles led'],
                label='The slide',
                interactive=False,
                wrap=True,
                buttons=[],
                column_widths=['40%', '18%', '24%', '18%'],
            )
            text = gr.Markdown('', elem_classes='cite-quiet')
            seen = gr.HTML(BLANK, apply_default_css=False)
            with gr.Row():
                buttons = [gr.DownloadButton(file, size='sm', interactive=False) for file in FILES]

    def noticed(chosen: Any, path: Any) -> str:
        if not path and not chosen:
            return EMPTY
        mpp = said_mpp(chosen_slide(chosen, path, slides))
        if mpp is None:
            return '**The file does not say its resolution: fill it in.**'
        return f'The file says {mpp:.3g} µm per pixel.'

    def predicted(
        chosen: Any,
        path: Any,
        mpp: Any,
        who: Any,
        written: Any,
        templates: Any,
        tiles: Any,
        aggregation: Any,
        progress: Any = gr.Progress(track_tqdm=True),  # noqa: B008 — Gradio looks for it there
    ) -> tuple[Any, ...]:
        from cite.slides.uncertainty import uncertainty

        slide = chosen_slide(chosen, path, slides)
        found = predict_slide(
            models, slide, who, written, templates, mpp, tiles, aggregation, progress=True
        )
        spread = uncertainty(found)
        files = write_files(found, workspace)
        updates = [gr.update(value=str(file), interactive=True) for file in files]
        return class_rows(found, spread), summary(found, spread), viewer(found), *updates

    for field in (name, uploaded):
        field.change(told(noticed), [name, uploaded], told_mpp, show_progress='hidden', **FREE)
    fields = [name, uploaded, slide_mpp, model, lines, prompts, tile_mpp, how]
    ask.click(told(predicted), fields, [rows, text, seen, *buttons], show_progress_on=seen, **ONE)
