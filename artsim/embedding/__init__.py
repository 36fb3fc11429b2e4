"""Embed a collection into an index: only what is new or changed, and nothing lost on the way.

First the plan: the catalog is read once to a file, and every row compared with the index. What is
gone is dropped and what metadata changed is rewritten, all at once. Then the rest is embedded in
chunks, each of which becomes one part of the index, so a run that was killed goes on where it was.
"""

from artsim.embedding.chunks import Chunk, EmbedJob, Receipt, embed_chunk
from artsim.embedding.engines import Engine, LocalEngine
from artsim.embedding.run import EmbedSummary, embed_collection
from artsim.embedding.settings import EmbedSettings

__all__ = [
    "Chunk",
    "EmbedJob",
    "EmbedSettings",
    "EmbedSummary",
    "Engine",
    "LocalEngine",
    "Receipt",
    "embed_chunk",
    "embed_collection",
]
