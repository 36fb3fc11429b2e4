"""Indexes in object stores: a copy on this machine is worked on, and its changes are sent.

FAISS maps its files into memory and commits rename files, which object stores do not offer; so an
index there is the same files, and what reads or writes it works on a copy in the user's cache. Only
what has changed is fetched and sent. The manifest is sent last, so a run that is killed leaves the
index as it was or with more of it, and the copy keeps what was not sent.
"""

from __future__ import annotations

import hashlib
import json
import logging
import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from fnmatch import fnmatchcase
from pathlib import Path

import filelock
from platformdirs import user_cache_path

from artsim.datatypes import name_copy, shell_word
from artsim.errors import ConflictError, StoreError
from artsim.places import (
    RemotePath,
    ask_object,
    download_object,
    list_objects,
    read_object,
    remove_object,
    upload_object,
    write_object_if,
)
from artsim.store.checksums import sha256_of
from artsim.store.copynote import CopyNote
from artsim.store.files import is_store, lock_index, write_whole
from artsim.store.lease import lease
from artsim.store.manifest import COPY, MANIFEST

# What each machine computes for itself, or knows only of itself.
_OWN = (
    "staging/*",
    "thumbnails/*",
    "*.pairs.json",
    "*.tiles.*",
    "hashes.parquet",
    "duplicates.parquet",
    "published.json",
)
_AT_ONCE = 16  # files that are fetched or sent
_NOTED = 32  # files that are fetched or sent between two notes

_log = logging.getLogger(__name__)


