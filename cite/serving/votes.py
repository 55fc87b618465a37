"""What an adapter says of patches and, together, of their slides."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cite.atomic import write_text
from cite.data.slide_names import SLIDE_PATTERN
from cite.errors import DataError


class Prediction:
    """Scores of N patches.

    Attributes:
        names: N file names.
        scores: (N, classes) float32 probabilities.
        labels: N class names, the most probable.
        slides: N slide names, '' where unknown.
        votes: Slide → probabilities (classes,): the mean over its patches.
    """

    def __init__(
        self,
        names: Sequence[str],
        scores: np.ndarray,
        classes: tuple[str, ...],
        slides: Sequence[str] | None = None,
    ) -> None:
        if slides is not None and len(slides) != len(names):
            raise DataError(f'{len(slides)} slides were given for {len(names)} images')
        self.names = list(names)
        self.scores = scores
        self.classes = classes
        self.labels = [classes[i] for i in scores.argmax(1)]
        self.slides = list(slides) if slides is not None else [_slide_of(name) for name in names]
        rows = np.array(self.slides)
        self.votes = {
            slide: scores[rows == slide].mean(0, dtype=np.float64)
            for slide in dict.fromkeys(self.slides)
            if slide
        }

    def __len__(self) -> int:
        return len(self.names)

    def to_csv(self, path: str | Path) -> None:
        """Writes file, slide, label and a probability per class."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator='\n')
        writer.writerow(['file', 'slide', 'label', *(f'p_{name}' for name in self.classes)])
        for name, slide, label, score in zip(
            self.names, self.slides, self.labels, self.scores, strict=True
        ):
            writer.writerow([name, slide, label, *(f'{p:.6f}' for p in score)])
        write_text(path, text.getvalue())

    def __str__(self) -> str:
        lines = [
            f'{name}: {label} ({score.max():.2f})'
            for name, label, score in zip(self.names, self.labels, self.scores, strict=True)
        ]
        lines += [
            f'slide {slide}: {self.classes[int(vote.argmax())]} ({vote.max():.2f}, mean of '
            f'{self.slides.count(slide)} patches)'
            for slide, vote in self.votes.items()
        ]
        return '\n'.join(lines)


def _slide_of(name: str) -> str:
    match = re.search(SLIDE_PATTERN, Path(name).name)
    return match['slide'] if match else ''
