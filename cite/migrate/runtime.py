"""What an old config says beside model, data and schedule: seeds, logging, checkpoints, folders."""

from __future__ import annotations

from typing import Any

from cite.migrate.ledger import Section, spoken_for

BEGINNING = {
    'custom_imports': {'imports': ['cite.mm'], 'allow_failed_imports': False},
    'runner_type': 'CiteRunner',
}

IDLE = (
    'device', 'gpu_ids', 'opencv_num_threads', 'mp_start_method', 'find_unused_parameters',
    'auto_resume', 'init_weights',
)  # fmt: skip
"""Read by mmcls, of no effect on numbers, and decided by the runner here."""


def migrate_runtime(old: Section) -> dict[str, Any]:
    """`randomness`, `env_cfg`, `default_hooks`, `log_processor`, `log_level` and `work_dir`."""
    with spoken_for(old.section('dist_params')) as dist:
        backend = dist.take('backend', 'nccl')
    with spoken_for(old.section('log_config')) as log:
        interval = log.take('interval', 10)
        hooks = [str(hook.get('type')) for hook in log.take('hooks', ())]
        if extra := [hook for hook in hooks if hook != 'TextLoggerHook']:
            old.ledger.note(f'log_config.hooks {", ".join(extra)}: see configs/_base_/logging')
    old.drop('custom_imports')  # models and datasets of the original
    old.expect('resume_from', None, why='migrate the checkpoint: cite migrate CHECKPOINT')
    old.expect('load_from', None, why='migrate the checkpoint: cite migrate CHECKPOINT')
    old.expect('workflow', [('train', 1)], [['train', 1]], why='training is one loop')
    old.expect('custom_hooks', None, [], why='hooks of mmcv')
    old.drop('fp16', 'model.precision decides: auto, fp32, bf16 or fp16')
    for key in IDLE:
        old.drop(key)
    found: dict[str, Any] = {
        'randomness': {
            'seed': old.take('seed', None) or 0,
            **({'deterministic': True} if old.take('deterministic', False) else {}),
        },
        'env_cfg': {
            'cudnn_benchmark': bool(old.take('cudnn_benchmark', True)),
            'dist_cfg': {'backend': backend},
        },
        'default_hooks': {
            'timer': {'type': 'IterTimerHook'},
            'logger': {'type': 'LoggerHook', 'interval': interval, 'log_metric_by_epoch': False},
            'param_scheduler': {'type': 'ParamSchedulerHook'},
            'checkpoint': _checkpoints(old.section('checkpoint_config')),
        },
        'log_processor': {'by_epoch': False, 'window_size': interval},
        'log_level': old.take('log_level', 'INFO'),
    }
    work_dir = old.take('work_dir', None)
    if work_dir:
        found['work_dir'] = f'{str(work_dir).rstrip("/")}-migrated'
        old.ledger.note(f'work_dir={work_dir!r} gets another name, so that its checkpoints stay')
    return found


def _checkpoints(old: Section) -> dict[str, Any]:
    with spoken_for(old):
        interval, keep = old.take('interval', 1000), old.take('max_keep_ckpts', -1)
        old.expect('by_epoch', False, why='training counts iterations')
        for key in ('type', 'meta', 'out_dir', 'save_optimizer', 'create_symlink', 'save_last'):
            old.drop(key)
    if keep == 1:
        old.ledger.note(
            f'{old.path("max_keep_ckpts")}=1 becomes 2: the oldest goes before the next is written'
        )
    return {
        'type': 'CheckpointHook',
        'by_epoch': False,
        'interval': interval,
        'max_keep_ckpts': 2 if keep == 1 else keep,
    }


def evaluation_interval(old: Section) -> int:
    """Iterations between evaluations during training."""
    with spoken_for(old.section('evaluation')) as evaluation:
        interval = int(evaluation.take('interval', 1))
        evaluation.expect('by_epoch', False, why='training counts iterations')
        evaluation.expect('metric_options', None, {}, why='agg_hard and others')
        evaluation.expect('save_best', None, why='nothing is chosen on evaluation slides')
        evaluation.drop('metric')  # every metric is always computed
        for key in ('type', 'start', 'rule', 'out_dir'):
            evaluation.drop(key)
    return interval


def drop_variables(old: Section) -> None:
    """What is left at the top of a config is read by nothing: `lr`, `n`, `run_name`, `TEXTS`, …."""
    for key in old.keys():  # noqa: SIM118
        old.drop(key)
