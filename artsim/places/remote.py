"""Paths in object stores, which the rest of artsim uses as any other.

A collection is listed once, when it is read: what is asked of its files later needs no request.
"""

from __future__ import annotations

import errno
import io
import os
import posixpath
import stat
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol, Self

from artsim.errors import PlaceError
from artsim.places.objects import FOLDER, KINDS, Entry, ask_object, list_objects, read_object

if TYPE_CHECKING:
    _Base = Path
else:
    _Base = type(Path())

_BLOCK = 2**20  # bytes that are read at a time of a file that is read here and there
_MOST_ASKED = 2**16  # answers about single files that are kept
_STARTS = tuple(f"{kind}:/" for kind in KINDS)
_PARTS = tuple(f"{kind}:" for kind in KINDS)

_lock = threading.Lock()
_listed: set[str] = set()  # folders of which everything below is known
_folders: dict[str, dict[str, Entry]] = {}  # what is in them by name
_asked: dict[str, Entry | None] = {}


class RemotePath(_Base):
    """A path in an object store; as text it is the address, ``s3://bucket/folder/a.jpg``."""

    def __str__(self) -> str:
        """Return the address."""
        text = super().__str__().replace(os.sep, "/")
        return text.replace(":/", "://", 1) if self.parts[:1] and self.parts[0] in _PARTS else text

    def __fspath__(self) -> str:
        """Return the address, which no file of this machine has."""
        return str(self)

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        """Return size and time; a folder has a number of its own."""
        address = str(self)
        entry = _entry(address)
        if entry is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), address)
        mode = stat.S_IFDIR | 0o555 if entry.is_folder else stat.S_IFREG | 0o444
        number = hash(address) & (2**62 - 1) if entry.is_folder else 0
        values = (mode, number, 0, 1, 0, 0, entry.size, 0, 0, 0)
        return os.stat_result(values, {"st_mtime_ns": entry.mtime_ns})

    def exists(self, *, follow_symlinks: bool = True) -> bool:
        """Return whether there is a file or folder."""
        return _entry(str(self)) is not None

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        """Return whether there is a file."""
        entry = _entry(str(self))
        return entry is not None and not entry.is_folder

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        """Return whether there is a folder."""
        return _entry(str(self)) == FOLDER

    def is_symlink(self) -> bool:
        """Return that it is none."""
        return False

    def iterdir(self) -> Generator[Self, None, None]:
        """Yield what is in the folder."""
        for name in _names(str(self)):
            yield self / name

    def glob(self, pattern: str) -> Generator[Self, None, None]:
        """Yield what fits a pattern of names with * and ?, in order."""
        first, _, rest = pattern.partition("/")
        for each in sorted(self.iterdir()):
            if not fnmatchcase(each.name, first):
                continue
            if not rest:
                yield each
            elif each.is_dir():
                yield from each.glob(rest)

    def absolute(self) -> Self:
        """Return the path itself."""
        return self

    def resolve(self, strict: bool = False) -> Self:
        """Return the path without '..'; nothing is above a bucket."""
        start, bucket, *rest = self.parts
        return type(self)(f"{start}/{bucket}{posixpath.normpath('/'.join(('', *rest)))}")

    def open(  # type: ignore[override]  # Path has an overload for each mode
        self, mode: str = "r", buffering: int = -1, *args: Any, **kwargs: Any
    ) -> IO[Any]:
        """Open the file to read, by ranges."""
        stream = io.BufferedReader(_Ranges(self), _BLOCK)
        return stream if "b" in mode else io.TextIOWrapper(stream, *args, **kwargs)

    def read_bytes(self) -> bytes:
        """Read the file whole."""
        return read_object(str(self))


class FolderEntry(Protocol):
    """What `os.DirEntry` has of a file or folder in a folder."""

    @property
    def name(self) -> str:
        """Its name in the folder."""
        ...

    @property
    def path(self) -> str:
        """Its path."""
        ...

    def is_dir(self) -> bool:
        """Return whether it is a folder."""
        ...

    def is_file(self) -> bool:
        """Return whether it is a file."""
        ...

    def is_symlink(self) -> bool:
        """Return whether it is a link."""
        ...

    def stat(self) -> os.stat_result:
        """Return its status."""
        ...


