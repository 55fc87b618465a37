"""Small classifiers and their adapter files, built from the core alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from cite.adapter import AdapterInfo, save_adapter
from cite.anchors import Anchors
from cite.classifier import Classifier, assemble

CLASSES = ('well', 'moderately', 'poorly')
TEXTS = ['glands in order', 'some glands', 'no glands']
TINY = {'model': 'random-vit-tiny'}
NECK = {'type': 'ProjectionNeck'}
PROMPT = {'type': 'VisualPrompt', 'length': 2, 'init': 'normal'}
PROVENANCE = {'model': 'some-bert', 'pooling': 'cls'}


def text_head(dim: int = 24, temperature: float = 2.0, **options: Any) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(5)
    embeddings = torch.randn(len(TEXTS), dim, generator=generator)
    anchors = Anchors(embeddings, tuple(TEXTS), PROVENANCE)
    head = {'type': 'TextEmbeddingHead', 'texts': TEXTS, 'anchors': anchors}
    return {**head, 'temperature': temperature, **options}


def build(
    tuning: Any = PROMPT, neck: Any = NECK, head: Any = None, tower: Any = TINY
) -> tuple[Classifier, AdapterInfo]:
    """A classifier with weights that are not their initial ones, and what its adapter says."""
    head = text_head() if head is None else head
    backbone = {**tower, 'tuning': tuning}
    torch.manual_seed(3)
    classifier = assemble(backbone, neck, head, CLASSES).eval()
    card = classifier.backbone.card
    digest = classifier.backbone.digest
    for parameter in classifier.parameters():
        if parameter.requires_grad:
            parameter.data.add_(0.05 * torch.randn_like(parameter))
    info = AdapterInfo(
        backbone=backbone,
        neck=neck,
        head={k: v for k, v in head.items() if k not in ('anchors', 'template')},
        classes=list(CLASSES),
        tower_digest=digest,
        preprocessing={
            'mean': list(card.mean),
            'std': list(card.std),
            'image_size': classifier.backbone.image_size,
            'interpolation': card.interpolation,
            'resize': card.resize,
            'resize_size': card.resize_size,
            'mpp': None,
            'patch_size': 300,
        },
        anchors=PROVENANCE if 'texts' in head else {},
        training={'seed': 0},
    )
    return classifier, info


def write(folder: Path, **parts: Any) -> tuple[Path, Classifier, AdapterInfo]:
    classifier, info = build(**parts)
    path = folder / 'adapter.safetensors'
    save_adapter(path, classifier.state_dict(), info)
    return path, classifier, info


def pictures(count: int, size: int = 60) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return list(rng.integers(0, 256, (count, size, size, 3), dtype=np.uint8))


def picture_files(folder: Path, names: list[str]) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / name for name in names]
    for path, pixels in zip(paths, pictures(len(names)), strict=True):
        Image.fromarray(pixels).save(path)
    return paths
