"""Runs that are over leave nothing in the process: open log files, hubs, visualizers."""

from __future__ import annotations

import gc
from typing import Any

import torch
from mmengine.logging import MessageHub, MMLogger
from mmengine.visualization import Visualizer


def forget(runner: Any) -> None:
    """Closes and drops what mmengine keeps of a finished run for as long as the process lives.

    A process that runs hundreds of them would run out of open files.
    """
    runner.visualizer.close()
    for handler in list(runner.logger.handlers):
        handler.close()
        runner.logger.removeHandler(handler)
    name = runner.experiment_name
    for kind in (MMLogger, MessageHub, Visualizer):
        getattr(kind, '_instance_dict').pop(name, None)  # noqa: B009
    gc.collect()  # a runner and its hooks hold each other
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
