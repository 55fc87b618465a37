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

    `split.json` comes last: a folder that has it is whole. `prepare.json` holds the options and the
    SHA-256 of every manifest, which runs record as well.

    Args:
        out: folder; made where missing.
        split: which slides train and which evaluate.
        parts: of it, see `cite.data.manifests.parts_of`.
        report: what people read.
        options: what decided the manifests, plain values.
        files: file name -> content of further files.

    Raises:
        DataError: the folder holds another split, see `refuse_another`.
    """
    out = Path(out)
    manifests = manifests_of(parts)
    refuse_another(out, split, manifests)
    record = {
        'cite': __version__,
        'options': dict(options),
        'split_hash': split.hash,
        'manifests': {name: _sha256(text.encode()) for name, text in manifests.items()},
    }
    for name, text in {**manifests, REPORT: report, **(files or {})}.items():
        write_text(out / name, text)
    write_json(out / RECORD, record)
    split.save(out / 'split.json')


def refuse_another(out: Path, split: Split, manifests: Mapping[str, str]) -> None:
    """Runs refer to a split by its hash, so one that is there is never replaced by another.

    Raises:
        DataError: another split in the folder, one of other patches, or one that is damaged.
    """
    if not (out / 'split.json').exists():
        return
    found = Split.load(out / 'split.json')
    if found.hash != split.hash:
        raise DataError(
            f'{out} holds another split ({_about(found)}) than asked for ({_about(split)}); nothing '
            'was written. Name another folder with --out, or remove this one'
        )
    other = [
        name
        for name, text in manifests.items()
        if (out / name).is_file() and (out / name).read_bytes() != text.encode()
    ]
    if other:
        raise DataError(
            f'{out} holds this split with other patches ({", ".join(other)} differ): patches came or '
            'went, or --max-patches-per-slide was another; nothing was written. Name another folder '
            'with --out, or remove this one'
        )


def _about(split: Split) -> str:
    return f'{split.hash[:16]}, seed {split.seed}, shots {", ".join(split.train)}'


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
