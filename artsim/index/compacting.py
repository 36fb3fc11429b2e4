"""Compact an index: its rows in few large files instead of many small ones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from artsim.datatypes import Progress, no_progress, shell_word, shown_path
from artsim.errors import StoreError
from artsim.index.build import build_index
from artsim.index.layout import renew_layout
from artsim.index.note import is_whole_index, read_note, write_note
from artsim.store import PART_BYTES, Store, lock_index, merge_parts, merged_parts


@dataclass(frozen=True)
class Compacted:
    """How many parts an index had, and has."""

    before: int
    after: int


def compact_index(
    path: Path, *, part_bytes: int = PART_BYTES, progress: Progress = no_progress
) -> Compacted:
    """Merge small parts of an index into parts of at most so many bytes.

    Rows, vectors and answers stay as they are; search indexes and maps are kept. If it is stopped,
    the index is as it was before or after.

    Raises:
        StoreError: If it is being written, damaged or incomplete, or cannot be written.
    """
    with lock_index(path):
        store = Store.open(path)
        if not store.manifest.complete:
            raise StoreError(
                f"{shown_path(path)!r} is not complete; run 'artsim embed' again to finish it first"
            )
        if damaged := store.damaged_parts():
            raise StoreError(
                f"{damaged[0]} of {str(store)!r} is damaged; run "
                f"'artsim repair {shell_word(store)}'"
            )
        before = len(store.manifest.parts)
        groups = merged_parts(store, part_bytes)
        taps = [tap.name for tap in store.manifest.passport.taps]
        whole = [tap for tap in taps if store.rows and is_whole_index(store, tap)]
        if groups:
            was = store.fingerprint
            merge_parts(store, groups, progress=progress)
            for tap in taps:
                renew_layout(store, tap, was)
            for tap in whole:
                note = read_note(store, tap)
                assert note is not None
                parts = tuple((part.sha256, part.rows) for part in store.manifest.parts)
                write_note(store, tap, replace(note, fingerprint=store.fingerprint, parts=parts))
        store.finish()  # the old parts are removed
        for tap in taps:
            if store.rows and not is_whole_index(store, tap):
                build_index(store, tap)
    return Compacted(before, len(store.manifest.parts))
