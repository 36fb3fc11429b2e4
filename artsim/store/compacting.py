"""Merge the small parts of an index, in one commit."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from artsim.datatypes import Progress, no_progress
from artsim.store.failures import Failure
from artsim.store.folder import Store

PART_BYTES = 64 << 20


def merged_parts(store: Store, most_bytes: int = PART_BYTES) -> list[range]:
    """Return which parts become one: neighbors of together at most so many bytes, two or more."""
    sizes = [(store.path / "parts" / part.file).stat().st_size for part in store.manifest.parts]
    groups, start, total = [], 0, 0
    for place, size in enumerate([*sizes, most_bytes + 1]):  # the last ends a group
        if total + size > most_bytes:
            groups.append(range(start, place))
            start, total = place, 0
        total += size
    return [group for group in groups if len(group) > 1]


def merge_parts(store: Store, groups: list[range], *, progress: Progress = no_progress) -> None:
    """Merge parts of a locked index; rows keep their order, and memory holds one group.

    New parts are written first, then the manifest, so that the index is whole whenever it ends.
    """

    def replacements() -> Iterator[tuple[int, pa.Table]]:
        for done, group in enumerate(groups, 1):
            tables = [store.read_part(place) for place in group]
            yield group[0], pa.concat_tables(tables)
            yield from ((place, tables[0].slice(0, 0)) for place in group[1:])
            progress(done, len(groups), 0)

    failures = (Failure(**values) for values in store.failures().to_pylist())
    store.rewrite(replacements(), failures=failures, manifest=store.manifest)
