"""Whether a picture is one of pathology at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from cite.errors import ConfigError
from cite.quality.classifier import Target, Threshold, choose_threshold, divide, fit, measure
from cite.quality.colours import colour_features
from cite.quality.filters.base import FILTERS, Filter, Verdict
from cite.quality.material import Material
from cite.quality.prompts import OTHER, PATHOLOGY

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
    """

    positives: str | Path | None = None
    negatives: str | Path | None = None
    by: By | None = None
    target: Target = 'recall'
    wanted: float = 0.98
    pathology: Sequence[str] = PATHOLOGY
    other: Sequence[str] = OTHER
    seed: int = 0

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
            for source in (self.positives, self.negatives):
                material.example_files(Path(source))

    def judge(self, material: Material, rows: NDArray[np.int64]) -> Verdict:
        verdict = Verdict.keeping(len(rows), score_name='probability of pathology')
        verdict.about = {'by': self.by}
        if self.positives is None:
            threshold, model = 0.5, None
            verdict.notes.append(
                'The threshold of 0.5 was measured on nothing. Give examples (--positives, --negatives) to '
                'set it, and to know how often it errs.'
            )
        else:
            features, labels = self._examples(material)
            chosen, model = self._fitted(features, labels)
            threshold = chosen.value
            verdict.about |= {
                'examples': {'positives': int(labels.sum()), 'negatives': int((~labels).sum())},
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
        verdict.scores[:] = found if model is None else model.predict_proba(found)[:, 1]
        for place in np.flatnonzero(verdict.scores < threshold).tolist():
            verdict.drop(place, 'not taken for pathology')
        return verdict

    def _examples(self, material: Material) -> tuple[NDArray, NDArray[np.bool_]]:
        """What the classifier sees of the examples, (N, D) or scores (N,), and which are positives."""
        found: list[NDArray[Any]] = []
        for source, purpose in ((self.positives, 'positives'), (self.negatives, 'negatives')):
            path = Path(str(source))
            if self.by == 'colour':
                found.append(colour_features(material.example_looks(path).scan))
            elif self.by == 'features':
                found.append(np.asarray(material.example_features(path, purpose)))
            else:
                vectors = material.example_features(path, purpose, 'space')
                found.append(self._by_texts(material, vectors))
        labels = np.repeat([True, False], [len(part) for part in found])
        return np.concatenate(found), labels

    def _fitted(self, features: NDArray, labels: NDArray[np.bool_]) -> tuple[Threshold, Any]:
        """The threshold, and the model; None where the features are scores already."""
        if self.by == 'texts':
            choosing, measuring = divide(labels, (0.5, 0.5), self.seed)
            model, scores = None, features
        else:
            training, choosing, measuring = divide(labels, (0.5, 0.25, 0.25), self.seed)
            model = fit(features[training], labels[training], self.by == 'features', self.seed)
            scores = model.predict_proba(features)[:, 1]
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
