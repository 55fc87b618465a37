"""A slide and a model → a result, by `cite.slides.predict`; what of it a page tells."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cite.demo.inputs import chosen, resolution, uploaded_slide
from cite.demo.messages import naming
from cite.demo.models import Models
from cite.demo.patch import asked_for
from cite.errors import ConfigError, DataError

if TYPE_CHECKING:
    from cite.slides import SlideResult
    from cite.slides.uncertainty import Uncertainty

AGGREGATIONS = ('mean', 'max', 'topk')


def slides_of(folder: Path | None) -> dict[str, Path]:
    """Slides of a folder and below, as `cite slide` finds them, by their paths in it; {} without a folder.

    Raises:
        DataError: No such folder, or one without slides.
    """
    from cite.slides.files import find_slides

    if folder is None:
        return {}
    folder = folder.expanduser()
    try:
        files = find_slides([folder])
    except DataError as error:
        raise DataError(f'--slides: {error}') from error
    return {
        folder.name if file == folder else file.relative_to(folder).as_posix(): file
        for file in files
    }


def chosen_slide(name: object, uploaded: str | None, slides: dict[str, Path]) -> Path:
    """The slide that fields say: an uploaded one goes before the list.

    Raises:
        DataError: None, or an upload that names other files.
        ConfigError: One that is not on offer.
    """
    if uploaded:
        return uploaded_slide(uploaded)
    if not name:
        raise DataError('there is no slide yet: choose one, or upload one')
    return slides[chosen(name, slides, 'slide')]


def said_mpp(path: Path) -> float | None:
    """Micrometres per pixel that a slide's file says; None where it does not.

    Raises:
        DataError: No slide.
    """
    from cite.slides import open_slide

    with naming(path), open_slide(path) as slide:
        return None if slide.mpp is None else max(slide.mpp)


def predict_slide(
    models: Models,
    path: Path,
    model: object,
    lines: str | None,
    prompts: object,
    slide_mpp: float | str | None = None,
    tile_mpp: float | str | None = None,
    aggregation: object = 'mean',
    progress: bool = False,
) -> SlideResult:
    """What a model says of a slide.

    Args:
        path: Of the slide.
        model, lines, prompts: As `classify` takes them.
        slide_mpp: µm per pixel of the slide, in place of what its file says.
        tile_mpp: µm per pixel of the tiles; None: as the model was trained.
        aggregation: One of `AGGREGATIONS`.

    Raises:
        DataError: No slide, one without a resolution, or without tissue.
        ConfigError: A resolution that nobody says, or as `classify`.
    """
    from cite.slides import predict

    name, classes, templates = asked_for(models, model, lines, prompts)
    mpp_of_slide = resolution(slide_mpp, 'resolution of the slide')
    mpp_of_tiles = resolution(tile_mpp, 'resolution of the tiles')
    how = chosen(aggregation, AGGREGATIONS, 'aggregation')
    if mpp_of_slide is None and said_mpp(path) is None:
        raise DataError(
            f'{path.name} does not say its resolution. Fill in "Resolution of the slide": 0.25 for a scan '
            'at 40x, 0.5 at 20x. A wrong one shows the model another magnification than in training'
        )
    predictor = models.asking(name, classes, templates)
    if mpp_of_tiles is None and predictor.info.preprocessing.get('mpp') is None:
        raise ConfigError(
            f'{name} does not say at which resolution it was trained. Fill in "Resolution of the tiles": '
            '0.5 for patches of a 20x objective, 0.25 for 40x'
        )
    with naming(path):
        found = predict(
            path,
            predictor,
            mpp=mpp_of_tiles,
            slide_mpp=mpp_of_slide,
            override_mpp=True,  # it was typed for this slide
            aggregation=how,
            progress=progress,
        )
    if not len(found.rows):
        raise DataError(
            f'{path.name}: none of the {len(found.grid)} tiles with tissue is sharp enough to be judged'
        )
    record = {**found.record, 'adapter': name}
    if classes is not None and templates is not None:
        record['texts'] = {n: own[0] for n, own in zip(classes.names, classes.texts, strict=True)}
        record['prompts'] = templates.name
    return replace(found, record=record)


def class_rows(result: SlideResult, found: Uncertainty) -> list[list[str]]:
    """A row per class, the most probable first: name, probability of the slide, its interval, share of the
    tiles that it leads."""
    slide = result.probabilities
    leads = np.bincount(result.scores.argmax(1), minlength=len(result.classes)) / len(result.rows)
    rows = []
    for at in np.argsort(-slide, kind='stable'):
        interval = '–'
        if found.low is not None and found.high is not None:
            interval = f'{found.low[at]:.3f} to {found.high[at]:.3f}'
        rows.append([result.classes[at], f'{slide[at]:.3f}', interval, f'{leads[at]:.0%}'])
    return rows


def summary(result: SlideResult, found: Uncertainty) -> str:
    """What the page says below the table, in Markdown without names that users gave."""
    side = result.grid.spec.size * result.grid.spec.mpp
    area = len(result.rows) * side**2 / 1e6
    left = {'blurred': len(result.blurred), 'damaged': len(result.damaged)}
    out = ', '.join(f'{count} {what}' for what, count in left.items() if count)
    out = f' ({out}: left out)' if out else ''
    size = ' × '.join(f'{length:,}' for length in result.size)
    interval = (
        found.why[:1].upper() + found.why[1:]
        if found.why
        else f'Intervals: {found.confidence:.0%}, from {found.blocks:.0f} blocks of {found.block_mm:g} mm; '
        'how the result would vary with other tissue of this slide, not whether the model is right'
    )
    lines = [
        f'**Entropy {found.entropy:.2f}** (0: one class, 1: all alike) · margin {found.margin:.2f} · '
        f'{found.agreement:.0%} of the tiles agree with the slide · aggregation: '
        f'{result.record["aggregation"]}',
        interval + '.',
        f'{len(result.rows)} tiles of {side:.0f} µm{out}, {area:.2f} mm² · '
        f'slide of {size} pixels of {result.mpp[0]:.3g} µm ({result.record["mpp_from"]}).',
    ]
    return '\n\n'.join(lines)
