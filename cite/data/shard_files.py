"""WebDataset shards as files: which there are, and where in them each image and its caption lie.

A shard is an uncompressed tar file with `name.jpg` and `name.txt` (the caption) or `name.json` (with
`caption` in it). Only headers are read here. Nothing is ever unpacked, so the names in a shard are names
and never paths.
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cite.data.readers import IMAGE_SUFFIXES
from cite.data.table import some
from cite.errors import ConfigError, DataError

MAX_IMAGE_BYTES = 2**26
MAX_CAPTION_BYTES = 2**20
"""More than 64 MiB is no patch, and more than 1 MiB no caption: such samples are skipped."""

_MOST_SHARDS = 100_000
_RANGE = re.compile(r'\{(\d+)\.\.(\d+)\}')
_BLOCK = 512


class Place(NamedTuple):
    """Where a member's content lies in its shard, in bytes."""

    start: int
    size: int


class Sample(NamedTuple):
    """One pair in a shard; `is_json` says of which kind its caption is."""

    shard: Path
    name: str
    image: Place
    caption: Place
    is_json: bool

    @property
    def key(self) -> str:
        """Shard and name, the same wherever the shards lie."""
        return f'{self.shard.name}/{self.name}'


class ShardIndex:
    """What `read_shard` found, in 100 bytes a sample, so that it can be kept from epoch to epoch."""

    def __init__(self, path: Path, samples: list[Sample], bad: list[str]) -> None:
        self.path, self.bad = path, bad
        self._names = [sample.name for sample in samples]
        self._places = np.array(
            [(*sample.image, *sample.caption, sample.is_json) for sample in samples], dtype=np.int64
        ).reshape(-1, 5)

    def __len__(self) -> int:
        return len(self._names)

    def __iter__(self) -> Iterator[Sample]:
        for name, row in zip(self._names, self._places, strict=True):
            image, size, caption, length, is_json = row.tolist()
            yield Sample(self.path, name, Place(image, size), Place(caption, length), bool(is_json))


@dataclass
class _Members:
    images: list[Place] = field(default_factory=list)
    texts: dict[str, Place] = field(default_factory=dict)


def shard_paths(shards: str | Path | Iterable[str | Path]) -> tuple[Path, ...]:
    """Shard files, sorted, whatever way they are given.

    Args:
        shards: a tar file, a folder of them, a pattern such as `pairs-{000000..000009}.tar`, or several
            of these.

    Raises:
        DataError: a shard that is not there (the first five are named), or a folder without any.
        ConfigError: a shard that is given twice, or a range that is none.
    """
    paths: list[Path] = []
    for given in [shards] if isinstance(shards, str | Path) else shards:
        for name in _expanded(str(given)):
            path = Path(name)
            found = sorted(path.glob('*.tar')) if path.is_dir() else [path]
            if not found:
                raise DataError(f'{path}: no shards (*.tar) in this folder')
            paths += found
    missing = [path for path in paths if not path.is_file()]
    if missing or not paths:
        raise DataError(f'shards that are not there: {some(missing) if missing else "none given"}')
    if len(set(paths)) < len(paths):
        twice = sorted({path for path in paths if paths.count(path) > 1})
        raise ConfigError(f'shards given more than once: {some(twice)}')
    return tuple(sorted(paths))


def _expanded(pattern: str) -> list[str]:
    found = _RANGE.search(pattern)
    if not found:
        return [pattern]
    first, last = found.groups()
    if not 0 <= int(last) - int(first) < _MOST_SHARDS:
        raise ConfigError(
            f'{pattern}: a range goes up, to {_MOST_SHARDS} shards at most, e.g. {{000000..000009}}'
        )
    width = len(first) if first.startswith('0') else 0
    head, tail = pattern[: found.start()], _expanded(pattern[found.end() :])
    return [f'{head}{n:0{width}d}{t}' for n in range(int(first), int(last) + 1) for t in tail]


def read_shard(path: Path) -> tuple[list[Sample], list[str]]:
    """Samples of a shard in its order, and what is wrong with the others.

    Members of one name up to the first dot belong together, as WebDataset has it. Where there are both,
    the `.txt` is the caption. Hidden files (`._name.jpg`) and members of other kinds are passed over.

    Raises:
        DataError: not a tar file, compressed, damaged, or truncated.
    """
    members: dict[str, _Members] = {}
    try:
        with tarfile.open(path, 'r:') as tar:
            end = -1
            for member in tar:
                if member.size < 0 or member.offset <= end:
                    raise DataError(f'{path}: damaged, a header in it makes no sense')
                end = member.offset
                _sort_in(members, member)
            ending = tar.offset
    except (tarfile.TarError, OSError, ValueError, EOFError, OverflowError) as error:
        raise DataError(
            f'{path}: truncated, damaged or not an uncompressed tar file ({error}); copy it again'
        ) from error
    with path.open('rb') as file:  # tarfile takes a damaged header for the end
        file.seek(ending)
        if file.read(_BLOCK) != bytes(_BLOCK):
            raise DataError(f'{path}: truncated or damaged at byte {ending}; copy it again')
    samples, bad = [], []
    for name, found in members.items():
        problem = _problem(found)
        if problem:
            bad.append(f'{path.name}/{name} ({problem})')
        else:
            kind = 'txt' if 'txt' in found.texts else 'json'
            samples.append(
                Sample(path, name, found.images[0], found.texts[kind], is_json=kind == 'json')
            )
    return samples, bad


def _sort_in(members: dict[str, _Members], member: tarfile.TarInfo) -> None:
    folder, slash, last = member.name.rpartition('/')
    base, _, suffix = last.partition('.')
    suffix = suffix.lower()
    if not member.isreg() or not base:
        return
    name, place = f'{folder}{slash}{base}', Place(member.offset_data, member.size)
    if f'.{suffix}' in IMAGE_SUFFIXES:
        members.setdefault(name, _Members()).images.append(place)
    elif suffix in ('txt', 'json'):
        members.setdefault(name, _Members()).texts[suffix] = place


def _problem(found: _Members) -> str:
    if len(found.images) != 1:
        return f'{len(found.images)} images'
    if not found.texts:
        return 'no caption'
    if found.images[0].size > MAX_IMAGE_BYTES:
        return f'an image of {found.images[0].size} bytes'
    if max(place.size for place in found.texts.values()) > MAX_CAPTION_BYTES:
        return 'a caption of more than 1 MiB'
    return ''
