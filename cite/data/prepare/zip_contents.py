"""What an archive of patches holds, and archives that are refused before anything is taken out.

Names in an archive never become paths: only their last part is used, and an archive whose names try to
lead elsewhere is refused, as are links, encrypted members and absurd sizes.
"""

from __future__ import annotations

import lzma
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NoReturn

from cite.data.readers import IMAGE_SUFFIXES
from cite.errors import DataError

MAX_BYTES = 2**26
"""A patch is some tens of kilobytes; a member that says it is larger than 64 MiB is none."""

# what zipfile raises on members that lie: not one of them is documented
DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    OSError,
    ValueError,
    RuntimeError,
)


@dataclass(frozen=True)
class Contents:
    """What an archive holds.

    Attributes:
        members: file name -> member, for the patches wanted, in order of names.
        not_wanted: file names of the other patches.
        ignored: number of members that are no patches, such as index files of folders.
    """

    members: dict[str, zipfile.ZipInfo]
    not_wanted: tuple[str, ...]
    ignored: int

    def missing_in(self, folder: str | Path) -> dict[str, zipfile.ZipInfo]:
        """Members whose file is not in a folder, or has another size."""
        return {
            name: info
            for name, info in self.members.items()
            if size_of(Path(folder) / name) != info.file_size
        }


def read_contents(archive: str | Path, wanted: Callable[[str], bool]) -> Contents:
    """The patches of an archive, which lie at its top or in folders.

    Args:
        archive: ZIP file.
        wanted: file name -> whether it is to be taken out.

    Raises:
        DataError: no such file, truncated or no ZIP file, encrypted, a name that leads out of a
            folder, a link, an absurd size, one name twice, or no patch that is wanted.
    """
    archive = Path(archive)
    members: dict[str, zipfile.ZipInfo] = {}
    others: list[str] = []
    ignored = 0
    with opened(archive) as source:
        for info in source.infolist():
            _refuse_hostile(info, archive)
            path = PurePosixPath(info.filename)
            if info.is_dir() or not path.parts:
                continue
            hidden = path.parts[0] == '__MACOSX' or path.name.startswith('.')
            if hidden or path.suffix.lower() not in IMAGE_SUFFIXES:
                ignored += 1
            elif not wanted(path.name):
                others.append(path.name)
            elif path.name in members:
                _refuse(archive, 'one file name in two places', info)
            elif info.flag_bits & 1:
                _refuse(archive, 'encrypted members; unpack it by hand', info)
            else:
                members[path.name] = info
    if not members:
        raise DataError(
            f'{archive}: holds no patch of the slides in use ({len(others)} other images, {ignored} '
            'other files)'
        )
    return Contents(dict(sorted(members.items())), tuple(sorted(others)), ignored)


@contextmanager
def opened(archive: Path) -> Iterator[zipfile.ZipFile]:
    """An archive to read from, by several threads at once.

    Raises:
        DataError: no such file, truncated or no ZIP file.
    """
    if not archive.is_file():
        raise DataError(f'{archive}: no such file')
    # an open file, because ZipFile counts the readers of one that it opens itself without a lock
    with archive.open('rb') as file:
        try:
            found = zipfile.ZipFile(file)
        except DAMAGED as error:
            raise DataError(
                f'{archive}: not a whole ZIP file ({error}); if its download was cut short, '
                'download it again'
            ) from error
        with found:
            yield found


def _refuse_hostile(info: zipfile.ZipInfo, archive: Path) -> None:
    # as it stands in the archive: zipfile cuts names at a NUL, and knows backslashes on Windows only
    name = info.orig_filename
    path = PurePosixPath(name.replace('\\', '/'))
    if path.is_absolute() or '..' in path.parts or {':', '\0'} & set(name):
        _refuse(archive, 'a name that leads out of the folder', info)
    if stat.S_ISLNK(info.external_attr >> 16):
        _refuse(archive, 'a link, of which a set of patches has none', info)
    if info.file_size > MAX_BYTES:
        _refuse(archive, f'a member beyond {MAX_BYTES >> 20} MiB, which is no patch', info)


def _refuse(archive: Path, what: str, info: zipfile.ZipInfo) -> NoReturn:
    raise DataError(f'{archive}: refused, it has {what}: {info.orig_filename!r}')


def size_of(path: Path) -> int:
    """Bytes of a file; -1 where there is none."""
    return path.stat().st_size if path.is_file() else -1
