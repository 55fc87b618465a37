from __future__ import annotations

import pytest

from cite.errors import ConfigError
from cite.inference.shards import Shard, read_shard, shard_from_environment


def test_every_piece_belongs_to_one_shard():
    shards = [read_shard(f'{number}/3') for number in (1, 2, 3)]
    assert [str(shard) for shard in shards] == ['1/3', '2/3', '3/3']
    for piece in range(10):
        assert sum(shard.takes(piece) for shard in shards) == 1


@pytest.mark.parametrize('text', ['0/3', '4/3', '1', '1/0', 'a/b', '-1/3', '1/3/5', ''])
def test_shards_that_are_none(text):
    with pytest.raises(ConfigError, match='shard'):
        read_shard(text)


def test_launchers_number_their_processes():
    assert shard_from_environment({}) == Shard(0, 1)
    assert shard_from_environment({'RANK': '1', 'WORLD_SIZE': '4'}) == Shard(1, 4)
    assert shard_from_environment({'SLURM_PROCID': '0', 'SLURM_NTASKS': '2'}) == Shard(0, 2)
    with pytest.raises(ConfigError, match='RANK'):
        shard_from_environment({'RANK': 'x', 'WORLD_SIZE': '4'})
    with pytest.raises(ConfigError, match='shard'):
        shard_from_environment({'RANK': '4', 'WORLD_SIZE': '4'})
