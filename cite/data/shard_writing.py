"""A pair table written as WebDataset shards."""

from __future__ import annotations

import io
import json
import os
import shutil
import tarfile
from pathlib import Path

from cite.data.pairs import PairTable
from cite.data.readers import IMAGE_SUFFIXES
from cite.errors import ConfigError, DataError


def write_shards(table: PairTable, out: str | Path, per_shard: int = 1000) -> list[Path]:
    """Write `out/pairs-000000.tar`, ...: image files as they are, with the caption in a JSON file.

    Rows are numbered in the table's order. The JSON also holds file, slide, part and hash of the split,
    so that held-out pairs are still known for what they are. The same table gives the same bytes. The
    folder comes into being when all of it is written.

    Args:
        table: the pairs; `check` and `check_files` are called on it.
        out: folder; missing or empty.
        per_shard: pairs per shard.

    Returns:
        Paths of the shards.

    Raises:
        DataError: a table that contradicts itself, files that are not there or no images by their names,
            or a folder in use.
        ConfigError: `per_shard` below 1.
    """
    from tqdm import tqdm

    out = Path(out)
    if per_shard < 1:
        raise ConfigError(f'per_shard must be 1 or more, found {per_shard}')
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(f'{out}: is there already; name a folder that is missing or empty')
    table.check()
    table.check_files()
    strange = sorted({Path(f).suffix.lower() for f in table.files.tolist()} - IMAGE_SUFFIXES)
    if strange:
        raise DataError(f'{table.source}: {strange} are not among {sorted(IMAGE_SUFFIXES)}')
    temporary = out.with_name(f'.{out.name}.{os.getpid()}.tmp')
    temporary.mkdir(parents=True)
    names = []
    try:
        with tqdm(total=len(table), desc='shards', unit='pair', delay=2) as bar:
            for first in range(0, len(table), per_shard):
                names.append(f'pairs-{first // per_shard:06d}.tar')
                with tarfile.open(temporary / names[-1], 'w') as tar:
                    for row in range(first, min(first + per_shard, len(table))):
                        _add(tar, table, row)
                        bar.update()
        temporary.replace(out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return [out / name for name in names]


def _add(tar: tarfile.TarFile, table: PairTable, row: int) -> None:
    path = table.path(row)
    about = {
        'caption': table.captions[row],
        'file': str(table.files[row]),
        'slide': str(table.slides[row]),
        **({} if table.part is None else {'part': table.part}),
        **({} if table.split_hash is None else {'split_hash': table.split_hash}),
    }
    text = json.dumps(about, ensure_ascii=False).encode()
    for suffix, content in ((path.suffix.lower(), path.read_bytes()), ('.json', text)):
        member = tarfile.TarInfo(f'{row:08d}{suffix}')  # owner and time are left at 0
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
