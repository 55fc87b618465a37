"""Flags of `cite contrast --pairs` → changes to the config `contrast/manifest`."""

from __future__ import annotations

import os
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from cite.data.text_files import read_rows
from cite.encoders.zoo import PAIRS
from cite.errors import DataError, ModelError

BASE = 'contrast/manifest'
WARM_UP = 10
"""The learning rate rises for one in so many iterations of a training that is shorter than the base's."""


def manifest_options(
    train: str | Path,
    val: str | Path | None = None,
    root: str | Path | None = None,
    model: str | None = None,
    tuning: str | None = None,
    text_tuning: str | None = None,
    loss: str | None = None,
    iterations: int | None = None,
    batch: int | None = None,
    chunk: int | None = None,
    lr: float | None = None,
    mask_grades: bool = False,
    caption_column: str | None = None,
) -> dict[str, Any]:
    """Dotted keys → values for `load_config(BASE, options=…)`; what is None stays the base's.

    Args:
        train: Manifest of the training pairs: `file,caption[,slide][,split]`.
        val: That of the validation pairs; None: rows with split 'val' of `train`, which then gives those
            with split 'train' for training.
        root: Folder of the images; default: that of each manifest.
        model: Name of a published pair.
        tuning, text_tuning: What trains in its vision and text tower.
        loss: 'clip' goes on from the scale of the pair; 'siglip' begins with scale and bias of its paper.
        iterations, batch, chunk, lr: Of the training.
        mask_grades: Take out of captions what names the grade.
        caption_column: Column of the captions, in both manifests; default: 'caption'.

    Raises:
        DataError: No such manifest, or one without the columns that are needed.
        ModelError: No such pair.
    """
    options: dict[str, Any] = {}
    for side, table in (('train', train), ('val', train if val is None else val)):
        dataset = f'{side}_dataloader.dataset'
        options[f'{dataset}.ann_file'] = str(_checked(table, caption_column, val is None))
        if caption_column is not None:
            options[f'{dataset}.columns'] = {'caption': caption_column}
        options[f'{dataset}.data_prefix'] = str(Path(table).parent if root is None else root)
        options[f'{dataset}.mask_grades'] = mask_grades
        options[f'{side}_dataloader.num_workers'] = min(8, os.cpu_count() or 2)
        if val is None:
            options[f'{dataset}.split'] = side
    if model is not None:
        options['model.vision.model'], options['model.text.model'] = _halves(model)
    if loss == 'siglip':
        options |= {'model.loss': loss, 'model.scale': None}
    if iterations is not None:
        options |= _length(iterations)
    wanted = {
        'train_dataloader.batch_size': batch,
        'model.chunk': chunk,
        'optim_wrapper.optimizer.lr': lr,
        # as a name: the options of the base's LoRA are no other method's
        'model.vision.tuning': None if tuning == 'LoRA' else tuning,
        'model.text.tuning': None if text_tuning == 'LoRA' else text_tuning,
    }
    return options | {key: value for key, value in wanted.items() if value is not None}


def _checked(table: str | Path, caption_column: str | None, parted: bool) -> Path:
    """The manifest, if it has the columns that are needed."""
    path = _file(table)
    header, _ = read_rows(path)
    found = f'found {", ".join(header)}'
    if 'file' not in header:
        raise DataError(f"{path}: no column 'file' with the images, {found}")
    wanted = 'caption' if caption_column is None else caption_column
    if wanted not in header:
        raise DataError(f'{path}: no column {wanted!r}, {found}; name it with --caption-column')
    if parted and 'split' not in header:
        raise DataError(
            f'{path}: no column split, {found}: give --val-pairs, or a column split with train and val'
        )
    return path


def _file(table: str | Path) -> Path:
    path = Path(table)
    if not path.is_file():
        what = 'is a folder, a CSV manifest is needed' if path.is_dir() else 'no such file'
        raise DataError(f'{path}: {what} (columns file,caption[,slide][,split])')
    return path


def _halves(model: str) -> tuple[str, str]:
    """The vision and the text half of a pair, by their names in the zoo."""
    card = PAIRS.get(model)
    if card is not None:
        return card.vision, card.text
    if Path(model).is_file():
        raise ModelError(
            f'{model} is a file: training goes on from a published pair by its name, or by --resume'
        )
    close = get_close_matches(model, PAIRS, n=1)
    hint = f'did you mean {close[0]}?' if close else '`cite models --kind pair` lists them'
    raise ModelError(f'unknown pair {model!r}: {hint}')


def _length(iterations: int) -> dict[str, Any]:
    """The training's length, and a warm-up that fits a short one (the base's is 50 of 500)."""
    options: dict[str, Any] = {'train_cfg.max_iters': iterations}
    rise = max(2, iterations // WARM_UP)  # in mmengine's count a rise of one iteration stays low
    if rise < 50:
        options |= {'param_scheduler.0.end': rise, 'param_scheduler.1.begin': rise}
    return options
