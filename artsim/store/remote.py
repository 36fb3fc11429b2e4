"""Indexes in object stores: a copy on this machine is worked on, and its changes are sent.

FAISS maps its files into memory and commits rename files, which object stores do not offer; so an
index there is the same files, and what reads or writes it works on a copy in the user's cache. Only
what has changed is fetched and sent. The manifest is sent last, so a run that is killed leaves the
index as it was or with more of it, and the copy keeps what was not sent.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

import filelock
from platformdirs import user_cache_path

from artsim.errors import StoreError
from artsim.places import (
    RemotePath,
    as_path,
    ask_object,
    download_object,
    list_objects,
    read_object,
    remove_object,
    upload_object,
    write_object,
)
from artsim.store.checksums import sealed, unsealed
from artsim.store.files import is_store, write_whole
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
_EVERY_S = 60.0  # that an index is sent while it grows


class _File(NamedTuple):
    """A file as it was when it was the same here and there."""

    size: int
    mtime_ns: int  # here
    identity: str  # there


@dataclass
class _Note:
    """What is known of a copy; kept beside it."""

    files: dict[str, _File] = field(default_factory=dict)
    manifests: list[str] = field(default_factory=list)  # sha256 of those that are from here
    is_fetching: bool = False  # what differs here is not newer


class RemoteIndex:
    """An index in an object store, and its copy on this machine."""

    def __init__(self, address: RemotePath) -> None:
        self.address = str(address)
        key = hashlib.sha256(self.address.encode()).hexdigest()[:16]
        self._place = user_cache_path("artsim") / "indexes" / key
        self.folder = self._place / (address.name or "index")
        self._noting = threading.Lock()
        self._note = self._read_note() if is_store(self.folder) else _Note()

    def fetch(self, *, is_new: bool = False) -> Path:
        """Bring the copy up to date and return its folder; changes that are not sent are kept.

        Args:
            is_new: There may be no index yet.

        Raises:
            StoreError: If there is none, it cannot be read, or has changed both here and there.
        """
        with self._alone("read"):
            there = self._list()
            if MANIFEST not in there:
                if not is_new and (self._note.manifests or not is_store(self.folder)):
                    raise StoreError(
                        f"no index at {self.address!r}; make one with 'artsim embed COLLECTION "
                        f"-o {self.address}'"
                    )
                self._place.mkdir(parents=True, exist_ok=True)
            elif self._changed():
                self._check_manifest()
            else:
                self._fetch(there)
        return self.folder

    def send(self) -> int:
        """Send what has changed in the copy, the manifest last; return how many files.

        Raises:
            StoreError: If the store cannot be written, or the index has changed there.
        """
        with self._alone("write"):
            if not self._changed():
                return 0
            manifest = (self.folder / MANIFEST).read_bytes()
            if self._check_manifest() is None:
                self._note.files.clear()
            self._note.manifests.append(_sha256(manifest))
            self._keep_note()
            changed = self._changed()
            first = changed - {MANIFEST, COPY}
            self._each(sorted(first), self._send_one)
            if COPY in changed:
                self._send_one(COPY)
            self._send_manifest(manifest)
            self._remove_there(manifest)
            self._note.manifests = [_sha256(manifest)]
            self._keep_note()
            return len(first) + 1

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Send the index every minute while it grows, and at the end unless there is an error."""
        end = threading.Event()

        def send() -> None:
            while not end.wait(_EVERY_S):
                with suppress(StoreError):  # it is sent at the end, or the error shown
                    self.send()

        thread = threading.Thread(target=send, name="artsim-sending", daemon=True)
        thread.start()
        try:
            yield
        finally:
            end.set()
            thread.join()
        self.send()

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
                status, known = file.stat(), self._note.files.get(name)
                if known is None or known[:2] != (status.st_size, status.st_mtime_ns):
                    changed.add(name)
        return changed

    def _check_manifest(self) -> str | None:
        """Return the sha256 of the manifest there, which this machine knows; None without one."""
        try:
            found = _sha256(read_object(f"{self.address}/{MANIFEST}"))
        except FileNotFoundError:
            return None
        if found not in self._note.manifests:
            raise StoreError(
                f"{self.address} was changed by another machine, and its copy here, "
                f"{str(self.folder)!r}, has changes that were not sent; remove "
                f"{str(self._place)!r} to give these up, and run the command again"
            )
        return found

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
        self._keep_note()
        last = [name for name in (COPY, MANIFEST) if name in wanted]
        self._each(sorted(wanted.difference(last)), lambda name: self._fetch_one(name, there))
        for name in last:
            self._fetch_one(name, there)
        for name in gone:
            (self.folder / name).unlink(missing_ok=True)
            del known[name]
        self._note.manifests = [_sha256((self.folder / MANIFEST).read_bytes())]
        self._note.is_fetching = False
        self._keep_note()

    def _fetch_one(self, name: str, there: dict[str, str]) -> None:
        file = self.folder / _safe(name)
        file.parent.mkdir(parents=True, exist_ok=True)
        new = file.with_name(f".{file.name}.fetched.tmp")
        download_object(f"{self.address}/{name}", new)
        new.replace(file)
        self._know(name, there[name])

    # --- here to there ------------------------------------------------------------------

    def _send_one(self, name: str) -> None:
        address, file = f"{self.address}/{name}", self.folder / name
        with suppress(FileNotFoundError):  # a part that an update has replaced, or a removed file
            upload_object(file, address)
            entry = ask_object(address)
            self._know(name, entry.identity if entry else "")

    def _send_manifest(self, data: bytes) -> None:
        address = f"{self.address}/{MANIFEST}"
        write_object(data, address)
        entry = ask_object(address)
        if (self.folder / MANIFEST).read_bytes() == data:  # else it has grown meanwhile
            self._know(MANIFEST, entry.identity if entry else "")

    def _remove_there(self, manifest: bytes) -> None:
        """Remove what was sent or fetched and is no longer part of the index."""
        listed = {f"parts/{part['file']}" for part in json.loads(manifest)["parts"]}
        for name in self._note.files.keys() - self._here().keys() - listed:
            remove_object(f"{self.address}/{name}")
            del self._note.files[name]

    # --- both ---------------------------------------------------------------------------

    def _each(self, names: Iterable[str], work: Callable[[str], None]) -> None:
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="artsim-index") as pool:
            for number, _ in enumerate(pool.map(work, names), 1):
                if number % _NOTED == 0:
                    self._keep_note()

    def _know(self, name: str, identity: str) -> None:
        status = (self.folder / name).stat()
        with self._noting:
            self._note.files[name] = _File(status.st_size, status.st_mtime_ns, identity)

    @contextmanager
    def _alone(self, what: str) -> Iterator[None]:
        """Keep other processes from the copy; an error of the store is a StoreError."""
        try:
            self._place.mkdir(parents=True, exist_ok=True)
            with filelock.FileLock(self._place / "lock"):
                yield
        except OSError as error:
            raise StoreError(
                f"cannot {what} {self.address}: {error.strerror or error}; what is finished is "
                "safe: run the same command again"
            ) from error

    def _read_note(self) -> _Note:
        with suppress(OSError, ValueError, TypeError):  # without one all is fetched again
            values = unsealed((self._place / "note.json").read_text(encoding="utf-8"))
            files = {name: _File(*found) for name, found in values.pop("files").items()}
            return _Note(files=files, **values)
        return _Note(is_fetching=True)

    def _keep_note(self) -> None:
        with self._noting:
            data = sealed(asdict(self._note))
        write_whole(self._place / "note.json", lambda stream: stream.write(data))


def local_index(path: str | Path) -> Path:
    """Return the folder of an index; of one in an object store, its copy, brought up to date.

    Raises:
        StoreError: If there is none in the store, or it cannot be read.
        PlaceError: If the address is wrong, or a package is missing.
    """
    place = as_path(path)
    return RemoteIndex(place).fetch() if isinstance(place, RemotePath) else place


@contextmanager
def index_to_write(path: Path) -> Iterator[Path]:
    """Give the folder of an index that may be new; that of one in an object store is sent.

    Raises:
        StoreError: If the store cannot be read or written, or the index has changed there.
    """
    if not isinstance(path, RemotePath):
        yield path
        return
    remote = RemoteIndex(path)
    folder = remote.fetch(is_new=True)
    with remote.sending():
        yield folder


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
