"""Matches for a detail, ranked again by where their parts lie: in a thread that gives way."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from artsim.errors import ArtsimError, ResourcesError, shortage_of
from artsim.report import is_url
from artsim.search import IndexEncoder, SearchAnswer, Works
from artsim.server.priority import give_way
from artsim.server.remembering import RememberingEncoder

if TYPE_CHECKING:
    from artsim.motifs import MotifFinder

MOST = 100  # matches of a query: some 10 s on a core
_WAITING = 16  # queries, at most
_ANSWERS = 32  # that are remembered
_CELLS = 256  # works whose cells are in memory, of half a MB each
_PATIENCE = 20.0  # seconds after which a query that no visitor asks for any more is given up

_log = logging.getLogger(__name__)


@dataclass
class Verification:
    """How far the matches of a query are checked."""

    answer: SearchAnswer
    pictures: Sequence[bytes | None]  # of its queries, where they are not works
    state: str = "looking"  # or "ready" or "failed"
    done: int = 0
    reason: str = ""  # of a failure
    asked: float = field(default_factory=time.monotonic)  # when a visitor last did

    @property
    def works(self) -> int:
        """How many are checked."""
        return len(self.answer.matches)


class Verifier:
    """Checks the matches of queries one after another. Safe to use from several threads."""

    def __init__(self, works: Works, encoder: RememberingEncoder) -> None:
        self._works = works
        self._encoder = encoder
        self._lock = threading.Lock()
        self._known: OrderedDict[str, Verification] = OrderedDict()
        self._waiting: list[Verification] = []
        self._is_running = False
        self._can_match: bool | None = None  # the network has a feature map; None: not tried yet

    @cached_property
    def _has_parts(self) -> bool:
        """Whether the index has tiles, and pictures and a network that can be compared."""
        store, own = self._works.store, self._encoder.own
        if not (store.manifest.tiles and store.rows and isinstance(own, IndexEncoder)):
            return False
        ((_, image, _),) = self._works.known([0])
        return not store.manifest.passport.is_external and image is not None and not is_url(image)

    @property
    def is_possible(self) -> bool:
        """Whether matches can be checked, as far as is known before the network is loaded."""
        return self._has_parts and self._can_match is not False

    def warm(self) -> None:
        """Learn whether the network can do it."""
        if not self._has_parts:
            return
        from artsim.motifs import FeatureMaps

        own = self._encoder.own
        assert isinstance(own, IndexEncoder)
        try:
            FeatureMaps(own.by_torch, computing=own.computing).cells(
                np.zeros((64, 64, 3), np.uint8)
            )
        except ArtsimError as error:
            _log.info("details of %s cannot be checked: %s", self._works.store.path, error)
            self._can_match = False

    def find(self, key: str) -> Verification | None:
        """Return what is known of a query; None if nobody has asked for it."""
        with self._lock:
            found = self._known.get(key)
            if found is None:
                return None
            found.asked = time.monotonic()
            if found.state == "failed":
                del self._known[key]  # the next visitor may have more luck
            else:
                self._known.move_to_end(key)
            return found

    def start(
        self, key: str, answer: SearchAnswer, pictures: Sequence[bytes | None]
    ) -> Verification:
        """Check the matches of an answer when it is its turn.

        Raises:
            ResourcesError: If too many wait.
        """
        with self._lock:
            if key in self._known:
                return self._known[key]
            if len(self._waiting) >= _WAITING:
                raise ResourcesError("too many searches are being checked; try again")
            job = self._known[key] = Verification(answer, pictures)
            while len(self._known) > _ANSWERS:
                self._known.popitem(last=False)
            self._waiting.append(job)
            if not self._is_running:
                self._is_running = True
                threading.Thread(target=self._run, name="artsim-verify", daemon=True).start()
            return job

    def _run(self) -> None:
        give_way()
        while True:
            with self._lock:
                if not self._waiting:
                    self._is_running = False
                    return
                job = self._waiting.pop(0)
            try:
                job.answer = self._verified(job)
                job.state = "ready"
            except _LeftError:
                self._forget(job)
            except (ArtsimError, OSError, MemoryError, RuntimeError) as error:
                _log.warning("details in %s: %s", self._works.store.path, error)
                short = shortage_of(error)
                job.reason = f"not enough {short} at the moment" if short else str(error)
                job.state = "failed"
            job.pictures = ()  # uploads are large

    def _verified(self, job: Verification) -> SearchAnswer:
        from artsim.motifs import verify_matches

        def report(done: int, _: int, __: int) -> None:
            job.done = done
            if time.monotonic() - job.asked > _PATIENCE:
                raise _LeftError

        report(0, 0, 0)
        return verify_matches(
            job.answer,
            self._finder,
            self._works,
            job.works,
            pictures=job.pictures,
            progress=report,
        )

    @cached_property
    def _finder(self) -> MotifFinder:
        """Made by the thread that checks, at the first query."""
        from artsim.motifs import MotifFinder

        own = self._encoder.own
        assert isinstance(own, IndexEncoder)
        return MotifFinder(self._works.store, own.by_torch, computing=own.computing, kept=_CELLS)

    def _forget(self, job: Verification) -> None:
        with self._lock:
            for key in [key for key, each in self._known.items() if each is job]:
                del self._known[key]


class _LeftError(Exception):
    """No visitor waits any more."""
