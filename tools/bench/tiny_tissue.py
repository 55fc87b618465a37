"""What tiny-tissue is worth: zero-shot, linear probe, text-only and CITE on slides of another kind.

    python tools/bench/tiny_tissue.py --out work_dirs/bench_tiny_tissue

The slides are drawn with stains and mixes of attributes that the pair was not trained on. Half of each
class's slides evaluate, always the same; of the others k are drawn for each seed. Linear probe, text-only
and CITE have one budget: the same optimiser, iterations and batch, no augmentation, nothing chosen on the
evaluated slides. A logistic regression that converges stands beside them (on the tower's features, and on
those of the same tower untrained), and colour alone. Prints Markdown tables, writes results.json and
tiny_tissue.png.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

MODEL = 'tiny-tissue'
CLASSES = (
    'well differentiated tubular adenocarcinoma',
    'moderately differentiated tubular adenocarcinoma',
    'poorly differentiated adenocarcinoma',
)
SHOTS = (1, 2, 4, 8, 16)
TRAINED = ('linear probe', 'text-only', 'CITE')
FITTED = ('colour histogram', 'logistic regression, untrained tower', 'logistic regression')
METHODS = (*FITTED, *TRAINED)
TEXT_HEAD = {
    'type': 'TextEmbeddingHead',
    'texts': list(CLASSES),
    'text_encoder': {'type': 'TextEncoder', 'model': MODEL},
}
NECK = {'type': 'ProjectionNeck', 'init': 'normal_identity'}
PROMPT = {'type': 'VisualPrompt', 'length': 1, 'init': 'token'}
SLIDES, PATCHES, SEED = 48, 6, 7
ITERATIONS, BATCH, LR, WEIGHT_DECAY = 100, 16, 3e-3, 0.01


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--out', type=Path, default=Path('work_dirs/bench_tiny_tissue'))
    parser.add_argument('--seeds', type=int, default=10)
    parser.add_argument('--workers', type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
    start = time.perf_counter()
    draw(args.out / 'data', args.workers)
    found: dict[str, Any] = {'zero-shot': zero_shot(args.out / 'data'), 'findings': {}}
    draw_findings(args.out / 'findings', args.workers)
    found['findings'] = findings(args.out / 'findings')
    tasks = [(m, k, s) for m in METHODS for k in SHOTS for s in range(args.seeds)]
    with ProcessPoolExecutor(
        args.workers, get_context('spawn'), initializer=torch.set_num_threads, initargs=(1,)
    ) as pool:
        runs = list(pool.map(_run, [args.out / 'data'] * len(tasks), tasks))
    found['runs'] = [
        {'method': m, 'k': k, 'seed': s, **run} for (m, k, s), run in zip(tasks, runs, strict=True)
    ]
    found['seconds'] = round(time.perf_counter() - start)
    (args.out / 'results.json').write_text(json.dumps(found, indent=1), encoding='utf-8')
    print(tables(found))
    plot(found, args.out / 'tiny_tissue.png')
    print(f'{found["seconds"]} s; picture: {args.out / "tiny_tissue.png"}')


def draw(root: Path, workers: int) -> None:
    from cite.data.synthetic import write_patchgastric

    write_patchgastric(root, SLIDES, PATCHES, seed=SEED, workers=workers, population='unseen')


def draw_findings(root: Path, workers: int) -> None:
    from cite.data.synthetic import write_pairs

    write_pairs(root, 40, 6, seed=SEED + 1, workers=workers, population='unseen')


@cache
def patches(root: Path) -> tuple[Any, Tensor]:
    """Every patch of the set as the tower sees it: table and uint8 (N, 3, H, W)."""
    from cite.data.patchgastric import read_patchgastric
    from cite.data.transforms import PatchTransform
    from cite.encoders.card import resize_options
    from cite.encoders.zoo import get_card
    from cite.images import load_rgb
    from cite.images.resize import ResizePatch

    card = get_card(MODEL)
    transform = PatchTransform(ResizePatch(**resize_options(card, card.image_size)))
    table = read_patchgastric(root)[0].sorted()
    images = torch.stack([transform(load_rgb(table.path(i))) for i in range(len(table))])
    return table, images


@cache
def features(root: Path, pretrained: bool = True) -> Tensor:
    from cite.encoders.vision import load_vision

    tower = load_vision(MODEL, pretrained=pretrained)
    return torch.from_numpy(tower.encode_images(list(patches(root)[1])))


def sides(table: Any) -> tuple[dict[str, list[str]], np.ndarray]:
    """Training-side slides by class, and the rows that evaluate."""
    train, rows = {}, np.zeros(len(table), bool)
    for name in table.classes:
        slides = sorted(table.slides_of(name))
        train[name] = slides[1::2]
        rows |= np.isin(table.slides, slides[::2])
    return train, np.flatnonzero(rows)


def zero_shot(root: Path) -> dict[str, float]:
    """The class names themselves against every evaluated patch; nothing is trained."""
    from cite.encoders.pairs import load_pair

    pair = load_pair(MODEL)
    images = nn.functional.normalize(features(root), dim=1)
    logits = images @ torch.from_numpy(pair.encode_text(list(CLASSES))).T * pair.scale.detach()
    return score(root, logits)


def findings(root: Path) -> dict[str, dict[str, float]]:
    """AUROC of 'a finding is there' against 'it is not', by words alone, on unseen slides.

    Some findings go with the grade, so the mean of the AUROCs within each grade stands beside.
    """
    import csv

    from sklearn.metrics import roc_auc_score

    from cite.encoders.pairs import load_pair

    words = {
        'necrosis': ('Tumor necrosis.', 'No necrosis.'),
        'inflammation': ('Marked inflammatory cell infiltration.', 'Little inflammation.'),
        'mitoses': ('Mitotic figures are seen.', 'No mitoses.'),
        'glands': ('Glandular structures.', 'No gland formation.'),
    }
    with (root / 'pairs.csv').open(encoding='utf-8', newline='') as file:
        rows = list(csv.DictReader(file))
    pair = load_pair(MODEL)
    images = pair.encode_images([root / row['file'] for row in rows])
    found = {}
    for name, texts in words.items():
        there, absent = (images @ pair.encode_text(list(texts)).T).T
        labels = np.array([int(row[name]) for row in rows])
        said, grades = there - absent, np.array([row['grade'] for row in rows])
        within = [
            roc_auc_score(labels[grades == grade], said[grades == grade])
            for grade in sorted(set(grades))
            if min(np.bincount(labels[grades == grade], minlength=2)) >= 5
        ]
        found[name] = {
            'auroc': float(roc_auc_score(labels, said)),
            'within_grade': float(np.mean(within)) if within else None,
            'prevalence': float(labels.mean()),
        }
    return found


def score(root: Path, logits: Tensor) -> dict[str, float]:
    """Balanced accuracy of the evaluated patches and slides; logits of all patches are given."""
    from cite.evaluation.metrics import evaluate
    from cite.evaluation.predictions import Predictions

    table, _ = patches(root)
    _, rows = sides(table)
    predictions = Predictions(
        files=[str(table.files[i]) for i in rows],
        labels=table.labels[rows],
        probabilities=logits[torch.from_numpy(rows)].softmax(1).numpy(),
        slides=[str(table.slides[i]) for i in rows],
        classes=table.classes,
    )
    found = evaluate(predictions)
    return {level: found[level]['balanced_accuracy'] for level in ('patch', 'slide')}


def _run(root: Path, task: tuple[str, int, int]) -> dict[str, float]:
    """One few-shot run: k slides per class, drawn and trained with one seed."""
    from cite.data.randomness import generator

    method, k, seed = task
    table, _ = patches(root)
    train, evaluated = sides(table)
    chosen: list[str] = []
    for name in table.classes:
        order = generator('tiny-tissue bench', seed, name).permutation(len(train[name]))
        chosen += [train[name][i] for i in order[:k]]
    rows = np.flatnonzero(np.isin(table.slides, chosen))
    start = time.perf_counter()
    if method in FITTED:
        logits = fit(root, method, rows, evaluated)
    else:
        logits = train_head(root, method, rows, evaluated, seed)
    return {**score(root, logits), 'seconds': round(time.perf_counter() - start, 1)}


def fit(root: Path, method: str, rows: np.ndarray, evaluated: np.ndarray) -> Tensor:
    """Log-probabilities of all patches (0 where not evaluated) by what is fitted until it converges."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from cite.baselines.run import run_baseline

    table, _ = patches(root)
    logits = torch.zeros(len(table), len(CLASSES))
    if method == 'colour histogram':
        found = run_baseline('colour', table.subset(rows), table.subset(evaluated))
        logits[torch.from_numpy(evaluated)] = torch.from_numpy(found.probabilities).log()
        return logits
    inputs = features(root, pretrained='untrained' not in method).numpy()
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    model.fit(inputs[rows], table.labels[rows])
    logits[torch.from_numpy(evaluated)] = torch.from_numpy(
        model.predict_log_proba(inputs[evaluated])
    ).float()
    return logits


