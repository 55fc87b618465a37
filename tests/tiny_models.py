"""Small random models that the tests of several rooms share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import timm
import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from cite.anchors import Anchors
from cite.classifier import Classifier
from cite.encoders.card import Card
from cite.encoders.towers.tower import VisionTower
from cite.heads import HEADS
from cite.necks import NECKS
from cite.tuning import TUNINGS

SIDE, PATCH, WIDTH, DEPTH = 32, 8, 48, 3
PATCHES = (SIDE // PATCH) ** 2


def tiny_card(feature: Any = 'token', feature_dim: int = WIDTH, **fields: Any) -> Card:
    fields = {'mean': (0.5, 0.4, 0.3), 'std': (0.2, 0.25, 0.3), **fields}
    return Card(
        name='tiny',
        arch='vit_tiny_patch16_224',
        feature=feature,
        feature_dim=feature_dim,
        patch_size=fields.pop('patch_size', PATCH),
        image_size=fields.pop('image_size', SIDE),
        licence='none',
        citation='none',
        **fields,
    )


def tiny_trunk(arch: str = 'vit_tiny_patch16_224', seed: int = 0, **kwargs: Any) -> Any:
    """A timm model, random in every weight (biases, LayerScale, tokens too)."""
    sizes = {'img_size': SIDE, 'patch_size': PATCH, 'embed_dim': WIDTH, 'depth': DEPTH}
    kwargs = {**sizes, 'num_heads': 3, 'num_classes': 0, **kwargs}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = timm.create_model(arch, weight_init='skip', **kwargs).eval()
        for value in model.parameters():
            nn.init.normal_(value, std=0.2)
    return model


def tiny_tower(
    tuning: dict[str, Any] | None = None, trunk: VisionTransformer | None = None, **card: Any
) -> VisionTower:
    trunk = trunk or tiny_trunk()
    return VisionTower(tiny_card(**card), trunk, TUNINGS.build(tuning) if tuning else None)


def tiny_images(count: int = 2, side: int = SIDE, seed: int = 1) -> Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(seed))


CLASSES = ('well', 'moderate', 'poor')

CITE_STATE = {
    'backbone.tuning.prompt',
    'backbone.tuning.initialized',
    'neck.weight',
    'neck.bias',
    'head.anchors',
    'head.temperature',
}
"""All that a trained CITE holds, in checkpoints and adapters: no frozen weight."""


def tiny_anchors(dim: int = 24, texts: tuple[str, ...] = CLASSES) -> Anchors:
    generator = torch.Generator().manual_seed(3)
    return Anchors(torch.randn(len(texts), dim, generator=generator), texts, {'model': 'made up'})


def text_head(**options: Any) -> dict[str, Any]:
    anchors = tiny_anchors()
    return {'type': 'TextEmbeddingHead', 'texts': anchors.texts, 'anchors': anchors, **options}


def tiny_classifier(
    tuning: dict[str, Any] | None, neck: dict[str, Any] | None, head: dict[str, Any]
) -> Classifier:
    torch.manual_seed(0)
    return Classifier(
        tiny_tower(tuning), NECKS.build(neck) if neck else None, HEADS.build(head), CLASSES
    )


WORDS = 'well moderately poorly differentiated tubular adeno ##carcinoma of the stomach gland ##s'


def save_tiny_bert(folder: Path, pooler: bool = True, seed: int = 0, **config: Any) -> Path:
    """A BERT with tokenizer, in the layout of the hub."""
    from transformers import BertConfig, BertForMaskedLM, BertModel, BertTokenizerFast

    folder.mkdir(parents=True, exist_ok=True)
    tokens = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', *WORDS.split()]
    (folder / 'vocab.txt').write_text('\n'.join(tokens), encoding='utf-8')
    tokenizer = BertTokenizerFast(vocab=str(folder / 'vocab.txt'), model_max_length=512)
    tokenizer.save_pretrained(folder)
    sizes = {'hidden_size': 24, 'num_hidden_layers': 2, 'num_attention_heads': 2}
    sizes |= {'intermediate_size': 32, 'max_position_embeddings': 16, 'initializer_range': 0.5}
    made = BertConfig(vocab_size=len(tokens), **{**sizes, **config})
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = BertModel(made) if pooler else BertForMaskedLM(made)
    model.save_pretrained(folder)
    return folder
