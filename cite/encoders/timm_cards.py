"""Cards for models outside the zoo, from what timm records of them (`pretrained_cfg`).

timm names, hub repositories and local folders in timm's layout (`config.json` with `architecture`
and `pretrained_cfg`) all end in the same dictionary.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from cite.encoders.card import Card, Source
from cite.encoders.files.hub import fetch
from cite.encoders.pos_embed import PosInterp
from cite.encoders.timm_outline import outline
from cite.errors import ConfigError, ModelError

# classes of ImageNet-1k, -12k and -21k: any other head of a CLIP model is its projection
_CLASSIFIERS = (0, 1000, 11821, 21841, 21843)
WEIGHT_NAMES = (
    'model.safetensors',
    'pytorch_model.bin',
    'open_clip_model.safetensors',
    'open_clip_pytorch_model.bin',
)


def is_timm_name(name: str) -> bool:
    """Whether timm has an architecture of this name, with or without a tag ('….dino')."""
    import timm

    return bool(timm.is_model(name))


def card_from_timm(name: str) -> Card:
    """A timm model, 'timm:vit_small_patch16_224.dino' or without the prefix.

    Raises:
        ModelError: timm has no such model or weights, or cannot build it.
    """
    import timm

    plain = name.removeprefix('timm:')
    if not is_timm_name(plain):
        arch = plain.partition('.')[0]
        close = timm.list_models(f'*{arch}*')[:5] or get_close_matches(arch, timm.list_models(), 3)
        hint = f'; close: {", ".join(close)}' if close else ''
        raise ModelError(f'timm has no model {plain!r}{hint}. See timm.list_pretrained("vit_*")')
    try:
        found = timm.get_pretrained_cfg(plain)
    except RuntimeError as error:
        arch = plain.partition('.')[0]
        raise ModelError(
            f'{error} Known: {", ".join(timm.list_pretrained(f"{arch}.*"))}'
        ) from error
    cfg = found.to_dict() if found else {}
    repo, url = cfg.get('hf_hub_id'), str(cfg.get('url') or '')
    if not repo and not url:
        raise ModelError(
            f'timm knows no weights for {plain!r}. Put a file of them into a folder with a config.json in '
            "timm's layout and name that folder"
        )
    by_hand = Source(None, (url.rpartition('/')[2],), how=f'download {url}')
    source = Source(repo, WEIGHT_NAMES) if repo else by_hand
    return _card(name, plain.partition('.')[0], cfg, {}, source)


def card_from_hub(name: str) -> Card:
    """A hub repository in timm's layout, 'hf-hub:owner/repo' or 'hf-hub:owner/repo@revision'.

    Raises:
        ModelError: The repository cannot be reached, or holds no timm config.
    """
    repo, _, revision = name.removeprefix('hf-hub:').partition('@')
    source = Source(repo, WEIGHT_NAMES, revision or 'main')
    config = fetch(Source(repo, ('config.json',), source.revision))
    return _card(name, *_read_config(config, f'hub repository {repo}'), source)


def card_from_path(path: Path) -> Card:
    """A local folder with `config.json` and weights, or a weights file with the config beside it.

    Raises:
        ModelError: Nothing there, or no timm config.
    """
    if not path.exists():
        raise ModelError(f'no model at {path}: neither a folder nor a weights file')
    config = (path if path.is_dir() else path.parent) / 'config.json'
    if not config.is_file():
        raise ModelError(
            f'{path} has no config.json beside it, so its architecture is unknown. Give '
            "model=<zoo or timm name> and weights=<this path>, or add one in timm's layout"
        )
    return _card(str(path), *_read_config(config, str(config)), None, weights=path)


def _read_config(path: Path, what: str) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Architecture, pretrained_cfg and extra model arguments of a timm `config.json`."""
    try:
        config = json.loads(path.read_text(encoding='utf-8'))
    except ValueError as error:
        raise ModelError(f'{what}: config.json is not JSON ({error})') from error
    if not isinstance(config, dict) or not isinstance(config.get('architecture'), str):
        kind = config.get('model_type') if isinstance(config, dict) else None
        found = f'a transformers config ({kind})' if kind else 'no "architecture"'
        raise ModelError(
            f"{what}: expected a config.json in timm's layout, found {found}. Give "
            'model=<zoo or timm name> and weights=<file> instead'
        )
    cfg = dict(config.get('pretrained_cfg', config))
    if 'num_classes' in config:
        cfg['num_classes'] = config['num_classes']
    return config['architecture'], cfg, dict(config.get('model_args') or {})


def _card(
    name: str,
    arch: str,
    cfg: Mapping[str, Any],
    model_args: Mapping[str, Any],
    source: Source | None,
    weights: Path | None = None,
) -> Card:
    tag = str(cfg.get('tag') or arch.partition('.')[2] or name.partition('.')[2])
    arch = arch.partition('.')[0]
    num_classes = int(cfg.get('num_classes') or 0)
    projects = 'clip' in f'{arch}.{tag}' and num_classes not in _CLASSIFIERS
    image_size = int(cfg.get('input_size', (3, 224, 224))[-1])
    extra = dict(model_args)
    if 'QuickGELU' in str(cfg.get('notes')):
        # timm's plain CLIP architectures load these weights as well, and compute something else
        extra['act_layer'] = 'quick_gelu'
    found = outline(name, arch, extra, image_size, num_classes if projects else 0)
    if source is None:
        url = str(weights)
    else:
        url = f'https://huggingface.co/{source.repo}' if source.repo else str(cfg.get('url'))
    try:
        return Card(
            name=name,
            arch=arch,
            image_size=image_size,
            mean=tuple(cfg.get('mean', (0.485, 0.456, 0.406))),
            std=tuple(cfg.get('std', (0.229, 0.224, 0.225))),
            licence=cfg.get('license') or f'unknown, see {url}',
            citation=cfg.get('paper_name') or url,
            source=source,
            weights=weights,
            interpolation=cfg.get('interpolation', 'bicubic'),
            # 'border' pads what is not square; images are scaled to a square before, as by 'center'
            resize='squash' if cfg.get('crop_mode') == 'squash' else 'shortest',
            resize_size=math.floor(image_size / cfg.get('crop_pct', 1.0)),
            pos_interp=_flavour(arch, tag),
            **vars(found),
        )
    except (ConfigError, TypeError) as error:
        raise ModelError(f'cannot use the preprocessing recorded for {name}: {error}') from error


def _flavour(arch: str, tag: str) -> PosInterp:
    if tag == 'mae':
        return 'mae'
    return 'dino' if tag == 'dino' or ('dinov2' in arch and '_reg' not in arch) else 'timm'
