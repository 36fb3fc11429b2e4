"""The duplicates of an index: found once, when a visitor first wants to see them."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass

from artsim.duplicates import KeptGroups, groups_file, keep_groups, kept_groups
from artsim.errors import ArtsimError, StoreError, shortage_of
from artsim.server.looking import find_apart
from artsim.store import Store

MOST = 100_000  # works of an index that a server itself looks for duplicates in

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SearchState:
    """How far the search for duplicates is."""

    state: str  # "ready", "looking", "none" (nobody has looked), "too many" or "failed"
    step: str = ""
    done: int = 0
    works: int = 0  # of this step
    reason: str = ""  # of a failure


class Duplicates:
    """What is known of the duplicates of an index. Safe to use from several threads.

    They are kept in the index, so that another process and the next start have them; what
    `artsim dupes` found is shown as well. In a read-only index they are kept in memory.
    """

    def __init__(self, store: Store, *, device: str = "cpu") -> None:
        self._store = store
        self._device = device
        self._lock = threading.Lock()
        self._progress = SearchState("too many" if store.rows > MOST else "none")
        self._stamp: tuple[int, int] | None = None
        self._groups: KeptGroups | None = None

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the index that they are of."""
        return self._store.fingerprint

    @property
    def groups(self) -> KeptGroups | None:
        """What was found; None if nobody has looked yet."""
        try:
            found = groups_file(self._store).stat()
        except OSError:
            return self._groups
        stamp = found.st_mtime_ns, found.st_size
        with self._lock:
            if stamp != self._stamp:
                self._stamp, self._groups = stamp, kept_groups(self._store) or self._groups
            return self._groups

    def progress(self) -> SearchState:
        """Say how far the search is."""
        return SearchState("ready") if self.groups is not None else self._progress

    def look(self) -> SearchState:
        """Look for duplicates, unless they are known or being looked for."""
        if self.groups is not None:
            return self.progress()
        with self._lock:
            if self._progress.state in ("none", "failed"):
                self._progress = SearchState("looking")
                threading.Thread(target=self._run, name="artsim-duplicates", daemon=True).start()
        return self.progress()

    def _run(self) -> None:
        try:
            found = find_apart(self._store, self._device, self._report)
            try:
                keep_groups(self._store, found)
            except StoreError as error:
                _log.info("duplicates are kept in memory only: %s", error)
            with self._lock:
                self._groups = self._groups or found
        except (ArtsimError, OSError, MemoryError, RuntimeError) as error:
            _log.warning("duplicates of %s: %s", self._store.path, error)
            short = shortage_of(error)
            reason = f"not enough {short} at the moment" if short else str(error)
            self._progress = SearchState("failed", reason=reason)

    def _report(self, step: str, done: int, works: int) -> None:
        self._progress = SearchState("looking", step, done, works)
