"""What the tests of CoOp and CoCoOp share: tiny text encoders, and an adapter out of a small model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config
from tiny_clip import save_tiny_clip
from tiny_models import save_tiny_bert

from cite.adapter import save_adapter
from cite.mm.adapter_hook import adapter_info, adapter_state
from cite.mm.classifier import CiteClassifier

NAMES = ('well differentiated', 'poorly')
"""Names of different length, in the vocabulary of the tiny BERT."""
TEMPLATES = {'clip': 'a p {}.', 'bert': 'the stomach {} glands'}


@pytest.fixture(scope='session')
def encoders(tmp_path_factory) -> dict[str, dict[str, Any]]:
    """Specs of a tiny CLIP's text half and of a tiny BERT."""
    folder = tmp_path_factory.mktemp('text_encoders')
    clip, bert = save_tiny_clip(folder / 'clip'), save_tiny_bert(folder / 'bert')
    return {
        'clip': {'type': 'CLIPTextEncoder', 'model': str(clip)},
        'bert': {'type': 'TextEncoder', 'model': str(bert), 'pooling': 'mean'},
    }


def names_of(kind: str) -> tuple[str, ...]:
    """The tiny CLIP takes 24 characters."""
    return ('gland', 'fat') if kind == 'clip' else NAMES


def small_model(head: dict[str, Any]) -> tuple[CiteClassifier, Config]:
    """On the zoo's random ViT, with weights that are not their first ones."""
    spec = {
        'backbone': {'type': 'VisionTower', 'model': 'random-vit-tiny', 'image_size': 32},
        'neck': {'type': 'ProjectionNeck'},
        'head': head,
        'classes': list(NAMES),
        'precision': 'fp32',
    }
    torch.manual_seed(0)
    model = CiteClassifier(**spec).eval()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.requires_grad:
                weight.add_(0.05 * torch.randn_like(weight))
    return model, Config({'model': {'type': 'CiteClassifier', **spec}})


def write_adapter(path: Path, model: CiteClassifier, cfg: Config) -> Path:
    """As the hook does at the end of training."""
    save_adapter(path, adapter_state(model), adapter_info(model, cfg, {}))
    return path
