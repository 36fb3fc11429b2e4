"""The rows of a catalog by id, for vectors that are joined to them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa

from artsim.datatypes import Catalog
from artsim.store import Failure, large_text, spooled


class CatalogById:
    """The catalog's rows by id, and which of them the file of vectors names."""

    def __init__(self, catalog: Catalog, table: pa.Table) -> None:
        self.root = catalog.root
        self._schema, self._table = table.schema, large_text(table)
        self._place: dict[str, int] = {}
        self.unusable: list[Failure] = []
        ids, pictures = table.column("id"), table.column("image")
        for place, id_ in enumerate(id_ for chunk in ids.chunks for id_ in chunk.to_pylist()):
            first = self._place.setdefault(id_, place) if id_ else -1
            if first != place:
                problem = f"row {first + 1} has the id {id_!r} too" if id_ else "no id"
                reason = f"row {place + 1} of the catalog: {problem}"
                self.unusable.append(Failure(id_, pictures[place].as_py(), "catalog", reason))
        self._named = np.zeros(table.num_rows, dtype=bool)

    def name(self, id_: str) -> bool:
        """Note that the file has this id; return whether there is a row of it."""
        place = self._place.get(id_)
        if place is not None:
            self._named[place] = True
        return place is not None

    def some_ids(self) -> str:
        """Show the first ids, for a message."""
        return some(self._place)

    def take(self, ids: Sequence[str]) -> pa.Table:
        """Return the rows of these ids."""
        places = pa.array([self._place[id_] for id_ in ids], pa.int64())
        return self._table.take(places).cast(self._schema)

    def unnamed(self, file: Path) -> Iterator[Failure]:
        """Yield the rows that the file of vectors does not name."""
        pictures = self._table.column("image")
        for id_, place in self._place.items():
            if not self._named[place]:
                reason = f"{file.name} has no vector with this id"
                yield Failure(id_, pictures[place].as_py(), "catalog", reason)


@contextmanager
def catalog_by_id(catalog: Catalog | None, path: Path) -> Iterator[CatalogById | None]:
    """Read the catalog to a file in the index folder and map it: memory holds the ids only."""
    if catalog is None:
        yield None
        return
    with spooled(catalog, path) as reader:
        yield CatalogById(catalog, reader.read_all())


def some(ids: dict[str, int]) -> str:
    """Show the first ids, for a message."""
    return ", ".join(map(repr, list(ids)[:3])) or "none"
