"""Whole slides, measured in a process of their own: `python memory_runs.py tissue|one_level FOLDER`.

glibc keeps freed memory for later; with MALLOC_MMAP_THRESHOLD_ set low it gives it back, so that what the
process has is what the program holds.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from colour_model import colour_predictor
from huge_slide import write_huge

from cite.slides import predict
from cite.slides.overview import look
from cite.slides.readers import open_slide
from cite.slides.tissue import find_tissue


class Peak:
    """Megabytes that the process has at most, looked at every few milliseconds."""

    def __enter__(self) -> Peak:
        self.start = self.most = self._now()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(0.005):
            self.most = max(self.most, self._now())

    @staticmethod
    def _now() -> float:
        return int(Path('/proc/self/statm').read_text().split()[1]) * 4096 / 2**20


def tissue(folder: Path) -> dict[str, Any]:
    """The same slide with 1, 4 and 16 % of tissue."""
    model = colour_predictor(224, 1.0)
    paths = [folder / f'{share}.tif' for share in (0.01, 0.04, 0.16)]
    for path, share in zip(paths, (0.01, 0.04, 0.16), strict=True):
        write_huge(path, share)
    predict(paths[-1], model, workers=2)  # libraries and threads are there
    found: dict[str, Any] = {'tiles': [], 'seconds': [], 'peaks': []}
    for path in paths:
        with open_slide(path) as slide:
            begin = time.process_time()
            find_tissue(look(slide, slide.mpp, 2)[0], slide.size, slide.mpp)
            before = time.process_time() - begin
        begin = time.process_time()
        with Peak() as peak:
            result = predict(path, model, workers=2)
        found['seconds'].append(time.process_time() - begin - before)
        found['peaks'].append(peak.most)
        found['tiles'].append(len(result.rows))
    return found


def one_level(folder: Path) -> dict[str, Any]:
    """The overview of a slide of 20,480 x 20,480 pixels without a pyramid."""
    share = write_huge(folder / 'one.tif', 0.05, levels=(1,), whole=20_480)
    with open_slide(folder / 'one.tif') as slide:
        with Peak() as peak:
            picture, unread = look(slide, slide.mpp, workers=2)
        found = find_tissue(picture, slide.size, slide.mpp)
    return {
        'grown': peak.most - peak.start,
        'share': share,
        'found': found.share,
        'unread': int(unread.sum()),
        'shape': list(picture.shape),
    }


if __name__ == '__main__':
    print(json.dumps({'tissue': tissue, 'one_level': one_level}[sys.argv[1]](Path(sys.argv[2]))))
