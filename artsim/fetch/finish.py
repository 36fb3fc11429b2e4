"""The end of a run: the table of the pictures that are there, and the count of the rest."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from artsim.fetch.plan import IMAGES, FetchPlan, recover
from artsim.fetch.status import Outcome, Status, StatusFile
from artsim.store import write_whole

TABLE = "objects.parquet"


def finish(table: pa.Table, status: StatusFile, plan: FetchPlan) -> None:
    """Write the table of the pictures that are there, and count the rest."""
    images = status.path.parent / IMAGES
    recover(images, status)
    there = {entry.name for entry in os.scandir(images)}
    files = {
        known.id: f"{IMAGES}/{known.file}" for known in status.rows.values() if known.file in there
    }
    rows, names = [], []
    cells = zip(_cells(table["id"]), _cells(table["image"]), strict=True)
    for row, (id_, url) in enumerate(cells):
        if id_ in files and status.rows[id_].url == url:
            rows.append(row)
            names.append(files[id_])
    place = table.column_names.index("image")
    kept = table.take(np.array(rows, np.int64)).set_column(
        place, "image", pa.array(names, pa.string())
    )
    write_whole(status.path.parent / TABLE, lambda stream: pq.write_table(kept, stream))

    summary = plan.summary
    summary.rows = len(rows)
    known = (status.rows.get(id_) for id_ in plan.chosen)
    tried = [known for known in known if known and known.url == plan.chosen[known.id]]
    summary.reasons = Counter(_reason(known) for known in tried if known.status != Outcome.OK)
    summary.failures = summary.reasons.total()
    summary.left = len(plan.chosen) - len(tried)


def _cells(column: pa.ChunkedArray) -> Iterator[str | None]:
    return (value for chunk in column.chunks for value in chunk.to_pylist())


def _reason(status: Status) -> str:
    return f"http {status.http_code}" if status.http_code else status.status.value
