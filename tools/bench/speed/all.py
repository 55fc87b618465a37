"""Every benchmark of speed, one after the other; arguments go to each of them.

python tools/bench/speed/all.py --out work_dirs/bench_speed
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

BENCHMARKS = ('startup', 'step', 'data', 'features', 'grid', 'cached')


def main() -> int:
    here = Path(__file__).parent
    failed = []
    for name in BENCHMARKS:
        print(f'\n== {name}', flush=True)
        done = subprocess.run([sys.executable, here / f'{name}.py', *sys.argv[1:]], check=False)
        if done.returncode:
            failed.append(name)
    if failed:
        print(f'\nfailed: {", ".join(failed)}', file=sys.stderr)
    return len(failed)


if __name__ == '__main__':
    sys.exit(main())
