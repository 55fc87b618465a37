"""An adapter file → the classifier that it describes, on its base model.

What a foreign description makes the builders raise is told as a fault of its file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor

from cite.adapter import AdapterInfo, check_tower, read_adapter
from cite.anchors import Anchors
from cite.classifier import Classifier, assemble
from cite.encoders.card import preprocessing
from cite.encoders.towers.tower import VisionTower
from cite.encoders.vision import load_vision
from cite.errors import CheckpointError, CiteError, ModelError
from cite.heads.base import of_head
from cite.state import misfit

ANCHORS = 'head.anchors'


def load_adapter(
    path: str | Path, model: str | None = None, weights: str | Path | None = None
) -> tuple[Classifier, AdapterInfo]:
    """Builds the classifier that an adapter describes, in eval mode.

    Args:
        path: The adapter file.
        model: Base model under another name or at another place than where it was trained.
        weights: File of the base model's weights, where they are not found by name.

    Raises:
        CheckpointError: A damaged file, or a base model with another digest or preprocessing.
        ModelError: The base model cannot be had.
    """
    info, state = read_adapter(path)
    backbone = {key: value for key, value in info.backbone.items() if key != 'type'}
    if model is not None:
        backbone['model'] = model
    if weights is not None:
        backbone['weights'] = str(weights)
    with _blaming(path):
        tower = load_vision(**backbone)
    what = f'adapter {path} of {info.backbone["model"]}'
    check_tower(what, info.tower_digest, tower)
    _check_preprocessing(what, info.preprocessing, tower)
    with _blaming(path):
        classifier = assemble(tower, info.neck, _head(info, state), info.classes)
    _load_state(classifier, state, path)
    return classifier.eval(), info


def _check_preprocessing(what: str, expected: Mapping[str, Any], tower: VisionTower) -> None:
    """The same weights under another name may come with another normalisation or crop."""
    here = preprocessing(tower.card, tower.image_size)
    other = [
        f'{name} {expected[name]} (here {value})'
        for name, value in here.items()
        if expected.get(name, value) != value
    ]
    if other:
        raise CheckpointError(
            f'{what} was trained with {", ".join(other)}: on {tower.card.name} it would see other pixels. '
            'Name the model as in training, and its weights by weights='
        )


def _head(info: AdapterInfo, state: Mapping[str, Tensor]) -> dict[str, Any]:
    """The head's spec, with the stored anchors in place of a text encoder."""
    head = dict(info.head)
    if 'texts' in head:
        if ANCHORS not in state:
            raise CheckpointError(f'missing {ANCHORS}')
        # a copy: the tensors of an opened file live in the file
        anchors = Anchors(state[ANCHORS].clone(), tuple(head['texts']), info.anchors)
        head.update(texts=anchors.texts, anchors=anchors)
    return head


def _load_state(classifier: Classifier, state: Mapping[str, Tensor], path: str | Path) -> None:
    with _blaming(path):
        classifier.head.make_room(of_head(state))
    problems = misfit(state, classifier.state_dict())
    if problems:
        raise CheckpointError(f'adapter {path} does not fit its own description: {problems}')
    with _blaming(path):
        classifier.load_state_dict(dict(state), strict=True)


@contextmanager
def _blaming(path: str | Path) -> Iterator[None]:
    try:
        yield
    except ModelError as error:
        raise ModelError(f'base model of adapter {path}: {error}') from error
    except Exception as error:  # a description can make the builders raise anything
        kind = '' if isinstance(error, CiteError) else f'{type(error).__name__}: '
        raise CheckpointError(
            f'adapter {path} cannot be built on its base model: '
            f'{kind}{" ".join(str(error).split())}'
        ) from error
