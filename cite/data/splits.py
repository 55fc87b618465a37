"""Few-shot splits by slide: k training slides per class, and a held-out part for evaluation.

Patches of one slide look alike, so a split by patch would measure memory. Where patients are
known, all slides of a patient stay on one side.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from cite.atomic import write_text
from cite.data.randomness import generator
from cite.data.table import PatchTable, some
from cite.errors import ConfigError, DataError

Shots = int | Literal['all']
SlidesOfClass = dict[str, tuple[str, ...]]

VAL = 'val'
_PURPOSE = 201  # second in the key after the seed; samplers and augmentation have others


@dataclass(frozen=True)
class Split:
    """Which slides train and which evaluate.

    Attributes:
        seed: seed it was drawn with.
        eval_fraction: share of each class's slides (or patients) held out.
        classes: class names, in label order.
        evaluation: class -> sorted slides held out.
        train: shots as text (`'1'`, `'2'`, ..., `'all'`) -> class -> slides, in the order drawn:
            the slides of k shots are the first k of every larger number.
    """

    seed: int
    eval_fraction: float
    classes: tuple[str, ...]
    evaluation: SlidesOfClass
    train: dict[str, SlidesOfClass]

    @property
    def hash(self) -> str:
        """SHA-256 of the split as canonical JSON; stands for the split in results and adapters."""
        text = json.dumps(asdict(self), sort_keys=True, separators=(',', ':'), ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parts: `val`, then `train_1`, `train_2`, ... by shots."""
        return (VAL, *(f'train_{shots}' for shots in self.train))

    def slides(self, part: str) -> SlidesOfClass:
        """Slides of a part by class.

        Raises:
            DataError: no such part.
        """
        if part not in self.parts:
            raise DataError(f'the split has no part {part!r}, it has {list(self.parts)}')
        return self.evaluation if part == VAL else self.train[part.removeprefix('train_')]

    def select(self, table: PatchTable, part: str) -> PatchTable:
        """Rows of a table that belong to a part, in the table's order.

        Raises:
            DataError: the split has slides that the table does not have in that class, or it has
                no such part.
        """
        keep = np.zeros(len(table), dtype=bool)
        for name, slides in self.slides(part).items():
            absent = set(slides) - set(table.slides_of(name))
            if absent:
                raise DataError(
                    f'{table.source}: the split has slides of class {name!r} that are not in the '
                    f'table: {some(sorted(absent))}; it was made from other data'
                )
            keep |= (table.labels == table.classes.index(name)) & np.isin(table.slides, slides)
        return table.subset(keep)

    def check(self, table: PatchTable | None = None) -> None:
        """Raise `DataError` where training and evaluation share a slide or, by `table`, a patient.

        It also holds the shots to be nested and without repetition.
        """
        held_out = {slide for slides in self.evaluation.values() for slide in slides}
        for part in self.parts[1:]:
            drawn = [slide for slides in self.slides(part).values() for slide in slides]
            shared = held_out.intersection(drawn)
            if shared:
                raise DataError(f'{part} and {VAL} share the slides {some(sorted(shared))}')
            if len(set(drawn)) < len(drawn):
                raise DataError(f'{part} has a slide twice')
        for fewer, more in zip(self.train.values(), list(self.train.values())[1:], strict=False):
            for name in self.classes:
                if fewer[name] != more[name][: len(fewer[name])]:
                    raise DataError(f'the shots of class {name!r} are not nested')
        if table is None or table.patients is None:
            return
        patient_of = dict(zip(table.slides.tolist(), table.patients.tolist(), strict=True))
        patients = {patient_of.get(slide) for slide in held_out} - {None}
        for part in self.parts[1:]:
            drawn = [slide for slides in self.slides(part).values() for slide in slides]
            both = patients.intersection(patient_of.get(slide) for slide in drawn)
            if both:
                names = some(sorted(str(patient) for patient in both))
                raise DataError(f'{part} and {VAL} share the patients {names}')

    def save(self, path: str | Path) -> None:
        """Write the split and its hash as JSON."""
        write_text(path, json.dumps({**asdict(self), 'hash': self.hash}, indent=1) + '\n')

    @classmethod
    def load(cls, path: str | Path) -> Split:
        """Read what `save` wrote.

        Raises:
            DataError: no such file, not a split, or its content does not match the hash in it.
        """
        try:
            found = json.loads(Path(path).read_text(encoding='utf-8'))
            split = cls(
                seed=int(found['seed']),
                eval_fraction=float(found['eval_fraction']),
                classes=tuple(found['classes']),
                evaluation=_tuples(found['evaluation']),
                train={shots: _tuples(slides) for shots, slides in found['train'].items()},
            )
            expected = found['hash']
        except OSError as error:
            raise DataError(f'{path}: cannot be read ({error.strerror})') from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(f'{path}: not a split file ({error!r})') from error
        if split.hash != expected:
            raise DataError(
                f'{path}: edited or damaged, its hash is {split.hash[:12]} and not '
                f'{str(expected)[:12]} as it says; make the split anew'
            )
        split.check()
        return split


