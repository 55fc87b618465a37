"""Which patches train, choose and test: by slides, or by patients where they are known."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from cite.data.overlap import overlap
from cite.data.randomness import generator
from cite.data.splits import few_shot_split, nested_shots
from cite.data.table import PatchTable, some
from cite.errors import ConfigError, DataError
from cite.probing.mixed import mixed_slides, set_aside
from cite.probing.samples import Samples

_PURPOSE = 221  # second in the key after the seed; splits, caps and studies have others


@dataclass(frozen=True, eq=False)
class Part:
    """Patches of one set, and where their features are.

    Attributes:
        table: Files, labels, slides, patients.
        rows: (len(table),) row of each patch in the array of features.
    """

    table: PatchTable
    rows: np.ndarray

    @property
    def has_mixed_slides(self) -> bool:
        """Whether a slide holds patches of several classes."""
        return bool(mixed_slides(self.table.slides, self.table.labels))

    def samples(self, features: np.ndarray) -> Samples:
        """With their features."""
        return Samples(features, self.table.labels, self.rows)

    def subset(self, chosen: np.ndarray) -> Part:
        """Of some patches."""
        return Part(self.table.subset(chosen), self.rows[chosen])

    def of_slides(self, slides: list[str]) -> Part:
        """Of the patches of some slides."""
        return self.subset(np.flatnonzero(np.isin(self.table.slides, slides)))


@dataclass(frozen=True, eq=False)
class Sets:
    """What is fitted on, what chooses, what is measured on (None: nothing but the validation patches)."""

    train: Part
    validation: Part
    test: Part | None = None

    def check(self) -> None:
        """Refuses sets that share slides, patients or files, and a test set with other classes.

        Raises:
            DataError: It names what they share.
        """
        named = {'training': self.train, 'validation': self.validation, 'test': self.test}
        parts = [(name, part.table) for name, part in named.items() if part is not None]
        for place, (name, table) in enumerate(parts):
            for other_name, other in parts[place + 1 :]:
                if table.classes != other.classes:
                    raise DataError(
                        f'the {name} set has the classes {some(table.classes)}, the {other_name} set '
                        f'{some(other.classes)}: a probe tells apart what it was trained on'
                    )
                refuse_shared(table, other, name, other_name)

    def refuse_mixed(self) -> None:
        """Refuses slides with patches of several classes, of which no k slides per class can be drawn.

        Raises:
            DataError: Naming the set and some of its slides.
        """
        named = {'training': self.train, 'validation': self.validation, 'test': self.test}
        for name, part in named.items():
            mixed = [] if part is None else mixed_slides(part.table.slides, part.table.labels)
            if part is not None and mixed:
                raise DataError(
                    f'{part.table.source}: --shots draws slides of one class each, but slides of the '
                    f'{name} set hold patches of several: {some(mixed)}. Leave --shots out, or all rows '
                    'but those of one class of such a slide'
                )

    def counts(self) -> dict[str, dict[str, int] | None]:
        """Patches, slides and patients of each set."""
        named = {'train': self.train, 'validation': self.validation, 'test': self.test}
        return {name: None if part is None else _count(part.table) for name, part in named.items()}


def refuse_shared(one: PatchTable, other: PatchTable, name: str, other_name: str) -> None:
    """Refuses two sets that have something in common.

    Raises:
        DataError: Naming the slides, patients or files.
    """
    shared = overlap(one, other)
    if shared is not None:
        unit, names = shared
        raise DataError(
            f'the {name} set {one.source} and the {other_name} set {other.source} share {len(names)} '
            f'{unit}: {some(names)}. Take them out of one of the two; what leaks is measured as if it were '
            'known'
        )


def held_out(part: Part, share: float = 0.2, seed: int = 0) -> tuple[Part, Part]:
    """A share of the slides of each class (of the patients, where known) set aside: (rest, set aside).

    A slide with patches of several classes goes to one side, too (`cite.probing.mixed.set_aside`).

    Raises:
        DataError: A class with one slide or patient.
        ConfigError: A share that is not between 0 and 1.
    """
    if part.has_mixed_slides:
        aside = set_aside(part.table, share, seed)
        return part.subset(np.flatnonzero(~aside)), part.subset(np.flatnonzero(aside))
    split = few_shot_split(part.table, ['all'], share, seed)
    unseen = [slide for slides in split.evaluation.values() for slide in slides]
    rest = [slide for slides in split.train['all'].values() for slide in slides]
    return part.of_slides(rest), part.of_slides(unseen)


def few_shots(sets: Sets, shots: int, seed: int) -> Sets:
    """k slides of each class to train on, and at most as many to choose by; the test set stays.

    The slides of fewer shots are among those of more, for one seed.

    Raises:
        DataError: A class with fewer training slides than shots, or slides of several classes.
    """
    if shots < 1:
        raise ConfigError(f'shots must be 1 or more, found {shots}')
    sets.refuse_mixed()
    order = _drawn(sets.train.table, seed, 'train')
    chosen = nested_shots(order, [shots], sets.train.table.source)[str(shots)]
    few = _drawn(sets.validation.table, seed, 'validation')
    seen = [slide for slides in few.values() for slide in slides[:shots]]
    return replace(
        sets,
        train=sets.train.of_slides([slide for slides in chosen.values() for slide in slides]),
        validation=sets.validation.of_slides(seen),
    )


def _drawn(table: PatchTable, seed: int, side: str) -> dict[str, tuple[str, ...]]:
    """Class → its slides in the order of the draw."""
    found = {}
    for name in table.classes:
        slides = table.slides_of(name)
        order = generator(seed, _PURPOSE, side, name).permutation(len(slides))
        found[name] = tuple(slides[place] for place in order)
    return found


def _count(table: PatchTable) -> dict[str, int]:
    counts = {'patches': len(table), 'slides': len(np.unique(table.slides))}
    if table.patients is not None:
        counts['patients'] = len(np.unique(table.patients))
    return counts
