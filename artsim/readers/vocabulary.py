"""The columns that have the same names for every museum, beside what a museum calls them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import pyarrow as pa

from artsim.datatypes import RESERVED, Catalog

# Mappings name them in TOML; these are of the readers that museums have of their own.
NAMES: Mapping[str, Mapping[str, str]] = {
    "nga": {"displaydate": "date_text", "creditline": "credit_line"},
    "moma": {"date": "date_text"},
}


def with_vocabulary(catalog: Catalog, names: Mapping[str, str]) -> Catalog:
    """Add columns under their usual names, behind those of the museum, which stay."""
    schema, own = catalog.schema, catalog.schema.names
    added = {name: usual for name, usual in names.items() if name in own and usual not in own}
    for name, usual in added.items():
        schema = schema.append(schema.field(name).with_name(usual))

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in catalog.batches():
            columns = [*batch.columns, *(batch[name] for name in added)]
            yield pa.RecordBatch.from_arrays(columns, schema=schema)

    return replace(catalog, schema=schema, batches=batches) if added else catalog


def note_own_names(catalog: Catalog) -> Catalog:
    """Note the columns that are named as artsim's own, which are kept as NAME_catalog."""
    endings = {name: name.removesuffix("_catalog") for name in catalog.schema.names}
    kept = [
        f"{bare} to {name}"
        for name, bare in endings.items()
        if name != bare and bare.lower() in RESERVED
    ]
    if not kept:
        return catalog
    note = f"renamed, as the picture file has its own: {', '.join(kept)}"
    return replace(catalog, notes=(*catalog.notes, note))
