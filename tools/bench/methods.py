"""Every tuning and every head of the library on LC25000 lung, with k tile groups per class.

    python tools/bench/methods.py --data data/lc25000_lung --vision tiny-tissue --text tiny-tissue

A tile group (one original tile, three rotated copies) stands for a slide. For each k and seed, k groups
per class are drawn from the train split; a method's setting is chosen among `--budget` of them by
leave-one-group- out on those (k = 1: the preset), it is trained once more on all of them, and judged on
the val split, which nothing else sees. Tunings train under a linear head, heads on frozen features;
CITE is prompt, projection and text anchors. What a tower or the data cannot take is listed with the
reason. Runs that are done are kept in `--out` and not done again.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from cite.baselines.run import run_baseline
from cite.classifier import Classifier, assemble
from cite.data import PatchTable, read_csv
from cite.data.randomness import generator, seeded
from cite.encoders.vision import load_vision
from cite.encoders.zoo import text_half
from cite.errors import CiteError, ConfigError, TrainingError
from cite.experiments.choosing import Candidate, Fold, choose
from cite.experiments.choosing.candidates import (
    HEAD_OPTIONS,
    option_candidates,
    training_candidates,
)
from cite.experiments.fit import Patches, fit, scores, take_features
from cite.frozen import trainable
from cite.heads import HEADS
from cite.images import image_batches
from cite.tuning import TUNINGS

CLASSES = ('lung_aca', 'lung_n', 'lung_scc')
TEXTS = ('lung adenocarcinoma', 'benign lung tissue', 'lung squamous cell carcinoma')
OF_A_PAIR = ('ZeroShotHead', 'TipAdapterHead', 'CoOpHead', 'CoCoOpHead', 'CLIPAdapterHead')
"""Heads that compare features with texts as they are: image and text must lie in one space."""
ELSEWHERE = ('NoTuning', 'Several', 'TextPrompt', 'OriginalVisualPrompt')


@dataclass(frozen=True)
class Method:
    """A row of the table."""

    name: str
    head: dict[str, Any]
    tuning: Any = None
    neck: dict[str, Any] | None = None
    group: str = 'head'
    options: dict[str, Sequence[Any]] = field(default_factory=dict)


def methods(args: argparse.Namespace) -> Iterator[Method]:
    """CITE and its parts, every registered tuning under a linear head, every registered head."""
    text = {'texts': TEXTS, 'text_encoder': args.text}
    anchored = {'type': 'TextEmbeddingHead', **text}
    linear = {'type': 'LinearHead'}
    projection = {'type': 'ProjectionNeck'}
    yield Method('linear probe', linear)
    yield Method('text anchors', anchored, neck=projection)
    yield Method('CITE', anchored, {'type': 'VisualPrompt'}, projection, 'prompt')
    yield Method('VPT + LoRA', linear, [{'type': 'VisualPrompt'}, {'type': 'LoRA'}], group='peft')
    for name in TUNINGS.names():
        if name not in ELSEWHERE:
            yield Method(name, linear, {'type': name}, group=TUNINGS.get(name).group)  # type: ignore[attr-defined]
    for name in HEADS.names():
        if name in ('LinearHead', 'TextEmbeddingHead') or name.startswith(('Original', 'Half')):
            continue
        needs = HEADS.get(name).__init__.__code__.co_varnames  # type: ignore[misc]
        head = {'type': name, **(text if 'texts' in needs else {})}
        if 'names' in needs:
            head |= {'names': TEXTS, 'text_encoder': args.text}
        if name == 'TipAdapterHead':
            yield Method('TipAdapterHead, trained', {**head, 'trains': True})
        yield Method(name, head, options=dict(HEAD_OPTIONS.get(name, {})))


def build(method: Method, args: argparse.Namespace, candidate: Candidate, seed: int) -> Classifier:
    """The classifier of a method, initialised from the seed."""
    with seeded(seed, 'init'):
        tower = load_vision(args.vision, image_size=args.image_size, tuning=method.tuning)
        return assemble(tower, method.neck, {**method.head, **candidate.options}, CLASSES)


def train(
    method: Method, args: Any, candidate: Candidate, patches: Patches, seed: int
) -> Classifier:
    classifier = build(method, args, candidate, seed)
    fit(
        classifier,
        patches,
        candidate.lr,
        candidate.weight_decay,
        args.steps,
        seed=seed,
        head_lr=None if method.group == 'head' else 1e-2,
    )
    return classifier


def balanced_accuracy(labels: np.ndarray, probabilities: np.ndarray) -> float:
    right = probabilities.argmax(1) == labels
    return float(np.mean([right[labels == label].mean() for label in np.unique(labels)]))


def candidates(method: Method, args: argparse.Namespace) -> list[Candidate]:
    if method.options:
        return option_candidates(method.options, args.budget)
    if not trainable(build(method, args, Candidate(), 0)):
        return [Candidate()]
    return training_candidates(method.group, args.budget)


def run(
    method: Method,
    args: argparse.Namespace,
    groups: np.ndarray,
    train_set: Patches,
    val: Patches,
    seed: int,
) -> dict[str, Any]:
    """Chosen, trained and judged: one method on one draw of tile groups."""
    start = time.perf_counter()
    labels = train_set.labels.numpy()

    def score(candidate: Candidate, fold: Fold) -> float:
        held_out = train_set.subset(fold.held_out)
        try:
            made = train(method, args, candidate, train_set.subset(fold.train), seed)
        except TrainingError:
            return float('nan')
        return balanced_accuracy(held_out.labels.numpy(), scores(made, held_out))

    choice = choose(
        candidates(method, args), labels, groups, score, most_folds=args.folds, seed=seed
    )
    chosen = time.perf_counter()
    classifier = train(method, args, choice.candidate, train_set, seed)
    trained = time.perf_counter()
    found = scores(classifier, val)
    return {
        'balanced_accuracy': balanced_accuracy(val.labels.numpy(), found),
        'trained_parameters': sum(weight.numel() for weight in trainable(classifier).values()),
        'seconds_choosing': chosen - start,
        'seconds_training': trained - chosen,
        'choice': choice.record(),
    }


def draw(table: PatchTable, shots: int, seed: int) -> np.ndarray:
    """Rows of so many tile groups of every class."""
    rows = []
    for label in range(len(CLASSES)):
        names = np.unique(table.slides[table.labels == label])
        taken = generator(seed, 'draw', label).permutation(names)[:shots]  # nested in the shots
        rows.append(np.flatnonzero(np.isin(table.slides, taken)))
    return np.concatenate(rows)


def load_patches(table: PatchTable, args: argparse.Namespace) -> Patches:
    """The patches of a table, in the tower's size, with the features of the frozen tower."""
    tower = load_vision(args.vision, image_size=args.image_size)
    paths = [table.path(row) for row in range(len(table))]
    batches = image_batches(tqdm(paths, desc='reading', unit='patch', delay=2), tower.resize, 64)
    patches = Patches(torch.cat(list(batches)), torch.tensor(table.labels))
    take_features(assemble(tower, None, {'type': 'LinearHead'}, CLASSES), patches)
    return patches


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument('--data', type=Path, required=True, help='folder with manifest.csv')
    parser.add_argument('--vision', default='tiny-tissue', help='any name that cite takes')
    parser.add_argument('--text', default='tiny-tissue', help='likewise')
    parser.add_argument('--image-size', type=int, help="default: the model's own")
    parser.add_argument('--shots', type=int, nargs='+', default=[1, 4, 16])
    parser.add_argument('--seeds', type=int, default=3)
    parser.add_argument('--steps', type=int, default=60, help='of 16 patches each')
    parser.add_argument('--budget', type=int, default=3, help='settings that every method may try')
    parser.add_argument('--folds', type=int, default=2, help='0: one group of a class at a time')
    parser.add_argument('--only', nargs='*', help='names of methods')
    parser.add_argument('--out', type=Path, default=Path('work_dirs/bench_methods'))
    args = parser.parse_args()
    args.folds = args.folds or None
    tables = [
        read_csv(
            args.data / 'manifest.csv',
            args.data,
            CLASSES,
            split=part,
            columns={'slide': 'tile_group'},
        )
        for part in ('train', 'val')
    ]
    everything, val = (load_patches(table, args) for table in tables)
    args.out.mkdir(parents=True, exist_ok=True)
    refused: dict[str, str] = {}
    wanted = [m for m in methods(args) if not args.only or m.name in args.only]
    results = {'colour histogram': colour(tables, args)}
    for method in tqdm(wanted, desc='methods', unit='method'):
        try:
            results[method.name] = all_runs(method, args, tables[0], everything, val)
        except CiteError as error:
            refused[method.name] = str(error)
    rows = [row(name, found, args) for name, found in results.items()]
    text = table_text(rows, refused, args)
    (args.out / f'{Path(args.vision).stem}.md').write_text(text, encoding='utf-8')
    print(text)


