"""Fetch the pictures of a catalog into a folder: none twice, and none lost if it is interrupted.

A picture is written under an unfinished name; its line in the status file comes next and the
rename last. The next run recognizes a file left between the two by its hash, and renames it.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from artsim.datatypes import Catalog, Progress, no_progress
from artsim.errors import FetchError
from artsim.fetch.choice import ALL, Choice, choose_rows
from artsim.fetch.hosts import HostLeft, Turns
from artsim.fetch.plan import IMAGES, FetchPlan, FetchSummary, finish, make_plan, recover
from artsim.fetch.settings import DEFAULTS, FetchSettings
from artsim.fetch.status import Status, StatusFile, Wanted, cannot_write, unfinished
from artsim.readers import is_url
from artsim.store import only_one

if TYPE_CHECKING:
    from artsim.fetch.download import Downloader

_LOCK = ".fetch.lock"
_TICK_S = 0.1  # between calls of progress
_HOSTS_AT_ONCE = 256  # hosts that are fetched from, or waited for, at a time


def fetch_pictures(
    catalog: Catalog,
    path: Path,
    *,
    choice: Choice = ALL,
    retry_failed: bool = False,
    settings: FetchSettings = DEFAULTS,
    progress: Progress = no_progress,
) -> FetchSummary:
    """Fetch the pictures of a catalog, or resume where an earlier run was stopped.

    ``progress`` is called ten times a second, in the caller's thread.

    ``path`` gets the pictures in ``images/``; ``status.jsonl`` with a row for every picture that
    was tried; and ``objects.parquet`` with the catalog's rows whose picture is there, from any run,
    so that ``path`` is a collection to embed. It is written at the end, after Ctrl-C too.

    Raises:
        FetchError: If the choice is not possible, no row has a web address, httpx2 is not
            installed.
        StoreError: If another run fetches into the folder, or it cannot be written.
        ReaderError: If the catalog cannot be read.

    Example:
        >>> fetch_pictures(read_addresses("nga:opendata/data"), Path("nga"))
    """
    started = time.perf_counter()
    check_client()
    table, unnamed = read_rows(catalog)
    rows = choose_rows(table, choice)
    busy = f"another 'artsim fetch' writes to {str(path)!r}; wait until it is done"
    with only_one(path / _LOCK, busy), closing(StatusFile(path)) as status:
        try:
            (path / IMAGES).mkdir(exist_ok=True)
        except OSError as error:
            raise cannot_write(path, error) from error
        recover(status)
        plan = make_plan(
            table, rows, path, status.rows, retry_failed=retry_failed, settings=settings
        )
        plan.summary.unnamed = unnamed
        try:
            _fetch(plan, status, settings, progress)
        finally:  # however it ended, the pictures so far can be used
            finish(table, status, plan)
    plan.summary.seconds = time.perf_counter() - started
    return plan.summary


def check_client() -> None:
    """Raise a FetchError if httpx2 or protego is not installed."""
    try:
        import httpx2  # noqa: F401  # the modules that use them import them again
        import protego  # noqa: F401
    except ModuleNotFoundError as error:
        raise FetchError(f"fetching needs {error.name}; pip install 'artsim[fetch]'") from error


def read_rows(catalog: Catalog) -> tuple[pa.Table, int]:
    """Read the rows that have a unique id; the others are counted."""
    table = pa.Table.from_batches(catalog.batches(), catalog.schema)
    if not any(map(is_url, table["image"].drop_null().to_pylist())):
        raise FetchError(
            f"{catalog.source} has no pictures on the web; use 'artsim embed' for pictures on disk"
        )
    numbered = pa.table({"id": table["id"], "row": np.arange(table.num_rows)})
    first = numbered.filter(pc.is_valid(table["id"])).group_by("id").aggregate([("row", "min")])
    kept = table.take(np.sort(first["row_min"].to_numpy()))
    return kept, table.num_rows - kept.num_rows


def _fetch(
    plan: FetchPlan, status: StatusFile, settings: FetchSettings, progress: Progress
) -> None:
    """Fetch in a thread with its own event loop, while this one waits.

    Ctrl-C then interrupts this thread, never the bookkeeping between two steps; and a notebook,
    which has an event loop already, can fetch too.
    """
    if not plan.todo:
        return
    work = _Work(plan, status, settings)
    thread = threading.Thread(target=work.run, name="artsim-fetch")
    thread.start()
    try:
        # Not `thread.join`: one that a signal ends takes the thread for ended before CPython 3.13.
        while not work.ended.wait(_TICK_S):
            progress(work.done, len(plan.todo), work.failed)
        progress(work.done, len(plan.todo), work.failed)
    finally:
        work.stop()
        work.ended.wait()
    if work.error is not None:
        raise work.error


class _Work:
    """The fetching of a plan's pictures, in an event loop."""

    def __init__(self, plan: FetchPlan, status: StatusFile, settings: FetchSettings) -> None:
        self.done = 0
        self.failed = 0
        self.error: BaseException | None = None
        self.ended = threading.Event()
        self._plan = plan
        self._status = status
        self._settings = settings
        self._images = status.path.parent / IMAGES
        self._stopping = threading.Event()

    def run(self) -> None:
        """Fetch all of them, then set ``ended``; ``error`` is what stopped it early."""
        try:
            asyncio.run(self._run())
        except asyncio.CancelledError:
            pass  # by `stop`
        except BaseException as error:
            while isinstance(error, BaseExceptionGroup):  # of tasks: the first one stopped all
                error = error.exceptions[0]
            self.error = error
        finally:
            self.ended.set()

    def stop(self) -> None:
        """Stop soon: drop unfinished downloads, keep finished ones."""
        self._stopping.set()

    async def _run(self) -> None:
        from artsim.fetch.download import Downloader

        # a thread for each picture that is being checked, or host that is being looked up
        pool = ThreadPoolExecutor(self._settings.concurrency, thread_name_prefix="artsim-fetch")
        asyncio.get_running_loop().set_default_executor(pool)
        async with Downloader(self._images, self._settings) as downloader:
            fetching = asyncio.ensure_future(self._fetch_all(downloader))
            while not fetching.done():
                await asyncio.wait([fetching], timeout=_TICK_S)
                if self._stopping.is_set():
                    fetching.cancel()
            self._plan.summary.left_why = downloader.hosts.left()
            await fetching

    async def _fetch_all(self, downloader: Downloader) -> None:
        """Fetch host by host, many hosts at a time, so that none waits for another's pause."""
        hosts: dict[str, list[Wanted]] = {}
        for wanted in self._plan.todo:
            hosts.setdefault(host_of(wanted.url), []).append(wanted)
        queues = deque(hosts.values())

        async def fetch_hosts() -> None:
            while queues:
                await self._fetch_host(queues.popleft(), downloader)

        async with asyncio.TaskGroup() as group:
            for _ in range(min(_HOSTS_AT_ONCE, len(queues))):
                group.create_task(fetch_hosts())

    async def _fetch_host(self, wanted: Sequence[Wanted], downloader: Downloader) -> None:
        turns = Turns(wanted)

        async def fetch_some() -> None:
            while (turn := await turns.next()) is not None:
                try:
                    outcome = await downloader.attempt(turn.wanted, turn.attempt)
                except HostLeft:
                    continue
                if isinstance(outcome, Status):
                    self._note(outcome)
                else:
                    turns.put_back(turn, outcome)

        async with asyncio.TaskGroup() as group:
            for _ in range(min(self._settings.per_host, len(wanted))):
                group.create_task(fetch_some())

    def _note(self, status: Status) -> None:
        """Write the picture's line, then give its file the name."""
        before = self._status.rows.get(status.id)
        try:
            self._status.append(status)
            if status.file is not None:
                (self._images / unfinished(status.file)).replace(self._images / status.file)
                if before and before.file not in (None, status.file):  # of another format
                    (self._images / str(before.file)).unlink(missing_ok=True)
        except OSError as error:
            raise cannot_write(self._status.path.parent, error) from error
        self.done += 1
        self.failed += status.file is None
        self._plan.summary.fetched += status.file is not None
        self._plan.summary.bytes += status.file_bytes or 0


def host_of(url: str) -> str:
    """Return the host of an address, '' if it is none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:  # no address at all; it will be refused
        return ""
