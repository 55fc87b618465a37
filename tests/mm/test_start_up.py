"""What the commands import before they begin: bounds that a new import at the top of a file would break.

Wall time is bounded loosely, for other things run beside; `tools/bench/speed/startup.py` measures.
"""

from __future__ import annotations

import time

import pytest

HEAVY = {'torch', 'torchvision', 'timm', 'transformers', 'mmengine', 'numpy', 'pandas'}
NOT_FOR_TRAINING = {
    *('transformers', 'peft', 'accelerate', 'open_clip', 'tokenizers', 'mmpretrain'),
    *('pandas', 'sklearn', 'scipy', 'matplotlib.pyplot', 'tensorboard', 'onnx'),
}

CLI = """
import sys
from cite.cli import main
try:
    main({words!r})
except SystemExit as exit:
    assert not exit.code, exit.code
print('imported:', *sorted({looked_for!r} & sys.modules.keys()))
"""


@pytest.fixture
def imported(command):
    """Runs `cite …`; which of these modules were imported by then, and the seconds it took."""

    def run(words, looked_for):
        start = time.perf_counter()
        done = command('-c', CLI.format(words=[str(word) for word in words], looked_for=looked_for))
        assert done.returncode == 0, done.stderr[-3000:]
        last = done.stdout.splitlines()[-1]
        assert last.startswith('imported:')
        return last.split()[1:], time.perf_counter() - start

    return run


@pytest.mark.parametrize(('words', 'seconds'), [(['--help'], 3), (['models'], 5)])
def test_what_only_talks_imports_nothing_heavy(imported, words, seconds):
    """About 0.15 s each, with nothing beside it."""
    found, took = imported(words, HEAVY)
    assert found == []
    assert took < seconds


@pytest.mark.slow
def test_a_small_run_imports_no_model_zoo_but_timms(imported, tiny_file, tmp_path):
    """About 5 s to the first iteration on two cores, with nothing beside it."""
    # no texts, for an encoder of them is imported once, before its embeddings are cached
    options = ('model.backbone.model=tiny-tissue', 'model.backbone.image_size=64')
    options += ('model.head=LinearHead', 'train_cfg.max_iters=1')
    words = ['train', tiny_file, '--work-dir', tmp_path / 'run', '--cfg-options', *options]
    found, took = imported(words, NOT_FOR_TRAINING)
    assert (tmp_path / 'run' / 'iter_1.pth').is_file()
    assert found == []
    assert took < 60
