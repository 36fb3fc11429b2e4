"""The index folder: Parquet parts listed in a manifest, safe against interruption at any moment.

A file is written under a temporary name, synced and renamed; the manifest is replaced last. A part
that the manifest does not list is not part of the index: after an interruption it is written again.
"""

from artsim.store.added import (
    IDENTITY,
    PREDICTION,
    AddedColumn,
    remove_added,
    take_stored,
    write_added,
)
from artsim.store.anywhere import (
    check_sent,
    index_to_write,
    local_index,
    send_index,
    update_index,
)
from artsim.store.arrow import (
    floats,
    indices,
    joined_lists,
    large_text,
    take_rows,
    text_hashes,
    text_scalar,
)
from artsim.store.checking import Check, check_files, restore_manifest
from artsim.store.checksums import is_whole, sealed, sha256_of, unsealed
from artsim.store.columns import part_schema, round_to_half, tile_column, vector_type
from artsim.store.compacting import PART_BYTES, merge_parts, merged_parts
from artsim.store.counting import count_values
from artsim.store.csv_files import CsvWriter, csv_text, csv_value
from artsim.store.failures import FAILURES, Failure
from artsim.store.files import (
    clear_left,
    is_being_written,
    is_store,
    lock_index,
    only_one,
    whole_file,
    write_whole,
)
from artsim.store.folder import Store
from artsim.store.joining import RowsById
from artsim.store.manifest import COPY, MANIFEST, DerivedLabel, Manifest, Part
from artsim.store.parquet import read_parquet, write_parquet
from artsim.store.parts import write_part
from artsim.store.remote import RemoteIndex
from artsim.store.spooling import CatalogRows, spooled
from artsim.store.versions import (
    MAPPED,
    Version,
    begin_version,
    finish_version,
    read_versions,
    remove_version,
    switch_version,
    version_path,
)

__all__ = [
    "COPY",
    "FAILURES",
    "IDENTITY",
    "MANIFEST",
    "MAPPED",
    "PART_BYTES",
    "PREDICTION",
    "AddedColumn",
    "CatalogRows",
    "Check",
    "CsvWriter",
    "DerivedLabel",
    "Failure",
    "Manifest",
    "Part",
    "RemoteIndex",
    "RowsById",
    "Store",
    "Version",
    "begin_version",
    "check_files",
    "check_sent",
    "clear_left",
    "count_values",
    "csv_text",
    "csv_value",
    "finish_version",
    "floats",
    "index_to_write",
    "indices",
    "is_being_written",
    "is_store",
    "is_whole",
    "joined_lists",
    "large_text",
    "local_index",
    "lock_index",
    "merge_parts",
    "merged_parts",
    "only_one",
    "part_schema",
    "read_parquet",
    "read_versions",
    "remove_added",
    "remove_version",
    "restore_manifest",
    "round_to_half",
    "sealed",
    "send_index",
    "sha256_of",
    "spooled",
    "switch_version",
    "take_rows",
    "take_stored",
    "text_hashes",
    "text_scalar",
    "tile_column",
    "unsealed",
    "update_index",
    "vector_type",
    "version_path",
    "whole_file",
    "write_added",
    "write_parquet",
    "write_part",
    "write_whole",
]
