"""The indexes of a server by name, reopened after they are embedded again."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from artsim.errors import ArtsimError, ConflictError, SearchError, StoreError
from artsim.index import is_current
from artsim.search import Encoder, IndexEncoder, Opened, SearchBackend, SearchRequest, Term, Works
from artsim.server.duplicates import Duplicates
from artsim.server.priority import give_way
from artsim.server.remembering import RememberingEncoder
from artsim.server.room import Room
from artsim.store import Store, local_index, send_index, update_index

_log = logging.getLogger(__name__)

_Stamp = tuple[int, ...]
Backend = Callable[[Works], SearchBackend]


class Museum:
    """The rooms by name, in the order of their indexes.

    ``encode`` makes the encoder of an index; for ``gpu`` and ``workers`` see `Searcher`.
    ``published`` gives, by name, what makes the backend of an index that a database searches.

    Raises:
        StoreError: If two indexes have the same name, or one is empty.
        SearchError: If what is published is not the index as it is.
    """

    def __init__(
        self,
        stores: Sequence[Store],
        encode: Callable[[Store], Encoder],
        *,
        gpu: int | None = None,
        workers: int = 1,
        published: Mapping[str, Callable[[Store], Backend | None]] | None = None,
    ) -> None:
        self._published = published or {}
        by_name = {store.path.resolve().name: store for store in stores}
        if len(by_name) < len(stores):
            raise StoreError(
                "two indexes have the same name, which addresses cannot distinguish; "
                "rename the folder of one"
            )
        for store in stores:
            if not store.rows:
                raise StoreError(f"{str(store)!r} holds no picture; see 'artsim info'")
        self._encode = encode
        self._gpu = gpu
        self._workers = workers
        self.is_warm = False  # the first queries do not wait for a network
        self._seen: dict[str, _Stamp] = {}  # of the manifests and columns that were read
        self._problems: dict[str, str] = {}  # of indexes in object stores
        self._refreshing = threading.Lock()
        self.rooms = self._open(by_name, {})

    def room(self, name: str) -> Room:
        """Return an index by name.

        Raises:
            StoreError: If there is none.
        """
        if name not in self.rooms:
            raise StoreError(f"no index {name!r}; choose from {', '.join(self.rooms)}")
        return self.rooms[name]

    def saved(self, room: Room) -> None:
        """Show what was written to an index, and send it where that is in an object store.

        Raises:
            StoreError: If it cannot be sent; then it must not be called saved.
        """
        self.refresh()
        try:
            send_index(room.store.path)
        except ConflictError as error:
            local_index(str(room.store))  # what cannot be sent is put aside
            what = str(error).partition(";")[0]
            raise StoreError(f"{what}, and the page shows that in a moment; save again") from error

    def update(self) -> None:
        """Fetch what other machines have sent of the indexes in object stores.

        Where that fails it is logged once, and tried again with the next call.
        """
        for name, room in self.rooms.items():
            problem = ""
            try:
                update_index(room.store.path)
            except (ArtsimError, OSError) as error:
                problem = str(error)
            if problem and problem != self._problems.get(name):
                _log.warning("%s; the index is shown as it was", problem)
            self._problems[name] = problem

    def refresh(self) -> list[str]:
        """Reopen indexes that were embedded again or have new columns, and return their names.

        Queries that are being answered keep the old room; the next ones get the new one.
        """
        with self._refreshing:
            return self._refresh()

    def _refresh(self) -> list[str]:
        try:
            newer = {name: self._newer(name, room.store) for name, room in self.rooms.items()}
            changed = [name for name, store in newer.items() if store is not None]
            if changed:
                stores = {name: newer[name] or room.store for name, room in self.rooms.items()}
                self.rooms = self._open(stores, self.rooms)
        except (ArtsimError, OSError, MemoryError):  # damaged, or being embedded once more
            self._seen.clear()  # to be tried again
            return []
        return changed

    def warm(self) -> None:
        """Load the networks of all rooms, so that the first queries do not wait for it.

        In a thread of its own: it, and those that the networks start, give way to visitors.
        """
        give_way()
        try:
            self._warm(explain=False)
        finally:  # what cannot be loaded is said with each question
            self.is_warm = True
        self._warm_words()
        self._warm(explain=True)  # why pictures match, which needs torch

    def close(self) -> None:
        """End the threads of all rooms."""
        for room in self.rooms.values():
            room.batcher.close()

    def _warm(self, *, explain: bool) -> None:
        for room in list(self.rooms.values()):
            own = room.encoder.own
            if isinstance(own, IndexEncoder):
                own.warm(explain=explain)
            if explain:
                room.verifier.warm()

    def _warm_words(self) -> None:
        """Ask for texts in all rooms that take words.

        The first question embeds those of the background, and their scores for one text are kept.
        """
        terms = Term(text="a picture"), Term(text="a frame", weight=-1)
        request = SearchRequest(terms=terms, k=1)
        for room in list(self.rooms.values()):
            own, passport = room.encoder.own, room.store.manifest.passport
            if isinstance(own, IndexEncoder) and passport.takes_words:
                with suppress(ArtsimError):
                    room.searcher.search(request)

    def _open(self, stores: Mapping[str, Store], before: Mapping[str, Room]) -> dict[str, Room]:
        """Open a room for each index; a network that is loaded is used again."""
        encoders = {}
        for name, store in stores.items():
            old = before.get(name)
            if old is not None and old.store.manifest.passport == store.manifest.passport:
                encoders[name] = old.encoder
            else:
                encoders[name] = RememberingEncoder(self._encode(store))
        # All other rooms may compare by an index; they share one copy of it.
        backends = {name: self._backend(name, store) for name, store in stores.items()}
        opened = {
            name: Opened(store, encoders[name], backend=backends[name])
            for name, store in stores.items()
        }
        return {
            name: Room(
                store,
                encoders[name],
                {other: index for other, index in opened.items() if other != name},
                gpu=self._gpu,
                workers=self._workers,
                backend=backends[name],
                duplicates=self._duplicates(before.get(name), store),
            )
            for name, store in stores.items()
        }

    @staticmethod
    def _duplicates(before: Room | None, store: Store) -> Duplicates | None:
        """Return what is known or being looked for, if the rows are the same."""
        known = None if before is None else before.duplicates
        return known if known and known.fingerprint == store.fingerprint else None

    def _backend(self, name: str, store: Store) -> Backend | None:
        return self._published[name](store) if name in self._published else None

    def _newer(self, name: str, store: Store) -> Store | None:
        """Return the index as it is now, if it has changed and is complete."""
        stamp = _stamp(store.path)
        if stamp is None or stamp == self._seen.get(name):
            return None
        try:
            now = store.reopen()
        except StoreError:
            return None
        taps = now.manifest.passport.taps if now.rows else ()
        # Embed builds the search indexes last, and it is published after that.
        if not now.manifest.complete or not all(is_current(now, tap.name) for tap in taps):
            return None
        try:
            self._backend(name, now)
        except SearchError:
            return None
        self._seen[name] = stamp
        is_same = now.manifest == store.manifest and now.added == store.added
        return None if is_same else now


def _stamp(path: Path) -> _Stamp | None:
    """Return what changes whenever a manifest or a column is written; None without a manifest."""
    try:
        found = (path / "manifest.json").stat()
    except OSError:
        return None
    manifest = (found.st_mtime_ns, found.st_size, found.st_ino)
    with suppress(OSError):  # nothing was added yet
        return (*manifest, (path / "added").stat().st_mtime_ns)
    return manifest
