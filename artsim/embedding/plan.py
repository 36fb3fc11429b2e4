"""What to do with every row of a catalog and of its index."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from artsim import images, places
from artsim.datatypes import Catalog
from artsim.embedding.chunks import EmbedSettings
from artsim.errors import ImageError, StoreError
from artsim.places import picture_file
from artsim.store import CatalogRows, Failure, Store

ON_WEB = "the picture is on the web; download it first with 'artsim fetch'"

# If a run would drop more than this share of an index, and at least this many rows, a disk is
# probably not mounted.
_LOSS_SHARE, _LOSS_ROWS = 0.5, 100


class _Problem(NamedTuple):
    """Why a picture is not even tried; the rows for which it is the same share it."""

    stage: str
    reason: str


_WEB = _Problem("catalog", ON_WEB)


@dataclass(frozen=True, kw_only=True)
class EmbedPlan:
    """What to do with every row of the catalog and of the index."""

    position_of_row: NDArray[np.int64]  # (index rows,): its position in the catalog, or -1
    to_embed: NDArray[np.int64]  # positions in the catalog, new ones first, then retries
    problems: NDArray[np.object_]  # (catalog rows,): known without decoding, or None
    failed_before: Mapping[int, Failure]  # by position: undecodable before, and unchanged
    file_bytes: NDArray[np.int64]  # (catalog rows,), -1 without a file
    file_mtime_ns: NDArray[np.int64]
    kept: int
    dropped: int

    @property
    def failed(self) -> int:
        """Return how many rows are not tried."""
        return int(np.count_nonzero(self.problems)) + len(self.failed_before)

    def failures(self, rows: CatalogRows) -> Iterator[Failure]:
        """List what is not tried, in the order of the catalog."""
        texts = (_text_values(rows.column(name)) for name in ("id", "image"))
        for position, (id_, image) in enumerate(zip(*texts, strict=True)):
            problem = self.problems[position]
            if problem is not None:
                yield Failure(id_ or None, image or None, problem.stage, problem.reason)
            elif position in self.failed_before:
                yield self.failed_before[position]


def make_plan(
    store: Store, catalog: Catalog, rows: CatalogRows, settings: EmbedSettings
) -> EmbedPlan:
    """Compare every row of a catalog with its index.

    Raises:
        StoreError: If most of the index would be dropped without ``allow_loss``.
    """
    problems = _unusable(rows)
    sizes, times = np.full((2, len(rows)), -1, dtype=np.int64)
    for position, name in enumerate(_text_values(rows.column("image"))):
        if problems[position] is not None:
            continue
        file = picture_file(catalog.root, name)
        try:
            status = places.status(file)
        except FileNotFoundError:
            reason = f"{file} is missing"
        except (OSError, ValueError) as error:
            reason = f"{file}: {getattr(error, 'strerror', None) or error}"
        else:
            problem = images.not_a_picture_file(status)
            if not problem:
                sizes[position], times[position] = status.st_size, status.st_mtime_ns
                continue
            reason = f"{file} {problem}"
        problems[position] = _Problem("read", reason)

    position_of_row = np.full(store.rows, -1, dtype=np.int64)
    new = np.array([problem is None for problem in problems], dtype=bool)
    usable = new.copy()
    for row, position in _same_pictures(store, catalog, rows, new, (sizes, times), settings):
        position_of_row[row] = position
        new[position] = False

    failed_before = _failed_before(store, rows, new, (sizes, times), settings)
    retried = [position for position, failure in failed_before.items() if failure is None]
    new[list(failed_before)] = False
    kept = int((position_of_row >= 0).sum())
    if not settings.allow_loss:
        _check_loss(store, catalog, rows, usable)
    return EmbedPlan(
        position_of_row=position_of_row,
        to_embed=np.concatenate([np.flatnonzero(new), np.array(retried, dtype=np.int64)]),
        problems=problems,
        failed_before={position: each for position, each in failed_before.items() if each},
        file_bytes=sizes,
        file_mtime_ns=times,
        kept=kept,
        dropped=store.rows - kept,
    )


def _check_loss(
    store: Store, catalog: Catalog, rows: CatalogRows, usable: NDArray[np.bool_]
) -> None:
    if not store.rows:
        return
    here = rows.column("id").to_pandas()[usable]
    gone = int((~store.read(["id"]).column("id").to_pandas().isin(here)).sum())
    if gone < store.rows and (gone < _LOSS_ROWS or gone <= _LOSS_SHARE * store.rows):
        return
    source, before = str(catalog.source), store.manifest.source
    if source != before:
        raise StoreError(
            f"{gone:,} of the {store.rows:,} pictures in {str(store.path)!r}, made from "
            f"{before!r}, are not in {source!r}; choose another folder with -o, or pass "
            "--allow-loss"
        )
    raise StoreError(
        f"{gone:,} of the {store.rows:,} pictures in {str(store.path)!r} are gone from "
        f"{source!r}; if its disk is mounted and that is right, pass --allow-loss"
    )


def _unusable(rows: CatalogRows) -> NDArray[np.object_]:
    """Find the rows without an id or a picture of their own: what their problem is, or None."""
    problems = np.full(len(rows), None, dtype=object)
    first: dict[str, int] = {}
    ids = pd.Index(rows.column("id").to_pandas())
    repeated = set(ids[ids.duplicated()])
    for position, (id_, image) in enumerate(
        zip(_text_values(rows.column("id")), _text_values(rows.column("image")), strict=True)
    ):
        if image.startswith(("http://", "https://")):
            problems[position] = _WEB
        reason = None
        if not id_:
            reason = f"row {position + 1} has no id"
        elif not image:
            reason = f"row {position + 1} names no picture"
        elif id_ in repeated and first.setdefault(id_, position) != position:
            reason = f"row {first[id_] + 1} has the id {id_!r} too; give each row its own id"
        if reason:
            problems[position] = _Problem("catalog", reason)
    return problems


def _same_pictures(
    store: Store,
    catalog: Catalog,
    rows: CatalogRows,
    usable: NDArray[np.bool_],
    status: tuple[NDArray[np.int64], NDArray[np.int64]],
    settings: EmbedSettings,
) -> Iterator[tuple[int, int]]:
    """Find the index's rows with an unchanged picture: (row of the index, position)."""
    if not store.rows:
        return
    known = store.read(["id", "image", "content_hash", "file_bytes", "file_mtime_ns"])
    known = known.combine_chunks()
    places = pd.Index(known.column("id").to_pandas()).get_indexer(
        rows.column("id").to_pandas()
    )  # (catalog rows,)
    sizes, times = status
    known_sizes = known.column("file_bytes").to_numpy()
    known_times = known.column("file_mtime_ns").to_numpy()
    known_images, hashes = known.column("image"), known.column("content_hash")
    for position, name in enumerate(_text_values(rows.column("image"))):
        row = places[position]
        if row < 0 or not usable[position]:
            continue
        same_file = (
            known_images[row].as_py() == name
            and known_sizes[row] == sizes[position]
            and known_times[row] == times[position]
        )
        if (same_file and not settings.rehash) or (
            known_sizes[row] == sizes[position]
            and _content_hash(picture_file(catalog.root, name)) == hashes[row].as_py()
        ):
            yield int(row), position


