"""Gradient caching: the gradient of a large contrastive batch in the memory of a small one.

Gao et al., 'Scaling deep contrastive learning batch size under memory limited setup' (RepL4NLP 2021). A
contrastive loss needs the features of all rows at once, but the features are small; what fills memory is
the graph behind them. So the features are computed in chunks without graph, the loss gives the gradient
with respect to each feature, and every chunk is computed once more, with graph, to carry it further.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from cite.contrast.gather import average_gradients, world_size
from cite.errors import ConfigError, TrainingError

Rows = Tensor | Sequence[Any] | Mapping[str, Any]
"""B rows: a tensor, a sequence of rows (texts, say), or a mapping of such, as tokenizers return."""
Encode = Callable[[Any], Tensor]
Loss = Callable[[Tensor, Tensor], Tensor]


def cached_backward(
    encode_images: Encode,
    encode_texts: Encode,
    images: Rows,
    texts: Rows,
    loss: Loss,
    chunk: int,
    models: Iterable[nn.Module] = (),
) -> Tensor:
    """Stands for `loss(encode_images(images), encode_texts(texts)).backward()`, chunk by chunk.

    Gradients are added to `.grad`, those of the loss's own parameters (scale, bias) included. Each chunk
    meets the same random numbers in its second pass as in its first, so dropout is allowed. A side
    without anything that trains has no second pass. Modules with a memory see each chunk twice: running
    statistics of batch normalisation move twice as far.

    Several processes: name in `models` all that trains. DDP's own averaging is held back (`no_sync`),
    and their gradients are averaged once at the end. DDP could not do it: it averages in one backward
    pass, which has to reach every parameter, and the last chunk reaches only those of one side. Modules
    that are not wrapped in DDP are averaged as well, if they began with equal weights.

    Autocast: call it inside. For float16 let `loss` return the scaled loss of a GradScaler.

    Args:
        encode_images: Rows of `images` → (rows, D) features of unit norm, a row's depending on no other.
        encode_texts: The same for `texts`.
        images: B rows. Of a mapping, each value is cut.
        texts: B rows.
        loss: Features (B, D) and (B, D) of this process → one number. It may gather, as `clip_loss` does.
        chunk: Rows at a time; need not divide B. With B or more, a plain backward is the faster way.
        models: Modules with all parameters that train, for their average over processes.

    Returns:
        The loss, without graph; of this process's rows, if `loss` gathers.

    Raises:
        ConfigError: a chunk below 1, rows of different number, several processes but no models, an encoder
            that returns something else than features.
        TrainingError: nothing trains.
    """
    models = list(models)
    if isinstance(chunk, bool) or not isinstance(chunk, int) or chunk < 1:
        raise ConfigError(f'chunk must be a whole number of at least 1, found {chunk!r}')
    if world_size() > 1 and not models:
        raise ConfigError(
            'cached_backward under several processes needs `models`, all modules that train; '
            'without them each process would go its own way'
        )
    sides = (
        _Side('images', encode_images, images, chunk),
        _Side('texts', encode_texts, texts, chunk),
    )
    with ExitStack() as stack:
        for model in models:
            if isinstance(model, DistributedDataParallel):
                stack.enter_context(model.no_sync())
        features = [side.features() for side in sides]
        with torch.enable_grad():
            value = loss(*features)
        if not value.requires_grad:
            raise TrainingError(
                'nothing is trainable: neither an encoder nor the loss takes a gradient'
            )
        value.backward()
        for side, feature in zip(sides, features, strict=True):
            if feature.grad is not None:
                side.backward(feature.grad)
    average_gradients(parameter for model in models for parameter in model.parameters())
    return value.detach()


class _Side:
    """Images or texts: their encoder, their chunks, and the random state in front of each chunk."""

    def __init__(self, name: str, encode: Encode, rows: Rows, chunk: int) -> None:
        self.name = name
        self.encode = encode
        self.rows = rows
        n = _count(name, rows)
        self.cuts = [slice(start, min(start + chunk, n)) for start in range(0, n, chunk)]
        self.states: list[_RandomState] = []

    def features(self) -> Tensor:
        """(B, D), cut off from the encoder; a leaf that takes a gradient if the encoder would."""
        parts: list[Tensor] = []
        trains = False
        for cut in self.cuts:
            self.states.append(_RandomState())
            # only a graph tells whether anything trains; that of the first chunk is dropped at once
            with torch.set_grad_enabled(not parts):
                part = self._encode(cut)
            trains = trains or part.requires_grad
            parts.append(part.detach())
        return torch.cat(parts).requires_grad_(trains)

    def backward(self, gradient: Tensor) -> None:
        """Computes the chunks again and carries the features' gradient into the encoder."""
        for cut, state in zip(self.cuts, self.states, strict=True):
            with state.replayed(), torch.enable_grad():
                part = self._encode(cut)
            part.backward(gradient[cut])

    def _encode(self, cut: slice) -> Tensor:
        part = self.encode(_cut(self.rows, cut))
        if not isinstance(part, Tensor) or part.ndim != 2 or len(part) != cut.stop - cut.start:
            found = tuple(part.shape) if isinstance(part, Tensor) else type(part).__name__
            raise ConfigError(
                f'the encoder of the {self.name} must return ({cut.stop - cut.start}, dim) features '
                f'for {cut.stop - cut.start} rows, found {found}'
            )
        return part


class _RandomState:
    """Torch's random state at this moment, of the CPU and of all GPUs in use."""

    def __init__(self) -> None:
        self.cpu = torch.get_rng_state()
        self.cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []

    @contextmanager
    def replayed(self) -> Iterator[None]:
        """Inside, random numbers are drawn from this state; afterwards from where they had been."""
        with torch.random.fork_rng(range(len(self.cuda))):
            torch.set_rng_state(self.cpu)
            if self.cuda:
                torch.cuda.set_rng_state_all(self.cuda)
            yield


def _count(name: str, rows: Rows) -> int:
    counts = {len(v) for v in rows.values()} if isinstance(rows, Mapping) else {len(rows)}
    if len(counts) != 1 or 0 in counts:
        raise ConfigError(
            f'{name}: a batch needs one number of rows, at least 1, found {sorted(counts)}'
        )
    return counts.pop()


def _cut(rows: Rows, cut: slice) -> Any:
    if isinstance(rows, Mapping):
        return {key: value[cut] for key, value in rows.items()}
    return rows[cut]
