"""What decided a run's numbers: models, texts, data, seeds, versions. Kept beside every result."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config

import cite
from cite.encoders.zoo import find_text_card
from cite.frozen import trainable
from cite.heads.text_embedding import TextEmbeddingHead
from cite.mm.stain_record import stain_record

PACKAGES = ('torch', 'timm', 'transformers', 'mmengine', 'mmpretrain', 'numpy')


def settle_sizes(cfg: Config, model: Any) -> None:
    """Writes the inferred sizes into the config, where the saved copy shows them."""
    if model.neck is not None:
        cfg.model.neck.in_features = model.neck.in_features
        cfg.model.neck.out_features = model.neck.out_features


def about_run(runner: Any) -> dict[str, Any]:
    """The record of a run, plain values only.

    Args:
        runner: Its `trained_on` is what a checkpoint that it tests was trained on.
    """
    model, cfg = runner.bare_model, runner.cfg
    card = model.backbone.card
    head = model.head
    about: dict[str, Any] = {
        'config': config_name(cfg.filename),
        'backbone': card.name,
        'backbone_note': card.note,
        'tower_digest': model.backbone.digest,
        'tuning': repr(model.backbone.tuning),
        'head': type(head).__name__,
        'trained_parameters': sum(p.numel() for p in trainable(model).values()),
        'precision': model.precision,
        'seed': runner.seed,
        'stain': stain_record(cfg),
        'checkpoint': runner.loading or None,
        'data': about_data(cfg) | ({'train': runner.trained_on} if runner.trained_on else {}),
        'device': device_name(),
        'versions': versions(),
    }
    if isinstance(head, TextEmbeddingHead):
        about['texts'] = list(head.texts)
    if hasattr(head, 'provenance'):  # also of heads that learn the words around the class names
        about['text_encoder'] = dict(head.provenance)
    return about


def config_name(path: str | None) -> str | None:
    """'quickstart/cite' of '…/configs/quickstart/cite.py'."""
    return '/'.join(Path(path).with_suffix('').parts[-2:]) if path else None


def headlines(about: Mapping[str, Any]) -> dict[str, Any]:
    """The record with a title and a line that says plainly what the encoders are."""
    parts = [f'vision: {about["backbone"]}']
    if about['backbone_note']:
        parts[0] += f' ({about["backbone_note"].split(":")[0].split(",")[0]})'
    parts.append(about['tuning'] if about['tuning'] != 'NoTuning()' else 'no tuning')
    encoder = about.get('text_encoder', {}).get('model')
    if encoder:
        card = find_text_card(encoder)
        note = f' ({card.note.split(":")[0]})' if card and card.hub is None else ''
        parts.append(f'text: {encoder}{note}')
    parts.append(f'{about["trained_parameters"]:,} trained parameters, seed {about["seed"]}')
    title = f'{about["config"] or "run"}: {about["head"]} on {about["backbone"]}'
    return {'title': title, 'subtitle': '   ·   '.join(parts), 'about': dict(about)}


def device_name() -> str:
    """Of the GPU that computes, or 'cpu'."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else 'cpu'


def versions() -> dict[str, str]:
    """Versions of cite and of what computes beneath it."""
    found = {'cite': cite.__version__}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def about_data(cfg: Config) -> dict[str, dict[str, Any]]:
    """What identifies the training, validation and test data of a resolved config."""
    return {
        name: _data(cfg[f'{name}_dataloader'].dataset)
        for name in ('train', 'val', 'test')
        if cfg.get(f'{name}_dataloader') is not None
    }


def _data(dataset: Mapping[str, Any]) -> dict[str, Any]:
    """Annotation file with its hash, and the hash of the split that it belongs to."""
    root = Path(dataset.get('data_root', '')).expanduser()
    path = root / dataset.get('ann_file', '')
    found: dict[str, Any] = {'source': str(path)}
    if path.is_file():
        found['sha256'] = hashlib.sha256(path.read_bytes()).hexdigest()
        split = path.parent / 'split.json'
        if split.is_file():
            found['split_hash'] = json.loads(split.read_text(encoding='utf-8')).get('hash')
    return found
