"""The adapter file: everything that training added to a frozen tower, in one small safetensors file.

Tensors are the classifier's state dict (prompts, neck, head, anchors; no frozen weight). The metadata
is JSON: how to build the parts again, the digest of the tower they belong to, and what decided them.
No pickle, no code. The file is all that is needed beside the base model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from cite.anchors import Anchors
from cite.atomic import write_bytes
from cite.classifier import Classifier, assemble
from cite.errors import CheckpointError, ConfigError

FORMAT = 1


@dataclass(frozen=True)
class AdapterInfo:
    """What an adapter says of itself.

    Attributes:
        backbone: Spec of the tower: model, image size, tuning.
        neck, head: Specs of the parts; texts and anchors of a text head are stored beside.
        classes: Class names in label order.
        tower_digest: SHA-256 of the frozen weights it was trained on.
        preprocessing: Mean, std, image size, interpolation, resizing.
        precision: Of the frozen part in training and testing.
        anchors: Provenance of the text embeddings; {} without a text head.
        training: Data, split hash, seed, iterations, versions.
    """

    backbone: dict[str, Any]
    neck: dict[str, Any] | None
    head: dict[str, Any]
    classes: list[str]
    tower_digest: str
    preprocessing: dict[str, Any]
    precision: str = 'fp32'
    anchors: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    format: int = FORMAT


def save_adapter(path: str | Path, state: Mapping[str, torch.Tensor], info: AdapterInfo) -> None:
    """Writes an adapter atomically.

    Args:
        state: State dict of the classifier, which holds no frozen weight.
    """
    from safetensors.torch import save

    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    write_bytes(path, save(tensors, {'cite': json.dumps(asdict(info))}))


def read_info(path: str | Path) -> AdapterInfo:
    """The metadata of an adapter file.

    Raises:
        CheckpointError: No such file, no safetensors file, or one that is no adapter.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f'adapter {path}: no such file')
    try:
        with safe_open(path, 'pt') as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f'adapter {path} cannot be read: it is damaged or no safetensors file ({error})'
        ) from error
    if 'cite' not in metadata:
        raise CheckpointError(
            f'{path} is a safetensors file, but no adapter of cite: its metadata lack the key `cite`'
        )
    content = json.loads(metadata['cite'])
    if content.get('format') != FORMAT:
        raise CheckpointError(
            f'adapter {path} has format {content.get("format")}, this version reads {FORMAT}; '
            'use the version of cite that wrote it'
        )
    return AdapterInfo(**content)


def load_adapter(
    path: str | Path, model: str | None = None, weights: str | Path | None = None
) -> tuple[Classifier, AdapterInfo]:
    """Builds the classifier that an adapter describes, on its base model.

    Args:
        path: The adapter file.
        model: Base model under another name or at another place than where it was trained.
        weights: File of the base model's weights, where they are not found by name.

    Raises:
        CheckpointError: A damaged file, or a base model with another digest.
        ModelError: The base model cannot be had.
    """
    from safetensors.torch import load_file

    info = read_info(path)
    state = load_file(path)
    backbone = dict(info.backbone)
    if model is not None:
        backbone['model'] = model
    if weights is not None:
        backbone['weights'] = str(weights)
    head = dict(info.head)
    if 'head.anchors' in state:
        texts = tuple(head.pop('texts'))
        head.update(texts=texts, anchors=Anchors(state['head.anchors'], texts, info.anchors))
    try:
        classifier = assemble(backbone, info.neck, head, info.classes)
    except ConfigError as error:
        raise CheckpointError(f'adapter {path} does not fit its base model: {error}') from error
    check_digest(str(path), info.tower_digest, classifier)
    try:
        classifier.load_state_dict(state, strict=True)
    except RuntimeError as error:
        raise CheckpointError(
            f'adapter {path} does not fit its own description: {error}'
        ) from error
    return classifier.eval(), info


def check_digest(what: str, expected: str, classifier: Any) -> None:
    """Refuses trained weights on another base model than the one they were trained on.

    Raises:
        CheckpointError: Naming both digests.
    """
    tower = classifier.backbone
    if tower.digest != expected:
        raise CheckpointError(
            f'{what} was trained on a base model with digest {expected[:12]}, but {tower.card.name} '
            f'as loaded here has {tower.digest[:12]}. Use the same model, weights and image size as '
            'in training'
        )
