"""A trained pair as one file: what trained, and how to build the rest.

Like an adapter: tensors without the frozen weights, JSON beside them, no pickle. A pair that was trained
whole carries all its weights.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cite.atomic import write_bytes
from cite.encoders.pair import Pair, build_pair
from cite.encoders.text.tower import TextTower
from cite.encoders.towers.tower import VisionTower
from cite.errors import CheckpointError, CiteError
from cite.state import misfit

KEY = 'cite_pair'
FORMAT = 1
VISION_OPTIONS = ('model', 'image_size', 'mean', 'std', 'pretrained', 'tuning')
"""What a file may ask of a vision tower. What lies on one machine only (`weights`), and what runs foreign
code, is not in it: whoever loads the file says so (`read_pair(path, vision=…, text=…)`)."""
TEXT_OPTIONS = ('type', 'model', 'pooling', 'revision', 'max_length', 'pretrained', 'tuning')


@dataclass(frozen=True)
class PairInfo:
    """What a pair's file says of itself.

    Attributes:
        vision, text: Specs, as `build_pair` takes them.
        dim: Of the common space; None without projections.
        bias: Whether it has one (SigLIP).
        vision_digest, text_digest: SHA-256 of the weights that the towers were loaded with.
        training: Data, split hash, seed, iterations, versions.
    """

    vision: dict[str, Any]
    text: dict[str, Any]
    dim: int | None
    bias: bool
    vision_digest: str
    text_digest: str
    training: dict[str, Any] = field(default_factory=dict)
    format: int = FORMAT


def save_pair(path: str | Path, pair: Pair, info: PairInfo) -> None:
    """Writes a pair atomically."""
    from safetensors.torch import save

    tensors = {name: t.detach().cpu().contiguous() for name, t in pair.state_dict().items()}
    write_bytes(path, save(tensors, {KEY: json.dumps(asdict(info))}))


def read_pair_info(path: str | Path) -> PairInfo:
    """What the file says of itself.

    Raises:
        CheckpointError: No such file, damaged, or not a pair's.
    """
    return _read(Path(path))[0]


def read_pair(
    path: str | Path,
    vision: Mapping[str, Any] | None = None,
    text: Mapping[str, Any] | None = None,
) -> Pair:
    """The pair of a file, on its base models.

    Args:
        vision, text: Options of the towers in place of the file's: `vision=dict(weights='ViT-B-16.pt')`,
            `text=dict(model='/models/biolinkbert')`.

    Raises:
        CheckpointError: No such file, damaged, not a pair's, or of other base models than are here.
        ModelError: A base model cannot be had.
    """
    info, state = _read(Path(path))
    specs = {**info.vision, **(vision or {})}, {**info.text, **(text or {})}
    try:
        pair = build_pair(*specs, info.dim, bias=0.0 if info.bias else None)
    except CiteError:
        raise
    except Exception as error:  # a description can make the builders raise anything
        raise CheckpointError(
            f'pair {path} cannot be built: {type(error).__name__}: {" ".join(str(error).split())}'
        ) from error
    _check_base(path, pair.vision.card.name, pair.vision, info.vision_digest, 'vision')
    _check_base(path, pair.text.name, pair.text, info.text_digest, 'text')
    problems = misfit(state, pair.state_dict())
    if problems:
        raise CheckpointError(f'{path} does not fit the pair it describes: {problems}')
    pair.load_state_dict(state)
    return pair.eval()


def _check_base(
    path: str | Path, name: str, tower: VisionTower | TextTower, expected: str, side: str
) -> None:
    """A tower that was trained whole brings its weights along; what it began with does not matter."""
    if not tower.tuning.trains_all and tower.digest != expected:
        raise CheckpointError(
            f'{path} was trained on a base model with digest {expected[:12]}, but {name} as loaded here '
            f'has {tower.digest[:12]}. Use the same model and weights as in training, if need be by '
            f'{side}=dict(model=…, weights=…)'
        )


def _read(path: Path) -> tuple[PairInfo, dict[str, Any]]:
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise CheckpointError(f'pair {path}: {"a folder" if path.is_dir() else "no such file"}')
    try:
        with safe_open(path, 'pt') as file:
            info = _info(file.metadata() or {}, path)
            return info, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except CiteError:
        raise
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f'pair {path} cannot be read: it is damaged or no safetensors file '
            f'({" ".join(str(error).split())})'
        ) from error


def _info(metadata: Mapping[str, str], path: Path) -> PairInfo:
    if KEY not in metadata:
        raise CheckpointError(
            f'{path} is a safetensors file, but not of a pair: its metadata lack the key `{KEY}`'
        )
    try:
        content = json.loads(metadata[KEY])
        if content.get('format') != FORMAT:
            raise CheckpointError(
                f'pair {path} has format {content.get("format")}, this version reads {FORMAT}'
            )
        info = PairInfo(**content)
        specs = ((info.vision, VISION_OPTIONS), (info.text, TEXT_OPTIONS))
        if not all(isinstance(spec, dict) for spec, _ in specs):
            raise TypeError('vision and text must be objects')
        unknown = sorted(key for spec, allowed in specs for key in spec if key not in allowed)
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(
            f'pair {path}: its metadata are not as cite writes them ({error})'
        ) from error
    if unknown:
        raise CheckpointError(f'pair {path}: it asks for options it may not: {unknown}')
    return info
