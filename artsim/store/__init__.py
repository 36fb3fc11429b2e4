"""The lasting copy of an index: Parquet parts under a manifest, written so that no kill loses any.

A file is written to a temporary name, synced and renamed; the manifest is swapped last. What the
manifest does not name is not there: a part that was renamed but not yet named is written again.
"""

from artsim.store.arrow import floats, indices, text_scalar
from artsim.store.columns import part_schema, round_to_half, tile_column, vector_type
from artsim.store.failures import Failure
from artsim.store.files import clear_left, write_whole
from artsim.store.folder import Store, write_part
from artsim.store.lock import SPOOL, is_store, lock_index
from artsim.store.manifest import DerivedLabel, Manifest, Part

__all__ = [
    "SPOOL",
    "DerivedLabel",
    "Failure",
    "Manifest",
    "Part",
    "Store",
    "clear_left",
    "floats",
    "indices",
    "is_store",
    "lock_index",
    "part_schema",
    "round_to_half",
    "text_scalar",
    "tile_column",
    "vector_type",
    "write_part",
    "write_whole",
]