def train_head(
    root: Path, method: str, rows: np.ndarray, evaluated: np.ndarray, seed: int
) -> Tensor:
    """Logits of all patches (0 where not evaluated) by what is trained with the common budget."""
    from cite.classifier import assemble
    from cite.data.samplers import TrainBatchSampler
    from cite.frozen import trainable

    table, images = patches(root)
    torch.manual_seed(seed)
    head = {'type': 'LinearHead'} if method == 'linear probe' else TEXT_HEAD
    model = assemble(
        {'model': MODEL, 'tuning': PROMPT if method == 'CITE' else None},
        None if method == 'linear probe' else NECK,
        head,
        CLASSES,
    )
    whole = method == 'CITE'  # a prompt changes every feature, so the tower runs in each step
    inputs = images if whole else features(root)

    def logits_of(batch: Tensor) -> Tensor:
        if whole:
            return model(batch)  # type: ignore[no-any-return]
        return model.head(batch if model.neck is None else model.neck(batch))  # type: ignore

    optimiser = torch.optim.AdamW(trainable(model).values(), lr=LR, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, ITERATIONS)
    batches = TrainBatchSampler(
        table.labels[rows], table.slides[rows], BATCH, seed, 'slide', num_iters=ITERATIONS
    )
    labels = torch.from_numpy(table.labels)
    model.train()
    for batch in batches:
        picked = torch.from_numpy(rows[[draw.index for draw in batch]])
        loss = nn.functional.cross_entropy(logits_of(inputs[picked]), labels[picked])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    model.eval()
    logits = torch.zeros(len(table), len(CLASSES))
    with torch.inference_mode():
        for part in torch.from_numpy(evaluated).split(256):
            logits[part] = logits_of(inputs[part])
    return logits


