"""Choosing by test slides is refused, whatever chooses; reporting on them is not."""

from __future__ import annotations

import pytest
from mmengine.hooks import CheckpointHook

from cite.errors import ConfigError
from cite.mm.launch import train
from cite.mm.selection import refuse_selection_on_test


def validating(cfg, ann_file='val.csv', **options):
    """The config with a validation set, every 4 iterations."""
    dataset = {
        'type': 'PatchDataset',
        'ann_file': ann_file,
        'classes': ['well', 'moderate', 'poor'],
    }
    cfg.val_dataloader = {'batch_size': 4, 'num_workers': 0, 'dataset': dataset}
    cfg.train_cfg.val_interval = 4
    for key, value in options.items():
        cfg[key] = value
    return cfg


SAVE_BEST = {'default_hooks.checkpoint.save_best': 'slide/balanced_accuracy'}
EARLY_STOPPING = {'custom_hooks': [{'type': 'EarlyStoppingHook', 'monitor': 'slide/accuracy'}]}
PLATEAU = {
    'param_scheduler': [
        {'type': 'ReduceOnPlateauLR', 'monitor': 'slide/accuracy', 'by_epoch': False}
    ]
}


@pytest.mark.parametrize(
    ('selecting', 'name'),
    [(SAVE_BEST, 'save_best'), (EARLY_STOPPING, 'EarlyStopping'), (PLATEAU, 'ReduceOnPlateau')],
)
def test_choosing_by_the_test_slides_is_refused(tiny, selecting, name):
    with pytest.raises(ConfigError, match=f'{name}.*shares 3 slides with the test set'):
        train(validating(tiny(selecting)))


def test_data_without_slides_are_told(tiny):
    class Other:
        """A data set of somebody else's."""

    cfg = validating(tiny(SAVE_BEST))
    cfg.val_dataloader.dataset = {'type': Other}
    hooks = [CheckpointHook(save_best='slide/accuracy')]
    with pytest.raises(ConfigError, match='val_dataloader: expected a PatchDataset, found Other'):
        refuse_selection_on_test(cfg, hooks)


def test_reporting_on_them_is_not(tiny, tmp_path):
    train(validating(tiny()))
    assert (tmp_path / 'run' / 'iter_8.pth').is_file()


def test_neither_is_choosing_by_other_slides_nor_by_them_where_the_config_says_so(tiny, tmp_path):
    train(validating(tiny(SAVE_BEST), 'train.csv'))
    assert list((tmp_path / 'run').glob('best_*.pth'))
    train(validating(tiny(SAVE_BEST), select_on_test=True))
