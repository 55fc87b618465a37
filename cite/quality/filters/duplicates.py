"""The same picture twice, whichever way it was turned or mirrored, and saved anew."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from cite.data.captions import normalise_caption
from cite.data.prepare.duplicates import NEAR, duplicate_groups
from cite.data.prepare.fingerprint import symmetries
from cite.quality.filters.base import FILTERS, Filter, Match, Verdict
from cite.quality.material import Material


@FILTERS.register
class Duplicates(Filter):
    """Drops all of a group but its largest picture, and of equally large ones but the first by name.

    Groups are those of `cite.data.prepare.duplicates`: equal pixels, or grids of 16 × 16 area means that
    differ by at most 3 grey levels in one of the eight symmetries. A picture that was turned by other
    angles or cut elsewhere is another one.
    """

    place: ClassVar[int] = 30
    needs_images: ClassVar[bool] = True
    by_default: ClassVar[bool] = True
    says: ClassVar[str] = (
        'Pictures that are another one again, whichever way turned by 90 degrees or mirrored, and saved '
        'anew. Of a group the largest stays, of equally large ones the first by name.'
    )
    shows: ClassVar[str] = 'pairs'
    match_is: ClassVar[str] = 'stays'

    def judge(self, material: Material, rows: NDArray[np.int64]) -> Verdict:
        collection = material.collection
        rows_of = rows.tolist()
        scan = material.looks.scan.subset(rows)
        groups = duplicate_groups(scan, material.progress)
        verdict = Verdict.keeping(
            len(rows),
            score_name='distance of the grids (grey levels)',
            about={'near': NEAR, 'groups': len(groups)},
        )
        texts = collection.captions
        for group in groups:
            ordered = sorted(
                group,
                key=lambda at: (-int(scan.sizes[at].prod()), collection.names[rows_of[at]], at),
            )
            first, others = ordered[0], ordered[1:]
            for other in others:
                exact = bool((scan.digests[first] == scan.digests[other]).all())
                verdict.scores[other] = _distance(scan.grids[first], scan.grids[other])
                detail = ''
                if texts is not None:
                    one, two = texts[rows_of[first]], texts[rows_of[other]]
                    same = normalise_caption(one) == normalise_caption(two)
                    detail = 'with the same caption' if same else 'with another caption'
                verdict.drop(other, 'the same pixels' if exact else 'nearly the same', detail)
                name = collection.names[rows_of[first]]
                verdict.matches[other] = Match(name, collection.path(rows_of[first]))
        lost = verdict.details.count('with another caption')
        if lost:
            verdict.notes.append(
                f'{lost} of them have another caption than the picture that stays; that caption is '
                'lost with them.'
            )
        return verdict


def _distance(one: NDArray[np.uint8], two: NDArray[np.uint8]) -> float:
    """Root mean square over cells and channels, in the best of the eight symmetries."""
    fixed = one.astype(np.float64)
    return min(
        float(np.sqrt(np.mean((fixed - turned) ** 2)))
        for turned in symmetries(two.astype(np.float64))
    )
