"""Whether a picture is one of pathology at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from cite.errors import ConfigError
from cite.quality.classifier import Target, Threshold, choose_threshold, divide, fit, measure
from cite.quality.colours import colour_features
from cite.quality.examples import Examples, read_examples
from cite.quality.filters.base import FILTERS, Filter, Verdict
from cite.quality.material import Material
from cite.quality.prompts import OTHER, PATHOLOGY
from cite.quality.records import refuse_other_model

By = Literal['features', 'texts', 'colour']


@FILTERS.register
@dataclass
class Pathology(Filter):
    """Drops what a classifier does not take for pathology.

    Args:
        positives, negatives: Folders or manifests of examples.
        by: 'features': logistic regression on features of the model, trained on the examples; 'texts': a
            pair compares the picture with texts, and examples are not needed; 'colour': logistic
            regression on colours and coarse texture, trained on the examples. Default: 'features' where
            there are examples, else 'texts'.
        target, wanted: What the threshold is chosen for on held-out examples.
        pathology, other: Texts of 'texts'.
        seed: Of how examples are divided.
        trust: Take the collection's features for those of the model that encodes the examples although no
            record says so.
    """

    positives: str | Path | None = None
    negatives: str | Path | None = None
    by: By | None = None
    target: Target = 'recall'
    wanted: float = 0.98
    pathology: Sequence[str] = PATHOLOGY
    other: Sequence[str] = OTHER
    seed: int = 0
    trust: bool = False

    place: ClassVar[int] = 60
    needs_images: ClassVar[bool] = True
    says: ClassVar[str] = 'Pictures that a classifier does not take for pathology.'

    def __post_init__(self) -> None:
        if (self.positives is None) != (self.negatives is None):
            raise ConfigError('filter pathology: --positives and --negatives go together')
        if self.by is None:
            self.by = 'texts' if self.positives is None else 'features'
        if self.by not in ('features', 'texts', 'colour'):
            raise ConfigError(
                f"filter pathology: by is 'features', 'texts' or 'colour', found {self.by!r}"
            )
        if self.target not in ('recall', 'precision') or not 0 < self.wanted <= 1:
            raise ConfigError(
                "filter pathology: target is 'recall' or 'precision', and wanted above 0 and at most 1; "
                f'found {self.target!r} and {self.wanted}'
            )

    def check(self, material: Material) -> None:
        if self.by != 'texts' and self.positives is None:
            raise ConfigError(
                f'filter pathology by {self.by}: give examples, --positives DIR --negatives DIR'
            )
        if self.by == 'features' and not material.has_model:
            raise ConfigError(
                'the filter pathology needs a model: --model plip, or --pathology-by colour, which knows '
                'colours and coarse texture alone'
            )
        if self.by == 'texts' and not material.has_space:
            raise ConfigError(
                'the filter pathology needs a pair to compare with texts (--model plip), or examples: '
                '--positives DIR --negatives DIR'
            )
        if self.positives is not None and self.negatives is not None:
            kind = 'space' if self.by == 'texts' else 'features'
            if self.by != 'colour' and not material.encodes_examples(kind):
                raise ConfigError(
                    'the filter pathology encodes its examples itself, since --features holds the '
                    "collection's features alone: give the model that made them as well, --model (or "
                    '--adapter)'
                )
            for source in (self.positives, self.negatives):
                material.example_files(Path(source))

    def judge(self, material: Material, rows: NDArray[np.int64]) -> Verdict:
        verdict = Verdict.keeping(len(rows), score_name='probability of pathology')
        verdict.about = {'by': self.by}
        record: Mapping[str, Any] = {}
        if self.positives is None:
            threshold, model = 0.5, None
            verdict.notes.append(
                'The threshold of 0.5 was measured on nothing. Give examples (--positives, --negatives) to '
                'set it, and to know how often it errs.'
            )
        else:
            examples, record = self._examples(material)
            chosen, model = self._fitted(examples)
            threshold, labels = chosen.value, examples.labels
            verdict.notes += examples.notes
            divided = (
                'slides and patients' if examples.slides_known else 'pictures (slides unknown)'
            )
            verdict.about |= {
                'examples': {
                    'positives': int(labels.sum()),
                    'negatives': int((~labels).sum()),
                    'copies_left_out': examples.copies,
                },
                'examples divided by': divided,
                'target': self.target,
                'wanted': self.wanted,
                **{key: value for key, value in asdict(chosen).items() if key != 'value'},
            }
        verdict.threshold = threshold
        if self.by == 'texts':
            verdict.about |= {'pathology': list(self.pathology), 'other': list(self.other)}
        if not len(rows):
            return verdict
        found = self._of_rows(material, rows)
        if model is not None and self.by == 'features':
            refuse_other_model(
                'the examples',
                record,
                'the collection',
                material.record(),
                self.trust,
                'pathology.trust',
            )
            if found.shape[1:] != examples.values.shape[1:]:
                raise ConfigError(
                    f'features of the examples have {examples.values.shape[1]} numbers, those of the '
                    f'collection {found.shape[1]}; use the same model'
                )
        verdict.scores[:] = found if model is None else model.predict_proba(found)[:, 1]
        for place in np.flatnonzero(verdict.scores < threshold).tolist():
            verdict.drop(place, 'not taken for pathology')
        return verdict

    def _examples(self, material: Material) -> tuple[Examples, Mapping[str, Any]]:
        """What the classifier sees of the examples, and the record of their features."""
        record: dict[str, Any] = {}

        def values_of(source: Path, kind: str) -> tuple[NDArray, Sequence[str]]:
            if self.by == 'colour':
                looks, names = material.example_looks(source), material.example_files(source)[1]
                rows = np.flatnonzero([not reason for reason in looks.reasons])
                return colour_features(looks.scan.subset(rows)), [names[row] for row in rows]
            if self.by == 'features':
                table = material.example_features(source, kind)
                record.update(table.record)
                return np.asarray(table.features), table.names
            table = material.example_features(source, kind, 'space')
            return self._by_texts(material, np.asarray(table.features)), table.names

        positives, negatives = Path(str(self.positives)), Path(str(self.negatives))
        return read_examples(material, positives, negatives, values_of), record

    def _fitted(self, examples: Examples) -> tuple[Threshold, Any]:
        """The threshold, and the model; None where the values are scores already."""
        values, labels, units = examples.values, examples.labels, examples.units
        if self.by == 'texts':
            choosing, measuring = divide(labels, (0.5, 0.5), self.seed, units)
            model, scores = None, values
        else:
            training, choosing, measuring = divide(labels, (0.5, 0.25, 0.25), self.seed, units)
            unit = self.by == 'features'
            model = fit(values[training], labels[training], unit, self.seed, units[training])
            scores = model.predict_proba(values)[:, 1]
        value = choose_threshold(scores[choosing], labels[choosing], self.target, self.wanted)
        chosen = measure(scores[choosing], labels[choosing], value)
        measured = measure(scores[measuring], labels[measuring], value)
        return Threshold(value, self.target, self.wanted, chosen, measured), model

    def _of_rows(self, material: Material, rows: NDArray[np.int64]) -> NDArray:
        if self.by == 'colour':
            return colour_features(material.looks.scan.subset(rows))
        if self.by == 'features':
            return material.features(rows)
        return self._by_texts(material, material.features(rows, 'space'))

    def _by_texts(self, material: Material, vectors: NDArray) -> NDArray[np.float64]:
        """Share of the softmax over all texts that those of pathology have, (N,)."""
        from scipy.special import softmax

        from cite.quality.unit import to_unit

        space = material.space
        texts = space.encode_text([*self.pathology, *self.other])
        shares = softmax(space.scale * (to_unit(vectors) @ texts.T).astype(np.float64), axis=1)
        found: NDArray[np.float64] = shares[:, : len(self.pathology)].sum(axis=1)
        return found
