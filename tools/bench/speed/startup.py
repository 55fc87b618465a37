"""Seconds until a command has begun: help, the table of models, an import, the first iteration of a run.

    python tools/bench/speed/startup.py [--quick] [--out startup.json]

Each command is a process of its own, three times over (the median counts), after one start that fills the
caches of the disk. `cite train` trains the config of the quickstart for one iteration, on patches that are
drawn for it; what follows the iteration (a checkpoint, the adapter) is not counted.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from measure import report

ROUNDS = 3
HEAVIEST = 8
CONFIG = 'quickstart/cite'
ONCE = ('--cfg-options', 'train_cfg.max_iters=1', 'default_hooks.logger.interval=1')
ITERATION = 'Iter(train)'
TARGETS = {'cite --help': 0.3, 'cite models': 1.0, 'cite train, first iteration': 12.0}
"""Seconds, on two CPU cores."""
LINE = re.compile(r'import time:\s+(\d+) \|\s+\d+ \|\s*(\S+)')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--quick', action='store_true', help='each command once')
    parser.add_argument('--out', type=Path, default=Path('work_dirs/bench_speed'))
    args = parser.parse_args()
    rounds = 1 if args.quick else ROUNDS
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        draw(folder)
        found = {what: times(words, folder, rounds) for what, words in commands().items()}
        heaviest = imports(folder)
    rows = [row(what, values) for what, values in found.items()]
    content = {'seconds': found, 'targets': TARGETS, 'heaviest_imports': heaviest}
    title = f'Start-up, wall time, median of {rounds}'
    report(
        title, ('command', 'seconds', 'target'), rows, args.out.resolve() / 'startup.json', content
    )
    print('\nHeaviest imports up to the end of `cite train`, seconds in a package itself:')
    for package, seconds in heaviest.items():
        print(f'  {package:<14}{seconds:.2f}')


def commands() -> dict[str, list[str]]:
    cite = ['-m', 'cite']
    return {
        'cite --help': [*cite, '--help'],
        'cite models': [*cite, 'models'],
        'import cite': ['-c', 'import cite'],
        'cite train, first iteration': [*cite, 'train', CONFIG, '--work-dir', 'run', *ONCE],
    }


def draw(folder: Path) -> None:
    """The data set of the quickstart, small, where its config looks for it."""
    data = 'data/quickstart'
    size = ('--slides-per-class', '40', '--patches-per-slide', '1')
    for words in (['synthetic', data, *size], ['patchgastric', data, '--shots', '8']):
        finished(['-m', 'cite', 'prepare', *words], folder)


def times(words: Sequence[str], folder: Path, rounds: int) -> list[float]:
    """Of each of several starts, after one that is not counted."""
    return [first_iteration_or_end(words, folder) for _ in range(rounds + 1)][1:]


def first_iteration_or_end(words: Sequence[str], folder: Path) -> float:
    """Seconds until the process ends, or shows its first iteration."""
    start = time.perf_counter()
    shown: list[str] = []
    reached = None
    with subprocess.Popen(
        [sys.executable, *words],
        cwd=folder,
        env=environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            shown.append(line)
            if reached is None and ITERATION in line:
                reached = time.perf_counter() - start
    if process.returncode:
        raise SystemExit(f'{words} failed:\n{"".join(shown)[-3000:]}')
    if 'train' in words and reached is None:
        raise SystemExit(f'{words} showed no {ITERATION}:\n{"".join(shown)[-3000:]}')
    return time.perf_counter() - start if reached is None else reached


def imports(folder: Path) -> dict[str, float]:
    """The packages in which importing takes longest in a training run, without what they import."""
    words = ['-X', 'importtime', *commands()['cite train, first iteration']]
    return heaviest_of(finished(words, folder).stderr)


def heaviest_of(importtime: str) -> dict[str, float]:
    """Package → seconds, the slowest first, of what `-X importtime` wrote."""
    totals: dict[str, float] = {}
    for microseconds, module in LINE.findall(importtime):
        package = module.partition('.')[0]
        totals[package] = totals.get(package, 0.0) + int(microseconds) / 1e6
    ordered = sorted(totals.items(), key=lambda item: -item[1])[:HEAVIEST]
    return {package: round(seconds, 3) for package, seconds in ordered}


def finished(words: Sequence[str], folder: Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f'{words} failed:\n{(done.stdout + done.stderr)[-3000:]}')
    return done


def environment(folder: Path) -> Mapping[str, str]:
    paths = [str(Path(__file__).parents[3]), os.environ.get('PYTHONPATH', '')]
    found = {'PYTHONPATH': os.pathsep.join(filter(None, paths)), 'PYTHONUNBUFFERED': '1'}
    return {**os.environ, **found, 'CITE_CACHE': str(folder / 'cache')}


def row(what: str, values: Sequence[float]) -> tuple[str, str, str]:
    target = TARGETS.get(what)
    return what, f'{statistics.median(values):.2f}', '' if target is None else f'< {target:g}'


if __name__ == '__main__':
    main()
