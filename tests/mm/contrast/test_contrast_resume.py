"""A run on pairs that was stopped goes on as if it had not been, bit for bit."""

from __future__ import annotations

import shutil

import pytest
import torch

from cite.data import read_pairs_csv, write_shards
from cite.errors import CheckpointError
from cite.mm.launch import train

SAME = ('state_dict', 'optimizer', 'param_schedulers', 'random_state')


def test_a_resumed_run_ends_like_the_one_that_was_not_stopped(
    tiny_pair, stopped_pair, finished_pair, read_checkpoint, assert_same
):
    """The text tower trains whole, so with dropout: what is drawn in training goes on as well."""
    train(tiny_pair(), resume=True)
    whole, again = (
        read_checkpoint(folder / 'iter_8.pth') for folder in (finished_pair, stopped_pair)
    )
    for part in SAME:
        assert_same(whole[part], again[part])
    hubs = [result['message_hub']['log_scalars'] for result in (whole, again)]
    for name in ('train/loss', 'train/lr', 'train/scale'):
        assert len(hubs[0][name][0]) == 8
        assert hubs[0][name] == hubs[1][name]
    start = read_checkpoint(finished_pair / 'iter_4.pth')['state_dict']
    assert any(not torch.equal(start[name], whole['state_dict'][name]) for name in start)


def test_a_stream_goes_on_where_it_stopped(
    tiny_pair, pair_data, tmp_path, read_checkpoint, assert_same
):
    write_shards(read_pairs_csv(pair_data / 'train.csv'), tmp_path / 'shards', per_shard=10)

    def cfg(folder):
        found = tiny_pair(folder=folder)
        pipeline = found.train_dataloader.dataset.pipeline
        found.train_dataloader.dataset = {
            'type': 'PairShards',
            'data_root': str(tmp_path / 'shards'),
            'shards': 'pairs-{000000..000002}.tar',
            'buffer': 10,
            'pipeline': pipeline,
        }
        return found

    train(cfg('whole'))
    (tmp_path / 'again').mkdir()
    shutil.copy(tmp_path / 'whole' / 'iter_4.pth', tmp_path / 'again')
    again = cfg('again')
    again.train_dataloader.num_workers = 2  # they change nothing
    train(again, resume=True)
    results = [read_checkpoint(tmp_path / name / 'iter_8.pth') for name in ('whole', 'again')]
    for part in SAME:
        assert_same(results[0][part], results[1][part])


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'model.vision.image_size': 48}, 'trained on a vision tower with digest'),
        ({'model.text.model': 'bert'}, 'trained on a text tower with digest'),
        ({'model.dim': 5}, r'does not fit the model of this config: .*image_projection'),
        ({'model.text.tuning': 'NoTuning'}, 'does not fit the model of this config: .*unexpected'),
        ({'randomness.seed': 1}, 'was trained with seed 0, the config has 1'),
    ],
)
def test_checkpoints_of_other_pairs_are_refused(
    options, message, tiny_pair, stopped_pair, tmp_path, monkeypatch
):
    from tiny_models import save_tiny_bert

    if options.get('model.text.model') == 'bert':
        options = {'model.text.model': str(save_tiny_bert(tmp_path / 'bert'))}
    with pytest.raises(CheckpointError, match=message):
        train(tiny_pair(options), resume=True)
