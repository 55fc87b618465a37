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
from cite.evaluation.aggregation import aggregate, check_aggregation, group_rows
from cite.evaluation.samples import check_samples

METADATA_KEY = b'cite.predictions'


@dataclass(frozen=True, eq=False)
class Predictions:
    """Class probabilities of N samples over C classes, in any order of rows.

    Args:
        files: N file names, as the annotation gives them (after `by_slide`: the slide ids,
            after `by_patient`: the patients).
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

    def by_slide(self, how: str = 'mean', top_k: int = 10) -> Predictions:
        """One row per slide, sorted by slide id: the mean of the probabilities of its patches.

        The result does not depend on the order of the rows. `files` holds the slide ids.

        Args:
            how: Another way than the mean, one of `cite.evaluation.aggregation.AGGREGATIONS`.
            top_k: Patches that count under 'topk'.

        Raises:
            DataError: patches of one slide carry different labels or patients.
            ConfigError: an unknown `how`, or `top_k` below 1.
        """
        check_aggregation(how, top_k)
        slides, groups = group_rows(self.slides)
        labels = _one_each('labels', self.labels, slides, groups)
        patients = None
        if self.patients is not None:
            known, numbers = group_rows(self.patients)
            patients = [known[n] for n in _one_each('patients', numbers, slides, groups)]
        return Predictions(
            files=slides,
            labels=labels,
            probabilities=aggregate(self.probabilities, groups, how, top_k),
            slides=slides,
            classes=self.classes,
            patients=patients,
        )

    @property
    def has_patient_level(self) -> bool:
        """Whether `by_patient` is defined: patients are known, and each has slides of one label."""
        return self.patients is not None and not self.patients_of_several_labels()

    def patients_of_several_labels(self) -> list[str]:
        """Sorted patients whose rows carry more than one label; none where patients are not known."""
        if self.patients is None:
            return []
        patients, groups = group_rows(self.patients)
        return [patients[number] for number in _mixed(self.labels, groups)]

    def by_patient(self, how: str = 'mean', top_k: int = 10) -> Predictions:
        """One row per patient, sorted: the mean of the probabilities of the patient's slides.

        Each slide counts once, whatever its number of patches. `files` and `slides` hold the patients.

        Args:
            how: From patches to slides, as `by_slide`.
            top_k: Likewise.

        Raises:
            DataError: patients are not known or have slides of different labels (ask
                `has_patient_level`), or as `by_slide`.
            ConfigError: as `by_slide`.
        """
        if self.patients is None:
            raise DataError('Patient-level results need patients, and these predictions have none.')
        several = self.patients_of_several_labels()
        if several:
            raise DataError(
                f'Patient-level results need one label per patient; {len(several)} of '
                f'{len(set(self.patients))} patients have several, first: {", ".join(several[:5])}. '
                'Report slides instead, or correct the annotation.'
            )
        slides = self.by_slide(how, top_k)
        patients, groups = group_rows(slides.patients or [])
        return Predictions(
            files=patients,
            labels=_one_each('labels', slides.labels, patients, groups),
            probabilities=aggregate(slides.probabilities, groups),
            slides=patients,
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


def _mixed(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Groups whose rows have more than one value, ascending."""
    return np.unique(groups[values != _any_of(values, groups)[groups]])


def _any_of(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """(G,) the value of some row of each group."""
    found = np.empty(groups.max() + 1, values.dtype)
    found[groups] = values
    return found


def _one_each(what: str, values: np.ndarray, slides: list[str], groups: np.ndarray) -> np.ndarray:
    mixed = _mixed(values, groups)
    if mixed.size:
        first = ', '.join(slides[group] for group in mixed[:5])
        raise DataError(
            f'{mixed.size} of {len(slides)} slides hold patches with different {what}, first: '
            f'{first}; a slide has one. Correct the annotation.'
        )
    return _any_of(values, groups)
