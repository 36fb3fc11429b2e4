"""Publish an index: its vectors to a database, part by part, only what changed since last time.

The note in the database is withdrawn first and written last, so nothing half published is searched.
An interrupted run goes on where it stopped: parts that are there in whole stay.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from artsim.datatypes import Progress, TapInfo, no_progress, shell_word
from artsim.errors import SearchError
from artsim.index import unit
from artsim.places import real_path
from artsim.search.published.address import LostError, connect, normal, table_name
from artsim.search.published.databases import Database, Floats, Places, VectorTable
from artsim.search.published.measure import recall_at_10
from artsim.search.published.note import PublishedNote, settings_of
from artsim.search.published.opening import record
from artsim.search.published.places import places_of_part, span
from artsim.store import Part, Store, lock_index

_NUMBERS = 1 << 24  # of the vectors that are added in one commit: 64 MB
_RANGES = 100  # deleted in one commit


@dataclass(frozen=True, kw_only=True)
class PublishSummary:
    """What was done."""

    address: str
    rows: int  # of the index
    added: int  # rows whose vectors were sent
    kept: int  # rows that were published before
    removed: int  # parts that are no longer in the index
    recall: dict[str, float]  # @10 by tap, where a search without conditions is approximate


@dataclass(frozen=True)
class _Kind:
    """The vectors of a tap: of the pictures, or of their tiles."""

    tap: TapInfo
    each: int  # vectors of a row
    tiles: bool

    @property
    def table(self) -> str:
        return table_name(self.tap.name, tiles=self.tiles)


def publish(
    store: Store, address: str, *, token: str | None = None, progress: Progress = no_progress
) -> PublishSummary:
    """Publish an index, or bring what is published up to date.

    Args:
        store: The index; it is locked, so that it does not change meanwhile.
        address: Where to: ``lance:PATH``, ``lance:s3://BUCKET/PATH`` or ``milvus:URI``.
        token: For Milvus.
        progress: Called with the rows of each tap.

    Raises:
        SearchError: If the database cannot be reached or holds another index.
        StoreError: If the index is damaged, or is being written.
    """
    address = normal(address)
    with lock_index(store.path), _resumable(store, address):
        database = connect(address, name=store.path.resolve().name, token=token)
        store = store.reopen()
        if not store.rows:
            raise SearchError(f"{str(store)!r} has no pictures to publish; see 'artsim info'")
        return _publish(store, address, database, progress)


@contextmanager
def _resumable(store: Store, address: str) -> Iterator[None]:
    try:
        yield
    except LostError as error:
        raise SearchError(
            f"{error}; when it does, 'artsim publish {shell_word(store)} "
            f"{shell_word(address)}' goes on from there"
        ) from error


def _publish(store: Store, address: str, database: Database, progress: Progress) -> PublishSummary:
    kinds = list(_kinds(store))
    note = _note_of(store, address, database, kinds)
    parts = store.manifest.parts
    present = {part.sha256 for part in parts}
    gone = sorted(number for sha256, number in note.numbers.items() if sha256 not in present)
    was_whole = note.whole
    before = {part.sha256 for part in parts if was_whole and part.sha256 in note.numbers}
    numbers, number = dict(note.numbers), note.next_number
    for part in parts:
        if part.sha256 not in numbers:
            numbers[part.sha256], number = number, number + 1
    added = 0
    if note.fingerprint != store.fingerprint:
        withdrawn = replace(note, numbers=numbers, next_number=number, fingerprint="", recall={})
        withdrawn.write(database)
        total = store.rows * len(kinds)
        done = 0
        for kind in kinds:
            table = database.make_table(kind.table, kind.tap.dim)
            for start in range(0, len(gone), _RANGES):
                table.delete([span(each) for each in gone[start : start + _RANGES]])
            for rows, sent in _add_parts(store, kind, table, numbers, before):
                done, added = done + rows, max(added, sent)
                progress(done, total, 0)
            table.finish()
        note = replace(
            withdrawn,
            numbers={part.sha256: numbers[part.sha256] for part in parts},
            fingerprint=store.fingerprint,
            recall=_measure(store, kinds, database),
        )
        note.write(database)
    record(store, address)
    return PublishSummary(
        address=address,
        rows=store.rows,
        added=added,
        kept=store.rows - added,
        removed=len(gone),
        recall=dict(note.recall),
    )


def _kinds(store: Store) -> Iterator[_Kind]:
    for tap in store.manifest.passport.taps:
        yield _Kind(tap, 1, tiles=False)
        if store.manifest.tiles:
            yield _Kind(tap, store.manifest.tiles**2, tiles=True)


def _note_of(
    store: Store, address: str, database: Database, kinds: Sequence[_Kind]
) -> PublishedNote:
    """Read the note, or start again where there is none or the vectors are of another kind."""
    note, name = PublishedNote.read(database), store.path.resolve().name
    if note is not None and note.name != name:
        raise SearchError(
            f"{address} holds the index {note.name!r}, not {name!r}; publish to another place"
        )
    settings, path = settings_of(store), str(real_path(str(store)))
    if note is not None and note.settings == settings:
        return replace(note, path=path)
    database.drop({*(note.tables if note else ()), *(kind.table for kind in kinds)})
    tables = tuple(kind.table for kind in kinds)
    return PublishedNote(name=name, path=path, settings=settings, tables=tables)


def _add_parts(
    store: Store, kind: _Kind, table: VectorTable, numbers: dict[str, int], before: set[str]
) -> Iterator[tuple[int, int]]:
    """Add the parts that are not there in whole; give the rows seen since, and all those sent."""
    group: list[tuple[int, Part]] = []
    sent = size = seen = 0
    for place, part in enumerate(store.manifest.parts):
        seen += part.rows
        if part.sha256 in before:
            continue
        first, last = span(numbers[part.sha256])
        there = table.count(first, last)
        if there == part.rows * kind.each:
            continue
        if there:
            table.delete([(first, last)])
        group.append((place, part))
        size += part.rows * kind.each * kind.tap.dim
        sent += part.rows
        if size >= _NUMBERS:
            table.add(_blocks(store, kind, numbers, group))
            yield seen, sent
            group, size, seen = [], 0, 0
    if group:
        table.add(_blocks(store, kind, numbers, group))
    yield seen, sent


def _blocks(
    store: Store, kind: _Kind, numbers: dict[str, int], group: Sequence[tuple[int, Part]]
) -> Iterator[tuple[Places, Floats]]:
    for place, part in group:
        start = 0
        for block in store.iter_vectors(kind.tap.name, part=place, tiles=kind.tiles):
            stop = start + len(block)
            yield places_of_part(numbers[part.sha256], start, stop), unit(block)
            start = stop


def _measure(store: Store, kinds: Sequence[_Kind], database: Database) -> dict[str, float]:
    """Measure the taps whose searches without conditions are approximate."""
    tables = {each.tap.name: database.open_table(each.table) for each in kinds if not each.tiles}
    return {
        tap: recall_at_10(store, tap, table) for tap, table in tables.items() if table.approximate
    }
