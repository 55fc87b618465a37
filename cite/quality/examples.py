"""Examples of two kinds, and which of them must stay together when they are divided.

Pictures of one slide or patient resemble each other, and copies of one picture are the same: where some of
them train and others measure, the measured numbers are of memory. So they form units, which are divided as
wholes, and of copies one counts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cite.data.prepare.duplicates import duplicate_groups
from cite.data.prepare.scan import Scan
from cite.errors import DataError
from cite.quality.collection import Collection
from cite.quality.material import Material

TOGETHER = ('patient', 'slide')
"""Columns of a manifest whose values hold pictures together."""

KINDS = ('positives', 'negatives')

Key = tuple[str, str]
Values = Callable[[Path, str], tuple[NDArray, Sequence[str]]]
"""Source, its kind → what a classifier sees of its pictures, (N, D) or (N,), and their names."""


@dataclass(frozen=True, eq=False)
class Examples:
    """Pictures of both kinds, none twice within a kind.

    Attributes:
        values: What a classifier sees of them, (N, D), or scores, (N,).
        labels: (N,) bool, True for positives.
        units: (N,) int64; pictures with one number stay on one side.
        slides_known: Whether every picture has a slide or a patient.
        copies: Pictures that were left out as copies of others of their kind.
        notes: What a reader should know.
    """

    values: NDArray
    labels: NDArray[np.bool_]
    units: NDArray[np.int64]
    slides_known: bool
    copies: int
    notes: list[str]


def read_examples(
    material: Material, positives: str | Path, negatives: str | Path, values_of: Values
) -> Examples:
    """Examples of two folders or manifests; what their columns 'patient' and 'slide' hold together stays
    together, and so do copies of a picture (`cite.data.prepare.duplicates`).

    Raises:
        DataError: None of a kind can be used.
    """
    values, scans, keys, counts, notes = [], [], [], [], []
    for kind, source in zip(KINDS, (Path(positives), Path(negatives)), strict=True):
        found, names = values_of(source, kind)
        if not len(names):
            raise DataError(f'{source}: none of the {kind} can be used')
        looks = material.example_looks(source)
        place = {name: row for row, name in enumerate(material.example_files(source)[1])}
        scans.append(looks.scan.subset(np.array([place[name] for name in names], np.int64)))
        of_name = keys_of(material.examples(source))
        keys += [of_name[name] for name in names]
        values.append(found)
        counts.append(len(names))
        alone = sum(not of_name[name] for name in names)
        if alone:
            notes.append(
                f'Slides are not known of {alone} of the {len(names)} {kind}: patches of one slide may lie '
                'on both sides of the division, so recall, precision and AUROC may be too high. A manifest '
                "of them with a column 'slide' or 'patient' keeps them together."
            )
    labels = np.repeat([True, False], counts)
    pictures = same_pictures(_joined(scans), material.progress)
    units = unit_numbers(
        [[*of_row, ('picture', str(p))] for of_row, p in zip(keys, pictures, strict=True)]
    )
    both = np.intersect1d(pictures[labels], pictures[~labels])
    if len(both):
        notes.append(f'{len(both)} pictures are among the positives and among the negatives.')
    first = np.sort(np.unique(np.stack([pictures, labels]), axis=1, return_index=True)[1])
    copies = len(labels) - len(first)
    if copies:
        notes.append(f'{copies} examples are copies of others of their kind, and are left out.')
    slides_known = all(keys)
    if slides_known:
        notes.append(
            'Intervals take pictures for independent; those of one slide or patient are not, so the '
            'intervals are too narrow.'
        )
    return Examples(
        np.concatenate(values)[first], labels[first], units[first], slides_known, copies, notes
    )


def keys_of(collection: Collection) -> dict[str, list[Key]]:
    """Name of each picture → what holds it together with others: ('slide', 'S1'); [] where not known."""
    places = [
        (column, collection.header.index(column))
        for column in TOGETHER
        if column in collection.header
    ]
    found: dict[str, list[Key]] = {}
    for name, row in zip(collection.names, collection.rows, strict=True):
        of_row = found.setdefault(name, [])
        of_row += [(column, row[at].strip()) for column, at in places if row[at].strip()]
    return found


def same_pictures(scan: Scan, progress: bool = False) -> NDArray[np.int64]:
    """A number for each row, (N,), the same for copies; blank tiles are copies where all pixels agree."""
    numbers = np.arange(len(scan.spreads), dtype=np.int64)
    for group in duplicate_groups(scan, progress):
        numbers[list(group)] = group[0]
    first: dict[bytes, int] = {}
    for row in np.flatnonzero(scan.sizes[:, 0] > 0).tolist():
        numbers[row] = first.setdefault(scan.digests[row].tobytes(), int(numbers[row]))
    return numbers


def unit_numbers(keys: Sequence[Sequence[Key]]) -> NDArray[np.int64]:
    """Rows that share a key, or that others link, have one number; (N,)."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    place: dict[Key, int] = {}
    ends = [
        (row, place.setdefault(key, len(place)))
        for row, of_row in enumerate(keys)
        for key in of_row
    ]
    if not ends:
        return np.arange(len(keys), dtype=np.int64)
    rows, columns = np.array(ends).T
    size = len(keys) + len(place)
    links = coo_array((np.ones(len(rows)), (rows, columns + len(keys))), shape=(size, size))
    found = connected_components(links, directed=False)[1][: len(keys)]
    return np.asarray(found, np.int64)


def _joined(scans: Sequence[Scan]) -> Scan:
    columns = ('sizes', 'digests', 'grids', 'spreads')
    return Scan((), *(np.concatenate([getattr(scan, name) for scan in scans]) for name in columns))
