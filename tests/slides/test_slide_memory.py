"""Memory does not grow with the slide, nor with its tissue; time grows with tissue."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from huge_slide import write_huge

from cite.slides.overview import look
from cite.slides.readers import open_slide
from cite.slides.tiling import TileSpec, make_grid
from cite.slides.tissue import find_tissue

linux = pytest.mark.skipif(sys.platform != 'linux', reason='reads /proc/self/statm')


def measured(what: str, folder: Path) -> dict:
    script = Path(__file__).with_name('memory_runs.py')
    environment = {**os.environ, 'MALLOC_MMAP_THRESHOLD_': '65536', 'OMP_NUM_THREADS': '1'}
    done = subprocess.run(
        [sys.executable, str(script), what, str(folder)],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    print(done.stdout)
    return json.loads(done.stdout)


def test_the_grid_of_a_huge_slide_is_quick(tmp_path):
    share = write_huge(tmp_path / 'huge.tif', 0.04)
    with open_slide(tmp_path / 'huge.tif') as slide:
        assert slide.size == (100_000, 100_000) and len(slide.levels) == 3
        picture, _ = look(slide, slide.mpp)
        tissue = find_tissue(picture, slide.size, slide.mpp)
        assert tissue.share == pytest.approx(share, rel=0.02)
        begin = time.thread_time()
        grid = make_grid(slide, TileSpec(224, 0.5), tissue, slide.mpp)
        assert time.thread_time() - begin < 2
        assert len(grid) == pytest.approx(share * 1e10 / 448**2, rel=0.15)


@linux
@pytest.mark.slow
def test_memory_is_flat_and_cost_goes_by_tissue(tmp_path):
    found = measured('tissue', tmp_path)
    assert found['tiles'][2] > 10 * found['tiles'][0]
    # MB; OpenSlide keeps 32 MB of decoded tiles, which little tissue does not fill
    assert max(found['peaks']) - min(found['peaks']) < 100
    assert found['peaks'][2] - found['peaks'][1] < 50
    each = [s / n for s, n in zip(found['seconds'], found['tiles'], strict=True)]
    assert each[2] < 1.5 * each[1]  # the smallest is mostly overview, whose time is taken off


@linux
@pytest.mark.slow
def test_a_large_slide_of_one_level_is_looked_at_in_blocks(tmp_path):
    """All of it as RGB would be 1.3 GB."""
    found = measured('one_level', tmp_path)
    assert found['grown'] < 150  # MB
    assert found['shape'] == [1024, 1024, 3] and not found['unread']
    assert found['found'] == pytest.approx(found['share'], rel=0.1)
