"""Pictures that lie close to those of a reference collection: leaks into a test set, or what to add to
it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from cite.errors import ConfigError
from cite.quality.filters.base import FILTERS, Filter, Match, Verdict
from cite.quality.material import Material
from cite.quality.records import refuse_other_model, require_model

if TYPE_CHECKING:
    from cite.retrieval import Index


@FILTERS.register
@dataclass
class Neighbours(Filter):
    """Compares each picture with the nearest of a reference collection.

    Args:
        against: Features of that collection, as `cite features` writes them by the same model, which are
            searched exactly; or the folder of an index over them (`cite retrieve`).
        closest: Cosine from which on a picture is a neighbour. What it should be depends on the model: look
            at the histogram.
        drop: 'near' drops neighbours (they would leak), 'far' drops all others (to find more of the same).
        trust: Compare features although a record that names their model is missing.
        root: Folder of the reference's pictures, for the page; default: names are taken as paths.
    """

    against: str | Path | None = None
    closest: float = 0.98
    drop: Literal['near', 'far'] = 'near'
    root: str | Path | None = None
    trust: bool = False

    place: ClassVar[int] = 70
    needs_images: ClassVar[bool] = True
    shows: ClassVar[str] = 'pairs'
    match_is: ClassVar[str] = 'reference'

    def __post_init__(self) -> None:
        if self.drop not in ('near', 'far') or not -1 <= self.closest <= 1:
            raise ConfigError(
                "filter neighbours: drop is 'near' or 'far', and closest a cosine of -1 to 1; found "
                f'{self.drop!r} and {self.closest}'
            )

    @property
    def says(self) -> str:  # type: ignore[override]  # depends on the option
        which = 'closer' if self.drop == 'near' else 'no closer'
        return f'Pictures {which} to one of {self.against} than a cosine of {self.closest:g}.'

    def check(self, material: Material) -> None:
        if self.against is None:
            raise ConfigError(
                'the filter neighbours needs features to compare with: --against FILE (cite features)'
            )
        if not material.has_model:
            raise ConfigError('the filter neighbours needs a model (--model) or --features')
        if not self.trust:
            require_model(str(self.against), self._record, 'neighbours.trust')
        _ = self._reference  # what cannot be read is told before the work

    def judge(self, material: Material, rows: NDArray[np.int64]) -> Verdict:
        reference = self._reference
        verdict = Verdict.keeping(
            len(rows),
            score_name='cosine to the nearest reference',
            threshold=self.closest,
            about={
                'against': Path(str(self.against)).name,
                'references': len(reference),
                'closest': self.closest,
                'drop': self.drop,
            },
        )
        if not len(rows):
            return verdict
        features = material.features(rows)
        refuse_other_model(
            str(self.against),
            self._record,
            'the collection',
            material.record(),
            self.trust,
            'neighbours.trust',
        )
        cosines, places = reference.search(features, 1)
        verdict.scores, found = cosines[:, 0].astype(np.float64), places[:, 0]
        near = verdict.scores >= self.closest
        for place in np.flatnonzero(near == (self.drop == 'near')).tolist():
            verdict.drop(place, 'close to a reference' if self.drop == 'near' else 'far from all')
            at = int(found[place])
            if at < 0:  # a graph that reached no row
                continue
            name = reference.names[at]
            path = Path(reference.files[at]) if self.root is None else Path(self.root) / name
            verdict.matches[place] = Match(name, path)
        return verdict

    @cached_property
    def _reference(self) -> Index:
        from cite.inference import read_features
        from cite.retrieval import build_index, load_index

        path = Path(str(self.against))
        if path.is_dir():
            return load_index(path)
        table = read_features(path)
        return build_index(table.features, table.names, table.record, 'flat')

    @property
    def _record(self) -> dict[str, Any]:
        """What is said of the reference's features."""
        return dict(self._reference.record['features'].get('record') or {})
