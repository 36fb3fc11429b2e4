"""What a run fetches, that is chosen and not there yet, and what is there when it ends."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from artsim.fetch.names import file_stems
from artsim.fetch.settings import FetchSettings
from artsim.fetch.status import Outcome, Status, StatusFile, Wanted, unfinished
from artsim.store import write_whole

IMAGES = "images"
TABLE = "objects.parquet"


@dataclass(kw_only=True)
class FetchSummary:
    """What a run did."""

    path: Path
    chosen: int = 0  # rows of the catalog, each with a picture
    fetched: int = 0  # pictures, by this run
    kept: int = 0  # pictures from earlier runs
    failures: int = 0  # chosen rows that failed, in this run or before
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
    """The pictures to fetch among those chosen."""

    todo: list[Wanted]
    chosen: dict[str, str]  # id: address
    summary: FetchSummary


def make_plan(
    table: pa.Table,
    rows: NDArray[np.int64],
    path: Path,
    earlier: Mapping[str, Status],
    *,
    retry_failed: bool,
    settings: FetchSettings,
) -> FetchPlan:
    """Compare the chosen rows with what earlier runs fetched into a folder; writes nothing."""
    images = path / IMAGES
    files = os.scandir(images) if images.is_dir() else ()
    sizes = {entry.name: entry.stat().st_size for entry in files}
    taken = ((id_, row.file.rpartition(".")[0]) for id_, row in earlier.items() if row.file)
    stems = file_stems(table["id"].to_pylist(), taken)
    ids, urls = table["id"].take(rows).to_pylist(), table["image"].take(rows).to_pylist()
    chosen = dict(zip(ids, urls, strict=True))
    summary = FetchSummary(path=path, chosen=len(chosen), unaddressed=table["image"].null_count)
    again = {Outcome.OK}
    if settings.allow_private:
        again.add(Outcome.REFUSED)
    if not settings.robots:
        again.add(Outcome.ROBOTS)
    todo = []
    for id_, url in chosen.items():
        known = earlier.get(id_)
        if known is None or known.url != url:
            todo.append(Wanted(id_, url, stems[id_]))
        elif known.status == Outcome.OK and sizes.get(known.file or "") == known.file_bytes:
            summary.kept += 1
        elif retry_failed or known.status in again:
            todo.append(Wanted(id_, url, stems[id_]))
    return FetchPlan(todo=todo, chosen=chosen, summary=summary)


def finish(table: pa.Table, status: StatusFile, plan: FetchPlan) -> None:
    """Write the table of the pictures that are there, and count the rest."""
    folder, summary = status.path.parent, plan.summary
    recover(status)
    there = {entry.name for entry in os.scandir(folder / IMAGES)}
    files = {
        (known.id, known.url): f"{IMAGES}/{known.file}"
        for known in status.rows.values()
        if known.file in there
    }
    keys = zip(table["id"].to_pylist(), table["image"].to_pylist(), strict=True)
    images = pa.array(map(files.get, keys), pa.string())
    place = table.column_names.index("image")
    kept = table.set_column(place, "image", images).filter(images.is_valid())
    write_whole(folder / TABLE, lambda stream: pq.write_table(kept, stream))

    summary.rows = kept.num_rows
    found = (status.rows.get(id_) for id_ in plan.chosen)
    tried = [known for known in found if known and known.url == plan.chosen[known.id]]
    summary.reasons = Counter(
        f"http {known.http_code}" if known.http_code else known.status.value
        for known in tried
        if known.status != Outcome.OK
    )
    summary.failures = summary.reasons.total()
    summary.left = len(plan.chosen) - len(tried)


def recover(status: StatusFile) -> None:
    """Rename pictures whose line a stopped run wrote before the rename; remove unfinished ones."""
    images = status.path.parent / IMAGES
    finished = {unfinished(known.file): known for known in status.rows.values() if known.file}
    for entry in list(os.scandir(images)):
        if entry.name.startswith(".") and entry.name.endswith(".part"):
            part, known = Path(entry.path), finished.get(entry.name)
            if known and hashlib.sha256(part.read_bytes()).hexdigest() == known.sha256:
                part.replace(images / str(known.file))
            else:
                part.unlink()
