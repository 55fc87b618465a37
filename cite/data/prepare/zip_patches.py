"""Patches out of their archive: member by member, checked, and resumable.

A file is written whole or not at all, so a run that was killed goes on where it stopped.
"""

from __future__ import annotations

import io
import shutil
import zipfile
import zlib
from dataclasses import dataclass, field
from multiprocessing.pool import ThreadPool
from pathlib import Path

from PIL import Image

from cite.atomic import replacing
from cite.data.prepare.zip_contents import DAMAGED, Contents, opened, size_of
from cite.data.verify import BadImage
from cite.errors import DataError
from cite.images.read import MAX_PIXELS


@dataclass
class Unpacked:
    """What became of the patches that were wanted.

    Attributes:
        written: patches taken out now.
        kept: patches that were there already, with the member's size and CRC.
        bad: damaged members and patches that do not decode, which were not written.
    """

    written: int = 0
    kept: int = 0
    bad: list[BadImage] = field(default_factory=list)


def unpack(
    archive: str | Path,
    contents: Contents,
    folder: str | Path,
    check: bool = True,
    workers: int = 4,
    progress: bool = True,
) -> Unpacked:
    """Take the wanted patches of an archive into a folder, without the folders they lie in.

    Each is read whole, compared with its CRC and, where asked for, decoded before it is written.

    Args:
        archive: ZIP file.
        contents: of it, see `read_contents`.
        folder: where patches go; made where missing.
        check: decode what is taken out.
        workers: threads. The result does not depend on them.
        progress: show a bar.

    Raises:
        DataError: no such file, truncated or no ZIP file, or too little disk space.
    """
    from tqdm import tqdm

    archive, folder = Path(archive), Path(folder)
    found = Unpacked()
    folder.mkdir(parents=True, exist_ok=True)
    _check_space(archive, folder, contents)
    with opened(archive) as source, ThreadPool(max(1, workers)) as pool:

        def take(item: tuple[str, zipfile.ZipInfo]) -> str:
            """'kept', 'written', or what is wrong with the member."""
            name, info = item
            if _is_kept(folder / name, info):
                return 'kept'
            try:
                content = _read(source, info)
            except DAMAGED as error:
                return f'damaged in the archive ({error})'
            reason = _undecodable(content) if check else ''
            if reason:
                return reason
            with replacing(folder / name) as temporary:
                temporary.write_bytes(content)
            return 'written'

        members = contents.members
        results = pool.imap(take, members.items(), chunksize=8)
        bar = tqdm(results, 'unpacking', len(members), unit='patch', delay=2, disable=not progress)
        for name, result in zip(members, bar, strict=True):
            if result == 'kept':
                found.kept += 1
            elif result == 'written':
                found.written += 1
            else:
                found.bad.append(BadImage(name, result))
    return found


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    with archive.open(info) as member:
        # never more than it says: reading without a limit would unpack a bomb first
        return member.read(info.file_size + 1)


def _check_space(archive: Path, folder: Path, contents: Contents) -> None:
    needed = sum(info.file_size for info in contents.missing_in(folder).values())
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise DataError(
            f'{folder}: the patches of {archive.name} need {needed / 1e9:.1f} GB, '
            f'{free / 1e9:.1f} GB are free; make room and start again, what is there is kept'
        )


def _is_kept(path: Path, info: zipfile.ZipInfo) -> bool:
    return size_of(path) == info.file_size and zlib.crc32(path.read_bytes()) == info.CRC


def _undecodable(content: bytes) -> str:
    """Why bytes are no image that can be read; '' for one that can."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            if image.width * image.height > MAX_PIXELS:
                return f'{image.width} x {image.height} pixels is too large for a patch'
            image.load()
    except Exception as error:  # Pillow's decoders raise a dozen kinds of error on damaged files
        return f'does not decode ({error})'
    return ''
