"""An encoder that remembers the pictures of visitors, so that each is decoded once."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from artsim.datatypes import Box
from artsim.search import Encoder, PreparedPicture

_MOST = 64  # prepared pictures, of some 150 kB each


class RememberingEncoder:
    """Embeds by ``own``, and remembers the last pictures prepared; for many threads."""

    def __init__(self, own: Encoder) -> None:
        self.own = own
        self._lock = threading.Lock()
        self._prepared: OrderedDict[tuple[str, Box | None], PreparedPicture] = OrderedDict()

    def prepared(self, data: bytes, box: Box | None) -> PreparedPicture | None:
        """Return a picture's file, or a detail of it, as `prepare` made it; None if it has not."""
        key = (hashlib.sha256(data).hexdigest(), box)
        with self._lock:
            if key in self._prepared:
                self._prepared.move_to_end(key)
            return self._prepared.get(key)

    def prepare(self, data: bytes, box: Box | None) -> PreparedPicture:
        """Preprocess a picture's file, or a detail of it, for the network."""
        found = self.prepared(data, box)
        if found is None:
            found = self.own.prepare(data, box)
            with self._lock:
                self._prepared[hashlib.sha256(data).hexdigest(), box] = found
                while len(self._prepared) > _MOST:
                    self._prepared.popitem(last=False)
        return found

    def embed(self, pixels: Sequence[Any]) -> Any:
        """Embed pictures."""
        return self.own.embed(pixels)

    def embed_texts(self, texts: Sequence[str]) -> Any:
        """Embed text."""
        return self.own.embed_texts(texts)
