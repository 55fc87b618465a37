"""Baselines of a config's data: beside the results of a test, or by themselves."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.registry import DATASETS, HOOKS

from cite.baselines import TITLES
from cite.baselines.cache import cached_baseline
from cite.data.table import PatchTable
from cite.errors import CiteError, ConfigError
from cite.evaluation.metrics import evaluate
from cite.mm.about import about_data, config_name, versions
from cite.mm.metric import RESULTS, PatchSlideMetric, write_results
from cite.mm.resolve import settle_dataset
from cite.mm.trained_on import ann_file_option, leak_warnings, other_training_data

LOADERS = ('train_dataloader', 'test_dataloader')


@HOOKS.register_module()
class BaselineHook(Hook):
    """Sets the baselines that the config names beside the results of a test.

    It comes when the results are logged and written, so that a baseline that fails takes none of them
    along: the reason becomes a note under the table. Rank 0 computes, and no other waits for it.
    """

    priority = 'VERY_LOW'  # before AdapterHook, which writes the results into the model card

    def after_test_epoch(self, runner: Any, metrics: dict[str, float] | None = None) -> None:
        shown = [m for m in runner.test_evaluator.metrics if isinstance(m, PatchSlideMetric)]
        if not shown or not is_main_process():
            return
        found, notes = compute_baselines(runner)
        for metric in shown:
            metric.add_baselines(found, notes)


def compute_baselines(runner: Any) -> tuple[dict[str, Any], list[str]]:
    """Kind → title and metrics of each baseline of the config, and why others are not there.

    They learn from what the checkpoint was trained on. Where test slides are among it, a note says so.
    """
    cfg = runner.cfg
    if cfg.get('train_dataloader') is None:
        return {}, ['No baselines: the config has no training data.']
    other = other_training_data(runner.trained_on, cfg)
    if other is not None:
        option = ann_file_option(runner.trained_on, cfg)
        note = f'No baselines: {other}. To have them, test with {option}'
        runner.logger.warning(note)
        return {}, [note]
    found: dict[str, Any] = {}
    notes: list[str] = []

    def failed(what: str, error: Exception) -> None:
        # what no user can mend is a defect of ours, and is logged with its traceback
        ours = not isinstance(error, CiteError | OSError)
        reason = ' '.join(str(error).split())
        notes.append(f'No {what}: {type(error).__name__ + ": " if ours else ""}{reason}')
        runner.logger.warning(notes[-1], exc_info=ours)

    try:
        train = read_table(cfg, 'train_dataloader')
        test = table_of(runner.test_dataloader.dataset, 'test_dataloader')
    except Exception as error:
        failed('baselines', error)
        return found, notes
    notes += leak_warnings(train, test)
    for note in notes:
        runner.logger.warning(note)
    if not cfg.baselines:
        return found, [*notes, 'No baselines computed (baselines=[]).']
    for kind in cfg.baselines:
        try:
            predictions = cached_baseline(kind, train, test, logger=runner.logger)
            found[kind] = {'title': TITLES[kind], **evaluate(predictions)}
        except Exception as error:
            failed(TITLES[kind], error)
    return found, notes


def run_config(cfg: Config, kind: str) -> dict[str, Any]:
    """A baseline of the config's data, written into `cfg.work_dir` as a tested run is.

    No model is built, and none is asked for.

    Args:
        cfg: As `cite.mm.launch.load_config` reads it.
        kind: A key of `cite.baselines.TITLES`.

    Returns:
        The content of `results.json`.

    Raises:
        ConfigError: No training or test data in the config, or results of a model in its `work_dir`.
        DataError: Data that cannot be read, or that the baseline cannot take.
    """
    cfg = deepcopy(cfg)
    folder = Path(cfg.work_dir)
    _refuse_results_of_a_model(folder)
    train, test = (read_table(cfg, loader) for loader in LOADERS)
    folder.mkdir(parents=True, exist_ok=True)  # it fails before the work, not after it
    predictions = cached_baseline(kind, train, test)
    config = config_name(cfg.filename)
    subtitle = [f'config: {config}', f'trained on {len(train):,} patches of {train.source}']
    results = {
        **evaluate(predictions),
        'title': TITLES[kind],
        'subtitle': '   ·   '.join([*subtitle, f'tested on {len(test):,} of {test.source}']),
        'about': {
            'config': config,
            'baseline': kind,
            'data': about_data(cfg),
            'versions': versions(),
        },
    }
    write_results(folder, predictions, results)
    return results


def _refuse_results_of_a_model(folder: Path) -> None:
    try:
        about = json.loads((folder / RESULTS).read_text(encoding='utf-8'))['about']
        replaceable = 'baseline' in about
    except FileNotFoundError:
        return
    except (ValueError, LookupError, TypeError):
        replaceable = False
    if not replaceable:
        raise ConfigError(
            f'{folder / RESULTS} is of another run, and is not replaced by a baseline; name another '
            'folder with --work-dir'
        )


def read_table(cfg: Config, loader: str) -> PatchTable:
    """The patches that a loader of a config is about, without their pipeline.

    Raises:
        ConfigError: There is no such loader, or its data set is none of ours.
        DataError: As `PatchDataset`.
    """
    if cfg.get(loader) is None:
        raise ConfigError(f'the config has no `{loader}`, and this needs training and test data')
    settle_dataset(cfg, loader)
    spec = {key: value for key, value in cfg[loader].dataset.items() if key != 'pipeline'}
    return table_of(DATASETS.build(spec), loader)


def table_of(dataset: Any, loader: str) -> PatchTable:
    """The patches of a data set.

    Raises:
        ConfigError: It is no `PatchDataset`.
    """
    table = getattr(dataset, 'table', None)
    if not isinstance(table, PatchTable):
        raise ConfigError(f'{loader}: expected a PatchDataset, found {type(dataset).__name__}')
    return table
