"""The steps that all exports share: terms, folder, comparison."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from cite.adapter import AdapterInfo, base_licences
from cite.atomic import write_text
from cite.classifier import Classifier
from cite.encoders.catalogue import licence_warnings
from cite.errors import ConfigError, ModelError
from cite.serving.export.onnx_file import write_onnx
from cite.serving.export.timm_folder import write_timm
from cite.serving.rebuild import load_adapter

WRITERS = {'timm': write_timm, 'onnx': write_onnx}
TOLERANCE = 1e-4
"""Largest difference to the classifier, in parts of its largest output."""
ABOUT = 'EXPORT.json'
NO_DERIVATIVES = 'no derivatives'


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        file: The model.
        difference: Largest difference between its outputs and the classifier's, in parts of the largest.
        terms: Licence that it inherits from its base model, and what that forbids.
    """

    file: Path
    difference: float
    terms: str


def export(
    adapter: str | Path,
    to: str,
    out: str | Path,
    model: str | None = None,
    weights: str | Path | None = None,
    allow_derivatives: bool = False,
) -> Exported:
    """Writes an adapter and its base model as one model, and compares the two.

    Args:
        adapter: The adapter file.
        to: 'timm', a folder for `timm.create_model('local-dir:…')`, or 'onnx', pixels to logits.
        out: Folder to write, new or empty.
        model, weights: As for `cite.load`.
        allow_derivatives: Merge also where the licence of the base model forbids derivatives.

    Raises:
        ConfigError: An unknown format, a folder that holds something, a licence without derivatives, or
            a method that cannot be written in that format.
        ModelError: A file that does not compute what the classifier does; it is removed.
        CheckpointError: An adapter that cannot be loaded.
    """
    if to not in WRITERS:
        raise ConfigError(f'export: the format must be one of {", ".join(WRITERS)}, found {to!r}')
    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f'export: {out} is there already; name a new or an empty folder')
    classifier, info = load_adapter(adapter, model, weights)
    terms = _terms(info, allow_derivatives)
    images = _images(classifier)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix='.export-') as made:
        with torch.inference_mode():
            name, pairs = WRITERS[to](classifier, images, Path(made))
        difference = max(_difference(found, expected) for found, expected in pairs)
        if not difference <= TOLERANCE:
            raise ModelError(
                f'the exported model differs from the classifier by {difference:.1e} of its largest '
                f'output, more than {TOLERANCE:g}; it was not kept'
            )
        about = {
            'terms': terms,
            'licences': base_licences(info),
            'largest_difference': difference,
            'classes': info.classes,
            'preprocessing': info.preprocessing,
            'use': 'For research use, not for diagnosis.',
        }
        write_text(Path(made) / ABOUT, json.dumps(about, indent=2) + '\n')
        out.mkdir(exist_ok=True)
        for file in Path(made).iterdir():
            file.replace(out / file.name)
    return Exported(out / name, difference, terms)


def _terms(info: AdapterInfo, allow_derivatives: bool) -> str:
    """The base model's licence, refused where it forbids what is asked for."""
    vision = base_licences(info)['vision']
    warnings = licence_warnings(vision['licence'])
    if NO_DERIVATIVES in warnings and not allow_derivatives:
        raise ConfigError(
            f'{vision["name"]} is under {vision["licence"]}, which forbids derivatives: a merged model is '
            'one, an adapter beside the base model is not. With the permission of its owners, '
            '--allow-derivatives (allow_derivatives=True) merges it'
        )
    return f'{vision["name"]}: {vision["licence"]}' + (
        f' ({", ".join(warnings)})' if warnings else ''
    )


def _images(classifier: Classifier) -> Tensor:
    side = classifier.backbone.image_size
    return torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(0))


def _difference(found: Tensor, expected: Tensor) -> float:
    if found.shape != expected.shape:
        raise ModelError(
            f'the exported model gives {tuple(found.shape)}, the classifier {tuple(expected.shape)}'
        )
    return float((found - expected).abs().max() / expected.abs().max())