def _failed_before(
    store: Store,
    rows: CatalogRows,
    new: NDArray[np.bool_],
    status: tuple[NDArray[np.int64], NDArray[np.int64]],
    settings: EmbedSettings,
) -> dict[int, Failure | None]:
    """Find the rows that failed before: the failure if it still holds, None to try again.

    A picture that could not be decoded is tried again only if its file, the limit on pixels or the
    decoder has changed. Want of memory, threads or file descriptors (stage resources) passes.
    """
    failures = store.failures()
    if not failures.num_rows:
        return {}
    sizes, times = status
    ids, files = rows.column("id"), rows.column("image")
    positions = {_text(ids, p): p for p in map(int, np.flatnonzero(new))}
    found: dict[int, Failure | None] = {}
    for failure in (Failure(**values) for values in failures.to_pylist()):
        position = positions.get(failure.id or "")
        if position is None:
            continue
        unchanged = (
            failure.image == _text(files, position)
            and failure.file_bytes == sizes[position]
            and failure.file_mtime_ns == times[position]
            and failure.tried_with == settings.decoding
            and not settings.rehash
        )
        found[position] = failure if failure.stage == "decode" and unchanged else None
    return found


def _text(column: pa.ChunkedArray, position: int) -> str:
    return str(column[position].as_py())


def _content_hash(file: Path) -> str | None:
    try:
        return hashlib.sha256(images.read_bytes(file)).hexdigest()
    except ImageError:
        return None


def _text_values(column: pa.ChunkedArray) -> Iterator[str]:
    """Iterate over a text column without all of it as Python text in memory; null is empty."""
    for chunk in column.chunks:
        for value in chunk.to_pylist():
            yield value or ""
