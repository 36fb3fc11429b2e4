"""Pictures that the user leaves out: ``--exclude thumbs --exclude '*.gif'``."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from fnmatch import translate
from itertools import accumulate

import pyarrow as pa

from artsim.datatypes import Catalog

Excluded = Callable[[str], bool]  # whether a path, with / between its names, is left out


def excluded_by(patterns: Collection[str]) -> Excluded:
    """Return the test of paths: a pattern fits one name in a path, or the path up to one."""
    if not patterns:
        return lambda path: False
    pattern = re.compile("|".join(translate(each.strip("/")) for each in patterns))

    def is_excluded(path: str) -> bool:
        names = path.split("/")
        paths = accumulate(names, "{}/{}".format)
        return any(pattern.match(each) for each in (*names, *paths))

    return is_excluded


def without_excluded(catalog: Catalog, patterns: Collection[str]) -> Catalog:
    """Leave out the rows whose picture is excluded; a note counts them."""
    if not patterns:
        return catalog
    is_excluded = excluded_by(patterns)

    def kept(batch: pa.RecordBatch) -> list[bool]:
        return [not is_excluded(image or "") for image in batch["image"].to_pylist()]

    count = sum(kept(batch).count(False) for batch in catalog.batches())

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in catalog.batches():
            yield batch.filter(pa.array(kept(batch), pa.bool_()))

    note = f"rows left out by --exclude: {count:,}"
    return replace(catalog, batches=batches, notes=(*catalog.notes, note))
