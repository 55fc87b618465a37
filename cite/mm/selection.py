"""Nothing is chosen by the slides that evaluate: no best checkpoint, no early end, no learning rate."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mmengine.config import Config
from mmengine.hooks import CheckpointHook, EarlyStoppingHook
from mmengine.registry import DATASETS

from cite.data.overlap import overlap
from cite.data.table import some
from cite.errors import ConfigError
from cite.mm.baselines import table_of


def refuse_selection_on_test(cfg: Config, hooks: Iterable[Any]) -> None:
    """Refuses a run that selects by a validation set which shares slides with the test set.

    Validation that only reports is left alone. `select_on_test=True` in the config lifts the rule.

    Raises:
        ConfigError: Naming what selects and the slides (or patients, or files) that are shared; or data
            sets that do not tell their slides.
    """
    selecting = [*_hooks(hooks), *_schedulers(cfg)]
    if not selecting or cfg.get('val_dataloader') is None or cfg.get('select_on_test', False):
        return
    val, test = (
        table_of(DATASETS.build(cfg[f'{part}_dataloader'].dataset), f'{part}_dataloader')
        for part in ('val', 'test')
    )
    shared = overlap(val, test)
    if shared is not None:
        unit, names = shared
        raise ConfigError(
            f'{" and ".join(selecting)} would choose by data that evaluate: the validation set '
            f'shares {len(names)} {unit} with the test set ({some(names)}). Validate on '
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
