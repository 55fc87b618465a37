"""What a model said of each patch: the one table that every metric, report and vote reads.

A `Predictions` is checked once, when it is made, so that whatever comes after (metrics, slide
means, figures) can trust its shapes and numbers. On disk it is a Parquet file that pandas opens.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cite.atomic import replacing
from cite.errors import DataError
from cite.evaluation.samples import check_samples

METADATA_KEY = b'cite.predictions'


@dataclass(frozen=True, eq=False)
class Predictions:
    """Class probabilities of N samples over C classes, in any order of rows.

    Args:
        files: N file names, as the annotation gives them (after `by_slide`: the slide ids).
        labels: (N,) index of the true class, 0..C-1.
        probabilities: (N, C), each row a distribution; kept as float32.
        slides: N slide ids.
        classes: C distinct class names, in the order of the columns.
        patients: N patient ids, or None where they are not known.

    Raises:
        DataError: lengths differ, there is no row, a label is outside the classes, or a row of
            probabilities is not finite or not a distribution (logits, for instance).
    """

    files: list[str]
    labels: np.ndarray
    probabilities: np.ndarray
    slides: list[str]
    classes: tuple[str, ...]
    patients: list[str] | None = None

    def __post_init__(self) -> None:
        values = {
            'files': [str(f) for f in self.files],
            'slides': [str(s) for s in self.slides],
            'patients': None if self.patients is None else [str(p) for p in self.patients],
            'classes': tuple(str(c) for c in self.classes),
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)  # frozen: this is the one place that may
        labels, probabilities = check_samples(
            self.labels, self.probabilities, self.classes, self.files
        )
        object.__setattr__(self, 'labels', labels)
        object.__setattr__(self, 'probabilities', probabilities)
        for name in ('files', 'slides', 'patients'):
            column = getattr(self, name)
            if column is not None and len(column) != len(labels):
                raise DataError(
                    f'Predictions: {len(labels)} labels but {len(column)} {name}; '
                    f'every sample needs one of each.'
                )

    def __len__(self) -> int:
        return len(self.files)

    @property
    def predicted(self) -> np.ndarray:
        """(N,) int64 index of the most probable class; the first one where two are equal."""
        return self.probabilities.argmax(axis=1)

    def by_slide(self) -> Predictions:
        """One row per slide, sorted by slide id: the mean of the probabilities of its patches.

        The result does not depend on the order of the rows. `files` holds the slide ids.

        Raises:
            DataError: patches of one slide carry different labels or patients.
        """
        order = np.array(
            sorted(range(len(self)), key=lambda row: (self.slides[row], self.files[row]))
        )
        slides, start, inverse = np.unique(
            np.array(self.slides)[order], return_index=True, return_inverse=True
        )
        labels = self.labels[order]
        _same_within_slide('labels', labels, slides, start, inverse)
        patients = None
        if self.patients is not None:
            sorted_patients = np.array(self.patients)[order]
            _same_within_slide('patients', sorted_patients, slides, start, inverse)
            patients = sorted_patients[start].tolist()
        sums = np.add.reduceat(self.probabilities[order].astype(np.float64), start, axis=0)
        means = sums / np.bincount(inverse)[:, None]
        return Predictions(
            files=slides.tolist(),
            labels=labels[start],
            probabilities=means,
            slides=slides.tolist(),
            classes=self.classes,
            patients=patients,
        )

    def to_parquet(self, path: Path) -> None:
        """Write columns file, label, slide[, patient], pred, p_<class>...; atomic.

        The class names, in order, are also in the file's metadata.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        columns = {'file': self.files, 'label': self.labels, 'slide': self.slides}
        if self.patients is not None:
            columns['patient'] = self.patients
        columns['pred'] = self.predicted
        for index, name in enumerate(self.classes):
            columns[f'p_{name}'] = np.ascontiguousarray(self.probabilities[:, index])
        metadata = {METADATA_KEY: json.dumps({'classes': self.classes}).encode()}
        table = pa.table(columns).replace_schema_metadata(metadata)
        with replacing(path) as temporary:
            pq.write_table(table, temporary)

    @classmethod
    def from_parquet(cls, path: Path) -> Predictions:
        """Read what `to_parquet` wrote; `pred` is computed anew.

        Raises:
            DataError: the file is missing, damaged, or was not written by `to_parquet`.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            # not read_table: that one takes folders called `k=4` for columns
            table = pq.ParquetFile(path).read()
            classes = json.loads((table.schema.metadata or {})[METADATA_KEY])['classes']
            columns = {name: table.column(name).to_pylist() for name in ('file', 'label', 'slide')}
            probabilities = [table.column(f'p_{name}').to_numpy() for name in classes]
        except FileNotFoundError as error:
            raise DataError(f'{path}: no such file; predictions were not written.') from error
        except (pa.ArrowException, OSError, KeyError, ValueError) as error:
            raise DataError(
                f'{path}: not a predictions file of cite (file, label, slide, p_<class> and the '
                f'class names were expected): {error}. Write it again with Predictions.to_parquet.'
            ) from error
        has_patients = 'patient' in table.column_names
        return cls(
            files=columns['file'],
            labels=np.array(columns['label']),
            probabilities=np.stack(probabilities, axis=1),
            slides=columns['slide'],
            classes=tuple(classes),
            patients=table.column('patient').to_pylist() if has_patients else None,
        )


def _same_within_slide(
    what: str, values: np.ndarray, slides: np.ndarray, start: np.ndarray, inverse: np.ndarray
) -> None:
    mixed = np.unique(inverse[values != values[start][inverse]])
    if mixed.size:
        first = ', '.join(slides[mixed[:5]])
        raise DataError(
            f'{mixed.size} of {len(slides)} slides hold patches with different {what}, first: '
            f'{first}; a slide has one. Correct the annotation.'
        )
