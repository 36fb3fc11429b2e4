"""Members of a tar, found by an index of their offsets."""

from __future__ import annotations

import errno
import posixpath
import tarfile
from pathlib import Path

_GZIP = b"\x1f\x8b"
_MOST = 2**31  # bytes of a member that is read


class Tar:
    """A tar: its headers are read once, then every member by its offset.

    ``members`` are the offset and size of every regular file in it by name, in the order of the
    tar; ``fault`` says why the rest of it cannot be read, if it is cut off.

    Raises:
        OSError: If it is no tar.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.members: dict[str, tuple[int, int]] = {}
        self.fault = ""
        try:
            with tarfile.open(file, "r:") as tar:
                self._index(tar)
        except tarfile.TarError as error:
            with file.open("rb") as stream:
                packed = stream.read(2) == _GZIP
            reason = "is compressed; unpack it with gunzip" if packed else f"is no tar: {error}"
            raise OSError(errno.EINVAL, reason, str(file)) from error

    def has(self, member: str) -> bool:
        """Return whether there is a regular file of this name."""
        return member in self.members

    def size(self, member: str) -> int:
        """Return the bytes of a member."""
        return self._place(member)[1]

    def read(self, member: str) -> bytes:
        """Read a member whole."""
        offset, size = self._place(member)
        if size > _MOST:
            raise OSError(errno.EFBIG, f"{size:,} bytes are too many", f"{self.file}/{member}")
        with self.file.open("rb") as stream:
            stream.seek(offset)
            data = stream.read(size)
        if len(data) < size:
            raise OSError(errno.EIO, "the tar ends within it", f"{self.file}/{member}")
        return data

    def _index(self, tar: tarfile.TarFile) -> None:
        try:
            while (member := tar.next()) is not None:
                tar.members = []  # type: ignore[attr-defined]  # it would keep them all
                if member.isreg() and not member.issparse():
                    name = posixpath.normpath(member.name).lstrip("/")
                    self.members[name] = (member.offset_data, member.size)
        except tarfile.TarError as error:
            self.fault = f"{error} after {len(self.members):,} members"

    def _place(self, member: str) -> tuple[int, int]:
        if member not in self.members:
            raise FileNotFoundError(errno.ENOENT, "no such member", f"{self.file}/{member}")
        return self.members[member]
