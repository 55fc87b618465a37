"""How much faster a grid of heads is trained at once than one head after the other.

    python tools/bench/speed/grid.py

Features are random, as the computing does not hang on them. One by one, heads are trained by
`cite.experiments.fit.fit` on kept features (the tower is not computed): a few of them are timed, and the
time of all is extrapolated from their mean. The two ways take turns.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measure import in_turn, ratio, report
from torch import Tensor, nn

from cite.anchors import Anchors
from cite.classifier import Classifier
from cite.data.randomness import generator, seeded
from cite.experiments.fit import Patches, fit, scores
from cite.experiments.grid import Grid, GridPoint, train_grid
from cite.heads import HEADS
from cite.necks import NECKS
from cite.tuning.base import NoTuning

CLASSES = ('a', 'b', 'c')
PER_CLASS = 512
"""Patches in the table."""


class KeptTower(nn.Module):
    """Stands where the tower would be, whose features are kept."""

    def __init__(self, feature_dim: int) -> None:
        super().__init__()
        self.feature_dim = feature_dim
        self.tuning = NoTuning()


@dataclass(frozen=True)
class Kind:
    """A row of the table.

    Attributes:
        share: Of the steps of a linear head, since others take longer.
    """

    name: str
    neck: dict[str, Any] | None
    head: dict[str, Any]
    share: float = 1.0


def kinds(features: int, text: int) -> list[Kind]:
    def anchored(kind: str, dim: int, **options: Any) -> dict[str, Any]:
        draw = torch.Generator().manual_seed(0)
        anchors = Anchors(
            torch.randn(len(CLASSES), dim, generator=draw), CLASSES, {'model': 'random'}
        )
        return {'type': kind, 'texts': CLASSES, 'anchors': anchors, **options}

    return [
        Kind('LinearHead', None, {'type': 'LinearHead'}),
        Kind('TextLinearHead', None, anchored('TextLinearHead', features)),
        Kind(
            'ProjectionNeck and TextEmbeddingHead',
            {'type': 'ProjectionNeck'},
            anchored('TextEmbeddingHead', text),
            0.05,
        ),
        Kind('CLIPAdapterHead', None, anchored('CLIPAdapterHead', features), 0.05),
        Kind(
            'TipAdapterHead, keys train',
            None,
            anchored('TipAdapterHead', features, trains=True),
            0.2,
        ),
    ]


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--features', type=int, default=768)
    parser.add_argument('--text', type=int, default=512, help='size of the text anchors')
    parser.add_argument('--shots', type=int, nargs='+', default=[16, 32, 64, 128, 256])
    parser.add_argument('--seeds', type=int, default=4)
    parser.add_argument('--settings', type=int, default=10, help='rates and decays')
    parser.add_argument('--steps', type=int, default=200, help='of a linear head')
    parser.add_argument('--batch-size', type=int, default=128)
    parser.add_argument('--alone', type=int, default=10, help='heads timed one by one')
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--only', nargs='+', help='heads, by the start of their names')
    parser.add_argument('--quick', action='store_true', help='sizes that show nothing, in seconds')
    parser.add_argument('--out', type=Path, default=Path('work_dirs/bench_speed'))
    args = parser.parse_args(argv)
    if args.quick:
        args.features, args.text, args.shots, args.seeds = 24, 16, [4, 8], 2
        args.settings, args.steps, args.batch_size, args.alone, args.rounds = 3, 20, 8, 2, 1
    draw = torch.Generator().manual_seed(0)
    labels = torch.arange(PER_CLASS * len(CLASSES)) % len(CLASSES)
    centres = torch.randn(len(CLASSES), args.features, generator=draw)
    features = torch.randn(len(labels), args.features, generator=draw) + 0.2 * centres[labels]
    found = {}
    for kind in kinds(args.features, args.text):
        if not args.only or kind.name.startswith(tuple(args.only)):
            found[kind.name] = measure(kind, features, labels, args)
    head = ('head', 'members', 'one by one¹', 'as a grid', 'times as fast', 'largest difference²')
    rows = [
        (
            name,
            f'{each["members"]}',
            f'{each["alone_seconds_per_member_and_step"] * 1e6:.0f} µs',
            f'{each["grid_seconds_per_member_and_step"] * 1e6:.0f} µs',
            f'{each["ratio"]:.1f}',
            f'{each["largest_difference"]:.1e}',
        )
        for name, each in found.items()
    ]
    title = (
        f'Training heads on kept features: time of a member and step, batches of {args.batch_size}'
    )
    report(title, head, rows, args.out / 'grid.json', found)
    print(f'¹ mean of {args.alone} members, extrapolated to all; ² of a class probability')


def measure(kind: Kind, features: Tensor, labels: Tensor, args: Any) -> dict[str, Any]:
    """Times both ways, after comparing what they give."""
    steps = max(4, round(args.steps * kind.share))
    points = grid_points(labels, args)
    chosen = points[:: max(1, len(points) // args.alone)][: args.alone]
    tower = KeptTower(features.shape[1])

    def classifier(seed: int) -> Classifier:
        with seeded(seed, 'initial weights'):
            neck = NECKS.build(kind.neck) if kind.neck else None
            return Classifier(tower, neck, HEADS.build(kind.head), CLASSES)  # type: ignore[arg-type]

    def make(seed: int) -> tuple[Any, Any]:
        made = classifier(seed)
        return made.neck, made.head

    def grid() -> Grid:
        return train_grid(make, features, labels, points, steps, args.batch_size)

    patches = Patches(torch.zeros(len(labels), 1), labels, features)
    singles = [(point, classifier(point.seed), patches.subset(point.rows)) for point in chosen]

    def one_by_one() -> None:
        for point, single, own in singles:
            decay, seed = point.weight_decay, point.seed
            fit(single, own, point.lr, decay, steps, args.batch_size, seed)

    one_by_one()
    all_scores = grid().scores(features)
    differences = [
        np.abs(scores(single, patches) - all_scores[points.index(point)].numpy()).max()
        for point, single, _ in singles
    ]
    ways: dict[str, Callable[[], object]] = {'alone': one_by_one, 'grid': grid}
    times = in_turn(ways, args.rounds, warm_up=0)
    alone = [seconds / len(chosen) for seconds in times['alone']]
    together = [seconds / len(points) for seconds in times['grid']]
    return {
        'members': len(points),
        'steps': steps,
        'timed_alone': len(chosen),
        'extrapolated': len(chosen) < len(points),
        'alone_seconds_per_member_and_step': statistics.median(alone) / steps,
        'grid_seconds_per_member_and_step': statistics.median(together) / steps,
        'ratio': ratio(alone, together),
        'largest_difference': float(max(differences)),
    }


def grid_points(labels: Tensor, args: Any) -> list[GridPoint]:
    """Shots × seeds × settings; every seed draws its own patches."""
    points = []
    for shots in args.shots:
        for seed in range(args.seeds):
            draw = generator(seed, 'patches', shots)
            every = [np.flatnonzero(labels.numpy() == label) for label in range(len(CLASSES))]
            rows = np.sort(np.concatenate([draw.choice(own, shots, False) for own in every]))
            points += [
                GridPoint(rows, seed, 1e-3 * 2 ** (setting % 5), 1e-2 * 10 ** (setting // 5))
                for setting in range(args.settings)
            ]
    return points


if __name__ == '__main__':
    main()
