"""Perceptual hashes of an index's pictures.

They are made of the pictures when they are first needed and kept in the index folder,
``hashes.parquet``, by the sha256 of the file: a picture is decoded for this once.
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
from artsim.images import perceptual_hash
from artsim.store import Store, write_whole

_ALGORITHM = "dct-8x8-of-32x32-1"  # hashes of another are made again
_SAVED = 10_000  # pictures hashed between two writes of the file
_ENOUGH = 64  # pixels a side that a JPEG is decoded to, at least


def picture_hashes(
    store: Store,
    *,
    workers: int = 2,
    progress: Progress = no_progress,
) -> list[int | None]:
    """Return the perceptual hash of each row's picture, made now or before.

    None stands for a picture that is blank, or that cannot be read; the latter is tried again the
    next time.
    """
    table = store.read(["image", "content_hash"])
    names = table.column("image").to_pylist()
    # Without the sha256 (imported vectors of pictures that were not there) there is no key.
    keys = [value or None for value in table.column("content_hash").to_pylist()]
    known = _read_hashes(store)
    root = Path(store.manifest.root)
    missing = {
        key: root / name
        for key, name in zip(keys, names, strict=True)
        if key is not None and key not in known
    }
    failures = 0
    with ThreadPoolExecutor(workers, thread_name_prefix="artsim-hash") as pool:
        entries = iter(missing.items())
        done = 0
        while chunk := list(itertools.islice(entries, _SAVED)):
            for (key, _), found in zip(
                chunk, pool.map(_hash_file, (file for _, file in chunk)), strict=True
            ):
                done += 1
                if isinstance(found, ImageError):
                    failures += 1
                else:
                    known[key] = found
                progress(done, len(missing), failures)
            _write_hashes(store, known)
    return [None if key is None else known.get(key) for key in keys]


def known_hashes(store: Store) -> list[int | None]:
    """Return the perceptual hashes that were made before; None where there is none."""
    known = _read_hashes(store)
    keys = store.read(["content_hash"]).column("content_hash").to_pylist() if known else []
    return [known.get(key) for key in keys] or [None] * store.rows


def _hash_file(file: Path) -> int | ImageError | None:
    try:
        picture = images.decode(
            images.read_bytes(file), at_least=lambda width, height: (_ENOUGH, _ENOUGH)
        )
    except ImageError as error:
        return error
    # With its black bars, if it has any: where they end is unsure by a pixel, and of 968 pictures
    # of 224 x 224, one copy in seven was missed without the bars, and one in eighty with them.
    return perceptual_hash(picture.pixels)


def _hash_table(store: Store) -> Path:
    return store.path / "hashes.parquet"


def _read_hashes(store: Store) -> dict[str, int | None]:
    try:
        with pq.ParquetFile(_hash_table(store)) as parquet:
            if (parquet.schema_arrow.metadata or {}).get(b"algorithm") != _ALGORITHM.encode():
                return {}
            table = parquet.read(["content_hash", "perceptual_hash"])
    except (OSError, pa.ArrowException, KeyError):
        return {}  # missing or damaged: they are made again
    hashes = table.column("perceptual_hash").to_pylist()
    return dict(zip(table.column("content_hash").to_pylist(), hashes, strict=True))


def _write_hashes(store: Store, hashes: dict[str, int | None]) -> None:
    table = pa.table(
        {
            "content_hash": pa.array(list(hashes), pa.string()),
            "perceptual_hash": pa.array(list(hashes.values()), pa.uint64()),
        }
    ).replace_schema_metadata({"algorithm": _ALGORITHM})
    write_whole(_hash_table(store), lambda stream: pq.write_table(table, stream))
