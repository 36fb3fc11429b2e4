"""Pictures that occur twice: with the same bytes, or looking the same."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow.compute as pc

from artsim.datatypes import FieldType
from artsim.images import groups_of, near_pairs
from artsim.inspection.findings import Example, FindingKind, Findings
from artsim.inspection.pictures import PictureScan, Rows
from artsim.inspection.scans import InspectSettings, content_hash
from artsim.inspection.stored import StoredTable
from artsim.splits import WITHIN

_ONE_SHAPE = math.log(1.1)  # how much the aspects of copies may differ
_DETAIL = 80  # characters of values that still are a label and no text


def find_duplicates(
    rows: Rows,
    pictures: PictureScan,
    table: StoredTable,
    settings: InspectSettings,
    into: Findings,
) -> None:
    """Find pictures of the same bytes, and of those that differ the ones that look the same."""

    def add(kind: FindingKind, group: Sequence[int]) -> None:
        def example() -> Example:
            return rows.example(group, _disagreements(rows, group, table))

        into.add(kind, example, len(group) - 1)

    same = _same_bytes(rows, pictures)
    for group in same:
        add(FindingKind.DUPLICATE_BYTES, group)
    again = {picture for group in same for picture in group[1:]}
    for places in groups_of(_look_alikes(pictures, again)) if settings.hashes else ():
        add(FindingKind.NEAR_DUPLICATE, [int(pictures.numbers[place]) for place in places])


def _look_alikes(pictures: PictureScan, again: set[int]) -> Iterator[tuple[int, int]]:
    """Yield places of pictures of nearly one hash and one shape, so that copies are connected."""
    with_hash = defaultdict(list)
    for place, look in enumerate(pictures.look_hashes):
        if look is not None and int(pictures.numbers[place]) not in again:
            with_hash[look].append(place)
    members = list(with_hash.values())
    near = near_pairs(np.array(list(with_hash), dtype=np.uint64), WITHIN)
    for a, b in itertools.chain(((i, i) for i in range(len(members))), near):
        together = sorted({*members[a], *members[b]}, key=pictures.aspects.__getitem__)
        for one, other in itertools.pairwise(together):
            if math.log(pictures.aspects[other] / pictures.aspects[one]) <= _ONE_SHAPE:
                yield one, other


def _same_bytes(rows: Rows, pictures: PictureScan) -> list[list[int]]:
    """Group the files of the same bytes: by size, then by their ends, then by all of them."""
    groups = defaultdict(list)
    scanned = zip(rows.pictures.tolist(), pictures.contents, pictures.tails, strict=True)
    for number, content, tail in scanned:
        if size := rows.matched.files.sizes[number]:
            groups[size, content or tail].append((number, content))
    same = defaultdict(list)
    for members in groups.values():
        for number, content in members if len(members) > 1 else ():
            if digest := content or content_hash(rows.path(number)):
                same[digest].append(number)
    return [members for members in same.values() if len(members) > 1]


def _disagreements(rows: Rows, pictures: Sequence[int], table: StoredTable) -> str:
    """Return in which columns the rows of one picture differ."""
    names = [
        field.name
        for field in table.schema
        if field.name not in ("id", "image") and FieldType.of(field.type) is FieldType.TEXT
    ]
    some = table.take([rows.first_row[picture] for picture in pictures], names)
    parts = []
    for name in names:
        values = pc.unique(some.column(name).drop_null()).to_pylist()
        if len(values) > 1 and len(" / ".join(values)) <= _DETAIL:
            parts.append(f"{name} {' / '.join(values)}")
    return "; ".join(parts)
