"""The table of tiles, with what decided it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cite.slides.result import SlideResult

KEY = b'cite'


def write_table(path: Path, result: SlideResult, record: dict[str, Any]) -> None:
    """Writes `result.table` as Parquet; the record is JSON under the key `cite` of its metadata."""
    import pyarrow as pa
    from pyarrow import parquet

    table = pa.Table.from_pandas(result.table, preserve_index=False)
    about = {**(table.schema.metadata or {}), KEY: json.dumps(record, ensure_ascii=False).encode()}
    parquet.write_table(table.replace_schema_metadata(about), path)


def read_record(path: Path) -> dict[str, Any]:
    """The record of a table of tiles."""
    from pyarrow import parquet

    record: dict[str, Any] = json.loads(parquet.read_schema(path).metadata[KEY])
    return record
