"""The tab `Retrieval`: how `cite.demo.retrieval` looks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from cite.demo.inputs import read_picture
from cite.demo.messages import told
from cite.demo.parts import picture_field, plain
from cite.demo.retrieval import MOST_HITS

if TYPE_CHECKING:
    from cite.demo.page import Content


def retrieval_tab(content: Content) -> None:
    """Builds it inside the open tab."""
    import gradio as gr

    from cite.demo.page import ONE

    searched, workspace = content.searched, content.workspace
    if searched is None:
        gr.Markdown('No folder to search. Start the page with one: `cite demo --folder IMAGES`')
        return
    skipped = f' ({searched.skipped} could not be read)' if searched.skipped else ''
    gr.Markdown(
        f'{len(searched.index)} images{skipped}, compared by {plain(searched.space.name)}.',
        elem_classes='cite-quiet',
    )
    with gr.Row():
        with gr.Column(scale=1, min_width=320):
            text = gr.Textbox(label='Text', placeholder='tumour with necrosis', max_lines=4)
            by_text = gr.Button('Search by text', variant='primary')
            image = picture_field('Image')
            by_image = gr.Button('Search by image', variant='primary')
            count = gr.Slider(1, MOST_HITS, value=12, step=1, label='Number of hits')
        with gr.Column(scale=3, min_width=420):
            asked = gr.Markdown('', elem_classes='cite-quiet')
            gallery = gr.Gallery(
                label='Nearest images',
                columns=4,
                height='auto',
                elem_classes='cite-hits',
                object_fit='contain',
                interactive=False,
                buttons=['fullscreen'],
                format='png',
            )
            table = gr.DownloadButton('hits.csv', size='sm', interactive=False)

    def found(written: Any, path: Any, k: Any) -> tuple[Any, ...]:
        picture = None if path is None else read_picture(path)
        name = '' if path is None else Path(path).name
        answer = searched.ask(written, picture, name, k)
        csv = workspace.place('hits.csv')
        searched.write_csv(answer, csv)
        shown = f'Nearest to: {plain(answer.query.shown)}'
        return shown, searched.thumbnails(answer), gr.update(value=str(csv), interactive=True)

    def of_text(written: Any, k: Any) -> tuple[Any, ...]:
        return found(written, None, k)

    def of_image(path: Any, k: Any) -> tuple[Any, ...]:
        read_picture(path)
        return found(None, path, k)

    outputs = [asked, gallery, table]
    by_text.click(told(of_text), [text, count], outputs, **ONE)
    text.submit(told(of_text), [text, count], outputs, **ONE)
    by_image.click(told(of_image), [image, count], outputs, **ONE)
