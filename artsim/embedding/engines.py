"""Where chunks are embedded: this machine by default, others behind the same protocol."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import Protocol

from artsim.embedding.chunks import Advance, Chunk, EmbedJob, Receipt, embed_chunk, load_chunks
from artsim.models import Extractor


class Engine(Protocol):
    """Embeds chunks, by `artsim.embedding.embed_chunk`."""

    def run(
        self, chunks: Iterable[Chunk], job: EmbedJob, extractor: Extractor, advance: Advance
    ) -> Iterator[Receipt]:
        """Embed chunks, which are made when they are requested; receipts come in any order.

        A remote worker loads its own network and compares the passports. ``advance`` is called in
        the caller's thread with the pictures tried and the failures since the last call.
        """
        ...


class LocalEngine:
    """Embeds in this process; pictures of the next chunks are decoded meanwhile."""

    def run(
        self, chunks: Iterable[Chunk], job: EmbedJob, extractor: Extractor, advance: Advance
    ) -> Iterator[Receipt]:
        """Embed one chunk after the other."""
        ahead, now = itertools.tee(chunks)
        pictures = load_chunks(ahead, job, extractor)
        with closing(pictures):
            for chunk in now:
                yield embed_chunk(chunk, job, extractor, pictures=pictures, advance=advance)
