"""An index that is open: its works, vectors and search indexes, kept from request to request."""

from __future__ import annotations

import threading
from functools import cached_property

from artsim.index import VectorIndex, Vectors, open_index, to_gpu
from artsim.search.backend import FaissBackend, SearchBackend
from artsim.search.encoder import Encoder, IndexEncoder
from artsim.search.tiles import Tiles, open_tiles
from artsim.search.works import Works
from artsim.store import Store


class Opened:
    """An index and what encodes requests to it. Safe to use from several threads.

    Args:
        store: The index.
        encoder: Turns pictures and words into its vectors; the index's own network if None.
        gpu: The number of the GPU that its search indexes are copied to; None: they stay.
        backend: Where its vectors are searched; FAISS over the folder if None.
    """

    def __init__(
        self,
        store: Store,
        encoder: Encoder | None = None,
        *,
        gpu: int | None = None,
        backend: SearchBackend | None = None,
    ) -> None:
        self.store = store
        self.encoder = encoder or IndexEncoder(store)
        self.backend: SearchBackend = backend or FaissBackend(self)
        self._gpu = gpu
        self._lock = threading.RLock()
        self._on_cpu: dict[str, VectorIndex] = {}
        self._indexes: dict[str, VectorIndex] = {}
        self._tiles: dict[str, Tiles] = {}

    @cached_property
    def works(self) -> Works:
        """The works, and what is known of them."""
        return Works(self.store)

    def vectors(self, tap: str) -> Vectors:
        """The unit vectors of a tap, by row."""
        return self._index_on_cpu(tap).vectors

    def index(self, tap: str) -> VectorIndex:
        """The search index of a tap.

        Raises:
            SearchError: If it was to be on a GPU that is not there, or too small.
        """
        with self._lock:
            if tap not in self._indexes:
                index = self._index_on_cpu(tap)
                self._indexes[tap] = index if self._gpu is None else to_gpu(index, self._gpu)
            return self._indexes[tap]

    def tiles(self, tap: str) -> Tiles:
        """The unit vectors of the works' tiles.

        Raises:
            SearchError: If the index has none.
        """
        with self._lock:
            if tap not in self._tiles:
                self._tiles[tap] = open_tiles(self.store, tap)
            return self._tiles[tap]

    def _index_on_cpu(self, tap: str) -> VectorIndex:
        """Open the search index of a tap once: it is what its vectors are read from, too."""
        with self._lock:
            if tap not in self._on_cpu:
                self._on_cpu[tap] = open_index(self.store, tap)
            return self._on_cpu[tap]