def few_shot_split(
    table: PatchTable,
    shots: Sequence[Shots],
    eval_fraction: float = 0.8,
    seed: int = 0,
) -> Split:
    """Draw a split: hold out a share of each class's slides, then take k of the others.

    The order of a class's slides is a permutation of its sorted slide names, seeded by (seed, class
    name): it depends neither on the order of rows nor on the other classes. The first
    `eval_fraction` of it (rounded, at least 1, leaving at least 1) are held out, the others train
    in that order, so fewer shots are contained in more. Where patients are known the same is done
    with patients; one with slides in two classes goes where the earlier class put them.

    Args:
        table: patches with slides; `check` is called on it.
        shots: numbers of slides per class, and `'all'` for every training slide.
        eval_fraction: share held out, between 0 and 1.
        seed: 0 or greater.

    Raises:
        DataError: a class with too few slides (or patients) for a side each or for the shots
            asked for, or a table that contradicts itself.
        ConfigError: shots, seed or fraction out of range.
    """
    wanted = _in_order(shots)
    if not 0 < eval_fraction < 1:
        raise ConfigError(f'eval_fraction must lie between 0 and 1, found {eval_fraction}')
    table.check()
    who = table.slides if table.patients is None else table.patients
    unit_of = dict(zip(table.slides.tolist(), who.tolist(), strict=True))
    side: dict[str, bool] = {}  # slide or patient -> held out?
    evaluation: SlidesOfClass = {}
    training: SlidesOfClass = {}
    for name in table.classes:
        slides: dict[str, list[str]] = {}
        for slide in table.slides_of(name):
            slides.setdefault(unit_of[slide], []).append(slide)
        units = sorted(slides)
        order = [units[i] for i in generator(seed, _PURPOSE, name).permutation(len(units))]
        target = min(max(1, math.floor(eval_fraction * len(units) + 0.5)), len(units) - 1)
        missing = target - sum(side.get(unit, False) for unit in order)
        for unit in order:
            if unit not in side:
                side[unit] = missing > 0
                missing -= 1
        evaluation[name] = tuple(sorted(s for unit in order if side[unit] for s in slides[unit]))
        training[name] = tuple(s for unit in order if not side[unit] for s in slides[unit])
        if not evaluation[name] or not training[name]:
            kind = 'slides' if table.patients is None else 'patients'
            raise DataError(
                f'{table.source}: class {name!r} has {len(units)} {kind}, too few for at least '
                'one in training and one in evaluation'
            )
    train = nested_shots(
        training,
        wanted,
        table.source,
        f' or lower eval_fraction (--eval-fraction; now {eval_fraction})',
    )
    split = Split(int(seed), float(eval_fraction), table.classes, evaluation, train)
    split.check(table)
    return split


def nested_shots(
    training: SlidesOfClass, shots: Sequence[Shots], source: str, advice: str = ''
) -> dict[str, SlidesOfClass]:
    """Shots as text -> class -> the first so many of its training slides, fewer shots first.

    Args:
        training: class -> slides in the order drawn.
        shots: numbers of slides per class, and `'all'`.
        source: where the slides come from, for messages.
        advice: what else could be done where there are too few.

    Raises:
        DataError: a class with fewer slides than shots.
        ConfigError: shots out of range.
    """
    wanted = _in_order(shots)
    most = max((k for k in wanted if k != 'all'), default=0)
    few = [f'{name!r} has {len(drawn)}' for name, drawn in training.items() if len(drawn) < most]
    if few:
        raise DataError(
            f'{source}: {most} shots need {most} training slides per class, but {some(few)}; '
            f'ask for fewer shots{advice}'
        )
    return {
        str(k): {name: drawn if k == 'all' else drawn[:k] for name, drawn in training.items()}
        for k in wanted
    }


def _in_order(shots: Sequence[Shots]) -> list[Shots]:
    bad = [k for k in shots if k != 'all' and (not isinstance(k, int) or k < 1)]
    if bad or not shots:
        raise ConfigError(f"shots must be whole numbers from 1, or 'all'; found {list(shots)}")
    numbers: list[Shots] = [*sorted({k for k in shots if isinstance(k, int)})]
    return [*numbers, 'all'] if 'all' in shots else numbers


def _tuples(slides: Mapping[str, Any]) -> SlidesOfClass:
    return {str(name): tuple(str(slide) for slide in members) for name, members in slides.items()}
