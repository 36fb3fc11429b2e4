"""Several pictures in one cell of a table: views of one object."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from artsim.datatypes import Catalog
from artsim.readers.pictures import is_picture, is_url

_SEPARATORS = ("|", "\n", ";", ",", " ")
_MAY_BE_LIST = re.compile(r"[|\n;, ]")


def with_views(catalog: Catalog, *, every: bool, several: int) -> Catalog:
    """Split cells of several pictures, ``a.jpg|b.jpg``: the first is the picture of the row.

    With ``every`` each is a row; where there are several their ids end in ``_1``, ``_2``.
    ``object`` is the id of the cell's row, ``view`` the place in the cell. ``several`` counts
    these cells.
    """
    schema, names = catalog.schema, {name.lower() for name in catalog.schema.names}
    for name, type_ in (("object", pa.string()), ("view", pa.int64())):
        if every and name not in names:
            schema = schema.append(pa.field(name, type_))

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in catalog.batches():
            yield _every(batch, schema) if every else _first(batch)

    notes = catalog.notes if every or not several else (*catalog.notes, note_of_first(several))
    return replace(catalog, schema=schema, batches=batches, notes=notes)


def note_of_first(rows: int) -> str:
    """Say that the first of several pictures is read, in so many rows."""
    name = "1 row names" if rows == 1 else f"{rows:,} rows name"
    return (
        f"{name} several pictures: the first is read; --set views=all makes a row of each picture"
    )


def count_several(cells: pa.Array) -> int:
    """Count the cells of several pictures."""
    may_be = cells.filter(pc.match_substring_regex(cells, _MAY_BE_LIST.pattern))
    return sum(len(pictures_in(cell)) > 1 for cell in may_be.to_pylist())


def pictures_in(cell: str) -> list[str]:
    """List the pictures in a cell; a cell that is not a list of them is one.

    Between them is ``|``, a line break, ``;``, ``,`` or a space, and all are addresses or all are
    paths: commas occur in addresses, and spaces in names of files.
    """
    for separator in _SEPARATORS if _MAY_BE_LIST.search(cell) else ():
        pieces = [piece.strip() for piece in cell.split(separator) if piece.strip()]
        several = len(pieces) > 1 and (separator != " " or is_url(cell.strip()))
        if several and (all(map(is_url, pieces)) or all(map(_is_path, pieces))):
            return list(dict.fromkeys(pieces))
    return [cell]


def _is_path(piece: str) -> bool:
    return is_picture(piece) and not is_url(piece)


def _first(batch: pa.RecordBatch) -> pa.RecordBatch:
    images = batch["image"]
    if not pc.any(pc.match_substring_regex(images, _MAY_BE_LIST.pattern)).as_py():
        return batch
    firsts = pa.array([cell and pictures_in(cell)[0] for cell in images.to_pylist()], pa.string())
    return batch.set_column(batch.schema.get_field_index("image"), "image", firsts)


def _every(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    cells = [pictures_in(cell) if cell else [cell] for cell in batch["image"].to_pylist()]
    views = [(row, view) for row, cell in enumerate(cells) for view in range(1, len(cell) + 1)]
    taken = batch.take(pa.array([row for row, _ in views], pa.int64()))
    ids = [
        f"{id_}_{view}" if id_ is not None and len(cells[row]) > 1 else id_
        for id_, (row, view) in zip(taken["id"].to_pylist(), views, strict=True)
    ]
    new = {"object": taken["id"], "view": pa.array([view for _, view in views], pa.int64())}
    columns = {
        **{name: array for name, array in new.items() if name not in batch.schema.names},
        **dict(zip(batch.schema.names, taken.columns, strict=True)),
        "id": pa.array(ids, pa.string()),
        "image": pa.array([image for cell in cells for image in cell], pa.string()),
    }
    return pa.RecordBatch.from_arrays([columns[name] for name in schema.names], schema=schema)
