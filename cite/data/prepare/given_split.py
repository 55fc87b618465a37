"""A split that the data come with: its training slides are the pool that shots are drawn from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cite.data.randomness import generator
from cite.data.splits import Shots, Split, nested_shots
from cite.data.table import PatchTable, some
from cite.errors import DataError

_PURPOSE = 202  # second in the key after the seed; `few_shot_split` and the cap have others


def given_split(
    table: PatchTable, held_out: ArrayLike, shots: Sequence[Shots], seed: int = 0
) -> Split:
    """Draw shots from the slides that are given for training.

    The order of a class's slides is a permutation of their sorted names (of the patients' names, where
    these are known), seeded by (seed, class name); k shots are its first k.

    Args:
        table: patches of both sides; `check` is called on it.
        held_out: for each row, whether its slide evaluates.
        shots: numbers of slides per class, and `'all'` for every training slide.
        seed: 0 or greater.

    Raises:
        DataError: a class that is not on both sides, too few slides for the shots asked for, a slide
            or patient on both sides, or a table that contradicts itself.
        ConfigError: shots or seed out of range.
    """
    table.check()
    mask = np.asarray(held_out, dtype=bool)
    sides = {'training': table.subset(~mask), 'evaluation': table.subset(mask)}
    for side, part in sides.items():
        empty = [name for name, count in part.counts().items() if not count.slides]
        if empty:
            raise DataError(f'{table.source}: the split given has no {side} slides of {empty}')
    training, evaluation = sides.values()
    for unit in ('slides', 'patients') if table.patients is not None else ('slides',):
        both = np.intersect1d(getattr(training, unit), getattr(evaluation, unit))
        if len(both):
            raise DataError(
                f'{table.source}: {unit} on both sides of the split given, which would leak from '
                f'training into evaluation: {some(both)}'
            )
    drawn = {name: _drawn_order(training, name, seed) for name in table.classes}
    slides = len(np.unique(evaluation.slides)), len(np.unique(table.slides))
    return Split(
        seed=int(seed),
        eval_fraction=round(slides[0] / slides[1], 6),
        classes=table.classes,
        evaluation={name: evaluation.slides_of(name) for name in table.classes},
        train=nested_shots(drawn, shots, table.source),
    )


def sides_of(values: Sequence[str], source: str) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which rows train and which evaluate, by the values of a manifest's split column.

    `train` trains. `test` evaluates where there is any, and `val` where there is none: with both, `val`
    was for choosing models, and is on neither side.

    Raises:
        DataError: other values, or a side without rows.
    """
    column = np.asarray(values)
    found = sorted(set(column.tolist()))
    if set(found) - {'train', 'val', 'test'} or 'train' not in found or len(found) < 2:
        raise DataError(
            f'{source}: a split column holds train, and val or test or both; found {some(found)}'
        )
    return column == 'train', column == ('test' if 'test' in found else 'val')


def _drawn_order(training: PatchTable, name: str, seed: int) -> tuple[str, ...]:
    who = training.slides if training.patients is None else training.patients
    unit_of = dict(zip(training.slides.tolist(), who.tolist(), strict=True))
    slides: dict[str, list[str]] = {}
    for slide in training.slides_of(name):
        slides.setdefault(unit_of[slide], []).append(slide)
    units = sorted(slides)
    order = generator(seed, _PURPOSE, name).permutation(len(units))
    return tuple(slide for i in order for slide in slides[units[i]])
