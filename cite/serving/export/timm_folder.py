"""A tower as a folder that timm loads: `timm.create_model('local-dir:FOLDER', pretrained=True)`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

from cite.atomic import write_text
from cite.classifier import Classifier
from cite.encoders.towers.tower import VisionTower
from cite.errors import ConfigError
from cite.heads.linear import LinearHead

FILE = 'model.safetensors'
TOWERS = ('PlainViT', 'Swin', 'ConvNet')


def write_timm(
    classifier: Classifier, images: Tensor, folder: Path
) -> tuple[str, list[tuple[Tensor, Tensor]]]:
    """Writes `model.safetensors` and `config.json`.

    What trained inside the tower is merged into its weights. A linear head without neck becomes timm's
    classifier; under another head, the folder holds the tower alone, whose output is its feature.

    Args, Returns: As `write_onnx`.

    Raises:
        ConfigError: A tower that timm cannot build from names, or a tuning that cannot be merged.
    """
    import timm

    tower = classifier.backbone
    state = dict(tower.tuning.merged_state(tower.trunk))
    config = _config(tower)
    prefix = _classifier_name(classifier)
    if prefix is not None:
        fc = classifier.head.fc
        state |= {f'{prefix}.weight': fc.weight, f'{prefix}.bias': fc.bias}  # type: ignore[dict-item,union-attr]
        config['num_classes'] = len(classifier.classes)
        config['label_names'] = list(classifier.classes)
    tensors = {name: value.detach().float().contiguous().clone() for name, value in state.items()}
    save_file(tensors, folder / FILE, {'format': 'pt'})
    write_text(folder / 'config.json', json.dumps(config, indent=2) + '\n')
    plain = timm.create_model(f'local-dir:{folder}', pretrained=True).eval()
    expected = classifier(images) if prefix is not None else tower(images)
    return FILE, [(plain(tower.normalise(images)), expected)]


def _classifier_name(classifier: Classifier) -> str | None:
    """Name of timm's classification layer, where the head can be it."""
    tower = classifier.backbone
    fits = type(classifier.head) is LinearHead and classifier.neck is None
    own = tower.card.feature in ('token', 'pool') and not tower.card.arch_kwargs.get('num_classes')
    name = getattr(tower.trunk, 'default_cfg', {}).get('classifier')
    return name if fits and own and isinstance(name, str) else None


def _config(tower: VisionTower) -> dict[str, Any]:
    """What timm's hub layout says of a model.

    Raises:
        ConfigError: Layers or options that only this library can build.
    """
    card = tower.card
    kwargs = dict(card.arch_kwargs)
    kwargs.pop('weight_init', None)  # it says how weights are drawn, and these are loaded
    if card.tower == 'ConvNet':
        kwargs.pop('img_size', None)
    else:
        kwargs['img_size'] = tower.image_size
    odd = [
        key
        for key, value in kwargs.items()
        if key in ('mlp_layer', 'embed_layer') or (isinstance(value, str) and '@' in value)
    ]
    joined = card.feature == 'token+mean'
    if card.tower not in TOWERS or odd or joined:
        what = (
            f'layers that its names do not give ({", ".join(odd)})'
            if odd
            else ('a feature that it does not make' if joined else tower.stages.description)
        )
        raise ConfigError(
            f'{card.name} cannot be written for timm alone: it has {what}. Export it to ONNX'
        )
    classes = kwargs.pop('num_classes', 0)
    return {
        'architecture': card.arch,
        'num_classes': classes,
        'num_features': tower.width if card.tower == 'PlainViT' else card.feature_dim,
        'model_args': kwargs,
        'pretrained_cfg': {
            'input_size': [3, tower.image_size, tower.image_size],
            'fixed_input_size': card.tower != 'ConvNet',
            'interpolation': card.interpolation,
            'crop_pct': card.image_size / (card.resize_size or card.image_size),
            'mean': list(card.mean),
            'std': list(card.std),
            'num_classes': classes,
            'classifier': getattr(tower.trunk, 'default_cfg', {}).get('classifier', 'head'),
            'license': card.licence,
        },
    }
