"""One data set of a suite: where it lies, its classes and texts, and the metric."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cite.data.table import PatchTable
from cite.zeroshot.suite.layout import Layout

METRICS = (
    'accuracy',
    'balanced_accuracy',
    'macro_f1',
    'weighted_f1',
    'auroc',
    'quadratic_kappa',
)
"""Metrics of images that an entry may name; `cite.evaluation.metrics` says what each is."""
PUBLISHED = 'published'
"""Prompts of a row: the texts of the evaluation that it comes from."""


@dataclass(frozen=True)
class Class:
    """A class of a data set.

    Attributes:
        label: What the files call it.
        name: What results call it.
        texts: What takes the place of `{}` in templates; one or more.
        sentences: Whole published sentences, which need no template; () where none are kept here.
    """

    label: str
    name: str
    texts: tuple[str, ...]
    sentences: tuple[str, ...] = ()


@dataclass(frozen=True)
class Entry:
    """A data set of a suite.

    Attributes:
        name: Of its files and rows; letters, digits, '-', '_' and '.'.
        modality: Of the images; averages are taken by it.
        layouts: Ways in which it may lie; the first that is found counts.
        classes: In label order; () takes the labels that are found.
        templates: Published templates; () where there are none.
        constants: Name of the published sentences in UniMed-CLIP's constants.py, or ''.
        prompts: 'published', 'model', the name or file of a prompt set, templates, or None for the
            suite's.
        metric: One of `METRICS`.
        about: Title, split, source, homepage, licence, citation, note: plain values.
        is_row: Whether it is a row of the library, whose data sets have images of every class.
    """

    name: str
    modality: str
    layouts: tuple[Layout, ...]
    classes: tuple[Class, ...] = ()
    templates: tuple[str, ...] = ()
    constants: str = ''
    prompts: str | tuple[str, ...] | None = None
    metric: str = 'accuracy'
    about: Mapping[str, Any] = field(default_factory=dict)
    is_row: bool = False

    @property
    def title(self) -> str:
        """For tables."""
        return str(self.about.get('title', self.name))

    @property
    def expects(self) -> str:
        """What is looked for under the root, in words."""
        return ' or '.join(layout.expects() for layout in self.layouts)

    def find(self, root: Path) -> tuple[Layout, Path] | None:
        """How and where it lies; None where it is not there."""
        for layout in self.layouts:
            base = layout.find(root)
            if base is not None:
                return layout, base
        return None

    def table(self, layout: Layout, base: Path) -> PatchTable:
        """Its images and labels.

        Raises:
            DataError: As `Layout.table`.
        """
        labels = {one.label: one.name for one in self.classes} or None
        return layout.table(base, labels, needs_all=self.is_row)
