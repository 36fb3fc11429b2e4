"""What is known of the copy of an index in an object store; kept beside the copy."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NamedTuple

from artsim.store.checksums import sealed, unsealed
from artsim.store.files import write_whole

_NAME = "note.json"
_lock = threading.Lock()


class CopiedFile(NamedTuple):
    """A file as it was when it was the same here and there."""

    size: int
    mtime_ns: int  # here
    identity: str  # there


@dataclass
class CopyNote:
    """The files that are the same here and there, and whether the copy is whole."""

    files: dict[str, CopiedFile] = field(default_factory=dict)
    own: list[str] = field(default_factory=list)  # sha256 of what is from here, or is being sent
    is_fetching: bool = False  # what differs here is not newer

    @classmethod
    def read(cls, folder: Path) -> CopyNote:
        """Read the note in a folder; without one all is fetched again."""
        with suppress(OSError, ValueError, TypeError):
            values = unsealed((folder / _NAME).read_text(encoding="utf-8"))
            files = {name: CopiedFile(*found) for name, found in values.pop("files").items()}
            return cls(files=files, **values)
        return cls(is_fetching=True)

    def keep(self, folder: Path) -> None:
        """Write the note into a folder."""
        with _lock:
            data = sealed(asdict(self))
        write_whole(folder / _NAME, lambda stream: stream.write(data))

    def differs(self, name: str, file: Path) -> bool:
        """Return whether a file is new here, or not as it was noted."""
        status, known = file.stat(), self.files.get(name)
        return known is None or known[:2] != (status.st_size, status.st_mtime_ns)

    def know(self, name: str, file: Path, identity: str) -> None:
        """Note that a file is the same here and there."""
        status = file.stat()
        with _lock:
            self.files[name] = CopiedFile(status.st_size, status.st_mtime_ns, identity)
