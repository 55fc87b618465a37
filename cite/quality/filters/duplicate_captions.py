"""The same caption again and again: templates, sentences that say nothing of their picture."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from cite.data.captions import group_captions
from cite.errors import ConfigError
from cite.quality.filters.base import FILTERS, Filter, Match, Verdict, captions_of
from cite.quality.material import Material


@FILTERS.register
@dataclass(frozen=True)
class DuplicateCaptions(Filter):
    """Drops rows whose caption enough rows before them have; by order of names.

    It is no default: patches of one slide rightly share the text of its report. Captions are the same but
    for case, white space and punctuation at the end (`cite.data.captions.normalise_caption`).

    Args:
        most: Rows that keep one caption.
    """

    most: int = 1

    place: ClassVar[int] = 40
    needs_captions: ClassVar[bool] = True
    says: ClassVar[str] = (
        'Rows whose caption other rows have already, but for case and punctuation.'
    )
    shows: ClassVar[str] = 'captions'

    def __post_init__(self) -> None:
        if self.most < 1:
            raise ConfigError(f'filter duplicate_captions: most is at least 1, found {self.most}')

    def judge(self, material: Material, rows: NDArray[np.int64]) -> Verdict:
        names = material.collection.names
        groups = group_captions(captions_of(material, rows)).tolist()
        sizes = Counter(groups)
        verdict = Verdict.keeping(
            len(rows), score_name='rows with this caption', about={'most': self.most}
        )
        verdict.scores[:] = [sizes[group] for group in groups]
        seen: Counter[int] = Counter()
        first: dict[int, int] = {}
        for place in sorted(range(len(rows)), key=lambda at: (names[int(rows[at])], at)):
            group = groups[place]
            first.setdefault(group, place)
            seen[group] += 1
            if seen[group] > self.most:
                verdict.drop(place, f'caption of more than {self.most} row(s)')
                kept = int(rows[first[group]])
                verdict.matches[place] = Match(names[kept], material.collection.path(kept))
        return verdict
