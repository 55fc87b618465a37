"""Images of up to three sources as one list with features, and the sets that they make up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from cite.errors import DataError
from cite.inference.feature_table import FeatureTable
from cite.probing.duplicates import same_bytes
from cite.probing.sets import Part, Sets, held_out, refuse_shared

FIELDS = {'training': 'train', 'validation': 'validation', 'test': 'test'}
"""What messages call a set → the attribute."""


@dataclass
class Gathered:
    """Training, validation and test images, checked against each other.

    Attributes:
        train, validation, test: Images with labels, as `cite.cli.sources` reads them: files, names,
            table, slides_known. None where there are none.
        notes: What a reader should know of them.

    Raises:
        DataError: Two of them share slides, patients or files, or training lacks a class.
    """

    train: Any
    validation: Any = None
    test: Any = None
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._name_slides()
        sets = list(self.sets().items())
        self.train.table.check()
        counts = self.train.table.counts()
        few = [name for name, found in counts.items() if found.patches < 2]
        if few:
            raise DataError(
                f'{self.train.table.source}: the training set needs two patches of every class or more; '
                f'one of {", ".join(few)}. Add some, or take the class out of all sets'
            )
        if len(counts) < 2:
            raise DataError(
                f'{self.train.table.source}: a probe needs two classes or more, found {", ".join(counts)}'
            )
        for place, (name, one) in enumerate(sets):
            for other_name, other in sets[place + 1 :]:
                refuse_shared(one.table, other.table, name, other_name)
                self.notes += same_bytes(one.table, other.table, name, other_name)
        if not all(source.slides_known for _, source in sets):
            self.notes.append(
                'slides are not known, so every patch counts as one: patches of one slide may be on both '
                'sides, and intervals are too narrow for that. Give a column slide, or --slide-pattern'
            )
        if self.test is None:
            self.notes.append(
                'there is no test set: what is shown are validation scores, of the patches that chose the '
                'regularisation'
            )

    def _name_slides(self) -> None:
        """Where a patch is its own slide, gives it a name that no patch of another set has."""
        names = self.unique_names()
        for which, field_name in FIELDS.items():
            source = getattr(self, field_name)
            if source is not None and not source.slides_known:
                table = replace(source.table, slides=np.array(names[which]))
                setattr(self, field_name, source._replace(table=table))

    def sets(self) -> dict[str, Any]:
        """Those that are there, by name."""
        named = {which: getattr(self, name) for which, name in FIELDS.items()}
        return {which: found for which, found in named.items() if found is not None}

    def images(self) -> tuple[list[Path], list[str]]:
        """All files, and names of which none comes twice."""
        files = [file for source in self.sets().values() for file in source.files]
        return files, [name for names in self.unique_names().values() for name in names]

    def names_differ(self) -> bool:
        """Whether no name is in two sets."""
        flat = [name for source in self.sets().values() for name in source.names]
        return len(set(flat)) == len(flat)

    def unique_names(self) -> dict[str, list[str]]:
        """Set → names; with the set's name in front where two sets use one name."""
        sets = self.sets()
        names = {which: list(source.names) for which, source in sets.items()}
        if self.names_differ():
            return names
        return {which: [f'{which}/{name}' for name in found] for which, found in names.items()}


def arranged(gathered: Gathered, found: FeatureTable, share: float, seed: int) -> Sets:
    """The sets with their rows of features; a validation set is set aside where there is none.

    Patches without features (images that --skip-bad left out) are left out.
    """
    place = {name: row for row, name in enumerate(found.names)}
    parts = {}
    for which, names in gathered.unique_names().items():
        table = gathered.sets()[which].table
        kept = [at for at, name in enumerate(names) if name in place]
        rows = np.array([place[names[at]] for at in kept], np.int64)
        parts[which] = Part(table.subset(kept), rows)
    train, validation = parts['training'], parts.get('validation')
    if validation is None:
        train, validation = held_out(train, share, seed)
    return Sets(train, validation, parts.get('test'))


def joined(gathered: Gathered, parts: dict[str, FeatureTable]) -> FeatureTable:
    """Features of the sets as one table.

    Raises:
        DataError: They are of different lengths, or of models of different digests.
    """
    first = parts['training']
    for which, part in parts.items():
        if part.features.shape[1] != first.features.shape[1]:
            raise DataError(
                f'the features of the training set are {first.features.shape[1]} wide, those of the '
                f'{which} set {part.features.shape[1]}: they are of two models. Compute both with one'
            )
        digests = {found.record.get('digest') for found in (first, part)} - {None}
        if len(digests) > 1:
            raise DataError(
                f'the features of the training set and of the {which} set are of two models (digests '
                f'{", ".join(sorted(str(digest)[:12] for digest in digests))}). Compute both with one'
            )
    names = [name for found in gathered.unique_names().values() for name in found]
    if len(parts) == 1:
        return FeatureTable(first.features, names, first.record)
    features = np.concatenate([part.features for part in parts.values()])
    return FeatureTable(features, names, first.record)


def split_names(source: Sequence[Path]) -> set[str]:
    """What the column split of a manifest holds; nothing where there is none."""
    if len(source) != 1 or source[0].suffix.lower() != '.csv':
        return set()
    from cite.data.text_files import read_rows

    header, rows = read_rows(source[0])
    if 'split' not in header:
        return set()
    place = header.index('split')
    return {row[place] for _, row in rows if row[place]}


def check_shots(gathered: Gathered, shots: Sequence[int]) -> None:
    """Refuses shots for which there are too few slides, before anything is computed.

    Raises:
        DataError: Naming the classes.
    """
    if not shots:
        return
    table = gathered.train.table
    slides = {name: found.slides for name, found in table.counts().items()}
    few = [f'{name} has {n}' for name, n in slides.items() if n < max(shots)]
    if few:
        raise DataError(
            f'{table.source}: {max(shots)} shots need as many training slides of each class, but '
            f'{", ".join(few)}; ask for fewer'
        )


def model_name(
    record: dict[str, Any], model: str | None, adapter: Path | None, features: Path | None
) -> str:
    """What to call the model: as it was given, else as the record of its features or their file says."""
    if adapter is not None:
        return Path(adapter).stem
    if model is not None:
        return Path(model).stem if Path(model).suffix == '.safetensors' else model
    known = record.get('adapter') or record.get('model')
    return str(known or Path(features or 'features').stem)
