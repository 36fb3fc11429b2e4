"""A chunk that ends its worker, embedded in processes that may end: what is at fault is found."""

from __future__ import annotations

import tempfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from artsim.embedding.chunks import Advance, Receipt
from artsim.embedding.processes import WorkerProcess
from artsim.embedding.team import Advanced, Failed, Finished, Lost, Task
from artsim.errors import EngineError
from artsim.models import NetworkRequest

_REASON = "a process that embeds it ends without a word ({}); make a copy of it in another format"


def embed_apart(task: Task, request: NetworkRequest, advance: Advance) -> Receipt:
    """Embed a chunk in another process; pictures that end it are found by halving, and refused.

    Raises:
        EngineError: If the process ends although each picture can be embedded.
    """
    task = replace(task, apart=False)
    found, why = _try(task, request, advance)
    if found is None:
        rows = task.chunk.rows.num_rows
        refused = {row: _REASON.format(why) for row in _culprits(task, request, range(rows))}
        task = replace(task, chunk=replace(task.chunk, refused=refused))
        found, why = _try(task, request, advance)
    if found is None:
        raise EngineError(
            f"the {task.chunk.rows.num_rows:,} pictures of a chunk end the process that embeds "
            f"them ({why}), and none of them alone does: there may be too little memory; try again "
            "with a smaller --batch-size or --part-rows"
        )
    return found


def _culprits(task: Task, request: NetworkRequest, among: range) -> list[int]:
    """Find the rows that end a process even alone, among consecutive rows that do."""
    if len(among) == 1:
        return [*among]
    middle = len(among) // 2
    return [
        row
        for half in (among[:middle], among[middle:])
        if _ends(task, request, half)
        for row in _culprits(task, request, half)
    ]


def _ends(task: Task, request: NetworkRequest, rows: range) -> bool:
    """Return whether some rows of a chunk end the process that embeds them."""
    with tempfile.TemporaryDirectory(dir=task.job.staging) as name:
        part = replace(task.chunk, rows=task.chunk.rows.slice(rows.start, len(rows)))
        trial = Task(chunk=part, job=replace(task.job, staging=Path(name)))
        found, _ = _try(trial, request, lambda tried, failed: None)
    return found is None


def _try(task: Task, request: NetworkRequest, advance: Advance) -> tuple[Receipt | None, str]:
    """Embed a chunk in another process: its receipt, or None and why the process ended."""
    tried = failed = 0
    with closing(WorkerProcess(request)) as process:
        process.send(task)
        for event in process.events():
            match event:
                case Advanced():
                    tried, failed = tried + event.tried, failed + event.failed
                    advance(event.tried, event.failed)
                case Finished():
                    return event.receipt, ""
                case Failed():
                    raise event.error
                case Lost():
                    advance(-tried, -failed)
                    return None, event.why
    raise AssertionError("a process's last event is that it is lost")
