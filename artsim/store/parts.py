"""The Parquet files that hold an index's rows."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from artsim.store.checksums import sha256_of
from artsim.store.columns import is_vector, leaves
from artsim.store.files import write_whole
from artsim.store.manifest import Part
from artsim.store.parquet import write_parquet


def write_part(folder: Path, number: int, table: pa.Table) -> Part:
    """Write a part's rows into a folder, whole or not at all.

    Raises:
        StoreError: If the disk is full, or the folder cannot be written.
    """
    file = folder / f"{number:06}.parquet"
    vectors = [name for name in table.column_names if is_vector(table.schema.field(name))]
    write_whole(
        file,
        lambda stream: write_parquet(
            stream,
            table,
            # A dictionary of floats would only cost time. Rounded floats split into bytes are
            # smaller than half-precision ones, and every program reads them.
            use_dictionary=leaves(table.schema, set(table.column_names) - set(vectors)),
            use_byte_stream_split=leaves(table.schema, set(vectors)),
        ),
    )
    return Part(file.name, table.num_rows, sha256_of(file))
