"""An old `model.backbone` → the `backbone` of ours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cite.encoders.card import IMAGENET
from cite.encoders.zoo import get_card
from cite.errors import ModelError
from cite.migrate.ledger import Section
from cite.migrate.options import Options

ARCHS = {
    'ViT-B/32': 'clip-vit-b32',
    'ViT-B/16': 'clip-vit-b16',
    'ViT-L/14': 'clip-vit-l14',
    'ViT-L/14@336px': 'clip-vit-l14-336',
}
"""Names of OpenAI's `clip` package → ours."""

CLIP_TYPES = ('CLIPImageBackbone', 'PromptedCLIPImageBackbone')
VIT_TYPES = ('VisionTransformerFrozen', 'PromptedVisionTransformer')


def migrate_backbone(old: Section, options: Options) -> dict[str, Any]:
    """Our spec of the tower.

    Args:
        old: `model.backbone`; every key of it is spoken for.
        options: What the user asked for. Under 'original' the tower gets `IMAGENET`, with which the
            published pipeline normalises every tower, unless the old pipeline is CLIP's own.
    """
    kind = old.take('type')
    if kind not in (*CLIP_TYPES, *VIT_TYPES):
        old.ledger.refuse(
            f'{old.path("type")}={kind!r} (known: {", ".join(CLIP_TYPES + VIT_TYPES)})'
        )
        return {}
    spec: dict[str, Any] = {'type': 'VisionTower'}
    spec |= _clip(old, options) if kind in CLIP_TYPES else _vit(old, options)
    if options.original and not options.clip_pixels:
        spec |= IMAGENET
    tuning = _tuning(old, kind, options)
    if tuning is not None:
        spec['tuning'] = tuning
    old.close()
    return spec


def _clip(old: Section, options: Options) -> dict[str, Any]:
    arch = str(old.take('arch'))
    projects = old.take('proj', True)
    old.drop('float32', 'what trains is float32 here, the frozen part computes in model.precision')
    old.expect('init_cfg', None, why='CLIP towers load their own weights')
    model = options.model or ARCHS.get(arch)
    if model is None:
        reason = f'known: {", ".join(ARCHS)}'
        if arch.startswith('RN'):
            reason = 'a ResNet; towers here are vision transformers'
        elif Path(arch).suffix:
            reason = 'a file; name its architecture by --model clip-vit-b16, the file by --weights'
        old.ledger.refuse(f'{old.path("arch")}={arch!r} ({reason})')
        return {}
    if options.model is None and not projects:
        old.ledger.refuse(
            f'{old.path("proj")}=False (the CLIP models here end in their projection; name a folder '
            'of one without by --model)'
        )
    elif options.model is not None:
        found = _card_feature(old, model)
        if found and (found == 'projection') != bool(projects):
            old.ledger.refuse(
                f'{old.path("proj")}={projects} (the feature of {model} is its {found})'
            )
    return _named(model, options.weights)


def _vit(old: Section, options: Options) -> dict[str, Any]:
    old.drop('arch', 'the architecture is that of the model named by --model')
    init = old.section('init_cfg')
    weights = options.weights or init.take('checkpoint', None)
    init.expect('type', 'Pretrained', why='a frozen tower needs trained weights')
    init.drop('prefix')
    init.close()
    size, patch = old.take('img_size', None), old.take('patch_size', None)
    for key, default in (('drop_rate', 0.0), ('drop_path_rate', 0.0), ('final_norm', True)):
        old.expect(key, default, why='the frozen tower computes as its authors evaluate it')
    for key in ('interpolate_mode', 'out_indices', 'with_cls_token', 'output_cls_token'):
        old.drop(key, 'towers here give the class token behind the last norm')
    if options.model is None:
        old.ledger.refuse(
            f'{old.path("type")} (which model are its weights? --model vit-b16-in21k, a timm name or '
            'a folder; --weights, where they are not those of init_cfg.checkpoint)'
        )
        return {}
    spec = _named(options.model, weights)
    if size is not None:
        spec['image_size'] = size if isinstance(size, int) else size[0]
    try:
        card = get_card(options.model)
    except ModelError as error:
        old.ledger.refuse(str(error))
        return spec
    if patch not in (None, card.patch_size):
        old.ledger.refuse(f'{old.path("patch_size")}={patch} ({card.name} has {card.patch_size})')
    return spec


def _named(model: str, weights: str | None) -> dict[str, Any]:
    return {'model': model} if weights is None else {'model': model, 'weights': str(weights)}


def _card_feature(old: Section, model: str) -> str | None:
    try:
        return get_card(model).feature
    except ModelError as error:
        old.ledger.refuse(str(error))
        return None


def _tuning(old: Section, kind: str, options: Options) -> dict[str, Any] | None:
    fixed = old.take('fix', True) if kind != 'VisionTransformerFrozen' else True
    if not kind.startswith('Prompted'):
        return None if fixed else {'type': 'FullFineTuning'}
    if not fixed:
        old.ledger.refuse(f'{old.path("fix")}=False (a tower that trains together with its prompt)')
    spec: dict[str, Any] = {
        'type': 'OriginalVisualPrompt' if options.original else 'VisualPrompt',
        'length': old.take('prompt_length', 1),
    }
    layers = old.take('prompt_layers', None)
    position = old.take('prompt_pos', 'prepend')
    spec['init'] = old.take('prompt_init', 'normal')
    if layers is not None and not isinstance(layers, list | tuple):
        old.ledger.refuse(f'{old.path("prompt_layers")}={layers!r} (list the blocks)')
        layers = None
    if layers is not None:
        spec['layers'] = sorted(set(layers))
    if position != 'prepend':
        spec['position'] = position
    if kind in VIT_TYPES and position == 'add':
        what = f"{old.path('prompt_pos')}='add' did nothing on {kind} in the original"
        if options.original:
            old.ledger.note(f'{what}: there is no prompt')
            return None
        old.ledger.note(f'{what}; here the prompt is added as on CLIP')
    if layers is not None and position == 'prepend' and 0 not in layers and not options.original:
        old.ledger.note(
            f'{old.path("prompt_layers")}={list(layers)}: the original puts its first prompt in front '
            'of block 0 whether listed or not; here a prompt enters where it is listed'
        )
    return spec


def used_rows(layers: Sequence[int] | None, position: str, depth: int, rows: int) -> list[int]:
    """Rows of an old prompt that the forward pass reads, which are also the blocks that they enter.

    The original takes the row that has the number of the block, and puts row 0 in front of block 0
    whether 0 is listed or not; layers outside the tower are passed over.

    Args:
        layers: `prompt_layers`; None is [0].
        position: 'prepend' or 'add'.
        depth: Blocks of the tower.
        rows: Rows of the prompt.

    Returns:
        Sorted block numbers; one that is not below `rows` is one at which the original fails.
    """
    listed = {0} if layers is None else {layer for layer in layers if 0 <= layer < depth}
    return sorted(listed | ({0} if position == 'prepend' and rows else set()))
