"""What each of two processes does in `test_visual_prompt`; apart, so that they import little."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from cite.tuning.visual_prompt import VisualPrompt


def take_token(rank: int, folder: str) -> None:
    """Initialises a prompt from this process's own batch and writes both down."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group('gloo', f'file://{folder}/store', rank=rank, world_size=2)
    stages = SimpleNamespace(takes_prompts=True, windowed=False)
    tower: Any = SimpleNamespace(
        stages=stages, depth=2, num_patches=4, num_prefix_tokens=1, width=8
    )
    prompt = VisualPrompt(length=2, layers='deep')
    prompt.attach(tower)
    tokens = torch.randn(3, 5, 8, generator=torch.Generator().manual_seed(rank))
    prompt.start(tokens)
    torch.save([prompt.prompt.data, prompt.initialized, tokens], Path(folder) / f'{rank}.pt')
    torch.distributed.destroy_process_group()
