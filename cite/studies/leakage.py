"""What a study measures must be new to it: no slide, patient, file or picture on both sides.

Refused before anything is trained, since a number that leaks looks like any other.
"""

from __future__ import annotations

from dataclasses import dataclass

from cite.data.overlap import overlap
from cite.data.table import PatchTable, some
from cite.errors import DataError


@dataclass(frozen=True)
class LeakageReport:
    """How much was compared, and found to be in one of the two sets only.

    Attributes:
        slides: Slides of pool and evaluation set.
        patients: Patients of both; None where one of them does not name any.
        images: Images of both, blank tiles aside; None where they were not looked at.
        blank: Blank tiles, which are not compared.
    """

    slides: int
    patients: int | None
    images: int | None
    blank: int = 0

    def lines(self) -> list[str]:
        """For a person: 'images: 1,569 compared, 0 in both', one line for each kind."""
        return [
            f'slides: {self.slides:,} compared, 0 in both',
            'patients: not compared, they are not named'
            if self.patients is None
            else f'patients: {self.patients:,} compared, 0 in both',
            'images: not compared'
            if self.images is None
            else f'images: {self.images:,} compared, 0 in both'
            + (f' ({self.blank:,} blank tiles aside)' if self.blank else ''),
        ]


def refuse_leakage(
    pool: PatchTable,
    evaluation: PatchTable,
    progress: bool = True,
    images: bool = True,
    workers: int = 4,
) -> LeakageReport:
    """Refuses a pool and an evaluation set that have anything in common.

    Args:
        pool: Patches that training slides are drawn from.
        evaluation: Patches that results are measured on.
        progress: Show bars where it takes longer than two seconds.
        images: Compare pictures too, whatever their files are called. All are decoded once; the cache
            remembers their fingerprints.
        workers: Threads that decode.

    Returns:
        What was compared.

    Raises:
        DataError: A slide, a patient, a file or a picture (also turned by 90 degrees, mirrored, or saved
            anew) is in both, or an image cannot be read.
    """
    refuse_draw(pool, evaluation)
    named = pool.patients is not None and evaluation.patients is not None
    slides = _distinct(pool.slides, evaluation.slides)
    patients = _distinct(pool.patients, evaluation.patients) if named else None
    if not images:
        return LeakageReport(slides, patients, None)
    from cite.studies.leak_images import shared_pictures

    found = shared_pictures(pool, evaluation, workers, progress)
    if found.pairs:
        pairs = len(found.pairs)
        raise DataError(
            f'{_both(pool, evaluation)} have the same pictures (also turned, mirrored or saved anew), '
            f'{pairs} {"pair" if pairs == 1 else "pairs"} of files: '
            f'{some([f"{one} and {two}" for one, two in found.pairs])}. Take one of each pair out; or '
            'give both the same slide or patient and draw the split anew with cite prepare, which '
            'looks for them too'
        )
    return LeakageReport(slides, patients, found.compared, found.blank)


def refuse_draw(train: PatchTable, evaluation: PatchTable) -> None:
    """Refuses a draw of training patches that shares slides, patients or files with the evaluation set.

    Looks at names only, so it is cheap enough for every run.

    Raises:
        DataError: They share some; it names them.
    """
    shared = overlap(train, evaluation)
    if shared is None:
        return
    unit, names = shared
    raise DataError(
        f'{_both(train, evaluation)} share {len(names)} {unit if len(names) > 1 else unit[:-1]}: '
        f'{some(names)}. Take {"them" if len(names) > 1 else "it"} out of one of the two, or draw the '
        'split anew with cite prepare, which keeps slides and patients together'
    )


def refuse_choice_on_evaluation(
    held_out: PatchTable, training: PatchTable, evaluation: PatchTable
) -> None:
    """Refuses to choose settings by anything but training slides.

    Args:
        held_out: Patches that settings are compared on.
        training: Patches of the training slides of this draw.
        evaluation: Patches that results are measured on.

    Raises:
        DataError: A slide (patient, file) of `held_out` is one of the evaluation set, or a slide of it is
            no training slide.
    """
    shared = overlap(held_out, evaluation)
    if shared is not None:
        unit, names = shared
        raise DataError(
            f'settings would be chosen by {unit} of the evaluation set {evaluation.source}: '
            f'{some(names)}. Choose by training slides only'
        )
    strange = set(held_out.slides.tolist()) - set(training.slides.tolist())
    if strange:
        raise DataError(
            f'settings would be chosen by slides that are no training slides of {training.source}: '
            f'{some(sorted(strange))}. Choose by training slides only'
        )


def _distinct(one: object, two: object) -> int:
    return len({str(name) for names in (one, two) for name in names})  # type: ignore[attr-defined]


def _both(train: PatchTable, evaluation: PatchTable) -> str:
    return f'training data {train.source} and evaluation set {evaluation.source}'
