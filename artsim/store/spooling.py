"""The catalog, read once to a file of the index folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pyarrow as pa

from artsim.datatypes import Catalog
from artsim.errors import ReaderError
from artsim.store.files import write_errors
from artsim.store.lock import SPOOL


@contextmanager
def spooled(catalog: Catalog, path: Path) -> Iterator[pa.RecordBatchFileReader]:
    """Read the catalog once, to a memory-mapped file that goes when the run ends.

    Raises:
        ReaderError: If the catalog cannot be read.
        StoreError: If the file cannot be written.
    """
    file = path / SPOOL
    try:
        with write_errors(path):
            sink = pa.OSFile(str(file), "wb")
        with sink, pa.ipc.new_file(sink, catalog.schema) as out:
            for batch in _read(catalog):
                with write_errors(path):
                    out.write_batch(batch)
        yield pa.ipc.open_file(pa.memory_map(str(file)))
    finally:
        with suppress(OSError):
            file.unlink()


def _read(catalog: Catalog) -> Iterator[pa.RecordBatch]:
    """Read the catalog; a file that cannot be read is the collection's fault, not the index's."""
    try:
        yield from catalog.batches()
    except OSError as error:
        raise ReaderError(
            f"cannot read {str(error.filename or catalog.source)!r}: {error.strerror or error}; "
            "check its disk and permissions"
        ) from error
