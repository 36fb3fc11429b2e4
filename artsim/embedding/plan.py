"""What to do with every row of a catalog and of its index."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from artsim import images, places
from artsim.datatypes import Catalog
from artsim.embedding.chunks import EmbedSettings
from artsim.embedding.ids import IdPlaces
from artsim.errors import ImageError, StoreError
from artsim.places import as_path, picture_file, picture_path
from artsim.store import CatalogRows, Failure, Store, indices

ON_WEB = "the picture is on the web; download it first with 'artsim fetch'"

_TOGETHER = 8192  # rows that are Python objects at a time

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
        is_failure = ~_is_none(self.problems)
        is_failure[list(self.failed_before)] = True
        positions = np.flatnonzero(is_failure)
        for start in range(0, len(positions), _TOGETHER):
            some = positions[start : start + _TOGETHER]
            named = rows.take(some, ["id", "image"]).to_pylist()
            for position, row in zip(some.tolist(), named, strict=True):
                problem: _Problem | None = self.problems[position]
                if problem is None:
                    yield self.failed_before[position]
                else:
                    own = row["id"] or None, row["image"] or None
                    yield Failure(*own, problem.stage, problem.reason)


def make_plan(
    store: Store, catalog: Catalog, rows: CatalogRows, settings: EmbedSettings
) -> EmbedPlan:
    """Compare every row of a catalog with its index.

    Raises:
        StoreError: If most of the index would be dropped without ``allow_loss``.
    """
    ids = IdPlaces(rows)
    problems = _unusable(rows, ids)
    sizes, times = np.full((2, len(rows)), -1, dtype=np.int64)
    _read_statuses(catalog, rows, problems, sizes, times)
    usable = _is_none(problems)
    position_of_row, here = _same_pictures(
        store, catalog, rows, ids, usable, (sizes, times), settings
    )
    new = usable.copy()
    new[position_of_row[position_of_row >= 0]] = False
    failed_before = _failed_before(store, rows, ids, new, (sizes, times), settings)
    retried = [position for position, failure in failed_before.items() if failure is None]
    new[list(failed_before)] = False
    kept = int((position_of_row >= 0).sum())
    if not settings.allow_loss:
        reasons = (each.reason for each in problems if each is not None and each.stage == "read")
        _check_loss(store, catalog, rows, gone=store.rows - here, why=next(reasons, ""))
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


def _check_loss(store: Store, catalog: Catalog, rows: CatalogRows, *, gone: int, why: str) -> None:
    if not store.rows:
        return
    if gone < store.rows and (gone < _LOSS_ROWS or gone <= _LOSS_SHARE * store.rows):
        return
    source, before = str(catalog.source), store.manifest.source
    others = list(_other_ids(store, rows))
    if len(others) > gone / 2:  # else something else is wrong
        old, new = others[0]
        raise StoreError(
            f"{len(others):,} of the {store.rows:,} works in {str(store)!r} have another id now, "
            f"such as {new!r} instead of {old!r}; read the ids as then (--id-column), or choose "
            "another folder with -o"
        )
    if source != before:
        raise StoreError(
            f"{gone:,} of the {store.rows:,} pictures in {str(store)!r}, made from "
            f"{before!r}, are not in {source!r}; choose another folder with -o, or pass "
            "--allow-loss"
        )
    raise StoreError(
        f"{gone:,} of the {store.rows:,} pictures in {str(store)!r} are gone from "
        f"{source!r}{f' ({why})' if why else ''}; check that its disk is mounted, or name their "
        "folder with --images; if they are gone for good, pass --allow-loss"
    )


def _other_ids(store: Store, rows: CatalogRows) -> Iterator[tuple[str, str]]:
    """List ids of an index, and of works in the catalog that have their picture and another id."""
    pictures = rows.column("image")
    for known in store.blocks(["id", "image"]):
        places = pc.index_in(known.column("image"), value_set=pictures.combine_chunks())
        known = known.append_column("place", places).filter(pc.is_valid(places))
        there = rows.take(np.asarray(known.column("place"), dtype=np.int64), ["id"])
        for old, new in zip(known.column("id"), there.column("id"), strict=True):
            if old.as_py() != new.as_py():
                yield old.as_py(), new.as_py()


def _is_none(problems: NDArray[np.object_]) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = np.equal(problems, np.array(None, dtype=object))
    return found


def _unusable(rows: CatalogRows, ids: IdPlaces) -> NDArray[np.object_]:
    """Find the rows without an id or a picture of their own: what their problem is, or None."""
    problems = np.full(len(rows), None, dtype=object)
    start = 0
    for id_, image in zip(rows.column("id").chunks, rows.column("image").chunks, strict=True):
        on_web = pc.or_(pc.starts_with(image, "http://"), pc.starts_with(image, "https://"))
        for position in (start + _true(on_web)).tolist():
            problems[position] = _WEB
        no_id, no_image = (pc.equal(pc.coalesce(each, ""), "") for each in (id_, image))
        for position in (start + _true(no_image)).tolist():
            problems[position] = _Problem("catalog", f"row {position + 1} names no picture")
        for position in (start + _true(no_id)).tolist():
            problems[position] = _Problem("catalog", f"row {position + 1} has no id")
        start += len(id_)
    first: dict[str, int] = {}
    repeated = ids.repeated()
    for begin in range(0, len(repeated), _TOGETHER):
        some = repeated[begin : begin + _TOGETHER]
        named = rows.take(some, ["id", "image"]).to_pylist()
        for position, row in zip(some.tolist(), named, strict=True):
            id_ = row["id"]
            if id_ and row["image"] and first.setdefault(id_, position) != position:
                why = f"row {first[id_] + 1} has the id {id_!r} too; give each row its own id"
                problems[position] = _Problem("catalog", why)
    return problems


def _true(values: pa.Array) -> NDArray[np.int64]:
    """Return the places of what is true, null being false."""
    return np.asarray(pc.indices_nonzero(values), dtype=np.int64)


def _read_statuses(
    catalog: Catalog,
    rows: CatalogRows,
    problems: NDArray[np.object_],
    sizes: NDArray[np.int64],
    times: NDArray[np.int64],
) -> None:
    """Fill in the size and time of every picture without a problem, or note its problem.

    They are those that the reader saw, or else are read now.
    """
    root, start = str(catalog.root), 0
    for image in rows.column("image").chunks:
        names = image.to_pylist()
        is_tried = _is_none(problems[start : start + len(names)])
        seen = catalog.statuses.take(names) or places.statuses(
            root, (name if tried else None for name, tried in zip(names, is_tried, strict=True))
        )
        is_known = is_tried & (seen[0] >= 0) & (seen[0] <= images.MAX_BYTES)
        for values, known in zip((sizes, times), seen, strict=True):
            values[start : start + len(names)] = np.where(is_known, known, -1)
        for place in np.flatnonzero(is_tried & ~is_known).tolist():
            file, position = picture_path(root, names[place]), start + place
            try:
                status = places.status(file)
            except FileNotFoundError:
                reason = f"{as_path(file)} is missing"
            except (OSError, ValueError) as error:
                reason = f"{as_path(file)}: {getattr(error, 'strerror', None) or error}"
            else:
                problem = images.not_a_picture_file(status)
                if not problem:
                    sizes[position], times[position] = status.st_size, status.st_mtime_ns
                    continue
                reason = f"{as_path(file)} {problem}"
            problems[position] = _Problem("read", reason)
        start += len(names)


def _same_pictures(
    store: Store,
    catalog: Catalog,
    rows: CatalogRows,
    ids: IdPlaces,
    usable: NDArray[np.bool_],
    status: tuple[NDArray[np.int64], NDArray[np.int64]],
    settings: EmbedSettings,
) -> tuple[NDArray[np.int64], int]:
    """Find the index's rows with an unchanged picture.

    Returns:
        The position of each row of the index, -1 for those without, shape (index rows,); and how
        many have their id in a usable row of the catalog, changed or not.
    """
    position_of_row = np.full(store.rows, -1, dtype=np.int64)
    here = start = 0
    sizes, times = status
    for number, known in enumerate(store.blocks(["id", "image", "file_bytes", "file_mtime_ns"])):
        positions = ids.find(known.column("id"), usable)  # (rows of the part,)
        found = np.flatnonzero(positions >= 0)
        here += len(found)
        position = positions[found]
        known = known.select(["image", "file_bytes", "file_mtime_ns"]).take(indices(found))
        is_same = np.asarray(known.column("file_bytes")) == sizes[position]
        same_name = pc.equal(known.column("image"), rows.take(position, ["image"]).column(0))
        is_file = is_same & (np.asarray(known.column("file_mtime_ns")) == times[position])
        is_file &= np.asarray(pc.fill_null(same_name, False))
        is_file &= not settings.rehash
        unsure = np.flatnonzero(is_same & ~is_file)
        if len(unsure):
            of_part = store.read_part(number, ["content_hash"]).column(0)
            hashes = of_part.take(indices(found[unsure])).to_pylist()
            images_ = rows.take(position[unsure], ["image"]).column(0).to_pylist()
            for place, image, content in zip(unsure.tolist(), images_, hashes, strict=True):
                is_file[place] = _content_hash(picture_file(catalog.root, image)) == content
        position_of_row[start + found[is_file]] = position[is_file]
        start += len(positions)
    return position_of_row, here


def _failed_before(
    store: Store,
    rows: CatalogRows,
    ids: IdPlaces,
    new: NDArray[np.bool_],
    status: tuple[NDArray[np.int64], NDArray[np.int64]],
    settings: EmbedSettings,
) -> dict[int, Failure | None]:
    """Find the rows that failed before: the failure if it still holds, None to try again.

    A picture that could not be decoded is tried again only if its file, the limit on pixels or the
    decoder has changed. Want of memory, threads or file descriptors (stage resources) passes.
    """
    failures = store.failures()
    sizes, times = status
    found: dict[int, Failure | None] = {}
    for batch in failures.to_batches(_TOGETHER):
        positions = ids.find(batch.column("id"), new)
        some = np.flatnonzero(positions >= 0)
        files = rows.take(positions[some], ["image"]).column(0).to_pylist()
        for position, values, image in zip(
            positions[some].tolist(), batch.take(indices(some)).to_pylist(), files, strict=True
        ):
            failure = Failure(**values)
            unchanged = (
                failure.image == image
                and failure.file_bytes == sizes[position]
                and failure.file_mtime_ns == times[position]
                and failure.tried_with == settings.decoding
                and not settings.rehash
            )
            found[position] = failure if failure.stage == "decode" and unchanged else None
    return found


def _content_hash(file: Path) -> str | None:
    try:
        return hashlib.sha256(images.read_bytes(file)).hexdigest()
    except ImageError:
        return None
