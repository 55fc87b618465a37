"""The file of a probe: tensors and a description, no pickle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from cite.atomic import write_bytes, write_json
from cite.errors import CheckpointError
from cite.probing.probe import Probe
from cite.probing.samples import Scaling

FORMAT = 1
KEY = 'cite.probe'
KINDS = ('softmax', 'one-vs-rest')


def save_probe(probe: Probe, path: str | Path) -> None:
    """Writes `path` (.safetensors) with all that is needed, and the description beside it as JSON."""
    from safetensors.numpy import save

    description = {
        'format': FORMAT,
        'classes': list(probe.classes),
        'kind': probe.kind,
        'unit': probe.scaling.unit,
        'about': probe.about,
    }
    tensors = {'weight': probe.weight, 'bias': probe.bias}
    if probe.scaling.mean is not None and probe.scaling.std is not None:
        tensors |= {'mean': probe.scaling.mean, 'std': probe.scaling.std}
    tensors = {name: np.ascontiguousarray(value, np.float32) for name, value in tensors.items()}
    path = Path(path)
    write_bytes(path, save(tensors, {KEY: json.dumps(description)}))
    write_json(path.with_suffix('.json'), description)


def load_probe(path: str | Path) -> Probe:
    """Reads what `save_probe` wrote.

    Raises:
        CheckpointError: No such file, damaged, no probe, or tensors that contradict its description.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path).expanduser()
    if not path.is_file():
        raise CheckpointError(f'{path}: no such file')
    try:
        with safe_open(path, 'np') as file:
            said: dict[str, Any] = json.loads((file.metadata() or {}).get(KEY, 'null'))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f'{path} cannot be read as safetensors ({error})') from error
    try:
        return _probe(said, tensors)
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f'{path} is no probe as `cite probe` writes it (format {FORMAT}): {error!s:.200}'
        ) from error


def _probe(said: dict[str, Any], tensors: dict[str, np.ndarray]) -> Probe:
    if not isinstance(said, dict):
        raise ValueError('it has no description of one')
    if said['format'] != FORMAT:
        raise ValueError(f'its format is {said["format"]!r}')
    weight, bias, classes = tensors['weight'], tensors['bias'], tuple(map(str, said['classes']))
    mean, std = tensors.get('mean'), tensors.get('std')
    shapes = {'weight': (len(classes), weight.shape[-1]), 'bias': (len(classes),)}
    if mean is not None or std is not None:
        shapes |= {'mean': weight.shape[-1:], 'std': weight.shape[-1:]}
    for name, shape in shapes.items():
        tensor = tensors[name]
        if tensor.shape != shape or tensor.dtype != np.float32 or not np.isfinite(tensor).all():
            raise ValueError(
                f'{name} should be finite float32 of {shape}, found {tensor.dtype} of {tensor.shape}'
            )
    if std is not None and not (std > 0).all():
        raise ValueError('std should be positive')
    if said['kind'] not in KINDS:
        raise ValueError(f'its kind is {said["kind"]!r}')
    scaling = Scaling(mean, std, bool(said['unit']))
    return Probe(weight, bias, classes, scaling, said['kind'], dict(said['about']))
