"""An index that is open: its works and its backend, kept from request to request."""

from __future__ import annotations

from artsim.search.backend import FaissBackend, SearchBackend
from artsim.search.encoder import Encoder, IndexEncoder
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
        self.works = Works(store)
        self.backend: SearchBackend = backend or FaissBackend(self.works, gpu=gpu)
