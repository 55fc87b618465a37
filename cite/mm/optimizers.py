"""mmengine's optimisers, without what they import at start-up.

For one optimiser, Adafactor, mmengine imports the whole of transformers, which takes as long as torch. Here
it is imported when a config asks for it.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

from torch.optim import Optimizer


def import_optimizers() -> None:
    """Imports `mmengine.optim`; to be called before anything else of mmengine does."""
    if 'mmengine.optim' in sys.modules or 'transformers' in sys.modules:
        return  # as under mim, whose script has imported everything
    sys.modules['transformers'] = None  # type: ignore[assignment]  # an ImportError for who asks
    try:
        registry = importlib.import_module('mmengine.optim').OPTIMIZERS
    finally:
        del sys.modules['transformers']
    if registry.get('Adafactor') is None:
        registry.register_module(name='Adafactor', module=adafactor)


def adafactor(params: Any, **options: Any) -> Optimizer:
    """transformers' Adafactor, as mmengine knows it by that name."""
    from transformers import Adafactor

    return Adafactor(params, **options)
