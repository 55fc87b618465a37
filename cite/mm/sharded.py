"""Towers that do not fit on one GPU: `shard_tower = True` spreads their frozen weights over the processes.

FSDP2 (Zhao et al., VLDB 2023; `torch.distributed.fsdp.fully_shard`) gathers a block when it is computed, in
the forward and again in the backward pass, and lets go of it afterwards. What trains stays whole in every
process and is averaged as ever, so results are those of a run that is not sharded. Every process reads the
tower into the memory of the CPU first; a GPU then holds its share, and in full the block that is computed,
the one that is fetched next, and what stands in front of the blocks and behind them.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import torch
from mmengine.config import Config
from mmengine.dist import all_gather_object, get_world_size
from torch import nn

from cite.errors import ConfigError
from cite.frozen import trainable
from cite.tuning.visual_prompt import VisualPrompt

if TYPE_CHECKING:
    from cite.encoders.towers.tower import VisionTower


def settle_sharding(cfg: Config) -> None:
    """Checks `shard_tower`, and what it does not go with, in place.

    Raises:
        ConfigError: Neither True nor False; or activations are to be kept, which processes compute each on
            its own, while a sharded block is computed by all at once; or blocks in another form than FSDP
            takes them.
    """
    given = cfg.get('shard_tower', False)
    if not isinstance(given, bool):
        raise ConfigError(f'shard_tower must be True or False, found {given!r}')
    if not given:
        return
    cache = cfg.get('cache', 'auto')
    mode = cache.get('mode', 'auto') if isinstance(cache, dict) else cache
    if mode in ('on', True):
        raise ConfigError(
            "shard_tower=True computes each block in all processes at once, and cache='on' in each of "
            "them by itself. Set cache='off', or shard_tower=False where the tower fits on one GPU"
        )
    cfg.cache = 'off'
    for option in ('compile', 'channels_last'):
        if cfg.model.get(option, 'auto') not in (False, 'auto'):
            raise ConfigError(
                f'shard_tower=True takes blocks as they are: set model.{option}=False'
            )
        cfg.model[option] = False


def shard(tower: VisionTower) -> None:
    """Spreads the tower's frozen weights over all processes, in place.

    To be called by every process, with the tower on the CPU and its digest taken. The tower is computed by
    calling it from then on, not stage by stage, and by all processes equally often.

    Raises:
        ConfigError: A tower without blocks or without frozen weights in them, a tuning that opens blocks,
            or a PyTorch before 2.7.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    _refuse(tower, fully_shard)
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    mesh = init_device_mesh(device, (get_world_size(),))
    # the tower comes last, as the root: blocks without one would not share streams, and not be let go of
    for part in (*filter(_frozen, tower.blocks), tower):
        trained = set(trainable(part).values())
        fully_shard(part, mesh=mesh, reshard_after_forward=True, ignored_params=trained)


def check_same_tower(tower: VisionTower) -> None:
    """Every process loads the tower by itself; afterwards frozen weights are never compared or sent.

    Raises:
        ConfigError: Another process has loaded other weights.
    """
    digests = all_gather_object(tower.digest)
    other = next((rank for rank, digest in enumerate(digests) if digest != digests[0]), None)
    if other is not None:
        raise ConfigError(
            f'process {other} has loaded other weights of {tower.card.name} ({digests[other][:12]}) than '
            f'process 0 ({digests[0][:12]}). Give all machines the same files'
        )


def leave_frozen(model: nn.Module) -> None:
    """Keeps `DistributedDataParallel` from sending frozen weights to every process at the start."""
    frozen = [name for name, weight in model.named_parameters() if not weight.requires_grad]
    nn.parallel.DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(model, frozen)


def _refuse(tower: VisionTower, fully_shard: Any) -> None:
    name, tuning = tower.card.name, tower.tuning
    if not tower.blocks:
        raise ConfigError(
            f'shard_tower: {name} is {tower.stages.description}, and has no blocks to spread over GPUs'
        )
    if not any(_frozen(block) for block in tower.blocks):
        raise ConfigError(
            f'shard_tower spreads frozen weights over GPUs, and {tuning!r} trains all blocks of {name}'
        )
    if tower.stages.windowed and any(isinstance(m, VisualPrompt) for m in tuning.modules()):
        raise ConfigError(
            f'shard_tower gathers whole blocks, and VisualPrompt takes those of {name} apart to reach '
            f'their windows. Tune it by LoRA or adapters, or set shard_tower=False'
        )
    if 'ignored_params' not in inspect.signature(fully_shard).parameters:
        raise ConfigError(f'shard_tower needs PyTorch 2.7 or newer, found {torch.__version__}')


def _frozen(block: nn.Module) -> bool:
    return any(not weight.requires_grad for weight in block.parameters())