class RemoteIndex:
    """An index in an object store, and its copy on this machine."""

    def __init__(self, address: RemotePath) -> None:
        self.address = str(address)
        key = hashlib.sha256(self.address.encode()).hexdigest()[:16]
        self._place = user_cache_path("artsim") / "indexes" / key
        self.folder = self._place / (address.name or "index")
        name_copy(self.folder, self.address)
        self._note = self._read_note()

    def fetch(self, *, is_new: bool = False) -> Path:
        """Bring the copy up to date and return its folder; changes that are not sent are kept.

        Args:
            is_new: There may be no index yet.

        Raises:
            StoreError: If there is none, it cannot be read, or has changed both here and there.
        """
        with self._alone("read"):
            self._drop_damaged()
            there = self._list()
            if MANIFEST not in there:
                if not is_new and (self._note.own or not is_store(self.folder)):
                    raise StoreError(
                        f"no index at {self.address!r}; make one with 'artsim embed COLLECTION "
                        f"-o {shell_word(self.address)}'"
                    )
                self._note.is_fetching = False
                self._note.keep(self._place)
            elif not self._changed():
                self._fetch(there)
            elif self._is_elsewhere(there):
                self._set_aside()
                self._fetch(there)
        return self.folder

    def update(self) -> None:
        """Fetch what another machine has sent, while the copy is read; not over changes of its own.

        Raises:
            StoreError: If the store cannot be read, or the copy is being written.
        """
        if self._list() == {name: known.identity for name, known in self._note.files.items()}:
            return
        with lock_index(self.folder), self._alone("read"):
            there = self._list()
            if MANIFEST in there and not self._changed():
                self._fetch(there)

    def send(self) -> int:
        """Send what has changed in the copy, the manifest last; return how many files.

        Raises:
            StoreError: If the store cannot be written, or the index has changed there.
        """
        with self._alone("write"):
            self._drop_damaged()
            if not self._changed():
                return 0
            with lease(self.address, self._owner) as check:
                return self._send(check)

    def _send(self, check: Callable[[], None]) -> int:
        manifest = (self.folder / MANIFEST).read_bytes()
        there = self._list()
        if self._is_elsewhere(there):
            raise self._conflict()
        if MANIFEST not in there:
            self._note.files.clear()
        changed = self._changed()
        first = changed - {MANIFEST, COPY}
        own = [self.folder / name for name in changed if not name.startswith("parts/")]
        self._note.own += [sha256_of(file) for file in own if file.is_file()]
        self._note.own.append(_sha256(manifest))
        self._note.keep(self._place)

        def send_one(name: str) -> None:
            check()
            self._send_one(name)

        self._each(sorted(first), send_one)
        if COPY in changed:
            send_one(COPY)
        check()
        self._send_manifest(manifest, there.get(MANIFEST))
        self._remove_there(manifest, there)
        self._note.own = [_sha256(manifest)]
        self._note.keep(self._place)
        return len(first) + 1

    # --- what differs -------------------------------------------------------------------

    def _list(self) -> dict[str, str]:
        """List the files there: their identity by their path in the index."""
        start = len(self.address) + 1
        found = {file[start:]: entry.identity for file, entry in list_objects(self.address).items()}
        return {name: identity for name, identity in found.items() if _is_sent(name)}

    def _here(self) -> dict[str, Path]:
        files = (file for file in self.folder.rglob("*") if file.is_file())
        named = ((file.relative_to(self.folder).as_posix(), file) for file in files)
        return {name: file for name, file in named if _is_sent(name)}

    def _changed(self) -> set[str]:
        """Return the files that are not as they were fetched or sent, or that are gone."""
        if self._note.is_fetching or not is_store(self.folder):
            return set()
        here = self._here()
        changed = self._note.files.keys() - here.keys()
        changed = {name for name in changed if not name.startswith("parts/")}
        for name, file in here.items():
            with suppress(FileNotFoundError):  # a part that an update has replaced
                if self._note.differs(name, file):
                    changed.add(name)
        return changed

    def _drop_damaged(self) -> None:
        """Remove parts that are damaged here: they are fetched again, and never sent."""
        if self._note.is_fetching or not is_store(self.folder):
            return
        with suppress(OSError, ValueError, KeyError, TypeError):  # a damaged manifest is not ours
            for part in json.loads((self.folder / MANIFEST).read_bytes())["parts"]:
                name = f"parts/{part['file']}"
                file = self.folder / name
                if name not in self._note.files or not file.is_file():
                    continue
                if self._note.differs(name, file) and sha256_of(file) != part["sha256"]:
                    file.unlink()

    def _is_elsewhere(self, there: dict[str, str]) -> bool:
        """Return whether another machine has written what has changed here, or the manifest."""
        if MANIFEST not in there:
            return False
        # A part that the manifest does not list is of a run that was killed.
        names = (name for name in self._changed() | {MANIFEST} if not name.startswith("parts/"))
        return not all(self._is_own(name, there.get(name)) for name in names)

    def _is_own(self, name: str, identity: str | None) -> bool:
        known = self._note.files.get(name)
        if identity is None or (known and known.identity == identity):
            return identity is not None or known is None
        with suppress(FileNotFoundError):  # it may have been sent by a run that was killed then
            return _sha256(read_object(f"{self.address}/{name}")) in self._note.own
        return True

    def _conflict(self) -> ConflictError:
        when = ""
        with suppress(OSError, ValueError, KeyError, TypeError):
            when = f" at {json.loads(read_object(f'{self.address}/{MANIFEST}'))['updated']}"
        return ConflictError(f"another run wrote to {self.address}{when}; run the command again")

    def _set_aside(self) -> None:
        """Keep the copy, whose changes cannot be sent, and begin a new one."""
        kept = self.folder.with_name(f"{self.folder.name}.{time.strftime('%Y%m%d-%H%M%S')}")
        self.folder.rename(kept)
        self._note = CopyNote()
        self._note.keep(self._place)
        _log.warning(
            "%s has changed in the store since this machine changed its copy; that copy is kept in "
            "%s, and work goes on with the index as it is in the store",
            self.address,
            kept,
        )

    # --- there to here ------------------------------------------------------------------

    def _fetch(self, there: dict[str, str]) -> None:
        known = self._note.files
        wanted = {
            name
            for name, identity in there.items()
            if name not in known
            or known[name].identity != identity
            or not (self.folder / name).is_file()
        }
        gone = known.keys() - there.keys()
        if not wanted and not gone:
            return
        self._note.is_fetching = True
        self._note.keep(self._place)
        (self.folder / "parts").mkdir(parents=True, exist_ok=True)  # there may be none yet
        last = [name for name in (COPY, MANIFEST) if name in wanted]
        self._each(sorted(wanted.difference(last)), lambda name: self._fetch_one(name, there))
        for name in last:
            self._fetch_one(name, there)
        for name in gone:
            (self.folder / name).unlink(missing_ok=True)
            del known[name]
        self._note.own = [_sha256((self.folder / MANIFEST).read_bytes())]
        self._note.is_fetching = False
        self._note.keep(self._place)

    def _fetch_one(self, name: str, there: dict[str, str]) -> None:
        file = self.folder / _safe(name)
        file.parent.mkdir(parents=True, exist_ok=True)
        new = file.with_name(f".{file.name}.fetched.tmp")
        download_object(f"{self.address}/{name}", new)
        new.replace(file)
        self._note.know(name, self.folder / name, there[name])

    # --- here to there ------------------------------------------------------------------

    def _send_one(self, name: str) -> None:
        address, file = f"{self.address}/{name}", self.folder / name
        with suppress(FileNotFoundError):  # a part that an update has replaced, or a removed file
            upload_object(file, address)
            entry = ask_object(address)
            self._note.know(name, self.folder / name, entry.identity if entry else "")

    def _send_manifest(self, data: bytes, before: str | None) -> None:
        identity = write_object_if(data, f"{self.address}/{MANIFEST}", before)
        if identity is None:
            raise self._conflict()
        if (self.folder / MANIFEST).read_bytes() == data:  # else it has grown meanwhile
            self._note.know(MANIFEST, self.folder / MANIFEST, identity)

    def _remove_there(self, manifest: bytes, there: dict[str, str]) -> None:
        """Remove what was sent or fetched and is no longer part of the index."""
        listed = {f"parts/{part['file']}" for part in json.loads(manifest)["parts"]}
        for name in self._note.files.keys() - self._here().keys() - listed:
            if there.get(name) == self._note.files[name].identity:
                remove_object(f"{self.address}/{name}")
            del self._note.files[name]

    # --- both ---------------------------------------------------------------------------

    def _each(self, names: Iterable[str], work: Callable[[str], None]) -> None:
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="artsim-index") as pool:
            for number, _ in enumerate(pool.map(work, names), 1):
                if number % _NOTED == 0:
                    self._note.keep(self._place)

    def _read_note(self) -> CopyNote:
        return CopyNote.read(self._place) if is_store(self.folder) else CopyNote()

    @property
    def _owner(self) -> str:
        """A text that only this copy has."""
        file = self._place / "owner"
        with suppress(FileNotFoundError):
            return file.read_text(encoding="utf-8")
        owner = secrets.token_hex(8)
        write_whole(file, lambda stream: stream.write(owner.encode()))
        return owner

    @contextmanager
    def _alone(self, what: str) -> Iterator[None]:
        """Keep other processes from the copy; an error of the store is a StoreError."""
        try:
            self._place.mkdir(parents=True, exist_ok=True)
            with filelock.FileLock(self._place / "lock"):
                self._note = self._read_note()  # another process may have written it
                yield
        except OSError as error:
            raise StoreError(
                f"cannot {what} {self.address}: {error.strerror or error}; what is finished is "
                "safe: run the same command again"
            ) from error


def _is_sent(name: str) -> bool:
    hidden = any(part.startswith(".") for part in name.split("/"))
    return not hidden and not any(fnmatchcase(name, pattern) for pattern in _OWN)


def _safe(name: str) -> str:
    """Refuse a name that would leave the folder; a store may have any."""
    if name.startswith("/") or ".." in name.split("/") or "\\" in name:
        raise StoreError(f"the index contains a file named {name!r}, which is not of an index")
    return name


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
