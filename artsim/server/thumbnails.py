"""Small copies of an index's pictures, made once and kept in a folder of the index.

A picture is requested by its work's id: what is not a work of the index cannot be named.
"""

from __future__ import annotations

import hashlib
import io
import threading
from contextlib import suppress
from pathlib import Path

import pyarrow as pa

from artsim.errors import ImageError, StoreError
from artsim.images import read_bytes
from artsim.report import is_url, small_copy
from artsim.search import Works, locate
from artsim.store import Store, write_whole

SIDES = (320, 1024)  # pixels of the longer side: in a grid, and alone
_QUALITY = 82
_AT_ONCE = 2  # pictures decoded at the same time: each takes memory


class Thumbnails:
    """The small copies of an index's pictures. Safe to use from several threads."""

    def __init__(self, store: Store, works: Works) -> None:
        self._store = store
        self._works = works
        self._folder = store.path / "thumbnails"
        self._decoding = threading.BoundedSemaphore(_AT_ONCE)
        self._writing = threading.Lock()  # two at a time would write into one file
        self._contents: pa.ChunkedArray = store.read(["content_hash"]).column(0)

    def get(self, id_: str, side: int) -> bytes:
        """Return a small copy of a work's picture as a JPEG; ``side`` is one of `SIDES`.

        Raises:
            SearchError: If there is no such work.
            ImageError: If its picture is on the web, gone, or cannot be decoded.
        """
        row = self._works.row(id_)
        content: str = self._contents[row].as_py()
        file = self._folder / str(side) / f"{content}.jpg"
        with suppress(OSError):
            return file.read_bytes()
        picture = read_bytes(self._file(row))
        data = self._make(picture, side)
        # A file that was changed is another picture than the one that is known by this name.
        if hashlib.sha256(picture).hexdigest() == content:
            with suppress(StoreError), self._writing:  # a read-only index is served more slowly
                write_whole(file, lambda stream: stream.write(data))
        return data

    def _file(self, row: int) -> Path:
        image = locate(self._store, self._works.table.column("image")[row].as_py())
        if is_url(image):
            raise ImageError(f"the picture is on the web: {image}")
        return Path(image)

    def _make(self, picture: bytes, side: int) -> bytes:
        out = io.BytesIO()
        with self._decoding:
            small_copy(picture, side).save(out, "JPEG", quality=_QUALITY, optimize=True)
        return out.getvalue()
