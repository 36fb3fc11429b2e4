"""What the pictures of an index look like: their perceptual hashes and small grays.

They are computed when they are first needed and kept in the index folder, ``hashes.parquet``, by
the sha256 of the file: a picture is decoded for this once.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from artsim import images
from artsim.datatypes import Progress, no_progress
from artsim.errors import ImageError, ShortageError, StoreError
from artsim.places import picture_file
from artsim.store import Store, read_parquet, write_parquet, write_whole

_FILE = "hashes.parquet"
_ALGORITHM = "dct-8x8-of-32x32-1"  # hashes of another are computed again
_SAVED = 10_000  # pictures hashed between two writes of the file, at least
_SHARE = 8  # and one for so many that it has: written whole each time, it must not be often
_ENOUGH = 64  # pixels a side of a decoded JPEG, at least
_GRAY = pa.binary(images.GRAY_SIDE**2)


class Looks(NamedTuple):
    """What the pictures of N rows look like."""

    hashes: list[int | None]  # None: blank, or it cannot be read
    grays: images.Grays  # (N, 16, 16), of zeros where there is none


class _Look(NamedTuple):
    hash: int | None
    gray: bytes | None  # None: not known, as in files of artsim 0.1


def picture_hashes(
    store: Store, *, workers: int = 2, progress: Progress = no_progress
) -> list[int | None]:
    """Return the perceptual hash of each row's picture; compute those that are missing.

    None is a picture that is blank or cannot be read; the latter is tried again the next time.
    """
    return [look and look.hash for look in _looks(store, False, workers, progress)]


def picture_looks(store: Store, *, workers: int = 2, progress: Progress = no_progress) -> Looks:
    """Return the perceptual hash and the gray of each row's picture; compute what is missing."""
    looks = _looks(store, True, workers, progress)
    grays = np.zeros((len(looks), images.GRAY_SIDE, images.GRAY_SIDE), dtype=np.uint8)
    for row, look in enumerate(looks):
        if look is not None and look.gray is not None:
            grays[row].flat = np.frombuffer(look.gray, dtype=np.uint8)
    return Looks([look and look.hash for look in looks], grays)


def known_hashes(store: Store) -> list[int | None]:
    """Return the perceptual hashes that are stored; None where there is none."""
    known = _read_looks(store, grays=False)
    keys = store.read(["content_hash"]).column("content_hash").to_pylist()
    return [known[key].hash if key in known else None for key in keys]


def hash_file(file: Path) -> int | None:
    """Compute the perceptual hash of a picture; None if it is blank or cannot be read."""
    look = _look_at(file)
    return None if isinstance(look, ImageError) else look.hash


def _looks(store: Store, grays: bool, workers: int, progress: Progress) -> list[_Look | None]:
    table = store.read(["image", "content_hash"])
    # Without the sha256 (imported vectors of pictures that were not there) there is no key.
    keys = [value or None for value in table.column("content_hash").to_pylist()]
    known = _read_looks(store)
    missing = {
        key: name
        for key, name in zip(keys, table.column("image").to_pylist(), strict=True)
        if key is not None and _is_missing(known.get(key), grays)
    }
    entries, done, failures = iter(missing.items()), 0, 0

    def look_at(name: str) -> _Look | ImageError:
        return _look_at(picture_file(store.manifest.root, name))

    with ThreadPoolExecutor(workers, thread_name_prefix="artsim-hash") as pool:
        while chunk := dict(itertools.islice(entries, max(_SAVED, len(known) // _SHARE))):
            for key, found in zip(chunk, pool.map(look_at, chunk.values()), strict=True):
                done += 1
                if isinstance(found, ImageError):
                    failures += 1
                else:
                    known[key] = found
                progress(done, len(missing), failures)
            _write_looks(store, known)
    return [None if key is None else known.get(key) for key in keys]


def _is_missing(look: _Look | None, grays: bool) -> bool:
    return look is None or (grays and look.gray is None and look.hash is not None)


def _look_at(file: Path) -> _Look | ImageError:
    try:
        picture = images.decode(
            images.read_bytes(file), at_least=lambda width, height: (_ENOUGH, _ENOUGH)
        )
    except ImageError as error:
        return error
    # Black bars stay: where they end is unsure by a pixel, and of 968 pictures of 224 x 224, one
    # copy in seven was missed without the bars, and one in eighty with them.
    hash_ = images.perceptual_hash(picture.pixels)
    return _Look(hash_, None if hash_ is None else images.small_gray(picture.pixels).tobytes())


def _read_looks(store: Store, *, grays: bool = True) -> dict[str, _Look]:
    file = store.path / _FILE
    if not file.is_file():
        return {}
    try:
        schema = pq.read_schema(file.absolute())
        if (schema.metadata or {}).get(b"algorithm") != _ALGORITHM.encode():
            return {}
        has_grays = grays and "gray" in schema.names and schema.field("gray").type == _GRAY
        names = ["content_hash", "perceptual_hash", *(["gray"] if has_grays else [])]
        columns = read_parquet(file, names, remedy="it is made again").to_pydict()
    except ShortageError:
        raise  # those that are known must not be replaced by none
    except (StoreError, OSError, pa.ArrowException):
        return {}  # damaged: they are computed again
    keys, hashes = columns["content_hash"], columns["perceptual_hash"]
    looks = map(_Look, hashes, columns.get("gray", [None] * len(keys)))
    return dict(zip(keys, looks, strict=True))


def _write_looks(store: Store, looks: Mapping[str, _Look]) -> None:
    table = pa.table(
        {
            "content_hash": pa.array(list(looks), pa.string()),
            "perceptual_hash": pa.array([look.hash for look in looks.values()], pa.uint64()),
            "gray": pa.array([look.gray for look in looks.values()], _GRAY),
        }
    )
    table = table.replace_schema_metadata({"algorithm": _ALGORITHM})
    write_whole(store.path / _FILE, lambda stream: write_parquet(stream, table))
