"""Two processes train what one does with twice the batch, with the tower whole or spread over both."""

from __future__ import annotations

import pytest
import torch
from two_processes import in_two

from cite.frozen import digest
from cite.mm import launch

TUNINGS = {
    'prompt': {'type': 'VisualPrompt', 'length': 2, 'init': 'uniform'},
    'lora': {'type': 'LoRA', 'r': 2, 'targets': 'attn+mlp'},
    'last': {'type': 'LastBlocks', 'k': 1},
}
"""Weights beside the blocks, within them, and one block that is no longer frozen."""


def config(tiny, tuning, folder, batch_size, shard=False):
    """SGD lets rounding be, of which AdamW makes steps."""
    cfg = tiny({'train_cfg.max_iters': 3, 'train_dataloader.batch_size': batch_size})
    cfg.model.backbone.tuning = TUNINGS[tuning]
    cfg.optim_wrapper.optimizer = {'type': 'SGD', 'lr': 0.1}
    cfg.shard_tower, cfg.cache = shard, 'off'
    cfg.work_dir = f'{cfg.work_dir}_{folder}_{tuning}'
    cfg.launcher = 'pytorch' if torch.distributed.is_initialized() else 'none'
    return cfg


def run_rank(rank, tiny, folder):
    found = {}
    for tuning in TUNINGS:
        for how in ('whole', 'sharded'):
            cfg = config(tiny, tuning, how, 2, how == 'sharded')
            runner = launch.train(cfg)
            tower = runner.bare_model.backbone
            found[how, tuning] = {
                'state': dict(runner.bare_model.state_dict()),
                'result': runner.test(),
                'shares': {
                    name: [*weight.to_local().shape, *weight.shape]
                    for name, weight in tower.blocks[0].named_parameters()
                    if hasattr(weight, 'to_local')
                },
                'whole': [n for n, w in tower.named_parameters() if not hasattr(w, 'to_local')],
                'trained': [n for n, w in tower.named_parameters() if w.requires_grad],
                'stands': tower.frozen_stands(),
            }
    # a weight that is changed in one process only is seen by both
    if rank == 1:
        with torch.no_grad():
            tower.blocks[0].mlp.fc1.weight.to_local().add_(1)
    found['changed'] = not tower.frozen_stands()
    # tests of a whole run's checkpoint, sharded, and the other way round
    for how, other in (('whole', True), ('sharded', False)):
        cfg = config(tiny, 'lora', 'again', 2, other)
        checkpoint = folder / f'run_{how}_lora' / 'iter_3.pth'
        found['again', how] = launch.test(cfg, str(checkpoint))
    for how in ('whole', 'sharded'):  # of a head that is made from features
        cfg = config(tiny, 'lora', f'knn_{how}', 2, how == 'sharded')
        cfg.model.backbone.tuning = cfg.model.neck = None
        cfg.model.head = {'type': 'KNNHead', 'k': 5}
        runner = launch.train(cfg)
        found['knn', how] = dict(runner.bare_model.state_dict())
    torch.save(found, folder / f'{rank}.pt')


@pytest.fixture(scope='module')
def ranks(load_tiny, tmp_path_factory):
    """What the processes found."""
    folder = tmp_path_factory.mktemp('ranks')

    def tiny(options):
        return load_tiny(folder / 'run', options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('CITE_CACHE', str(folder / 'cache'))
        in_two(run_rank, folder, tiny, folder)
    return [torch.load(folder / f'{rank}.pt', weights_only=True) for rank in (0, 1)]


@pytest.mark.parametrize('tuning', TUNINGS)
@pytest.mark.parametrize('how', ['whole', 'sharded'])
def test_two_processes_train_what_one_does(ranks, tiny, how, tuning):
    runner = launch.train(config(tiny, tuning, 'one', 4))
    wanted, result = runner.bare_model.state_dict(), runner.test()
    for rank in ranks:
        found = rank[how, tuning]
        torch.testing.assert_close(found['state'], dict(wanted), rtol=1e-4, atol=1e-6)
        assert found['result'] == pytest.approx(result, abs=1e-3)


def test_sharding_changes_no_bit_of_what_trains(ranks):
    for tuning in TUNINGS:
        one, two = (digest(ranks[0][how, tuning]['state'].items()) for how in ('whole', 'sharded'))
        assert one == two


def test_frozen_weights_are_shared_out_and_trained_ones_are_not(ranks):
    for rank in ranks:
        for tuning in TUNINGS:
            assert rank['whole', tuning]['shares'] == {}
            found = rank['sharded', tuning]
            weight = next(
                n for n in found['shares'] if n.endswith(('fc1.weight', 'fc1.base_layer.weight'))
            )
            rows, columns, all_rows, all_columns = found['shares'][weight]
            assert (2 * rows, columns) == (all_rows, all_columns)
            assert set(found['whole']) == set(found['trained'])


def test_the_check_at_the_end_looks_at_every_share(ranks):
    for rank in ranks:
        for tuning in TUNINGS:
            assert rank['sharded', tuning]['stands']
        assert rank['changed']


def test_heads_are_made_from_features_of_a_sharded_tower(ranks):
    for rank in ranks:
        torch.testing.assert_close(rank['knn', 'sharded'], ranks[0]['knn', 'whole'])


def test_checkpoints_do_not_tell_how_they_were_trained(ranks):
    for rank in ranks:
        for how in ('whole', 'sharded'):
            assert rank['again', how] == pytest.approx(rank[how, 'lora']['result'])
