"""The data that a checkpoint was trained on: its results are of these, whatever the config names now."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from cite.data.overlap import overlap
from cite.data.table import PatchTable, some
from cite.mm.about import about_data

ANN_FILE = 'train_dataloader.dataset.ann_file'


def trained_on(cfg: Config) -> dict[str, Any] | None:
    """What a checkpoint keeps of the training data: path and hashes; None without a train loader."""
    return about_data(cfg).get('train')


def other_training_data(stored: Mapping[str, Any] | None, cfg: Config) -> str | None:
    """Why the training data of a config are not those of a checkpoint, or None where they are.

    Manifests are compared by their content, class folders by their path.

    Args:
        stored: As `trained_on` gave it; None of checkpoints that do not say.
        cfg: Resolved.
    """
    now = trained_on(cfg)
    if stored is None or now is None or not Path(now['source']).exists():
        return None  # data that are gone are told by who reads them
    by = 'sha256' if 'sha256' in stored and 'sha256' in now else 'source'
    if stored.get(by) == now[by]:
        return None
    then, here = str(stored.get('source', '?')), str(now['source'])
    where = then if then != here else f'{then} (other lines)'
    return f'the checkpoint was trained on {where}, and the config names {here}'


def ann_file_option(stored: Mapping[str, Any], cfg: Config) -> str:
    """The option by which a config names the data of a checkpoint."""
    path, root = Path(str(stored.get('source', '?'))), cfg.train_dataloader.dataset.get('data_root')
    if root and path.is_relative_to(root):
        path = path.relative_to(root)
    return f'--cfg-options {ANN_FILE}={path}'


def leak_warnings(train: PatchTable, test: PatchTable) -> list[str]:
    """What every reader of a result has to know: that it was tested on what it was trained on."""
    shared = overlap(train, test)
    if shared is None:
        return []
    unit, names = shared
    return [
        f'WARNING: training and test data share {len(names)} {unit} ({some(names)}): these results '
        'do not tell how the model does on new slides.'
    ]
