"""From nothing to a trained model and a picture: what `make quickstart` runs.

Every step is a command that you can run by yourself; it is printed before it runs.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

DATA = Path('data/quickstart')
RUN = Path('work_dirs/quickstart')
CONFIG = 'configs/quickstart/cite.py'

ABOUT = """
The two encoders of the quickstart are the halves of tiny-tissue, a pair small enough to come with the
library. It has only ever seen tissue drawn by a program, and so is the tissue of the quickstart. What
you see is the machinery at work (a prompt, a projection and text anchors trained on
frozen features), not what a pathology model can do. Swap in a real one with two options:
  cite train quickstart/cite --work-dir work_dirs/clip \\
    --cfg-options model.backbone.model=clip-vit-b16 model.head.text_encoder.model=biolinkbert-base
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--iterations', type=int, default=120)
    parser.add_argument('--slides-per-class', type=int, default=40)
    parser.add_argument('--patches-per-slide', type=int, default=6)
    args = parser.parse_args()
    start = time.time()
    cite = [sys.executable, '-m', 'cite']
    mim = [sys.executable, '-m', 'mim']
    n = args.iterations
    amount = ('--slides-per-class', args.slides_per_class)
    amount += ('--patches-per-slide', args.patches_per_slide)
    workers = min(os.cpu_count() or 1, 4)
    step(
        'draw the tissue',
        [*cite, 'prepare', 'synthetic', DATA, *amount, '--workers', workers],
    )
    step('make the few-shot split', [*cite, 'prepare', 'patchgastric', DATA, '--shots', 1, 2, 4, 8])
    length = f'train_cfg.max_iters={n}'
    step(
        'train',
        [*mim, 'train', 'mmpretrain', CONFIG, '--work-dir', RUN, '--cfg-options', length],
        log=RUN / 'train.out',
    )
    checkpoint = RUN / f'iter_{n}.pth'
    step(
        'test',
        [*mim, 'test', 'mmpretrain', CONFIG, '--checkpoint', checkpoint, '--work-dir', RUN],
        log=RUN / 'test.out',
    )
    step('report', [*cite, 'report', RUN])
    print(ABOUT)
    print(
        f'{time.time() - start:.0f} s. Picture: {RUN}/report.png, adapter: {RUN}/adapter.safetensors'
    )


def step(what: str, command: list[object], log: Path | None = None) -> None:
    """Runs a command; with a log, its output goes there and only the heartbeat is shown."""
    words = [str(word) for word in command]
    shown = shlex.join(['python' if word == sys.executable else word for word in words])
    print(f'\n== {what}\n$ {shown}', flush=True)
    if log is None:
        code = subprocess.run(words, check=False).returncode
    else:
        code = logged(words, log)
    if code:
        if log is not None:
            print(log.read_text(encoding='utf-8', errors='replace')[-3000:], file=sys.stderr)
        sys.exit(f'quickstart: step "{what}" failed with exit code {code}')


def logged(words: list[str], log: Path) -> int:
    """Output to a file; of it, lines with a loss or a result are shown."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with (
        log.open('w', encoding='utf-8') as file,
        subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors='replace'
        ) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            file.write(line)
            if 'Iter(train)' in line:
                print('  ' + line.split(' - ')[-1].strip(), flush=True)
    print(f'  (all of it: {log})')
    return process.returncode


if __name__ == '__main__':
    main()
