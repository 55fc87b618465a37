"""What an old config and checkpoint say of the model, in our terms: the parts of an adapter."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from cite.errors import CheckpointError, ConfigError
from cite.migrate.backbone import VIT_TYPES, used_rows
from cite.migrate.config import migrate_model
from cite.migrate.data import read_data
from cite.migrate.ledger import Ledger, Section
from cite.migrate.old_checkpoint import OldCheckpoint
from cite.migrate.options import Options


@dataclass(frozen=True)
class Parts:
    """What goes into an adapter.

    Attributes:
        backbone, neck, head: Specs of ours; the head still names its text encoder.
        classes: Names in label order.
        clip_pixels: The old pipeline is CLIP's own preprocessing.
        half_anchors: The old head rounded its text embeddings to fp16.
        prompt_layers: As the old config has it.
        unread_prompt: The old backbone held a prompt that it never used.
        prompt: (rows, length, width), a row per block that it enters.
    """

    backbone: dict[str, Any]
    neck: dict[str, Any] | None
    head: dict[str, Any]
    classes: tuple[str, ...]
    clip_pixels: bool
    half_anchors: bool
    prompt_layers: list[int] | None
    unread_prompt: bool
    prompt: Tensor | None = None


def read_parts(config: Mapping[str, Any], options: Options, ledger: Ledger, what: str) -> Parts:
    """What an old config says, as far as it matters to a trained model.

    Args:
        config: The old config; only its model and its evaluation data are read.
        options: With protocol 'original', whose normalisation the weights were trained with.
        ledger: Where notes and refusals go.
        what: Names the checkpoint in messages.

    Raises:
        ConfigError: No config of the original, or one that cannot be carried.
    """
    model, data = deepcopy(config.get('model')), config.get('data')
    if not isinstance(model, dict) or not isinstance(data, Mapping):
        raise ConfigError(
            f'the config of {what} is none of the original code: no `model` or `data`'
        )
    said = (model.get(part) for part in ('backbone', 'neck', 'head'))
    # what is no dict is refused below
    backbone, neck, head = (part if isinstance(part, dict) else {} for part in said)
    neck.pop('fix', None)  # a projection that did not train computes as any other
    evaluated = {'test': data.get('test') or data.get('val') or {}}
    found = read_data(Section(ledger, 'data', evaluated))
    clip_pixels = any(patches.clip_pixels for patches in found.values())
    half, layers = bool(head.get('float16')), backbone.get('prompt_layers')
    unread = backbone.get('type') in VIT_TYPES and backbone.get('prompt_pos') == 'add'
    ours = migrate_model(
        Section(ledger, 'model', model), found, replace(options, clip_pixels=clip_pixels)
    )
    if ours['head'].get('type') == 'ZeroShotHead':
        ledger.refuse(
            'model.head.type=CLIPTextHead (it does not train; cite test CONFIG needs no file)'
        )
    ledger.notes.clear()  # what they say concerns training
    ledger.settle(what)
    return Parts(
        ours['backbone'],
        ours.get('neck'),
        ours['head'],
        found['test'].classes,
        clip_pixels,
        half,
        layers,
        unread,
    )


def with_prompt(parts: Parts, old: OldCheckpoint, ledger: Ledger) -> Parts:
    """The prompt with the rows that the original's forward pass reads, as a `VisualPrompt`.

    Raises:
        CheckpointError: The original could not have run this prompt with this config.
    """
    backbone, prompt = dict(parts.backbone), old.prompt
    tuning = backbone.get('tuning') or {}
    if prompt is None or parts.unread_prompt or _too_long(tuning, old):
        if prompt is not None:
            backbone.pop('tuning', None)
            ledger.note('the prompt is left out: the original never read it')
        return replace(parts, backbone=backbone)
    if tuning.get('type') != 'OriginalVisualPrompt':
        return replace(parts, prompt=prompt)  # which does not fit, as will be told
    rows = used_rows(parts.prompt_layers, tuning.get('position', 'prepend'), old.depth, len(prompt))
    if not rows or max(rows) >= len(prompt):
        raise CheckpointError(
            f'{old.path}: a prompt of {len(prompt)} rows does not go with '
            f'prompt_layers={parts.prompt_layers}, with which the original fails'
        )
    if len(rows) < len(prompt):
        ledger.note(
            f'{len(prompt) - len(rows)} rows of the prompt are left out: the original never read them'
        )
    backbone['tuning'] = {**tuning, 'type': 'VisualPrompt', 'layers': rows}
    return replace(parts, backbone=backbone, prompt=prompt[rows])


def _too_long(tuning: Mapping[str, Any], old: OldCheckpoint) -> bool:
    """Whether it is an added prompt that is longer than the patches: it was added to none of them."""
    positions = old.tower.get('positional_embedding')
    if tuning.get('position') != 'add' or old.prompt is None or positions is None:
        return False
    return old.prompt.shape[1] > len(positions) - 1
