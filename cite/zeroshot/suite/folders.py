"""Labels that stand in the names of folders or of files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from cite.data.readers import IMAGE_SUFFIXES
from cite.data.table import some
from cite.errors import DataError
from cite.zeroshot.suite.layout import Layout


@dataclass(frozen=True)
class Folders(Layout):
    """`folder/LABEL/…/image`.

    Attributes:
        labels: Folders that are looked for; () for any.
        ignore: Folders that are there and no class of this data set.
    """

    labels: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()

    def expects(self) -> str:
        """As `Layout.expects`."""
        return f'{self.folder}/{{{",".join(self.labels) or "a folder per class"}}}/'

    def _is_there(self, base: Path) -> bool:
        return any((base / label).is_dir() for label in self.labels or self._there(base))

    def _there(self, base: Path) -> list[str]:
        if not base.is_dir():
            return []
        names = sorted(place.name for place in base.iterdir() if place.is_dir())
        return [name for name in names if not name.startswith(('.', '__'))]

    def _rows(self, base: Path, labels: Mapping[str, str] | None) -> tuple[list[str], list[str]]:
        there = [name for name in self._there(base) if name not in self.ignore]
        wanted = there if labels is None else list(labels)
        missing = [label for label in wanted if label not in there]
        strange = [name for name in there if name not in wanted]
        if missing or strange:
            raise DataError(
                f'{base}: expected a folder for each of {", ".join(wanted)}; '
                + '; '.join(
                    f'{what}: {some(names)}'
                    for what, names in (('missing', missing), ('no class', strange))
                    if names
                )
            )
        images, found = [], []
        for label in wanted:
            files = sorted(
                path.relative_to(base).as_posix()
                for path in (base / label).rglob('*')
                if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith('.')
            )
            images += files
            found += [label] * len(files)
        return images, found


@dataclass(frozen=True)
class FileNames(Layout):
    """Labels that stand in the names of the files.

    Attributes:
        files: Glob of the images under the folder.
        pattern: Regular expression of a whole file name, with a group `label`.
    """

    files: str = '*'
    pattern: str = r'(?P<label>.+)'

    def expects(self) -> str:
        """As `Layout.expects`."""
        return PurePosixPath(self.folder, self.files).as_posix()

    def _is_there(self, base: Path) -> bool:
        return any(self._images(base))

    def _images(self, base: Path) -> list[Path]:
        if not base.is_dir():
            return []
        return sorted(
            path
            for path in base.glob(self.files)
            if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith('.')
        )

    def _rows(self, base: Path, labels: Mapping[str, str] | None) -> tuple[list[str], list[str]]:
        images = self._images(base)
        matches = [(path, re.fullmatch(self.pattern, path.name)) for path in images]
        strange = [path.name for path, match in matches if match is None]
        if strange:
            raise DataError(
                f'{base}: {len(strange)} of {len(images)} file names hold no label (they are not like '
                f'{self.pattern}): {some(strange)}'
            )
        names = [path.relative_to(base).as_posix() for path in images]
        return names, [match['label'] for _, match in matches if match is not None]
