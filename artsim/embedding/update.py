"""Apply the plan to an index: drop what is gone, rewrite what has new metadata."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from artsim import index  # its names load torch when they are used
from artsim.datatypes import Catalog, shown_path
from artsim.embedding.plan import EmbedPlan
from artsim.errors import PassportError, ReaderError
from artsim.models import Extractor
from artsim.store import (
    MAPPED,
    CatalogRows,
    Manifest,
    Store,
    is_store,
    part_schema,
    remove_added,
    tile_column,
    write_added,
)


def open_or_create(
    path: Path, catalog: Catalog, extractor: Extractor, tiles: int | None = None
) -> Store:
    """Open the index, or create it; refuse one with other vectors.

    ``tiles`` per side are embedded too, as many as the index has if None.
    """
    columns = {name.lower() for name in catalog.schema.names}  # SQL ignores case
    taps = extractor.passport.taps
    for name in (*(tap.name for tap in taps), *map(tile_column, taps)):
        if name.lower() in columns:
            raise ReaderError(
                f"{str(catalog.source)!r} has a column {name!r}, which is the name of a tap; "
                "rename the column"
            )
    if not is_store(path):
        manifest = Manifest(
            name=path.name,
            reader=catalog.reader,
            source=str(catalog.source),
            root=str(catalog.root),
            fields=tuple(catalog.fields),
            passport=extractor.passport,
            options=catalog.options,
            tiles=tiles or 0,
        )
        return Store.create(path, manifest)
    store = Store.open(path)
    before, now = store.manifest.passport, extractor.passport
    differences = before.differences(now)
    if before.compute_dtype != now.compute_dtype:
        differences.append(f"compute_dtype: {before.compute_dtype}, not {now.compute_dtype}")
    if before.threads != now.threads:
        numbers = [str(each.threads or "all cores") for each in (before, now)]
        differences.append(f"threads: {', not '.join(numbers)}")
    if tiles is not None and tiles != store.manifest.tiles:
        differences.append(f"tiles per side: {store.manifest.tiles}, not {tiles}")
    if differences:
        raise PassportError(
            f"{shown_path(path)!r} was embedded with other settings ({'; '.join(differences)}); "
            "embed to another folder with -o, or with the same options as before"
        )
    return store


def apply_plan(store: Store, catalog: Catalog, rows: CatalogRows, plan: EmbedPlan) -> None:
    """Drop what is gone and rewrite what has new metadata, in one commit.

    Maps are kept where no row is dropped: they are of the vectors.
    """
    before = store.fingerprint
    manifest = replace(
        store.manifest,
        reader=catalog.reader,
        source=str(catalog.source),
        root=str(catalog.root),
        fields=tuple(catalog.fields),
        options=catalog.options,
        complete=False,
    )
    store.rewrite(
        _outdated_parts(store, catalog, rows, plan), failures=plan.failures(rows), manifest=manifest
    )
    if store.fingerprint != before and not plan.dropped and (store.path / "layouts").is_dir():
        for tap in store.manifest.passport.taps:
            index.renew_layout(store, tap.name, before)


def _outdated_parts(
    store: Store, catalog: Catalog, rows: CatalogRows, plan: EmbedPlan
) -> Iterator[tuple[int, pa.Table]]:
    start = 0
    schema = part_schema(
        list(catalog.schema)[2:], store.manifest.passport.taps, store.manifest.tiles
    )
    same_fields = store.manifest.fields == tuple(catalog.fields)
    for number, part in enumerate(store.manifest.parts):
        positions = plan.position_of_row[start : start + part.rows]
        start += part.rows
        kept = np.flatnonzero(positions >= 0)
        wanted = catalog_columns(rows, plan, positions[kept])
        if len(kept) == part.rows and same_fields:
            stored = store.read_part(number, wanted.column_names)
            if stored.select(wanted.column_names).equals(wanted):
                continue
        stays = store.read_part(number).take(kept)
        columns = {name: stays.column(name) for name in stays.column_names}
        columns |= {name: wanted.column(name) for name in wanted.column_names}
        yield number, pa.table([columns[name] for name in schema.names], schema=schema)


def catalog_columns(rows: CatalogRows, plan: EmbedPlan, positions: NDArray[np.int64]) -> pa.Table:
    """Return the columns of rows that are known without opening their pictures."""
    table = rows.take(positions)
    metadata = list(rows.schema)[2:]
    columns = {name: table.column(name) for name in table.column_names} | {
        "file_bytes": pa.array(plan.file_bytes[positions]),
        "file_mtime_ns": pa.array(plan.file_mtime_ns[positions]),
    }
    schema = pa.schema([field for field in part_schema(metadata, ()) if field.name in columns])
    return pa.table([columns[name] for name in schema.names], schema=schema)


def unmark_embedded(store: Store) -> None:
    """Remove the marks of mapped vectors from works that were embedded since."""
    column = store.added.get(MAPPED)
    if column is None:
        return
    rows = store.read(["id", "file_bytes"])
    mapped = rows.filter(pc.less(rows.column("file_bytes"), 0)).column("id")
    marks = column.read()
    left = marks.filter(pc.is_in(marks.column("id"), value_set=mapped.combine_chunks()))
    if left.num_rows:
        write_added(store.path, column.field, left, column.made)
    else:
        remove_added(store.path, MAPPED)
