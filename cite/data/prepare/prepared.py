"""What `cite prepare` leaves in a folder: the split, and what it was made of and how."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cite import __version__
from cite.atomic import write_json, write_text
from cite.data.manifests import manifests_of
from cite.data.splits import Split
from cite.data.table import PatchTable
from cite.errors import DataError

REPORT = 'report.txt'
RECORD = 'prepare.json'


def write_prepared(
    out: str | Path,
    split: Split,
    parts: Mapping[str, PatchTable],
    report: str,
    options: Mapping[str, Any],
    files: Mapping[str, str] | None = None,
) -> None:
    """Write manifests, `split.json`, `report.txt`, `prepare.json` and further files, each atomically.

    `prepare.json` comes first, `split.json` last: a folder that has the one is ours, with the other it is
    whole. `prepare.json` holds the options and the SHA-256 of every manifest, which runs record as well.

    Args:
        out: folder; made where missing.
        split: which slides train and which evaluate.
        parts: of it, see `cite.data.manifests.parts_of`.
        report: what people read.
        options: what decided the manifests, plain values.
        files: file name -> content of further files.

    Raises:
        DataError: the folder holds another split, or files of other content that are no split's, see
            `refuse_another`.
    """
    out = Path(out)
    manifests = manifests_of(parts)
    texts = {**manifests, REPORT: report, **(files or {})}
    refuse_another(out, split, manifests, texts)
    record = {
        'cite': __version__,
        'options': dict(options),
        'split_hash': split.hash,
        'manifests': {name: _sha256(text.encode()) for name, text in manifests.items()},
    }
    write_json(out / RECORD, record)
    for name, text in texts.items():
        write_text(out / name, text)
    split.save(out / 'split.json')


def refuse_another(
    out: Path, split: Split, manifests: Mapping[str, str], texts: Mapping[str, str]
) -> None:
    """Runs refer to a split by its hash, so one that is there is never replaced by another.

    Nor is anything in a folder that is none of ours: a `val.csv` there is somebody's own.

    Args:
        manifests: file name -> content of what the split is made of.
        texts: likewise of everything that is to be written.

    Raises:
        DataError: another split in the folder, one of other patches, one that is damaged, or files of
            the names to be written with another content.
    """
    if not (out / 'split.json').exists():
        foreign = [] if (out / RECORD).exists() else _differing(out, texts)
        if foreign:
            raise DataError(
                f'{out} holds no split, but files that one would replace ({", ".join(foreign)}); '
                'nothing was written. Name another folder with --out, or remove these files'
            )
        return
    found = Split.load(out / 'split.json')
    if found.hash != split.hash:
        raise DataError(
            f'{out} holds another split ({_about(found)}) than asked for ({_about(split)}); nothing '
            'was written. Name another folder with --out, or remove this one'
        )
    other = _differing(out, manifests)
    if other:
        raise DataError(
            f'{out} holds this split with other patches ({", ".join(other)} differ): patches came or '
            'went, or --max-patches-per-slide was another; nothing was written. Name another folder '
            'with --out, or remove this one'
        )


def _differing(out: Path, texts: Mapping[str, str]) -> list[str]:
    """Names of files that are there with another content."""
    return [
        name
        for name, text in texts.items()
        if (out / name).is_file() and (out / name).read_bytes() != text.encode()
    ]


def _about(split: Split) -> str:
    return f'{split.hash[:16]}, seed {split.seed}, shots {", ".join(split.train)}'


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
