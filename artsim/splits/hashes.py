"""Perceptual hashes of an index's pictures.

They are computed when they are first needed and kept in the index folder, ``hashes.parquet``, by
the sha256 of the file: a picture is decoded for this once.
"""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from artsim import images
from artsim.datatypes import Progress, no_progress
from artsim.errors import ImageError
from artsim.store import Store, write_whole

_FILE = "hashes.parquet"
_ALGORITHM = "dct-8x8-of-32x32-1"  # hashes of another are computed again
_SAVED = 10_000  # pictures hashed between two writes of the file
_ENOUGH = 64  # pixels a side of a decoded JPEG, at least


def picture_hashes(
    store: Store, *, workers: int = 2, progress: Progress = no_progress
) -> list[int | None]:
    """Return the perceptual hash of each row's picture; compute those that are missing.

    None is a picture that is blank or cannot be read; the latter is tried again the next time.
    """
    table = store.read(["image", "content_hash"])
    # Without the sha256 (imported vectors of pictures that were not there) there is no key.
    keys = [value or None for value in table.column("content_hash").to_pylist()]
    known = _read_hashes(store)
    missing = {
        key: Path(store.manifest.root, name)
        for key, name in zip(keys, table.column("image").to_pylist(), strict=True)
        if key is not None and key not in known
    }
    entries, done, failures = iter(missing.items()), 0, 0
    with ThreadPoolExecutor(workers, thread_name_prefix="artsim-hash") as pool:
        while chunk := dict(itertools.islice(entries, _SAVED)):
            for key, found in zip(chunk, pool.map(_hash_file, chunk.values()), strict=True):
                done += 1
                if isinstance(found, ImageError):
                    failures += 1
                else:
                    known[key] = found
                progress(done, len(missing), failures)
            _write_hashes(store, known)
    return [None if key is None else known.get(key) for key in keys]


def known_hashes(store: Store) -> list[int | None]:
    """Return the perceptual hashes that are stored; None where there is none."""
    known = _read_hashes(store)
    keys = store.read(["content_hash"]).column("content_hash").to_pylist()
    return [known.get(key) for key in keys]


def _hash_file(file: Path) -> int | ImageError | None:
    try:
        picture = images.decode(
            images.read_bytes(file), at_least=lambda width, height: (_ENOUGH, _ENOUGH)
        )
    except ImageError as error:
        return error
    # Black bars stay: where they end is unsure by a pixel, and of 968 pictures of 224 x 224, one
    # copy in seven was missed without the bars, and one in eighty with them.
    return images.perceptual_hash(picture.pixels)


def _read_hashes(store: Store) -> dict[str, int | None]:
    try:
        with pq.ParquetFile(store.path / _FILE) as parquet:
            if (parquet.schema_arrow.metadata or {}).get(b"algorithm") != _ALGORITHM.encode():
                return {}
            table = parquet.read(["content_hash", "perceptual_hash"])
    except (OSError, pa.ArrowException, KeyError):
        return {}  # missing or damaged: they are computed again
    return dict(zip(*(column.to_pylist() for column in table.columns), strict=True))


def _write_hashes(store: Store, hashes: dict[str, int | None]) -> None:
    keys, values = pa.array(list(hashes), pa.string()), pa.array(list(hashes.values()), pa.uint64())
    table = pa.table({"content_hash": keys, "perceptual_hash": values})
    table = table.replace_schema_metadata({"algorithm": _ALGORITHM})
    write_whole(store.path / _FILE, lambda stream: pq.write_table(table, stream))
