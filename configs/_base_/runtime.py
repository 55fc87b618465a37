# What every config shares: the plug into mmengine, hooks, logging.
custom_imports = dict(imports=['cite.mm'], allow_failed_imports=False)
runner_type = 'CiteRunner'

randomness = dict(seed=0)
env_cfg = dict(cudnn_benchmark=True, dist_cfg=dict(backend='nccl'))

default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=10, log_metric_by_epoch=False),
    param_scheduler=dict(type='ParamSchedulerHook'),
    # two are kept: mmengine removes the oldest before it writes the next
    checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=250, max_keep_ckpts=2),
)
log_processor = dict(by_epoch=False, window_size=10)
log_level = 'INFO'
