"""Which file a model's weights are read from, and where that file came from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cite.encoders.card import Card
from cite.encoders.hub import commit_of, fetch
from cite.errors import ModelError

_NAMES = (
    'model.safetensors',
    'open_clip_model.safetensors',
    'pytorch_model.bin',
    'open_clip_pytorch_model.bin',
)
_SUFFIXES = ('.safetensors', '.bin', '.pth', '.pt', '.ckpt')


@dataclass(frozen=True)
class ResolvedWeights:
    """A weights file on this machine.

    Attributes:
        path: The file.
        origin: 'local', or the hub repository.
        revision: The hub's commit where known.
    """

    path: Path
    origin: str
    revision: str | None


def resolve_weights(card: Card, weights: str | Path | None = None) -> ResolvedWeights:
    """Find the weights of a model.

    Args:
        card: The model.
        weights: Local file, or folder with one weights file; None takes the card's own source.

    Raises:
        ModelError: Nothing at that path, or the hub does not give the file; the message says how
            to get access (gated models) and how to place the file by hand.
    """
    chosen = weights if weights is not None else card.weights
    if chosen is not None:
        path = _local_file(card.name, Path(chosen).expanduser())
        return ResolvedWeights(path, 'local', None)
    if card.source is None:
        raise ModelError(f'{card.name} has no published weights: it is random by design')
    try:
        path = fetch(card.source)
    except ModelError as error:
        terms = ' (a gated model)' if card.gated and 'gated' not in str(error) else ''
        raise ModelError(f'weights of {card.name}{terms}: {error}') from error
    return ResolvedWeights(path, str(card.source.repo), commit_of(path))


def _local_file(model: str, path: Path) -> Path:
    if path.is_file():
        return path
    if not path.is_dir():
        raise ModelError(f'weights of {model}: no file or folder {path}')
    for name in _NAMES:
        if (path / name).is_file():
            return path / name
    found = sorted(file for file in path.iterdir() if file.suffix in _SUFFIXES)
    if len(found) == 1:
        return found[0]
    listed = ', '.join(file.name for file in found[:5]) or 'none'
    if len(found) > 5:
        listed += f' and {len(found) - 5} more'
    raise ModelError(
        f'weights of {model}: expected one weights file in {path} ({_NAMES[0]}, {_NAMES[2]} or any '
        f'single file), found {listed}. Pass the file itself'
    )