def all_runs(
    method: Method, args: argparse.Namespace, table: PatchTable, everything: Patches, val: Patches
) -> dict[int, list[dict[str, Any]]]:
    if method.head['type'] in OF_A_PAIR and text_half(args.vision) != args.text:
        raise ConfigError('compares features with texts as they are: takes both halves of a pair')
    found: dict[int, list[dict[str, Any]]] = {}
    for shots in args.shots:
        for seed in range(args.seeds):
            tried = (args.steps, args.budget, args.folds)
            asked = (args.image_size, args.vision, args.text, method.name, shots, seed, *tried)
            key = '-'.join(Path(str(part)).stem.replace(' ', '_') for part in asked)
            path = args.out / f'{key}.json'
            if not path.is_file():
                rows = draw(table, shots, seed)
                made = run(method, args, table.slides[rows], everything.subset(rows), val, seed)
                path.write_text(json.dumps(made, indent=1, default=str), encoding='utf-8')
            found.setdefault(shots, []).append(json.loads(path.read_text(encoding='utf-8')))
    return found


def colour(tables: list[PatchTable], args: argparse.Namespace) -> dict[int, list[dict[str, Any]]]:
    """Logistic regression on a colour histogram, on the same draws."""
    found: dict[int, list[dict[str, Any]]] = {}
    for shots in args.shots:
        for seed in range(args.seeds):
            start = time.perf_counter()
            train_table = tables[0].subset(draw(tables[0], shots, seed))
            probabilities = run_baseline('colour', train_table, tables[1], False).probabilities
            score = balanced_accuracy(tables[1].labels, np.asarray(probabilities))
            seconds = time.perf_counter() - start
            made = {
                'balanced_accuracy': score,
                'seconds_training': seconds,
                'seconds_choosing': 0.0,
            }
            found.setdefault(shots, []).append({**made, 'trained_parameters': 0})
    return found


def row(name: str, found: dict[int, list[dict[str, Any]]], args: argparse.Namespace) -> list[str]:
    cells = [name]
    for shots in args.shots:
        values = [made['balanced_accuracy'] for made in found[shots]]
        cells.append(f'{np.mean(values):.3f} ± {np.std(values, ddof=min(1, len(values) - 1)):.3f}')
    last = found[args.shots[-1]]
    cells.append(f'{max(made["trained_parameters"] for made in last):,}')
    for part in ('training', 'choosing'):
        cells.append(f'{np.mean([made[f"seconds_{part}"] for made in last]):.1f}')
    return cells


def table_text(rows: list[list[str]], refused: dict[str, str], args: argparse.Namespace) -> str:
    shots = [f'k = {number}' for number in args.shots]
    head = [
        'method',
        *shots,
        'trained weights',
        f's, training (k = {args.shots[-1]})',
        's, choosing',
    ]
    lines = [f'| {" | ".join(head)} |', '|:--' + '|--:' * (len(head) - 1) + '|']
    lines += [f'| {" | ".join(cells)} |' for cells in rows]
    lines += ['', *(f'- {name}: {reason}' for name, reason in refused.items())]
    return '\n'.join(lines) + '\n'


if __name__ == '__main__':
    main()
