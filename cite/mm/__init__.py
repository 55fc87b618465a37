"""The plug into mmengine and mmpretrain: `custom_imports = dict(imports=['cite.mm'])` in a config.

The only room that imports mmengine. Importing it registers runner, loop, model, data sets, samplers,
metric, hooks and optimiser; everything else is plain PyTorch.
"""

from cite.mm import (
    adapter_hook,
    checkpoint,
    classifier,
    dataset,
    loop,
    metric,
    optim,
    runner,
)

__all__ = [
    'adapter_hook',
    'checkpoint',
    'classifier',
    'dataset',
    'loop',
    'metric',
    'optim',
    'runner',
]
