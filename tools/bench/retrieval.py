"""Search among a million features: time, memory and recall of the kinds of index.

    python tools/bench/retrieval.py --folder /tmp/retrieval-bench --out retrieval.json

The features are a mixture: 1,000 clusters of very different sizes (log-normal), rows scattered round the
centre at 0.5 to 1 times its length, and one row in twenty that is of no cluster. Queries are drawn like
the rows but are not among them; 'texts' are drawn likewise and all shifted in one direction, since texts
lie apart from images in a common space (Liang et al., 2022). Recall@10 is measured against exact search.
Every kind is built in a process of its own. Features that are mapped into memory count in its 'peak', and
not in 'own', which is what the process could not give back.

Needs 2 GB on the disk for the features and as much for each index; they go at the end (--keep keeps them).
Takes about five minutes on two cores, and a quarter of an hour or more with hnsw among --kinds.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import shutil
import statistics
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from cite.atomic import write_json
from cite.cli.parsing import count
from cite.retrieval import build_index, load_index, save_index
from cite.retrieval.exact import ExactSearcher
from cite.retrieval.units import lengths

CLUSTERS, ALONE, CHUNK = 1000, 0.05, 50_000
HELD_OUT, NEAREST, ASKED = 200, 10, 100


class Mixture:
    """Draws features (n, D) of unit length, float32; the same for the same seed."""

    def __init__(self, dim: int, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.dim = dim
        self.centres = self._directions(CLUSTERS)
        sizes = self.rng.lognormal(0, 0.5, CLUSTERS)
        self.share = sizes / sizes.sum()
        self.shift = self._directions(1)

    def draw(self, rows: int, shift: float = 0.0) -> np.ndarray:
        """Rows of the mixture, moved by `shift` in the direction of texts."""
        of = self.rng.choice(CLUSTERS, rows, p=self.share)
        spread = self.rng.uniform(0.5, 1.0, (rows, 1)).astype(np.float32)
        noise = self.rng.standard_normal((rows, self.dim), dtype=np.float32)
        noise /= np.float32(np.sqrt(self.dim))
        alone = self.rng.random((rows, 1)) < ALONE
        found = np.where(alone, noise, self.centres[of] + spread * noise)
        found += np.float32(shift) * self.shift
        return found / np.linalg.norm(found, axis=1, keepdims=True)

    def _directions(self, rows: int) -> np.ndarray:
        found = self.rng.standard_normal((rows, self.dim), dtype=np.float32)
        return found / np.linalg.norm(found, axis=1, keepdims=True)


def write_features(folder: Path, rows: int, dim: int) -> None:
    """features.npy, queries.npy, texts.npy and the rows that exact search finds for both."""
    mixture = Mixture(dim)
    features = np.lib.format.open_memmap(
        folder / 'features.npy', mode='w+', dtype=np.float32, shape=(rows, dim)
    )
    for start in range(0, rows, CHUNK):
        features[start : start + CHUNK] = mixture.draw(min(CHUNK, rows - start))
    features.flush()
    exact = ExactSearcher(features, lengths(features, range(rows)))  # type: ignore[arg-type]
    for name, shift in (('queries', 0.0), ('texts', 1.0)):
        asked = mixture.draw(HELD_OUT, shift)
        np.save(folder / f'{name}.npy', asked)
        np.save(folder / f'{name}_found.npy', exact.search(asked, NEAREST)[1])


def measure(kind: str, folder: Path) -> dict[str, Any]:
    """One kind: built, saved, loaded again, asked."""
    own: list[int] = []
    stop = threading.Event()
    watch = threading.Thread(target=_watch, args=(own, stop))
    watch.start()
    features = np.load(folder / 'features.npy', mmap_mode='r')
    start = time.perf_counter()
    index = build_index(features, kind=kind)
    built = time.perf_counter() - start
    start = time.perf_counter()
    save_index(index, folder / kind)
    saved = time.perf_counter() - start
    stop.set()
    watch.join()
    memory = {'peak_bytes': _status('VmHWM'), 'peak_own_bytes': max(own)}
    record = index.record
    del index

    index = load_index(folder / kind)
    queries = np.load(folder / 'queries.npy')
    for query in queries[ASKED:]:  # what is on the disk comes into memory
        index.search(query[None], NEAREST)
    single = [_milliseconds(index, queries[row : row + 1]) for row in range(ASKED)]
    batch = [_milliseconds(index, queries[:100]) for _ in range(3)]
    return {
        'kind': kind,
        'rows': len(features),
        'dim': features.shape[1],
        'build_seconds': built,
        'save_seconds': saved,
        **memory,
        'index_bytes': sum(file.stat().st_size for file in (folder / kind).iterdir()),
        'query_ms_median': statistics.median(single),
        'query_ms_p95': float(np.percentile(single, 95)),
        'batch_of_100_ms': statistics.median(batch),
        'recall@10': recall(index, folder, 'queries'),
        'recall@10 of texts': recall(index, folder, 'texts'),
        'parameters': record['parameters'],
        'effort': record.get('effort'),
        'measured_by_the_index': record['measured'],
    }


def recall(index: Any, folder: Path, which: str) -> float:
    """Share of the 10 nearest rows that are found."""
    wanted = np.load(folder / f'{which}_found.npy')
    found = index.search(np.load(folder / f'{which}.npy'), NEAREST)[1]
    pairs = zip(wanted.tolist(), found.tolist(), strict=True)
    return float(np.mean([len(set(w) & set(f)) / NEAREST for w, f in pairs]))


def _milliseconds(index: Any, queries: np.ndarray) -> float:
    start = time.perf_counter()
    index.search(queries, NEAREST)
    return 1e3 * (time.perf_counter() - start)


def _watch(own: list[int], stop: threading.Event) -> None:
    while not stop.is_set():
        own.append(_status('RssAnon'))
        stop.wait(0.05)


def _status(key: str) -> int:
    """A size of this process in bytes, as Linux tells it."""
    for line in Path('/proc/self/status').read_text().splitlines():
        if line.startswith(f'{key}:'):
            return 1024 * int(line.split()[1])
    return 0


def _in_child(kind: str, folder: Path) -> None:
    write_json(folder / f'{kind}.json', measure(kind, folder))


def table(results: list[dict[str, Any]]) -> str:
    """The figures as Markdown."""
    lines = [
        '| kind | build | peak memory (own) | index | query, median / p95 | batch of 100 | recall@10 '
        '| of texts |',
        '|:--|--:|--:|--:|--:|--:|--:|--:|',
    ]
    for found in results:
        giga = {key: found[key] / 2**30 for key in found if key.endswith('_bytes')}
        lines.append(
            f'| {found["kind"]} | {found["build_seconds"]:.0f} s '
            f'| {giga["peak_bytes"]:.1f} ({giga["peak_own_bytes"]:.1f}) GiB '
            f'| {giga["index_bytes"]:.2f} GiB '
            f'| {found["query_ms_median"]:.1f} / {found["query_ms_p95"]:.1f} ms '
            f'| {found["batch_of_100_ms"]:.0f} ms | {found["recall@10"]:.3f} '
            f'| {found["recall@10 of texts"]:.3f} |'
        )
    return '\n'.join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--folder', type=Path, required=True, help='for features and indexes')
    parser.add_argument('--out', type=Path, help='JSON of the results')
    parser.add_argument('--rows', type=count, default=1_000_000)
    parser.add_argument('--dim', type=count, default=512)
    parser.add_argument('--kinds', nargs='+', default=['flat', 'ivf'], help='flat, ivf, hnsw')
    parser.add_argument('--keep', action='store_true', help='keep the folder')
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=False)
    try:
        write_features(args.folder, args.rows, args.dim)
        results = []
        for kind in args.kinds:
            child = multiprocessing.get_context('spawn').Process(
                target=_in_child, args=(kind, args.folder)
            )
            child.start()
            child.join()
            if child.exitcode:
                raise SystemExit(f'{kind}: ended with {child.exitcode}')
            results.append(json.loads((args.folder / f'{kind}.json').read_text('utf-8')))
            print(f'{kind}: {results[-1]["measured_by_the_index"]}', flush=True)
        print(table(results))
        if args.out is not None:
            write_json(args.out, results)
    finally:
        if not args.keep:
            shutil.rmtree(args.folder)


if __name__ == '__main__':
    main()