class _RemoteEntry:
    def __init__(self, path: RemotePath) -> None:
        self.name, self.path = path.name, str(path)
        self.is_dir, self.is_file, self.stat = path.is_dir, path.is_file, path.stat
        self.is_symlink = path.is_symlink


class _Ranges(io.RawIOBase):
    """A file read by ranges; nothing is asked before the first."""

    def __init__(self, path: RemotePath) -> None:
        self._path, self._place = path, 0

    @cached_property
    def _size(self) -> int:
        return self._path.stat().st_size

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence == os.SEEK_CUR:
            offset += self._place
        elif whence == os.SEEK_END:
            offset += self._size
        self._place = max(0, offset)
        return self._place

    def readinto(self, buffer: Any) -> int:
        end = min(self._place + len(buffer), self._size)
        data = read_object(str(self._path), self._place, end) if end > self._place else b""
        buffer[: len(data)] = data
        self._place += len(data)
        return len(data)

    def readall(self) -> bytes:
        if self._place and self._place >= self._size:
            return b""
        data = read_object(str(self._path), self._place or None)
        self._place += len(data)
        return data


def is_remote(path: str | Path) -> bool:
    """Return whether a path or its text is in an object store."""
    if isinstance(path, str):  # there may be millions
        return path.startswith(_STARTS)
    return isinstance(path, RemotePath) or os.fspath(path).startswith(_STARTS)


def as_path(path: str | Path) -> Path:
    """Return a path, in an object store or not.

    Raises:
        PlaceError: If an address names no bucket, or contains a password.
    """
    if isinstance(path, RemotePath) or not is_remote(path):
        return Path(path) if isinstance(path, str) else path
    remote = RemotePath(path)
    if len(remote.parts) < 2:
        raise PlaceError(f"'{path}' names no bucket; give an address such as s3://bucket/folder")
    if ":" in remote.parts[1]:
        raise PlaceError(
            f"the address of {remote.parts[-1]!r} contains a password; give credentials by the "
            "environment, as the tools of the store read them"
        )
    return remote


def list_below(path: Path) -> None:
    """List what is below a folder of a store once more; of other paths nothing is done.

    Raises:
        OSError: If it cannot be listed.
        PlaceError: If a package is missing.
    """
    if not isinstance(path, RemotePath):
        return
    address = str(path)
    found = list_objects(address)
    with _lock:
        below = f"{address}/"
        for known in [each for each in _folders if f"{each}/".startswith(below)]:
            del _folders[known]
        _asked.clear()
        _listed.add(address)
        _asked.update((file, entry) for file, entry in found.items() if file == address)
        for file in found.keys() - {address}:
            _put(file, found[file], address)


def _put(file: str, entry: Entry, top: str) -> None:
    folder, _, name = file.rpartition("/")
    known = folder in _folders
    _folders.setdefault(folder, {})[name] = entry
    if not known and len(folder) > len(top):
        _put(folder, FOLDER, top)


@contextmanager
def scan(folder: Path) -> Iterator[Iterator[FolderEntry]]:
    """Iterate over a folder as `os.scandir` does, of a store too."""
    if isinstance(folder, RemotePath):
        yield map(_RemoteEntry, folder.iterdir())
        return
    with os.scandir(folder) as entries:
        yield entries


def real_path(path: str | Path) -> Path:
    """Return a path with links followed, as `os.path.realpath` does; a store has none."""
    found = as_path(path)
    return found.resolve() if isinstance(found, RemotePath) else Path(os.path.realpath(found))


def _entry(address: str) -> Entry | None:
    folder, _, name = address.rpartition("/")
    if address in _folders:
        return FOLDER
    if address in _asked:
        return _asked[address]
    if _is_listed(folder):
        return _folders.get(folder, {}).get(name)
    entry = ask_object(address)
    with _lock:
        if len(_asked) >= _MOST_ASKED:
            _asked.clear()
        _asked[address] = entry
    return entry


def _names(address: str) -> list[str]:
    if not _is_listed(address):
        list_below(RemotePath(address))
    if address not in _folders:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), address)
    return list(_folders[address])


def _is_listed(address: str) -> bool:
    while len(address) > len("s3://"):
        if address in _listed:
            return True
        address = address.rpartition("/")[0]
    return False
