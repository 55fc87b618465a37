"""A checkpoint of the published CITE code → an adapter that gives the scores of the original."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cite import __version__
from cite.adapter import AdapterInfo, save_adapter, with_licences
from cite.anchors import Anchors, embed_texts
from cite.atomic import write_text
from cite.classifier import Classifier
from cite.encoders.card import preprocessing
from cite.encoders.checkpoints import load_strict, to_timm
from cite.encoders.towers.tower import VisionTower
from cite.encoders.vision import load_vision
from cite.errors import CheckpointError, ConfigError, ModelError
from cite.frozen import trainable
from cite.heads import HEADS
from cite.migrate.ledger import Ledger
from cite.migrate.old_checkpoint import OldCheckpoint, read_old_checkpoint
from cite.migrate.options import Options
from cite.migrate.parts import Parts, read_parts, with_prompt
from cite.model_card import model_card
from cite.necks import NECKS
from cite.state import misfit

ADAPTER = 'adapter.safetensors'
CARD = 'MODEL_CARD.md'
FIT = {'interpolation': 'bilinear', 'how': 'squash'}
"""How the published pipeline resizes; test images get nothing else here."""


def migrate_checkpoint(
    path: str | Path,
    out: str | Path,
    config: Mapping[str, Any] | None = None,
    options: Options | None = None,
) -> list[str]:
    """Writes `adapter.safetensors` and `MODEL_CARD.md` into a folder.

    The frozen tower inside the checkpoint decides the digest of the base model, which need not be at
    hand (except for one that was trained whole, which is stored and whose base is named by its
    digest). The text embeddings are not in the checkpoint: the text encoder makes them again. A 'token'
    prompt is stored as training ended with it, without the second initialisation that the original
    gives it when it is loaded.

    Args:
        path: The checkpoint, which is only read.
        out: Folder to write to.
        config: The old config, with everything that it inherits; default: the one that mmcls noted in
            the checkpoint.
        options: Base model, its weights and text encoder under other names; the protocol plays no part.

    Returns:
        What was left out, and why.

    Raises:
        CheckpointError: A file that is no such checkpoint, is damaged, or does not fit its config.
        ConfigError: No config, or one that cannot be carried.
        ModelError: The text encoder cannot be had.
    """
    old = read_old_checkpoint(path)
    config = old.config() if config is None else config
    if config is None:
        raise ConfigError(
            f'{path} holds no config; give the one that it was trained with: --config'
        )
    ledger = Ledger()
    parts = read_parts(config, replace(options or Options(), original=True), ledger, f'{path}')
    parts = with_prompt(parts, old, ledger)
    classifier = _assemble(parts, old)
    _load(classifier, _trained(parts, old, classifier.backbone), old.path)
    info = with_licences(_info(classifier, parts, old, config))
    folder = Path(out)
    save_adapter(folder / ADAPTER, classifier.state_dict(), info)
    write_text(folder / CARD, f'{model_card(info)}\n## Origin\n{info.training["origin"]}\n')
    return ledger.notes


def _assemble(parts: Parts, old: OldCheckpoint) -> Classifier:
    spec = {key: value for key, value in parts.backbone.items() if key != 'type'}
    if _trains_whole(parts):
        tower = load_vision(**spec)  # with the digest that it had before it was trained
    else:
        spec.pop('weights', None)  # the checkpoint's own copy is taken
        tower = load_vision(**spec, pretrained=False)
        load_strict(
            tower.trunk,
            to_timm(old.tower, tower.trunk, leftovers=tower.card.leftovers),
            f'the tower in {old.path}',
        )
    head = {key: value for key, value in parts.head.items() if key != 'text_encoder'}
    if 'texts' in head:
        head['anchors'] = _anchors(parts)
    neck = NECKS.build(parts.neck) if parts.neck else None
    return Classifier(tower, neck, HEADS.build(head), parts.classes).eval()


def _anchors(parts: Parts) -> Anchors:
    try:
        anchors = embed_texts(parts.head['texts'], parts.head['text_encoder'])
    except ModelError as error:
        raise ModelError(f'{error}. A folder of it is named by --text-encoder') from error
    # the original rounds them where its head computes in half precision
    embeddings = anchors.embeddings.half().float() if parts.half_anchors else anchors.embeddings
    return replace(anchors, embeddings=embeddings)


def _trained(parts: Parts, old: OldCheckpoint, tower: VisionTower) -> dict[str, Tensor]:
    """Everything that training changed, under our names."""
    state = dict(old.trained)
    if 'head.temperature' in state:
        state['head.temperature'] = state['head.temperature'].reshape(1)
    if parts.prompt is not None:
        state['backbone.tuning.prompt'] = parts.prompt
    if _trains_whole(parts):
        trunk, training = (
            to_timm(old.tower, tower.trunk, leftovers=tower.card.leftovers),
            trainable(tower.trunk),
        )
        left = {name: value for name, value in trunk.items() if name in training or value.any()}
        state |= {f'backbone.trunk.{name}': value for name, value in left.items()}
    return state


def _trains_whole(parts: Parts) -> bool:
    return (parts.backbone.get('tuning') or {}).get('type') == 'FullFineTuning'


def _load(classifier: Classifier, state: Mapping[str, Tensor], path: Path) -> None:
    problems = misfit(state, trainable(classifier))
    if problems:
        raise CheckpointError(
            f'{path} does not fit its config: {problems}. Give the config (--config), base model '
            '(--model) and text encoder (--text-encoder) that it was trained with'
        )
    whole = {**classifier.state_dict(), **state}
    if 'backbone.tuning.initialized' in whole:
        whole['backbone.tuning.initialized'] = torch.tensor(True)
    classifier.load_state_dict(whole, strict=True)


def _info(
    classifier: Classifier, parts: Parts, old: OldCheckpoint, config: Mapping[str, Any]
) -> AdapterInfo:
    tower, head = classifier.backbone, dict(parts.head)
    head.pop('text_encoder', None)
    train = (config.get('data') or {}).get('train') or {}
    numbers = {'iterations': old.meta.get('iter'), 'seed': old.meta.get('seed')}
    return AdapterInfo(
        backbone={key: value for key, value in parts.backbone.items() if key != 'type'},
        neck=parts.neck,
        head=head,
        classes=list(parts.classes),
        tower_digest=tower.digest,
        preprocessing={
            **preprocessing(tower.card, tower.image_size),
            'fit': None if parts.clip_pixels else {'size': tower.image_size, **FIT},
            'mpp': None,
            'patch_size': 300,
        },
        precision='fp32',
        anchors=dict(getattr(classifier.head, 'provenance', {})),
        training={
            'origin': f'Migrated from {old.path.name} of the original CITE code (sha256 {old.sha256}).',
            **{key: value for key, value in numbers.items() if isinstance(value, int)},
            'trained_parameters': sum(p.numel() for p in trainable(classifier).values()),
            'tuning': repr(tower.tuning),
            'head': type(classifier.head).__name__,
            'data': {'train': {'source': str(train.get('ann_file', '?'))}},
            'versions': {'cite': __version__, 'mmcls': str(old.meta.get('mmcls_version', '?'))},
        },
    )
