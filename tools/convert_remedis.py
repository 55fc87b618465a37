"""REMEDIS as PhysioNet publishes it (a TensorFlow SavedModel) → a safetensors file that cite loads.

    python tools/convert_remedis.py path-50x1-remedis-m path-50x1-remedis-m.safetensors
    python tools/convert_remedis.py variables.npz out.safetensors --prefix some/scope/

A SavedModel needs TensorFlow, once and here only: `pip install tensorflow-cpu`, in an environment of its
own if you like. Variables that were exported elsewhere, `numpy.savez(file, **{name: array})`, need none.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cite.atomic import replacing
from cite.encoders.checkpoints.bit import find_prefix, from_tensorflow
from cite.encoders.files.state_file import read_state
from cite.encoders.vision import random_trunk
from cite.encoders.zoo import CARDS
from cite.errors import CheckpointError, CiteError
from cite.state import misfit

ARCHITECTURES = ('remedis-path-50x1', 'remedis-path-152x2')


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        'source', type=Path, help='folder of the SavedModel, or .npz of its variables'
    )
    parser.add_argument('out', type=Path, help='file to write, *.safetensors')
    parser.add_argument(
        '--prefix', help="what stands before 'root_block' (default: found by itself)"
    )
    args = parser.parse_args(arguments)
    try:
        variables = read_variables(args.source)
        prefix = find_prefix(list(variables)) if args.prefix is None else args.prefix
        network, aside = convert(variables, prefix)
        write(network, args.out)
    except CiteError as error:
        print(f'convert_remedis: {error}', file=sys.stderr)
        return 2
    print(f'{args.out}: {len(network)} tensors under {prefix!r}; left aside: {aside or "nothing"}')
    return 0


def read_variables(source: Path) -> dict[str, Tensor]:
    """Name → value of all variables of a SavedModel, or of an `.npz`.

    Raises:
        CheckpointError: Neither, or TensorFlow is absent or cannot read it.
    """
    if source.is_file():
        return read_state(source)
    if not (source / 'saved_model.pb').is_file():
        raise CheckpointError(
            f'{source}: expected a folder with saved_model.pb, or an .npz of its variables'
        )
    try:
        import tensorflow as tf
    except ImportError as error:
        raise CheckpointError(
            'reading a SavedModel needs TensorFlow: `pip install tensorflow-cpu`, or give an .npz of its '
            'variables'
        ) from error
    try:
        loaded = tf.saved_model.load(str(source))
    except Exception as error:  # TensorFlow's own kinds, by version
        raise CheckpointError(f'TensorFlow cannot read {source}: {error}') from error
    found: dict[str, Tensor] = {}
    for variable in _variables(loaded):
        if variable.name in found:
            raise CheckpointError(f'{source}: two variables are called {variable.name!r}')
        found[variable.name] = torch.from_numpy(variable.numpy())
    return found


def _variables(loaded: Any) -> list[Any]:
    """Those of the model itself; else those that its signatures, or its own call, use."""
    own = list(getattr(loaded, 'variables', None) or ())
    used = list(loaded.signatures.values()) or getattr(loaded.__call__, 'concrete_functions', [])
    by_id = {id(v): v for function in used for v in function.variables}
    return own or list(by_id.values())


def convert(variables: dict[str, Tensor], prefix: str) -> tuple[dict[str, Tensor], str]:
    """Weights under timm's names, and what else there was.

    Raises:
        CheckpointError: They fill neither of the two architectures.
    """
    inside = {k: v for k, v in variables.items() if k.startswith(prefix)}
    state = from_tensorflow(inside, prefix)
    network = {k: v.float().contiguous() for k, v in state.items() if not k.startswith('head.fc.')}
    aside = sorted(variables.keys() - inside.keys()) + sorted(state.keys() - network.keys())
    problems = {}
    for name in ARCHITECTURES:
        with torch.device('meta'):
            trunk = random_trunk(CARDS[name], CARDS[name].image_size)
        problems[CARDS[name].arch] = misfit(network, trunk.state_dict())
    if all(problems.values()):
        # the one that it comes closer to has the shorter list
        closer = min(problems, key=lambda arch: len(problems[arch]))
        raise CheckpointError(f'not the weights of {closer}: {problems[closer]}')
    return network, ', '.join(aside[:5]) + (f' and {len(aside) - 5} more' if aside[5:] else '')


def write(network: dict[str, Tensor], out: Path) -> None:
    """As safetensors, whole or not at all.

    Raises:
        CheckpointError: A name that says another format, or no place to write to.
    """
    from safetensors.torch import save_file

    if out.suffix != '.safetensors':
        raise CheckpointError(f'{out}: expected a name that ends in .safetensors')
    try:
        with replacing(out) as temporary:
            save_file(network, temporary)
    except OSError as error:
        raise CheckpointError(f'cannot write {out}: {error.strerror or error}') from error


if __name__ == '__main__':
    sys.exit(main())
