"""A whole config of the published CITE code → the text of a config of ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from cite.errors import ConfigError
from cite.migrate.backbone import migrate_backbone
from cite.migrate.data import OldPatches, migrate_loaders, read_data
from cite.migrate.head import migrate_head, migrate_neck
from cite.migrate.ledger import Ledger, Section
from cite.migrate.options import Options
from cite.migrate.python_text import assignment, comment
from cite.migrate.runtime import (
    BEGINNING,
    drop_variables,
    evaluation_interval,
    migrate_runtime,
)
from cite.migrate.schedule import migrate_schedule


@dataclass(frozen=True)
class Migrated:
    """The result of a migration.

    Attributes:
        text: Python text of the config.
        notes: What was left out or changed, and why.
    """

    text: str
    notes: tuple[str, ...]


def migrate_config(
    old: Mapping[str, Any], options: Options | None = None, source: str = 'the config'
) -> Migrated:
    """Turns an mmcls 0.25 config of the published code into one of ours, complete in itself.

    Args:
        old: Its values, with everything that it inherits.
        options: Protocol and replacements; default: protocol 'fixed'.
        source: Name of the old file, for messages and for the head of the text.

    Raises:
        ConfigError: No config of the original code, or something in it that cannot be carried; all
            such things are named at once.
    """
    options = options or Options()
    for key in ('model', 'data'):
        if not isinstance(old.get(key), Mapping):
            raise ConfigError(
                f'{source} is no config of the original code (mmcls 0.25): it has no `{key}`'
            )
    ledger = Ledger()
    top = Section(ledger, '', old)
    data = top.section('data')
    found = read_data(data)
    options = replace(options, clip_pixels=any(p.clip_pixels for p in found.values()))
    model = migrate_model(top.section('model'), found, options)
    trains = _trains(model)
    interval = evaluation_interval(top)
    schedule = migrate_schedule(top)
    if not trains:
        schedule = {key: {} if key == 'test_cfg' else None for key in schedule}
        ledger.note('nothing in this model trains: cite test CONFIG; its schedule is left out')
    elif 'val' in found or interval < (schedule['train_cfg']['max_iters'] or 0):
        found = {'val': found['test'], **found} if 'test' in found else found
        schedule['train_cfg']['val_interval'] = interval
    else:
        ledger.note('evaluation at the end of training: cite test CONFIG CHECKPOINT')
    if not (options.original or options.clip_pixels):
        ledger.note(
            "data: the pipelines resize and normalise as for ImageNet; here as the tower's authors do"
        )
    loaders = migrate_loaders(data, found, options.original, trains)
    if options.original:
        loaders['test_evaluator'] = [{'type': 'PatchSlideMetric'}, {'type': 'OriginalMetric'}]
    runtime = migrate_runtime(top)
    drop_variables(top)
    ledger.settle(source)
    return Migrated(
        _text(source, options, found, loaders, model, schedule, runtime, ledger.notes),
        tuple(ledger.notes),
    )


def migrate_model(
    old: Section, found: Mapping[str, OldPatches], options: Options
) -> dict[str, Any]:
    """Our `model`; every key of the old one is spoken for."""
    n_classes = max((len(patches.classes) for patches in found.values()), default=0)
    kind = old.take('type', 'ImageClassifier')
    if kind != 'ImageClassifier':
        old.ledger.refuse(f'{old.path("type")}={kind!r} (known: ImageClassifier)')
    old.expect('pretrained', None, why='weights of the tower go by --weights')
    old.expect('init_cfg', None, {}, why='every part initialises itself')
    old.expect('train_cfg', None, {}, why='mixing of images')
    backbone = migrate_backbone(old.section('backbone'), options)
    neck = migrate_neck(old.section('neck'))
    head = migrate_head(old.section('head'), n_classes, options)
    old.close()
    model: dict[str, Any] = {'type': 'CiteClassifier', 'backbone': backbone}
    if neck is not None:
        model['neck'] = neck
    model['head'] = head
    if options.original:
        model['precision'] = 'fp32'  # as on a CPU
    return model


def _trains(model: Mapping[str, Any]) -> bool:
    untrained = model['head'].get('type') == 'ZeroShotHead'
    return not (untrained and 'tuning' not in model['backbone'] and 'neck' not in model)


def _text(
    source: str,
    options: Options,
    found: Mapping[str, OldPatches],
    loaders: Mapping[str, Any],
    model: Mapping[str, Any],
    schedule: Mapping[str, Any],
    runtime: Mapping[str, Any],
    notes: list[str],
) -> str:
    protocol = 'original' if options.original else 'fixed'
    classes = list(next(iter(found.values())).classes)
    start = {key: runtime[key] for key in ('randomness', 'env_cfg')}
    end = {key: value for key, value in runtime.items() if key not in start}
    parts = [
        ('', {**BEGINNING, **start}),
        ('data', {'classes': classes, 'patch_size': 300, **loaders}),
        ('model', {'model': dict(model)}),
        ('runner, optimizer, optimizer_config, lr_config', schedule),
        ('checkpoint_config, log_config, log_level, work_dir', end),
    ]
    blocks = [
        comment(
            f'Made by `cite migrate` from {source}, a config of the original CITE code. '
            f'Protocol: {protocol} (docs/protocols.md).'
        )
    ]
    for keys, values in parts:
        lines = [assignment(name, value) for name, value in values.items()]
        blocks.append('\n'.join([comment(f'from {keys}'), *lines] if keys else lines))
    if notes:
        listed = [comment(note, '# - ', '#   ') for note in notes]
        blocks.append('\n'.join(['# Left out or changed:', *listed]))
    return '\n\n'.join(blocks) + '\n'
