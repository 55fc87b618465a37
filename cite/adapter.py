"""The adapter file: everything that training added to a frozen tower, in one small safetensors file.

Tensors are the classifier's state dict (prompts, neck, head, anchors; no frozen weight). The metadata
is JSON: how to build the parts again, the digest of the tower they belong to, and what decided them.
No pickle, no code. The file is all that is needed beside the base model.

A file may come from anybody, so its description is checked before anything is built from it
(`cite.serving.rebuild`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from cite.atomic import write_bytes
from cite.encoders.card import Published
from cite.encoders.text.base import PLAIN_OPTIONS
from cite.encoders.towers.tower import VisionTower
from cite.encoders.zoo import find_card, find_text_card
from cite.errors import CheckpointError
from cite.heads import HEADS
from cite.precision import PRECISIONS

FORMAT = 1
KEY = 'cite'


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
        training: Data, split hash, seed, iterations, versions, licences of the base models.
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


_KINDS: dict[str, tuple[type, ...]] = {
    'backbone': (dict,),
    'neck': (dict, type(None)),
    'head': (dict,),
    'classes': (list,),
    'tower_digest': (str,),
    'preprocessing': (dict,),
    'precision': (str,),
    'anchors': (dict,),
    'training': (dict,),
    'format': (int,),
}


def save_adapter(path: str | Path, state: Mapping[str, torch.Tensor], info: AdapterInfo) -> None:
    """Writes an adapter atomically.

    Args:
        state: State dict of the classifier, which holds no frozen weight.
    """
    from safetensors.torch import save

    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    write_bytes(path, save(tensors, {KEY: json.dumps(asdict(info))}))


def with_licences(info: AdapterInfo) -> AdapterInfo:
    """The same, with the licences of its base models among what it says of its training."""
    return replace(info, training={**info.training, 'licences': base_licences(info)})


def base_licences(info: AdapterInfo) -> dict[str, dict[str, str]]:
    """'vision', and 'text' where there are anchors → name and licence of the weights below an adapter.

    Those that the adapter states come first: a zoo may have other models when it is read than when it was
    written.
    """
    stated: dict[str, dict[str, str]] | None = info.training.get('licences')
    if stated is not None:
        return stated
    model = str(info.backbone['model'])
    vision = find_card(model)
    found = {'vision': _licence(vision.name if vision else model, vision)}
    if info.anchors:
        model = str(info.anchors.get('model', '?'))
        text = find_text_card(model)
        found['text'] = _licence(text.name if text else model, text)
    return found


def _licence(name: str, card: Published | None) -> dict[str, str]:
    unknown = 'not known here, see the page of the model'
    return {'name': name, 'licence': card.licence if card else unknown}


def read_info(path: str | Path) -> AdapterInfo:
    """The metadata of an adapter file.

    Raises:
        CheckpointError: No such file, no safetensors file, or one that is no adapter.
    """
    path = Path(path)
    with _opened(path) as file:
        return _info(file.metadata() or {}, path)


def read_adapter(path: str | Path) -> tuple[AdapterInfo, dict[str, torch.Tensor]]:
    """The metadata and the tensors of an adapter file.

    Raises:
        CheckpointError: As `read_info`.
    """
    path = Path(path)
    with _opened(path) as file:
        info = _info(file.metadata() or {}, path)
        return info, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def check_tower(what: str, expected: str, tower: VisionTower) -> None:
    """Refuses trained weights on another base model than the one they were trained on.

    Raises:
        CheckpointError: Naming both digests.
    """
    if tower.digest != expected:
        raise CheckpointError(
            f'{what} was trained on a base model with digest {expected[:12]}, but {tower.card.name} '
            f'as loaded here has {tower.digest[:12]}. Use the same model, weights and image size as '
            'in training; config.py in the run folder names them'
        )


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The safetensors file; what goes wrong in reading it is told in one line."""
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise CheckpointError(f'adapter {path}: {"a folder" if path.is_dir() else "no such file"}')
    try:
        with safe_open(path, 'pt') as file:
            yield file
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f'adapter {path} cannot be read: it is damaged or no safetensors file '
            f'({" ".join(str(error).split())})'
            + ('. A checkpoint is none; take adapter.safetensors' if path.suffix == '.pth' else '')
        ) from error


def _info(metadata: Mapping[str, str], path: Path) -> AdapterInfo:
    if KEY not in metadata:
        raise CheckpointError(
            f'{path} is a safetensors file, but no adapter of cite: its metadata lack the key `{KEY}`'
        )
    try:
        content = json.loads(metadata[KEY])
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f'adapter {path}: its metadata are no JSON ({error})') from error
    found = content.get('format') if isinstance(content, dict) else None
    if found != FORMAT:
        raise CheckpointError(
            f'adapter {path} has format {found}, this version reads {FORMAT}; '
            'use the version of cite that wrote it'
        )
    problem = _problem(content)
    if problem:
        raise CheckpointError(
            f'adapter {path}: its metadata are not as cite writes them: {problem}'
        )
    return AdapterInfo(**content)


def _problem(content: dict[str, Any]) -> str | None:
    """What is wrong with the metadata, if anything."""
    unknown, missing = content.keys() - _KINDS.keys(), _KINDS.keys() - content.keys()
    if unknown or missing:
        return f'unknown keys {sorted(unknown)[:5]}, missing keys {sorted(missing)[:5]}'
    for name, kinds in _KINDS.items():
        if not isinstance(content[name], kinds):
            return f'{name} is of type {type(content[name]).__name__}'
    classes, head = content['classes'], content['head']
    if not _strings(classes) or len(set(classes)) != len(classes):
        return 'classes are no list of different names'
    if not isinstance(content['backbone'].get('model'), str):
        return 'backbone names no model'
    if content['precision'] not in ('auto', *PRECISIONS):
        return f'unknown precision {content["precision"]!r}'
    made = {'text_encoder', 'anchors', 'template', 'templates'}
    if _needs_text_encoder(head):
        made.discard('text_encoder')
        wrong = _unplain(head.get('text_encoder'))
        if wrong:
            return f'text_encoder {wrong}'
    foreign = sorted(made & head.keys())
    if foreign:  # stored anchors stand in their place: loading runs no text encoder
        return f'head has {", ".join(foreign)}'
    if not _strings(head.get('texts', ['-'])):
        return 'texts are no list of texts'
    return None


def _needs_text_encoder(head: Mapping[str, Any]) -> bool:
    kind = head.get('type')
    known = isinstance(kind, str) and kind in HEADS.names()
    return known and bool(HEADS.get(str(kind)).needs_text_encoder)  # type: ignore[attr-defined]


def _unplain(spec: Any) -> str | None:
    """What is wrong with the spec of a text encoder from a file: it may name a model, and no code."""
    if not isinstance(spec, dict) or not isinstance(spec.get('model'), str):
        return 'names no model'
    foreign = sorted(spec.keys() - set(PLAIN_OPTIONS))
    if foreign:
        return f'has {", ".join(foreign[:5])}'
    if not all(value is None or isinstance(value, str | int) for value in spec.values()):
        return 'has options that are no plain values'
    return None


def _strings(values: Any) -> bool:
    return isinstance(values, list) and bool(values) and all(isinstance(v, str) for v in values)
