"""What each of two processes does in `test_gather` and `test_cached`; apart, to import little."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from paired_features import paired_features
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from cite.contrast import average_gradients, cached_backward, clip_loss, siglip_loss
from cite.errors import CiteError
from cite.frozen import trainable

ROWS, IN, OUT = 10, 6, 5
GROUPS = torch.tensor([0, 1, 2, 0, 4, 2, 6, 0, 8, 6])  # shared within and across two halves


class TwoSided(nn.Module):
    """Both encoders and the loss's numbers in one module, as a trainer would have them."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.image = nn.Sequential(nn.Linear(IN, 8), nn.Tanh(), nn.Dropout(0.0), nn.Linear(8, OUT))
        self.text = nn.Sequential(nn.Linear(IN, OUT), nn.Dropout(0.0))
        self.log_scale = nn.Parameter(torch.tensor(1.5))
        self.bias = nn.Parameter(torch.tensor(-2.0))

    def forward(self, side: str, rows: Tensor) -> Tensor:
        encoder = self.image if side == 'image' else self.text
        return nn.functional.normalize(encoder(rows), dim=1)

    def loss(self, kind: str, groups: Tensor | None = None) -> Callable[[Tensor, Tensor], Tensor]:
        def clip(images: Tensor, texts: Tensor) -> Tensor:
            return clip_loss(images, texts, self.log_scale.exp(), groups)

        def siglip(images: Tensor, texts: Tensor) -> Tensor:
            return siglip_loss(images, texts, self.log_scale.exp(), self.bias, groups)

        return clip if kind == 'clip' else siglip

    def gradients(self) -> dict[str, Tensor]:
        return {n: p.grad.clone() for n, p in trainable(self).items() if p.grad is not None}


def inputs() -> tuple[Tensor, Tensor]:
    images, texts = paired_features(ROWS, IN)
    return images.detach(), texts.detach()


def plain(model: TwoSided, kind: str, groups: Tensor | None, rows: slice) -> Tensor:
    """Loss of some rows, backward without caching."""
    images, texts = inputs()
    loss = model.loss(kind, None if groups is None else groups[rows])
    value = loss(model('image', images[rows]), model('text', texts[rows]))
    value.backward()
    return value.detach()


def same_gradients(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-5, atol=1e-7)


CASES = [(kind, groups) for kind in ('clip', 'siglip') for groups in (None, GROUPS)]


def run_rank(rank: int, folder: str, ddp: bool) -> None:
    """Every case on this process's half of the rows; losses and gradients go to a file.

    Cases with DDP come in a run of their own, since DDP is slow to import.
    """
    torch.set_num_threads(1)
    torch.distributed.init_process_group('gloo', f'file://{folder}/store', rank=rank, world_size=2)
    half = slice(rank * ROWS // 2, (rank + 1) * ROWS // 2)
    found = _with_ddp(half) if ddp else _without_ddp(rank, half)
    torch.save(found, Path(folder) / f'{rank}.pt')
    torch.distributed.destroy_process_group()


def _without_ddp(rank: int, half: slice) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for number, (kind, groups) in enumerate(CASES):
        model = TwoSided()
        value = plain(model, kind, groups, half)
        average_gradients(model.parameters())
        average_gradients(model.parameters())  # a second call changes nothing
        found[f'{number} averaged'] = value, model.gradients()
        found[f'{number} cached'] = _cached('bare', kind, groups, half)
    found['unequal'] = _message(rank, None)
    found['groups in one only'] = _message(0, GROUPS[:3] if rank else None)
    found['no models'] = _without_models()
    found['used by one'] = _used_by_one(rank)
    return found


def _with_ddp(half: slice) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for number, (kind, groups) in enumerate(CASES):
        found[f'{number} uncached'] = _by_ddp(kind, groups, half)
        for layout in ('one', 'each'):
            found[f'{number} cached, {layout}'] = _cached(layout, kind, groups, half)
    return found


def _cached(
    layout: str, kind: str, groups: Tensor | None, half: slice
) -> tuple[Tensor, dict[str, Tensor]]:
    """Twice, so that a DDP left in a bad state would show; the gradient of the second."""
    model = TwoSided()
    image: Any = nn.Sequential(model.image, Unit())
    text: Any = nn.Sequential(model.text, Unit())
    models: list[nn.Module] = [model]
    if layout == 'one':
        ddp = DistributedDataParallel(model)
        image, text, models = (lambda x: ddp('image', x)), (lambda x: ddp('text', x)), [ddp]
    if layout == 'each':
        image, text = DistributedDataParallel(image), DistributedDataParallel(text)
        models = [image, text, model]
    images, texts = inputs()
    loss = model.loss(kind, None if groups is None else groups[half])
    for _ in range(2):
        model.zero_grad()
        value = cached_backward(image, text, images[half], texts[half], loss, 2, models)
    return value, model.gradients()


def _by_ddp(kind: str, groups: Tensor | None, half: slice) -> tuple[Tensor, dict[str, Tensor]]:
    """DDP's own averaging, of a forward pass that holds everything."""
    model = TwoSided()
    images, texts = inputs()
    whole = Whole(model, kind, groups, half)
    # the bias is SigLIP's
    ddp = DistributedDataParallel(whole, find_unused_parameters=kind == 'clip')
    value = ddp(images[half], texts[half])
    value.backward()
    return value.detach(), model.gradients()


class Unit(nn.Module):
    def forward(self, features: Tensor) -> Tensor:
        return nn.functional.normalize(features, dim=1)


class Whole(nn.Module):
    def __init__(self, model: TwoSided, kind: str, groups: Tensor | None, rows: slice) -> None:
        super().__init__()
        self.model = model
        self.kind = kind
        self.groups = None if groups is None else groups[rows]

    def forward(self, images: Tensor, texts: Tensor) -> Tensor:
        loss = self.model.loss(self.kind, self.groups)
        return loss(self.model('image', images), self.model('text', texts))


def _message(more: int, groups: Tensor | None) -> str:
    try:
        clip_loss(torch.ones(3 + more, 2), torch.ones(3 + more, 2), 1.0, groups)
    except CiteError as error:
        return str(error)
    return ''


def _without_models() -> str:
    try:
        cached_backward(Unit(), Unit(), torch.ones(2, 2), torch.ones(2, 2), torch.dot, 1)
    except CiteError as error:
        return str(error)
    return ''


def _used_by_one(rank: int) -> list[Tensor | None]:
    both, one, none = (nn.Parameter(torch.zeros(2)) for _ in range(3))
    frozen = nn.Parameter(torch.zeros(2), requires_grad=False)
    both.grad = torch.tensor([1.0, 3.0]) * (rank + 1)
    if rank:
        one.grad = torch.ones(2)
    average_gradients([both, one, none, frozen, both])
    return [both.grad, one.grad, none.grad, frozen.grad]
