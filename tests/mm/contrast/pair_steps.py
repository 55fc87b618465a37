"""Pairs by hand for the tests of `CitePair`: images, captions that are shared, and one step."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from cite.data import caption_group
from cite.frozen import trainable
from cite.mm.contrast.model import CitePair
from cite.mm.contrast.sample import PairSample
from cite.mm.optim import TrainableConstructor

FULL = {'type': 'FullFineTuning'}
LORA = {'type': 'LoRA', 'r': 2}
PROMPT = {'type': 'VisualPrompt', 'length': 2, 'init': 'normal'}
CAPTIONS = ['red glands', 'pale cords', 'red glands.', 'blue', 'pale cords', 'Red glands', 'mucus']
"""Seven captions of four texts."""


def pair_model(vision: Any = FULL, text: Any = FULL, **options: Any) -> CitePair:
    """The same weights at every call; dropout acts in the text tower where all of it trains."""
    torch.manual_seed(0)
    model = CitePair(
        {'model': 'random-vit-tiny', 'image_size': 32, 'tuning': vision},
        {'model': 'random-bert-tiny', 'pooling': 'mean', 'tuning': text},
        **{'dim': 6, 'precision': 'fp32', **options},
    )
    return model.train()


def samples(captions: Iterable[str] = CAPTIONS) -> list[PairSample]:
    return [
        PairSample(
            metainfo={
                'caption': text,
                'group': caption_group(text),
                'drawn': caption_group(text),
                'img_path': text,
            }
        )
        for text in captions
    ]


def batch(rows: slice = slice(None), seed: int = 1) -> dict[str, Any]:
    """Some of seven pairs, as a loader collates them."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (7, 3, 32, 32), generator=generator, dtype=torch.uint8)
    return {'inputs': images[rows], 'data_samples': samples(CAPTIONS[rows])}


def optimiser(model: nn.Module, lr: float = 0.1, **options: Any) -> Any:
    wrapper = {'type': 'CiteOptimWrapper', 'optimizer': {'type': 'SGD', 'lr': lr}, **options}
    return TrainableConstructor(wrapper)(model)


def step(
    model: CitePair, data: dict[str, Any] | None = None, lr: float = 0.1
) -> tuple[Tensor, dict[str, Tensor]]:
    """Loss of one `train_step`, and the gradients that it stepped by."""
    wrapper = optimiser(model, lr)
    gradients: dict[str, Tensor] = {}

    def note(_optimiser: Any, _args: Any, _kwargs: Any) -> None:
        gradients.update({n: p.grad.clone() for n, p in trainable(model).items()})

    wrapper.optimizer.register_step_pre_hook(note)
    return model.train_step(batch() if data is None else data, wrapper)['loss'], gradients


def same(found: dict[str, Tensor], expected: dict[str, Tensor], slack: float = 1e-6) -> None:
    """Equal but for rounding: `slack` is of the largest number in each tensor, or of 1."""
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        atol = slack * max(1.0, float(value.abs().max()))
        off = float((found[name] - value).abs().max())
        assert torch.allclose(found[name], value, rtol=1e-5, atol=atol), (
            f'{name}: {off} beside {atol}'
        )
