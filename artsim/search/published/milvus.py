"""Milvus: a collection for each tap, and one for the note."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from artsim.datatypes import shell_word
from artsim.errors import SearchError
from artsim.search.published.address import reaching, table_name
from artsim.search.published.databases import Floats, Places

_NOTE = "artsim_note"
_LENGTH = 60_000  # characters of a note in one row; Milvus allows 65,535 bytes
_EXACT = 1 << 30  # numbers; of fewer a search compares all
_NUMBERS = 1 << 21  # sent or read at a time: 8 MB
_ROWS = 16_384  # that Milvus returns at once, at most
_CONNECT_S = 10.0
_READ: dict[str, Any] = {"consistency_level": "Strong", "timeout": 30.0}  # sees all that is written


class MilvusDatabase:
    """The collections of one index on a server, or in a file of Milvus Lite."""

    depth = _ROWS

    def __init__(self, address: str, uri: str, name: str | None, token: str | None) -> None:
        try:
            import pymilvus
        except ImportError as error:
            raise SearchError(
                f"{address} needs pymilvus; install it with pip install 'artsim[milvus]'"
            ) from error
        self._address = address
        self._errors = (pymilvus.MilvusException, OSError, ValueError)
        with self._reaching():
            self._client = pymilvus.MilvusClient(uri, token=token or "", timeout=_CONNECT_S)
            self._prefix = _prefix(self._only() if name is None else name)

    def read_note(self) -> str | None:
        """Return the text that was written last."""
        name = self._prefix + _NOTE
        with self._reaching():
            if not self._client.has_collection(name):
                return None
            self._client.load_collection(name)
            rows = self._client.query(
                name, filter="id >= 0", output_fields=["id", "note"], limit=_ROWS, **_READ
            )
        return "".join(row["note"] for row in sorted(rows, key=lambda row: row["id"])) or None

    def write_note(self, text: str) -> None:
        """Replace the note; one that is torn meanwhile is none."""
        from pymilvus import DataType

        rows = [
            {"id": start, "note": text[start : start + _LENGTH // 4], "vector": [0.0, 1.0]}
            for start in range(0, len(text), _LENGTH // 4)
        ]
        self.drop(())
        with self._reaching():
            self._make(_NOTE, 2, "FLAT", note=DataType.VARCHAR)
            self._client.insert(self._prefix + _NOTE, rows)
            self._client.flush(self._prefix + _NOTE)

    def open_table(self, name: str) -> MilvusTable:
        """Open a table and load it."""
        full = self._prefix + name
        with self._reaching():
            self._client.load_collection(full)
            fields = self._client.describe_collection(full)["fields"]
            (dim,) = (f["params"]["dim"] for f in fields if f["name"] == "vector")
            index = self._client.describe_index(full, "vector")
        return MilvusTable(self._address, self._client, full, int(dim), index["index_type"])

    def make_table(self, name: str, dim: int) -> MilvusTable:
        """Open a table, or make it."""
        with self._reaching():
            if not self._client.has_collection(self._prefix + name):
                self._make(name, dim, "FLAT")
        return self.open_table(name)

    def drop(self, names: Iterable[str]) -> None:
        """Remove the note and some tables."""
        with self._reaching():
            for name in (_NOTE, *names):
                if self._client.has_collection(self._prefix + name):
                    self._client.drop_collection(self._prefix + name)

    def _make(self, name: str, dim: int, kind: str, **columns: Any) -> None:
        from pymilvus import DataType

        schema = self._client.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dim)
        for column, type_ in columns.items():
            schema.add_field(column, type_, max_length=_LENGTH)
        self._client.create_collection(
            self._prefix + name,
            schema=schema,
            index_params=_index(self._client, kind),
            consistency_level="Strong",
        )

    def _only(self) -> str:
        """Return the name of the only index that is published."""
        found: list[str] = [
            name.removesuffix(f"_{_NOTE}").removeprefix("a_")
            for name in self._client.list_collections()
            if name.endswith(f"_{_NOTE}")
        ]
        if len(found) == 1:
            return found[0]
        if not found:
            raise SearchError(
                f"no index is published at {self._address}; publish one with "
                f"'artsim publish INDEX {shell_word(self._address)}'"
            )
        names = ", ".join(sorted(found))
        raise SearchError(
            f"{self._address} has several indexes ({names}); name one as {self._address}#INDEX"
        )

    def _reaching(self) -> Any:
        return reaching(self._address, *self._errors)


class MilvusTable:
    """A collection: exact up to 2 million vectors of 512 numbers, by a graph (HNSW) beyond."""

    def __init__(self, address: str, client: Any, name: str, dim: int, kind: str) -> None:
        self._address, self._client, self._name, self._dim = address, client, name, dim
        self.exact = kind == "FLAT"

    @property
    def approximate(self) -> bool:
        """Whether the index is a graph."""
        return not self.exact

    def search(self, queries: Floats, depth: int, *, exact: bool) -> list[tuple[Places, Floats]]:
        """Compare every vector, or follow the graph."""
        together = max(1, _NUMBERS // (depth * self._dim))
        options = {} if self.exact else {"ef": max(4 * depth, 256)}
        found: list[tuple[Places, Floats]] = []
        for start in range(0, len(queries), together):
            with self._reaching():
                hits = self._client.search(
                    self._name,
                    list(queries[start : start + together]),
                    limit=depth,
                    output_fields=["vector"],
                    search_params={"metric_type": "IP", "params": options},
                    **_READ,
                )
            found += [
                self._read([{"id": h["id"], "vector": h["entity"]["vector"]} for h in each])
                for each in hits
            ]
        return found

    def take(self, places: Places) -> tuple[Places, Floats]:
        """Read some vectors."""
        together = max(1, min(_ROWS, _NUMBERS // self._dim))
        parts = [self._read([])]
        for start in range(0, len(places), together):
            some = places[start : start + together].tolist()
            with self._reaching():
                rows = self._client.query(
                    self._name, ids=some, output_fields=["id", "vector"], **_READ
                )
            parts.append(self._read(rows))
        found, vectors = zip(*parts, strict=True)
        return np.concatenate(found), np.concatenate(vectors)

    def count(self, first: int, last: int) -> int:
        """Count the vectors of a range of places."""
        with self._reaching():
            (row,) = self._client.query(
                self._name, filter=_between(first, last), output_fields=["count(*)"], **_READ
            )
        return int(row["count(*)"])

    def add(self, blocks: Iterable[tuple[Places, Floats]]) -> None:
        """Add vectors."""
        together = max(1, _NUMBERS // self._dim)
        for places, vectors in blocks:
            for start in range(0, len(places), together):
                here = slice(start, start + together)
                rows = [
                    {"id": place, "vector": vector}
                    for place, vector in zip(places[here].tolist(), vectors[here], strict=True)
                ]
                with self._reaching():
                    self._client.insert(self._name, rows)

    def delete(self, ranges: Sequence[tuple[int, int]]) -> None:
        """Delete ranges of places."""
        with self._reaching():
            for first, last in ranges:
                self._client.delete(self._name, filter=_between(first, last))

    def finish(self) -> None:
        """Write all to disk; change to the index that the size needs."""
        with self._reaching():
            self._client.flush(self._name)
            (row,) = self._client.query(
                self._name, filter="id >= 0", output_fields=["count(*)"], **_READ
            )
            exact = int(row["count(*)"]) * self._dim < _EXACT
            if exact != self.exact:
                self._client.release_collection(self._name)
                self._client.drop_index(self._name, "vector")
                kind = "FLAT" if exact else "HNSW"
                self._client.create_index(self._name, _index(self._client, kind))
                self._client.load_collection(self._name)
                self.exact = exact

    def _read(self, rows: Sequence[dict[str, Any]]) -> tuple[Places, Floats]:
        places = np.array([row["id"] for row in rows], dtype=np.int64)
        vectors = np.array([row["vector"] for row in rows], dtype=np.float32)
        return places, vectors.reshape(-1, self._dim)

    def _reaching(self) -> Any:
        import pymilvus

        return reaching(self._address, pymilvus.MilvusException, OSError, ValueError)


def _index(client: Any, kind: str) -> Any:
    params = client.prepare_index_params()
    options = {"M": 32, "efConstruction": 200} if kind == "HNSW" else {}
    # Not COSINE: a vector of zeros has a cosine of 0 with any.
    params.add_index(
        "vector", index_type=kind, index_name="vector", metric_type="IP", params=options
    )
    return params


def _between(first: int, last: int) -> str:
    return f"id >= {first} and id < {last}"


def _prefix(name: str) -> str:
    """Return what the names of an index's collections begin with."""
    plain = name.isascii() and name.replace("_", "").isalnum()
    return f"a_{name if plain else table_name(name, tiles=False)}_"
