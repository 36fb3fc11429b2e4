"""Embed a collection into an index: only what is new or changed, and safe against interruption.

First the plan: the catalog is read once to a file, and every row is compared with the index. Rows
that are gone are dropped and those with new metadata rewritten, in one commit. The rest is embedded
in chunks, each of which becomes one part of the index, so an interrupted run can be resumed.
"""

from artsim.embedding.chunks import Chunk, EmbedJob, EmbedSettings, Receipt
from artsim.embedding.engines import Engine, LocalEngine, open_engine
from artsim.embedding.packing import add_pack, is_carried, pack_index, save_pack
from artsim.embedding.pipeline import embed_chunk, embed_chunks
from artsim.embedding.repair import Repair, repair_index
from artsim.embedding.run import EmbedSummary, embed_collection

__all__ = [
    "Chunk",
    "EmbedJob",
    "EmbedSettings",
    "EmbedSummary",
    "Engine",
    "LocalEngine",
    "Receipt",
    "Repair",
    "add_pack",
    "embed_chunk",
    "embed_chunks",
    "embed_collection",
    "is_carried",
    "open_engine",
    "pack_index",
    "repair_index",
    "save_pack",
]
