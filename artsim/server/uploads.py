"""The newest pictures that visitors uploaded, kept in memory for their queries."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict

from artsim.errors import ImageError, SearchError
from artsim.images import decode
from artsim.server.settings import Limits


class Uploads:
    """Pictures by the sha256 of their bytes. Safe to use from several threads."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0

    def add(self, data: bytes) -> tuple[str, int, int]:
        """Keep a picture.

        Returns:
            Its sha256, its width and its height.

        Raises:
            ImageError: If it is none, or a larger one than is allowed.
        """
        if len(data) > self._limits.upload_bytes:
            raise ImageError(
                f"the picture has {len(data):,} bytes, more than the "
                f"{self._limits.upload_bytes:,} allowed; send a smaller copy"
            )
        picture = decode(data, max_pixels=self._limits.upload_pixels, at_least=_small)
        key = hashlib.sha256(data).hexdigest()
        with self._lock:
            self._bytes += 0 if key in self._kept else len(data)
            self._kept[key] = data
            self._kept.move_to_end(key)
            while self._bytes > self._limits.kept_bytes and len(self._kept) > 1:
                _, dropped = self._kept.popitem(last=False)
                self._bytes -= len(dropped)
        return key, picture.width, picture.height

    def get(self, key: str) -> bytes:
        """Return the bytes of a picture.

        Raises:
            SearchError: If it is not kept, or no longer.
        """
        with self._lock:
            if key not in self._kept:
                raise SearchError("the uploaded picture has expired; upload it again")
            self._kept.move_to_end(key)
            return self._kept[key]


def _small(width: int, height: int) -> tuple[int, int]:
    """Choose the cheapest decoding that still reads the whole file."""
    return max(1, width // 8), max(1, height // 8)
