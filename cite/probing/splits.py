"""Which rows of a manifest with a column `split` make a set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from cite.errors import DataError

SPLITS = {'training': 'train', 'validation': 'val', 'test': 'test'}
"""What messages call a set → the name of its split."""


def split_counts(source: Sequence[Path]) -> dict[str, int]:
    """Split → rows, sorted; '' for rows without one. Nothing where no row of the source has a split."""
    if len(source) != 1 or source[0].suffix.lower() != '.csv':
        return {}
    from cite.data.text_files import read_rows

    header, rows = read_rows(source[0])
    if 'split' not in header:
        return {}
    place = header.index('split')
    counts = Counter(row[place] for _, row in rows)
    return dict(sorted(counts.items())) if any(counts) else {}


def split_of(file: Path, counts: Mapping[str, int], which: str) -> str | None:
    """The split of a file that makes a set; None for all rows, where no row has a split.

    That of the set's own name, or the only one there is.

    Raises:
        DataError: Several splits, of which none has the name.
    """
    wanted = SPLITS[which]
    if not counts or wanted in counts:
        return wanted if counts else None
    if len(counts) == 1:
        return next(iter(counts))
    raise DataError(
        f'{file}: no split {wanted} for the {which} set, its rows are of {listed(counts)}; call one of '
        f'them {wanted}, or give a file with its rows alone'
    )


def unused_rows(
    files: Mapping[Path, Mapping[str, int]], taken: Sequence[tuple[Path, str | None]]
) -> dict[str, dict[str, int]]:
    """File → split → rows that are in no set; files of which all is used are left out.

    Args:
        files: What `split_counts` gave for each file.
        taken: A file and its split, of each set.
    """
    found = {}
    for file, counts in files.items():
        used = {split for other, split in taken if other.resolve() == file.resolve()}
        left = {split: count for split, count in counts.items() if split not in used}
        if left:
            found[str(file)] = left
    return found


def listed(counts: Mapping[str, int]) -> str:
    """'holdout (6), no split (2)'."""
    return ', '.join(f'{name or "no split"} ({count})' for name, count in counts.items())
