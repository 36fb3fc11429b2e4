"""Members of a tar, found by an index of their offsets."""

from __future__ import annotations

import errno
import posixpath
import tarfile
from pathlib import Path
from typing import IO, NamedTuple

import pyarrow as pa

from artsim.datatypes import PICTURE_SUFFIXES
from artsim.places.objects import read_object
from artsim.places.remembered import remembered
from artsim.places.remote import is_remote

_GZIP = b"\x1f\x8b"
_MOST = 2**31  # bytes of a member that is read
_SMALL = 2**16  # bytes of a member that is kept with the index of a tar in a store
_SCHEMA = pa.schema(
    [("name", pa.string()), ("offset", pa.int64()), ("size", pa.int64()), ("data", pa.binary())]
)


class _Member(NamedTuple):
    offset: int
    size: int
    data: bytes | None = None


class Tar:
    """A tar: its headers are read once, then every member by its offset.

    ``members`` are the regular files in it by name, in the order of the tar; ``fault`` says why the
    rest of it cannot be read, if it is cut off.

    Raises:
        OSError: If it is no tar.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        index = remembered(file, "tar", self._index)
        rows = zip(*(column.to_pylist() for column in index.columns), strict=True)
        self.members = {name: _Member(*found) for name, *found in rows}
        self.fault = (index.schema.metadata or {}).get(b"fault", b"").decode()

    def has(self, member: str) -> bool:
        """Return whether there is a regular file of this name."""
        return member in self.members

    def size(self, member: str) -> int:
        """Return the bytes of a member."""
        return self._place(member).size

    def read(self, member: str) -> bytes:
        """Read a member whole."""
        offset, size, data = self._place(member)
        if data is not None:
            return data
        if size > _MOST:
            raise OSError(errno.EFBIG, f"{size:,} bytes are too many", f"{self.file}/{member}")
        data = _read(self.file, offset, size)
        if len(data) < size:
            raise OSError(errno.EIO, "the tar ends within it", f"{self.file}/{member}")
        return data

    def _index(self) -> pa.Table:
        """List the members; of a tar in a store the texts are read on the way."""
        members: dict[str, _Member] = {}
        fault = ""
        with self.file.open("rb") as stream:
            try:
                with tarfile.open(fileobj=stream, mode="r:") as tar:
                    fault = self._list(tar, stream, members)
            except tarfile.TarError as error:
                stream.seek(0)
                packed = stream.read(2) == _GZIP
                reason = "is compressed; unpack it with gunzip" if packed else f"is no tar: {error}"
                raise OSError(errno.EINVAL, reason, str(self.file)) from error
        rows = [(name, *member) for name, member in members.items()]
        columns = zip(*rows, strict=True) if rows else ([] for _ in _SCHEMA)
        arrays = [pa.array(each, field.type) for each, field in zip(columns, _SCHEMA, strict=True)]
        return pa.table(arrays, schema=_SCHEMA.with_metadata({"fault": fault} if fault else {}))

    def _list(self, tar: tarfile.TarFile, stream: IO[bytes], members: dict[str, _Member]) -> str:
        """Fill ``members``; return why the rest cannot be read."""
        try:
            while (member := tar.next()) is not None:
                tar.members = []  # type: ignore[attr-defined]  # it would keep them all
                if member.isreg() and not member.issparse():
                    name = posixpath.normpath(member.name).lstrip("/")
                    data = None
                    if is_remote(self.file) and _is_small_text(name, member.size):
                        stream.seek(member.offset_data)
                        data = stream.read(member.size)
                    members[name] = _Member(member.offset_data, member.size, data)
        except tarfile.TarError as error:
            return f"{error} after {len(members):,} members"
        return ""

    def _place(self, member: str) -> _Member:
        if member not in self.members:
            raise FileNotFoundError(errno.ENOENT, "no such member", f"{self.file}/{member}")
        return self.members[member]


def _is_small_text(name: str, size: int) -> bool:
    return size <= _SMALL and name.rpartition(".")[2].lower() not in PICTURE_SUFFIXES


def _read(file: Path, offset: int, size: int) -> bytes:
    if is_remote(file):
        return read_object(str(file), offset, offset + size)
    with file.open("rb") as stream:
        stream.seek(offset)
        return stream.read(size)
