"""A folder of images, searched by text or by image."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from cite.demo.inputs import one_text
from cite.errors import ConfigError, DataError
from cite.images import load_rgb
from cite.paths import cache_dir

if TYPE_CHECKING:
    from cite.retrieval import Index
    from cite.retrieval.ask import Answer
    from cite.serving import Space

SUFFIXES = ('.jpg', '.jpeg', '.png', '.tif', '.tiff', '.bmp', '.webp')
MOST_HITS = 48
THUMBNAIL = 320
"""Pixels of the longer side."""


@dataclass(frozen=True, eq=False)
class Searched:
    """A folder that can be searched.

    Attributes:
        space: Of the images and the texts.
        index: Its rows are named by their paths below the folder.
        skipped: Images that cannot be read.
    """

    space: Space
    index: Index
    skipped: int

    def ask(self, text: str | None, picture: Image.Image | None, name: str, k: object) -> Answer:
        """The k nearest images of a text, or of a picture where there is one.

        Args:
            name: Of the picture, for the table of hits.
            k: 1 to `MOST_HITS`.

        Raises:
            ConfigError: Neither of the two, a text that is too long, or another k.
        """
        from cite.retrieval.ask import Answer, Hit, Query

        if not isinstance(k, int | float) or not 1 <= k <= MOST_HITS:
            raise ConfigError(f'number of hits: expected 1 to {MOST_HITS}, found {str(k)[:20]}')
        if picture is not None:
            query, vectors = Query('', Path(name)), self.space.encode_images([picture])
        else:
            query = Query(one_text(text))
            vectors = self.space.encode_text([query.text])
        cosines, rows = self.index.search(vectors, int(k))
        found = zip(cosines[0].tolist(), rows[0].tolist(), strict=True)
        hits = [Hit(rank, cosine, row) for rank, (cosine, row) in enumerate(found, 1) if row >= 0]
        return Answer(query, hits)

    def thumbnails(self, answer: Answer) -> list[tuple[Image.Image, str]]:
        """Small pictures of the hits, with rank, cosine and name; no file is handed out."""
        shown = []
        for hit in answer.hits:
            file = Path(self.index.files[hit.row])
            try:
                picture = load_rgb(file)
                picture.thumbnail((THUMBNAIL, THUMBNAIL))
            except DataError:  # it went after the page was started
                picture = Image.new('RGB', (THUMBNAIL, THUMBNAIL), 'white')
            shown.append((picture, f'{hit.rank} · cosine {hit.cosine:.3f}\n{self._name(hit.row)}'))
        return shown

    def write_csv(self, answer: Answer, path: Path) -> None:
        """`hits.csv`, as `cite retrieve` writes it."""
        from cite.retrieval.show import Found, write_hits

        write_hits([([answer], Found('image', self.index.names, self.index.files))], path)

    def _name(self, row: int) -> str:
        return str(self.index.names[row])


def search_folder(
    folder: Path, space: Space, keep: Path | None = None, progress: bool = True
) -> Searched:
    """Reads a folder of images into an index; features and index are kept for the next start.

    Args:
        keep: Where; default: `demo` in `cite.paths.cache_dir()`, by folder and model.

    Raises:
        DataError: No images, or none that can be read.
    """
    from cite.inference import read_features
    from cite.retrieval.keep import kept_index

    files, names = _images(folder)
    key = hashlib.sha256(f'{folder.resolve()}\n{space.name}'.encode()).hexdigest()[:16]
    place = cache_dir() / 'demo' / key if keep is None else keep
    out = place / 'features.npy'
    done = space.extract(files, out, names=names, skip_bad=True, progress=progress)
    if len(done.skipped) == len(files):
        raise DataError(f'--folder {folder}: none of the {len(files)} images can be read')
    table = read_features(done.out)
    at = dict(zip(names, files, strict=True))
    of_rows = [str(at[name].resolve()) for name in table.names]
    index, _ = kept_index(table, of_rows, place / 'index', progress=progress)
    return Searched(space, index, len(done.skipped))


def _images(folder: Path) -> tuple[Sequence[Path], list[str]]:
    files = sorted(p for p in folder.rglob('*') if p.suffix.lower() in SUFFIXES and p.is_file())
    if not files:
        raise DataError(f'--folder {folder}: no images in it; known: {", ".join(SUFFIXES)}')
    return files, [file.relative_to(folder).as_posix() for file in files]
