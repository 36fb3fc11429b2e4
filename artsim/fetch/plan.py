"""What a run fetches: what is selected and not there yet."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from artsim.fetch.names import file_stems
from artsim.fetch.status import Outcome, StatusFile, Wanted, unfinished

IMAGES = "images"


@dataclass(kw_only=True)
class FetchSummary:
    """What a run did."""

    path: Path
    chosen: int = 0  # rows of the catalog, each a picture
    fetched: int = 0  # pictures, by this run
    kept: int = 0  # pictures there from before
    failures: int = 0  # selected rows that failed, in this run or before
    reasons: Counter[str] = field(default_factory=Counter)  # failures by status
    left: int = 0  # chosen rows that wait for another run
    left_why: list[str] = field(default_factory=list)  # hosts, with their reasons
    unaddressed: int = 0  # rows of the catalog that name no picture
    unnamed: int = 0  # rows that have no id, or that of an earlier row
    rows: int = 0  # of objects.parquet: all pictures of this catalog that are there
    bytes: int = 0  # of the pictures that this run fetched
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class FetchPlan:
    """What to fetch of what was chosen, and what is known of it so far."""

    todo: list[Wanted]
    chosen: dict[str, str]  # id: address
    summary: FetchSummary


def make_plan(
    table: pa.Table,
    rows: NDArray[np.int64],
    status: StatusFile,
    retry_failed: bool,
    allow_private: bool,
) -> FetchPlan:
    """Compare the selected rows with what earlier runs fetched."""
    images = status.path.parent / IMAGES
    recover(images, status)
    sizes = {entry.name: entry.stat().st_size for entry in os.scandir(images)}
    taken = ((id_, row.file.rpartition(".")[0]) for id_, row in status.rows.items() if row.file)
    stems = file_stems(table["id"].to_pylist(), taken)
    ids, urls = table["id"].take(rows).to_pylist(), table["image"].take(rows).to_pylist()
    chosen = dict(zip(ids, urls, strict=True))
    summary = FetchSummary(
        path=status.path.parent, chosen=len(chosen), unaddressed=table["image"].null_count
    )
    todo = []
    for id_, url in chosen.items():
        known = status.rows.get(id_)
        if known is None or known.url != url:
            todo.append(Wanted(id_, url, stems[id_]))
        elif known.status == Outcome.OK and sizes.get(known.file or "") == known.file_bytes:
            summary.kept += 1
        elif (
            known.status == Outcome.OK
            or retry_failed
            or (known.status == Outcome.REFUSED and allow_private)
        ):
            todo.append(Wanted(id_, url, stems[id_]))
    return FetchPlan(todo=todo, chosen=chosen, summary=summary)


def recover(images: Path, status: StatusFile) -> None:
    """Rename the pictures whose line was written by a run that could not rename them any more.

    Unfinished ones are removed.
    """
    finished = {unfinished(known.file): known for known in status.rows.values() if known.file}
    for entry in list(os.scandir(images)):
        if entry.name.startswith(".") and entry.name.endswith(".part"):
            part, known = Path(entry.path), finished.get(entry.name)
            if known and hashlib.sha256(part.read_bytes()).hexdigest() == known.sha256:
                part.replace(images / str(known.file))
            else:
                part.unlink()
