"""Nothing is chosen by the slides that evaluate: no best checkpoint, no early end, no learning rate."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mmengine.config import Config
from mmengine.hooks import CheckpointHook, EarlyStoppingHook
from mmengine.registry import DATASETS

from cite.data.table import PatchTable, some
from cite.errors import ConfigError


def refuse_selection_on_test(cfg: Config, hooks: Iterable[Any]) -> None:
    """Refuses a run that selects by a validation set which shares slides with the test set.

    Validation that only reports is left alone. `select_on_test=True` in the config lifts the rule.

    Raises:
        ConfigError: Naming what selects and the slides (or patients, or files) that are shared.
    """
    selecting = [*_hooks(hooks), *_schedulers(cfg)]
    if not selecting or cfg.get('val_dataloader') is None or cfg.get('select_on_test', False):
        return
    val, test = (
        DATASETS.build(cfg[f'{part}_dataloader'].dataset).table for part in ('val', 'test')
    )
    for unit, of in (('slides', _slides), ('patients', _patients), ('files', _files)):
        shared = of(val) & of(test)
        if shared:
            raise ConfigError(
                f'{" and ".join(selecting)} would choose by data that evaluate: the validation set '
                f'shares {len(shared)} {unit} with the test set ({some(sorted(shared))}). Validate on '
                'training-side slides, or train without choosing (val_dataloader=None)'
            )


def _hooks(hooks: Iterable[Any]) -> list[str]:
    found = []
    for hook in hooks:
        if isinstance(hook, CheckpointHook) and hook.save_best is not None:
            found.append(f'save_best={hook.save_best}')
        elif isinstance(hook, EarlyStoppingHook):
            found.append(type(hook).__name__)
    return found


def _schedulers(cfg: Config) -> list[str]:
    schedulers = cfg.get('param_scheduler') or ()
    names = [
        str(scheduler.get('type'))
        for scheduler in ([schedulers] if isinstance(schedulers, dict) else schedulers)
    ]
    return [name for name in names if 'Plateau' in name]


def _slides(table: PatchTable) -> set[str]:
    return set(table.slides.tolist())


def _patients(table: PatchTable) -> set[str]:
    return set() if table.patients is None else set(table.patients.tolist())


def _files(table: PatchTable) -> set[str]:
    return {str(table.path(row).resolve()) for row in range(len(table))}
