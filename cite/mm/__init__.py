"""The plug into mmengine and mmpretrain: `custom_imports = dict(imports=['cite.mm'])` in a config.

The only room that imports mmengine. Importing it registers runner, loop, model, data sets, samplers,
metric, hooks and optimiser; everything else is plain PyTorch.
"""

from cite.mm.optimizers import import_optimizers

import_optimizers()  # in front of what imports the rest of mmengine

from cite.mm import (  # noqa: E402
    adapter_hook,
    baselines,
    checkpoint,
    classifier,
    contrast,
    dataset,
    legacy,
    loop,
    metric,
    optim,
    runner,
    stain,
)

__all__ = [
    'adapter_hook',
    'baselines',
    'checkpoint',
    'classifier',
    'contrast',
    'dataset',
    'legacy',
    'loop',
    'metric',
    'optim',
    'runner',
    'stain',
]
