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
from cite.probing.samples import check_classes
from cite.probing.sets import Part, Sets, few_shots, held_out, refuse_shared

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
        self.train.table.check(one_class_per_slide=False)
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


def planned(gathered: Gathered, share: float, seed: int) -> Sets:
    """The sets as `arranged` makes them where every patch has features, before any is computed.

    Raises:
        DataError: A class with too few slides to set some aside, or with fewer than two patches left.
        ConfigError: A share that is not between 0 and 1.
    """
    names = gathered.images()[1]
    none = FeatureTable(np.empty((len(names), 1), np.float32), names, {})
    sets = arranged(gathered, none, share, seed)
    check_classes(sets.train.table.labels, sets.train.table.classes)
    return sets


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


def check_shots(sets: Sets, shots: Sequence[int], seeds: int) -> None:
    """Refuses shots for which there is too little, before anything is computed.

    Args:
        sets: As `planned` gives them: without the slides that are set aside for validation.
        shots: Slides per class.
        seeds: Draws for each.

    Raises:
        DataError: Too few training slides of a class, too few patches on those drawn, or slides of several
            classes.
    """
    if not shots:
        return
    sets.refuse_mixed()
    table = sets.train.table
    slides = {name: found.slides for name, found in table.counts().items()}
    few = [f'{name} has {n}' for name, n in slides.items() if n < max(shots)]
    if few:
        raise DataError(
            f'{table.source}: {max(shots)} shots need as many training slides of each class, beside those '
            f'for validation, but {", ".join(few)}; ask for fewer'
        )
    for seed in range(seeds):
        try:
            check_classes(few_shots(sets, min(shots), seed).train.table.labels, table.classes)
        except DataError as error:
            raise DataError(
                f'{table.source}: --shots {min(shots)}, draw {seed}: {error}'
            ) from error


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
