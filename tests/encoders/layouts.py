"""Names, shapes and number formats of published checkpoint files, and synthetic files that have them.

One JSON file per checkpoint in `key_layouts/`, folded: numbers in names are replaced by '{}', and lists of
ranges say which there are. No weights, only what a file is made of.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from cite.errors import CiteError

FOLDER = Path(__file__).parent / 'key_layouts'
STACK = re.compile(r'(?:^|\.)(?:blocks|layers|layer|resblocks|block)\.(?:\d+\.(?=\d+\.))?(\d+)\.')
"""A layer's number; training runs of DINOv2 number chunks in front of it."""


def names() -> list[str]:
    """All layouts."""
    return sorted(path.stem for path in FOLDER.glob('*.json'))


@cache
def layout(name: str) -> dict[str, Any]:
    """As stored: 'keys' (folded), 'container', 'dtypes' (folded, where not float32)."""
    content: dict[str, Any] = json.loads((FOLDER / f'{name}.json').read_text(encoding='utf-8'))
    return content


def shapes(name: str) -> dict[str, tuple[int, ...]]:
    """Every key of the file, with its prefix and without its container."""
    return unfold(layout(name)['keys'])


def unfold(folded: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """What `fold` folded."""
    return {
        template.format(*numbers): tuple(shape)
        for template, groups in folded.items()
        for shape, boxes in groups
        for box in boxes
        for numbers in itertools.product(*(_range(text) for text in box))
    }


def synthetic(
    name: str, depth: int | None = None, seed: int = 0, device: str = 'cpu'
) -> dict[str, Tensor]:
    """A state dict of exactly that layout with random values of sensible size.

    Args:
        depth: Keep only the first so many layers of every stack of transformer layers.
        device: 'meta' gives shapes without values.
    """
    generator = torch.Generator().manual_seed(seed)
    dtypes = layout(name)['dtypes']
    state = {}
    for key, shape in shapes(name).items():
        number = STACK.search(key)
        if depth is not None and number and int(number[1]) >= depth:
            continue
        dtype = getattr(torch, dtypes.get(re.sub(r'(?<=\.)\d+(?=\.|$)', '{}', key), 'float32'))
        if device == 'meta':
            state[key] = torch.empty(shape, dtype=dtype, device='meta')
        else:
            state[key] = _values(key, shape, generator).to(dtype)
    return state


def _values(key: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    if key.endswith('position_ids'):
        return torch.arange(shape[-1]).expand(shape)
    if key.endswith(('num_batches_tracked', 'position_index')) or not shape:
        # scales of CLIPs are logarithms, around 4
        return torch.full(shape, 4.0 if key.endswith('logit_scale') else 1.0)
    noise = torch.randn(shape, generator=generator)
    last = key.rpartition('.')[2]
    if last in ('running_var',) or (
        len(shape) == 1 and last in ('weight', 'gamma', 'gamma1', 'gamma2')
    ):
        return 1 + 0.1 * noise.abs()  # norms, LayerScale
    if len(shape) == 1:
        return 0.1 * noise
    fan_in = shape[0] if last == 'proj' else max(1, noise[0].numel())
    return noise * min(0.5, fan_in**-0.5)


def wrapped(name: str, state: Mapping[str, Tensor]) -> Any:
    """What the authors save: the state dict in its container, with what stands beside it."""
    container = layout(name)['container']
    if container in ('teacher', 'model') and 'args' in layout(name)['beside']:
        beside = {'optimizer': {}, 'epoch': 100, 'args': argparse.Namespace(lr=0.001, arch='vit')}
        return {container: dict(state), **beside}
    return {container: dict(state)} if container else dict(state)


def check_refusals(
    load: Callable[[dict[str, Tensor]], Any], state: Mapping[str, Tensor], named: str | None = None
) -> None:
    """A missing, an extra and a misshapen tensor are each refused by name.

    Args:
        load: State dict → anything; raises where it does not fit.
        state: One that fits; a matrix of it is taken away, or loses a row.
        named: What loading renames that matrix to.
    """
    key = next(k for k, v in state.items() if v.ndim == 2 and re.search(r'\.\d+\.', k))
    name = re.escape(named or key.rpartition('.')[0].rpartition('.')[2])
    with pytest.raises(CiteError, match=name):
        load({k: v for k, v in state.items() if k != key})
    with pytest.raises(CiteError, match='surprise'):
        load({**state, _beside(key): torch.zeros(3)})
    with pytest.raises(CiteError, match=name):
        load({**state, key: state[key][:-1]})


def _beside(key: str) -> str:
    """A name in the same block that no model has."""
    return f'{key.rpartition(".")[0].rpartition(".")[0]}.surprise.weight'


def fold(keys: Mapping[str, Any]) -> dict[str, Any]:
    """{key: shape} → the folded form of a layout file's 'keys'; `unfold` is its inverse."""
    found: dict[str, dict[tuple[int, ...], list[tuple[int, ...]]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for key, shape in keys.items():
        parts = key.split('.')
        numbers = tuple(int(p) for p in parts if p.isdigit())
        template = '.'.join('{}' if p.isdigit() else p for p in parts)
        found[template][tuple(shape)].append(numbers)
    return {
        template: [[list(shape), _boxes(numbers)] for shape, numbers in by_shape.items()]
        for template, by_shape in found.items()
    }


def _boxes(tuples: list[tuple[int, ...]]) -> list[list[str]]:
    """Tuples of numbers → products of ranges that hold them all."""
    if not tuples[0]:
        return [[]]
    by_front: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for numbers in tuples:
        by_front[numbers[:-1]].append(numbers[-1])
    by_tail: dict[str, list[tuple[int, ...]]] = defaultdict(list)
    for front, last in by_front.items():
        by_tail[','.join(_ranges(sorted(last)))].append(front)
    return [[*box, tail] for tail, fronts in by_tail.items() for box in _boxes(fronts)]


def _ranges(numbers: list[int]) -> list[str]:
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return [str(r[0]) if len(r) == 1 else f'{r[0]}-{r[-1]}' for r in runs]


def _range(text: str) -> list[int]:
    found: list[int] = []
    for run in text.split(','):
        first, _, last = run.partition('-')
        found += range(int(first), int(last or first) + 1)
    return found