def tables(found: dict[str, Any]) -> str:
    """Means over seeds, and the paired differences of CITE, with 95 % t-intervals."""
    zero = found['zero-shot']
    lines = [
        f'zero-shot: patch {zero["patch"]:.3f}, slide {zero["slide"]:.3f} (chance {1 / 3:.3f})',
        '',
        '| finding | zero-shot AUROC | mean within grades | share of patches |',
        '|:--|--:|--:|--:|',
        *(
            f'| {name} | {row["auroc"]:.3f} | {_or_dash(row["within_grade"])} | {row["prevalence"]:.2f} |'
            for name, row in found['findings'].items()
        ),
    ]
    for level in ('patch', 'slide'):
        lines += [
            '',
            f'| {level} balanced accuracy | ' + ' | '.join(f'k = {k}' for k in SHOTS) + ' |',
            '|:--|' + '--:|' * len(SHOTS),
        ]
        for method in METHODS:
            cells = (_mean(values(found, method, k, level)) for k in SHOTS)
            lines.append(f'| {method} | ' + ' | '.join(cells) + ' |')
        for other in ('logistic regression', 'linear probe', 'text-only'):
            cells = (
                _interval(values(found, 'CITE', k, level) - values(found, other, k, level))
                for k in SHOTS
            )
            lines.append(f'| CITE − {other} | ' + ' | '.join(cells) + ' |')
    return '\n'.join(lines)


def values(found: dict[str, Any], method: str, k: int, level: str) -> np.ndarray:
    """One figure for each seed, in order of seed."""
    runs = [run for run in found['runs'] if run['method'] == method and run['k'] == k]
    return np.array([run[level] for run in sorted(runs, key=lambda run: run['seed'])])


def _or_dash(value: float | None) -> str:
    return '-' if value is None else f'{value:.3f}'


def _mean(numbers: np.ndarray) -> str:
    return f'{numbers.mean():.3f} ± {numbers.std(ddof=1):.3f}'


def half_width(numbers: np.ndarray) -> float:
    """Of the 95 % interval of the mean over draws of training slides, by Student's t.

    The evaluated slides are the same in all of them: how much other ones would change is not in it.
    """
    from scipy.stats import t

    return float(t.ppf(0.975, len(numbers) - 1) * numbers.std(ddof=1) / len(numbers) ** 0.5)


def _interval(numbers: np.ndarray) -> str:
    mean, half = numbers.mean(), half_width(numbers)
    return f'{mean:+.3f} ({mean - half:+.3f} … {mean + half:+.3f})'


def plot(found: dict[str, Any], path: Path) -> None:
    """Balanced accuracy against the number of slides per class."""
    import matplotlib

    matplotlib.use('Agg')
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(10.5, 3.8), sharey=True, layout='constrained')
    for axis, level in zip(axes, ('patch', 'slide'), strict=True):
        for method, mark in zip(METHODS, '.vDos^', strict=True):
            numbers = [values(found, method, k, level) for k in SHOTS]
            means = np.array([n.mean() for n in numbers])
            halves = np.array([half_width(n) for n in numbers])
            (line,) = axis.plot(SHOTS, means, marker=mark, label=method)
            axis.fill_between(
                SHOTS, means - halves, means + halves, color=line.get_color(), alpha=0.15
            )
        axis.axhline(found['zero-shot'][level], ls='--', color='k', lw=1, label='zero-shot')
        axis.axhline(1 / 3, ls=':', color='grey', lw=1, label='chance')
        axis.set(title=f'by {level}', xlabel='slides per class', xscale='log', xticks=SHOTS)
        axis.set_xticks(SHOTS, [str(k) for k in SHOTS])
        axis.minorticks_off()
        axis.grid(alpha=0.25)
    axes[0].set_ylabel('balanced accuracy')
    axes[0].set_ylim(0.3, 1.0)
    figure.legend(*axes[0].get_legend_handles_labels(), loc='outside right center', fontsize=8)
    figure.suptitle('tiny-tissue on drawn slides of unseen stains and mixes (mean, 95 % interval)')
    figure.savefig(path, dpi=130)
    plt.close(figure)


if __name__ == '__main__':
    main()
