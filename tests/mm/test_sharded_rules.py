"""What `shard_tower` refuses, and what processes say to each other about frozen weights."""

from __future__ import annotations

import pytest
import torch
from tiny_models import tiny_tower
from torch import nn

from cite.errors import ConfigError
from cite.mm import launch, sharded
from cite.mm.resolve import resolve


def test_it_is_a_switch_and_turns_the_cache_off(tiny):
    assert resolve(tiny({'shard_tower': True}), 'cpu').cache.mode == 'off'
    assert resolve(tiny({'shard_tower': False}), 'cpu').cache.mode == 'auto'
    with pytest.raises(ConfigError, match=r'set model\.compile=False'):
        resolve(tiny({'shard_tower': True, 'model.compile': True}), 'cpu')
    with pytest.raises(ConfigError, match='shard_tower must be True or False, found 2'):
        resolve(tiny({'shard_tower': 2}), 'cpu')
    for cache in ('on', True, {'mode': 'on', 'limit_gb': 1}):
        with pytest.raises(ConfigError, match="Set cache='off'"):
            resolve(tiny({'shard_tower': True, 'cache': cache}), 'cpu')


def test_one_process_holds_the_tower_whole(tiny, capfd):
    runner = launch.train(tiny({'shard_tower': True, 'train_cfg.max_iters': 1}))
    assert 'one process holds the tower in one piece' in ''.join(capfd.readouterr())
    assert not any(hasattr(w, 'to_local') for w in runner.bare_model.parameters())


def test_pairs_are_not_sharded(tiny):
    from cite.mm.contrast.runner import ContrastRunner

    with pytest.raises(ConfigError, match='ContrastRunner does not shard towers'):
        ContrastRunner.from_cfg(tiny({'shard_tower': True}))


def test_nothing_frozen_is_nothing_to_share_out():
    with pytest.raises(ConfigError, match=r'FullFineTuning\(\) trains all blocks of tiny'):
        sharded.shard(tiny_tower({'type': 'FullFineTuning'}))


def test_towers_whose_blocks_are_not_called_as_such(monkeypatch):
    tower = tiny_tower({'type': 'VisualPrompt'})
    monkeypatch.setattr(type(tower.stages), 'windowed', True)
    with pytest.raises(ConfigError, match='VisualPrompt takes those of tiny apart'):
        sharded.shard(tower)
    monkeypatch.setattr(tower.stages, 'blocks', [])
    with pytest.raises(ConfigError, match='has no blocks to spread'):
        sharded.shard(tower)


def test_processes_that_loaded_other_weights(monkeypatch):
    tower = tiny_tower()
    monkeypatch.setattr(sharded, 'all_gather_object', lambda mine: [mine, mine])
    sharded.check_same_tower(tower)
    monkeypatch.setattr(sharded, 'all_gather_object', lambda mine: [mine, mine, 'f' * 64])
    with pytest.raises(ConfigError, match='process 2 has loaded other weights of tiny'):
        sharded.check_same_tower(tower)


def test_only_what_trains_is_sent_at_the_start(monkeypatch, tmp_path):
    """As `DistributedDataParallel` is built, once for all processes."""
    sent = []

    def note(module, *, params_and_buffers_to_ignore, **_):
        ignored = set(params_and_buffers_to_ignore)
        sent.extend(n for n, _ in module.named_parameters() if n not in ignored)

    model = nn.Sequential(tiny_tower({'type': 'LoRA', 'r': 2}), nn.Linear(48, 3))
    sharded.leave_frozen(model)
    monkeypatch.setattr(torch.nn.parallel.distributed, '_sync_module_states', note)
    torch.distributed.init_process_group('gloo', f'file://{tmp_path}/store', rank=0, world_size=1)
    try:
        nn.parallel.DistributedDataParallel(model)
    finally:
        torch.distributed.destroy_process_group()
    assert '1.weight' in sent
    assert sent == [n for n, weight in model.named_parameters() if weight.requires_grad]


@pytest.mark.skipif(torch.cuda.device_count() < 1, reason='needs a GPU')
def test_shares_lie_on_the_gpu(tmp_path):
    torch.distributed.init_process_group('nccl', f'file://{tmp_path}/store', rank=0, world_size=1)
    try:
        tower = tiny_tower({'type': 'LoRA', 'r': 2})
        images = torch.rand(2, 3, 32, 32)
        wanted, digest = tower(images), tower.digest
        sharded.shard(tower)
        found = tower.cuda()(images.cuda())
        found.sum().backward()
        shares = [w for w in tower.blocks[0].parameters() if hasattr(w, 'to_local')]
        assert shares
        assert all(w.to_local().is_cuda for w in shares)
        assert tower.frozen_digest() == digest
        torch.testing.assert_close(found.cpu(), wanted, rtol=1e-3, atol=1e-3)
    finally:
        torch.distributed.destroy_process_group()
