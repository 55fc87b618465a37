"""An old `runner`, `optimizer`, `optimizer_config` and `lr_config` → our training."""

from __future__ import annotations

from typing import Any

from cite.migrate.ledger import Section, spoken_for

POLICY_SUFFIX = 'LrUpdaterHook'
"""mmcv knows a policy as 'CosineAnnealing', and its hook as 'CosineAnnealingLrUpdaterHook'."""


def migrate_schedule(old: Section) -> dict[str, Any]:
    """`train_cfg`, `optim_wrapper` and `param_scheduler`.

    The learning rates are those of the original, iteration by iteration.
    """
    with spoken_for(old.section('runner')) as runner:
        if runner.take('type', 'IterBasedRunner') != 'IterBasedRunner':
            old.ledger.refuse(
                f'{runner.path("type")} (training counts iterations: IterBasedRunner)'
            )
            runner.drop('max_epochs')
        max_iters = runner.take('max_iters')
    with spoken_for(old.section('optimizer')) as optimizer:
        wrapper = _optimizer(optimizer)
    with spoken_for(old.section('optimizer_config')) as config:
        config.expect('type', 'OptimizerHook', 'Fp16OptimizerHook', why='one step per batch')
        config.drop('loss_scale', 'fp16 scales its loss by itself')
        clip = config.take('grad_clip', None)
        if clip:
            wrapper['clip_grad'] = dict(clip)
    with spoken_for(old.section('lr_config')) as config:
        schedulers = _schedulers(config, wrapper['optimizer'].get('lr'))
    return {
        'train_cfg': {'max_iters': max_iters},
        'test_cfg': {},
        'optim_wrapper': wrapper,
        'param_scheduler': schedulers,
    }


def _optimizer(old: Section) -> dict[str, Any]:
    import torch

    wrapper: dict[str, Any] = {}
    kind = old.take('type')
    if not isinstance(kind, str) or not hasattr(torch.optim, kind):
        old.ledger.refuse(f'{old.path("type")}={kind!r} (torch.optim has none)')
    old.expect('constructor', 'DefaultOptimizerConstructor', why='one group per trained weight')
    with spoken_for(old.section('paramwise_cfg')) as paramwise:
        custom = paramwise.take('custom_keys', {})
        if custom:
            wrapper['paramwise_cfg'] = {'custom_keys': dict(custom)}
    options = {key: old.take(key) for key in old.keys()}  # noqa: SIM118
    return {'optimizer': {'type': kind, **options}, **wrapper}


def _schedulers(old: Section, lr: Any) -> list[dict[str, Any]]:
    policy = old.take('policy', None) or str(old.take('type', 'fixed'))
    policy = policy.removesuffix(POLICY_SUFFIX)
    schedulers: list[dict[str, Any]] = []
    eta_min = 0.0
    if policy == 'CosineAnnealing':
        eta_min = old.take('min_lr', None) or (old.take('min_lr_ratio', None) or 0.0) * (lr or 0)
        schedulers.append({'type': 'CosineAnnealingLR', 'eta_min': eta_min, 'by_epoch': False})
    elif policy == 'step':
        steps = old.take('step')
        milestones = {'step_size': steps} if isinstance(steps, int) else {'milestones': list(steps)}
        kind = 'StepLR' if isinstance(steps, int) else 'MultiStepLR'
        gamma = old.take('gamma', 0.1)
        schedulers.append({'type': kind, **milestones, 'gamma': gamma, 'by_epoch': False})
    elif policy != 'fixed':
        old.ledger.refuse(f'{old.path("policy")}={policy!r} (known: CosineAnnealing, step, fixed)')
    if policy != 'fixed' and old.take('by_epoch', True):
        old.ledger.refuse(f'{old.path("by_epoch")}=True (training counts iterations)')
    old.drop('by_epoch')
    warmup = _warmup(old)
    if warmup and eta_min:
        old.ledger.refuse(f'{old.path("min_lr")}={eta_min} together with a warm-up (take one out)')
    return schedulers + warmup


def _warmup(old: Section) -> list[dict[str, Any]]:
    kind = old.take('warmup', None)
    iterations = old.take('warmup_iters', 0)
    ratio = old.take('warmup_ratio', 0.1)
    old.expect('warmup_by_epoch', False, why='training counts iterations')
    if kind is None or not iterations:
        return []
    # mmengine ends a factor one iteration before `end`
    span = {'begin': 0, 'end': iterations + 1, 'by_epoch': False}
    if kind == 'constant':
        return [{'type': 'ConstantLR', 'factor': ratio, **span}]
    if kind == 'linear':
        return [{'type': 'LinearLR', 'start_factor': ratio, **span}]
    old.ledger.refuse(f'{old.path("warmup")}={kind!r} (known: constant, linear)')
    return []
