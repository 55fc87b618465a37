"""Which file a model's weights are read from, and where that file came from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from cite.encoders.card import Card, Published, Source
from cite.encoders.files.hub import commit_of, fetch
from cite.encoders.zoo import CARDS, ROWS, TEXT_CARDS
from cite.errors import ModelError
from cite.paths import weights_dir

_NAMES = (
    'model.safetensors',
    'open_clip_model.safetensors',
    'pytorch_model.bin',
    'open_clip_pytorch_model.bin',
    'model.safetensors.index.json',
    'pytorch_model.bin.index.json',
)
"""What the hub's repositories call their weights, best first; such a name says nothing of the model."""
SUFFIXES = ('.safetensors', '.pth', '.pt', '.bin', '.ckpt', '.pth.tar', '.torch', '.npz')


@dataclass(frozen=True)
class ResolvedWeights:
    """A weights file on this machine.

    Attributes:
        path: The file; the folder, for a model in several files (`Source.parts`).
        origin: 'local', or the hub repository.
        revision: The hub's commit where known.
    """

    path: Path
    origin: str
    revision: str | None


def resolve_weights(card: Published, weights: str | Path | None = None) -> ResolvedWeights:
    """Find the weights of a model: the file that is given, else one in `$CITE_WEIGHTS`, else the hub's.

    Args:
        card: The model.
        weights: Local file, or folder with one weights file.

    Raises:
        ModelError: Nothing at that path, or the hub does not give the file; the message says how
            to get access (gated models), where a file that is on no hub is, and how to place it by hand.
        ConfigError: `$CITE_WEIGHTS` names no folder.
    """
    chosen = weights if weights is not None else card.weights if isinstance(card, Card) else None
    if chosen is not None:
        path = _local_file(card, Path(chosen).expanduser())
        return ResolvedWeights(path, 'local', None)
    if card.source is None:
        raise ModelError(f'{card.name} has no published weights: it is random by design')
    placed = placed_file(card)
    if placed is not None:
        return ResolvedWeights(placed, 'local', None)
    if card.source.repo is None:
        raise ModelError(_by_hand(card, card.source))
    try:
        path = fetch(card.source)
    except ModelError as error:
        terms = ''
        if card.gated and 'gated' not in str(error):
            page = f'https://huggingface.co/{card.source.repo}'
            terms = f'. The model is gated: accept its terms at {page}, then run `hf auth login`'
        raise ModelError(f'weights of {card.name}: {error}{terms}') from error
    return ResolvedWeights(path, card.source.repo, commit_of(path))


def placed_file(card: Published) -> Path | None:
    """The file of a model in the folder that `$CITE_WEIGHTS` names, if there is one.

    Looked for are, in this order: the model's name with a weights file's suffix ('uni.pth'); one weights
    file in a folder of that name; the same under the names of other models in the same file; a file as
    its authors call it ('ctranspath.pth'), unless every repository calls its file so. Whoever asks for a
    revision of the hub's gets that.
    """
    folder = weights_dir()
    if folder is None or _revision_asked(card):
        return None
    names = _names_of_file(card)
    published = card.source.filenames if card.source else ()
    own = [Path(file).name for file in published]
    for path in (
        *(path for name in names for path in _called(folder, name)),
        *(folder / file for file in own if file not in _NAMES),
    ):
        if path.is_file():
            return path
        if path.is_dir() and _weights_in(path):
            return _local_file(card, path)
    if card.source and card.source.parts and not _missing(card.source.parts, folder):
        return folder
    return None


def _called(folder: Path, name: str) -> list[Path]:
    return [*(folder / f'{name}{suffix}' for suffix in SUFFIXES), folder / name]


def _names_of_file(card: Published) -> list[str]:
    """The model's name, and those of other rows that read the same file: 'conch-clip', 'conch'."""
    name = card.name.removeprefix('timm:')
    if not re.fullmatch(r'\w[\w.-]*', name):
        return []  # a hub id or a path
    hub = card.source is not None and card.source.repo is not None
    rows = (row.name for row in ROWS if hub and row.source == card.source)
    return list(dict.fromkeys((name, *rows)))


def placed_folder(name: str) -> Path | None:
    """A folder `$CITE_WEIGHTS/<name>` in Hugging Face layout, with `config.json`; None if there is none."""
    folder = weights_dir()
    if folder is None or not (folder / name / 'config.json').is_file():
        return None
    return folder / name


def _revision_asked(card: Published) -> bool:
    row = CARDS.get(card.name) if isinstance(card, Card) else TEXT_CARDS.get(card.name)
    return (
        row is not None
        and row.source is not None
        and card.source is not None
        and row.source.revision != card.source.revision
    )


def _by_hand(card: Published, source: Source) -> str:
    if source.parts:
        files = ' and '.join(file for _, file in source.parts)
        return (
            f'weights of {card.name} are on no hub: {source.how.rstrip(".")}. Then pass weights=<the '
            f'folder that holds {files}>, or let CITE_WEIGHTS name it'
        )
    suffix = next((s for s in SUFFIXES if source.filenames[0].endswith(s)), SUFFIXES[0])
    names = dict.fromkeys((f'{card.name}{suffix}', source.filenames[0]))
    return (
        f'weights of {card.name} are on no hub: {source.how.rstrip(".")}. Then pass '
        f'weights=<its path>, or put it into the folder that CITE_WEIGHTS names, as '
        f'{" or ".join(names)}'
    )


def _weights_in(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.name.endswith(SUFFIXES))


def _missing(parts: tuple[tuple[str, str], ...], folder: Path) -> list[str]:
    return [file for _, file in parts if not (folder / file).is_file()]


def _local_file(card: Published, path: Path) -> Path:
    model = card.name
    if path.is_file():
        return path
    if not path.is_dir():
        raise ModelError(f'weights of {model}: no file or folder {path}')
    parts = card.source.parts if card.source else ()
    missing = _missing(parts, path)
    if len(missing) < len(parts):
        if missing:
            raise ModelError(f'weights of {model}: {path} lacks {", ".join(missing)}')
        return path
    for name in _NAMES:
        if (path / name).is_file():
            return path / name
    found = _weights_in(path)
    if len(found) == 1:
        return found[0]
    listed = ', '.join(file.name for file in found[:5]) or 'none'
    if len(found) > 5:
        listed += f' and {len(found) - 5} more'
    raise ModelError(
        f'weights of {model}: expected one weights file in {path} ({_NAMES[0]}, {_NAMES[2]} or any '
        f'single file), found {listed}. Pass the file itself'
    )
