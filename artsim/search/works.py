"""The works of an index: found by id or content, and their metadata."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from artsim.datatypes import FieldType, column_named
from artsim.errors import SearchError, UnknownWorkError
from artsim.labels import derivation_of, derived_labels
from artsim.places import picture_file
from artsim.search.conditions import RowFilter
from artsim.search.groups import ValueGroups
from artsim.search.metadata import WorkMetadata, open_metadata
from artsim.store import RowsById, Store, indices, text_scalar

if TYPE_CHECKING:
    from artsim.splits import Among

_OWN = {  # columns for conditions besides the metadata
    "id": FieldType.TEXT,
    "image": FieldType.TEXT,
    "width": FieldType.NUMBER,
    "height": FieldType.NUMBER,
}
_ZEROS = "(^|[^0-9])0+([0-9])"  # before a number
_YEAR_NAMES = ("year", "years", "date", "made", "dated", "dating")
_LABELED = 1 << 19  # rows, at least, whose label is computed together
_CANDIDATES = 1_000  # ids that begin or end like a mistyped one and are compared with it


class Works:
    """The rows of an index, from 0, and their metadata. Safe to read from many threads."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.fields = [field.name for field in store.fields]
        columns = _OWN | {field.name: field.type for field in store.fields}
        self.labels = [name for name in derived_labels(store) if name not in columns]
        self.types = columns | dict.fromkeys(self.labels, FieldType.TEXT)
        self._derived: dict[str, pa.ChunkedArray] = {}
        self._groups: dict[str, ValueGroups] = {}
        self._joined: dict[Works, NDArray[np.int64]] = {}

    @cached_property
    def metadata(self) -> WorkMetadata:
        """Id, image, width, height and the metadata of every row."""
        return open_metadata(self.store, [*_OWN, *self.fields])

    @cached_property
    def filter(self) -> RowFilter:
        """Finds the rows that meet conditions."""
        return RowFilter(self.types, self.blocks, is_in_memory=self.metadata.is_in_memory)

    def among(self, where: str | None) -> Among | None:
        """Return the part of the works that an evaluation is limited to; None without a condition.

        Raises:
            SearchError: If the condition cannot be read, or no work meets it.
        """
        from artsim.splits import Among

        rows = self.filter.rows(where, ())
        if where is None or rows is None:
            return None
        if not len(rows):
            raise SearchError(
                f"no work of {str(self.store)!r} meets the condition {where}; change it, or leave "
                "it out"
            )
        return Among(where, np.isin(np.arange(self.store.rows), rows))

    def column(self, name: str) -> pa.ChunkedArray:
        """Return the values of a column, or of a derived label, computed at the first call.

        Raises:
            EvaluationError: If the label can no longer be computed.
        """
        if name not in self.labels:
            return self.metadata.column(name)
        if name not in self._derived:
            derivation = derivation_of(self.store, name)
            assert derivation is not None
            blocks = self.metadata.blocks(derivation.columns_of((*_OWN, *self.fields)))
            values = (pa.array(derivation.values(block), pa.string()) for block in _larger(blocks))
            self._derived[name] = pa.chunked_array(values, pa.string())
        return self._derived[name]

    def blocks(
        self, names: Sequence[str], rows: NDArray[np.int64] | None = None
    ) -> Iterator[pa.Table]:
        """Yield columns and derived labels of some rows, ascending, or of all: block by block."""
        derived = {name: self.column(name) for name in names if name in self.labels}
        own = [name for name in names if name not in derived]
        start = 0
        for table in self.metadata.blocks(own or ["id"]):
            length = table.num_rows
            for name, values in derived.items():
                table = table.append_column(name, values.slice(start, length))
            table = table.select(list(names))
            if rows is None:
                yield table
            else:
                first, last = np.searchsorted(rows, [start, start + length])
                yield table.take(indices(rows[first:last] - start))
            start += length

    def take(self, rows: Sequence[int] | NDArray[np.int64], names: Sequence[str]) -> pa.Table:
        """Return columns of some rows, in the order given."""
        return self.metadata.take(rows, names)

    def row(self, id_: str) -> int:
        """Return the row of an id.

        Raises:
            UnknownWorkError: If there is none; the message lists similar ids.
        """
        found = self.metadata.find(id_)
        if found is None:
            where = str(self.store)
            some = self.similar_ids(id_)
            hint = f"did you mean {', '.join(map(repr, some))}?" if some else "see 'artsim find'"
            raise UnknownWorkError(f"no picture has the id {id_!r} in {where!r}; {hint}", id_)
        return found

    def has(self, id_: str) -> bool:
        """Return whether a work has that id."""
        return self.metadata.find(id_) is not None

    def places(self, ids: Sequence[str]) -> NDArray[np.int64]:
        """Return the row of each id; -1 where there is none."""
        wanted = pa.array(ids, pa.large_string())
        found, start = np.full(len(ids), -1, dtype=np.int64), 0
        for table in self.metadata.blocks(["id"]):
            places = pc.index_in(wanted, value_set=table.column("id").combine_chunks())
            here = np.asarray(pc.fill_null(places, -1), dtype=np.int64)
            found = np.where((found < 0) & (here >= 0), here + start, found)
            start += table.num_rows
        return found

    def content(self, row: int) -> str:
        """Return the sha256 of the file of a row's picture."""
        if self.metadata.is_in_memory:
            return str(self._contents[row].as_py())
        return str(self.store.take([row], ["content_hash"]).column(0)[0].as_py())

    def row_of_content(self, sha256: str) -> int | None:
        """Return the first row whose picture's file has that hash."""
        if not self.metadata.is_in_memory:
            return self.store.find(sha256, "content_hash")
        found: int = pc.index(self._contents, text_scalar(sha256)).as_py()
        return found if found >= 0 else None

    @cached_property
    def _contents(self) -> pa.ChunkedArray:
        return self.store.read(["content_hash"]).column(0)

    def known(self, rows: Sequence[int]) -> list[tuple[str, str | None, dict[str, Any]]]:
        """Return id, image, see `locate`, and metadata of some rows."""
        table = self.take(rows, ["id", "image", *self.fields])
        return [
            (each.pop("id"), locate(self.store, each.pop("image")), each)
            for each in table.to_pylist()
        ]

    def rows_of(self, other: Works) -> NDArray[np.int64]:
        """Return the row here of each work of another index, by id; -1 where it is missing."""
        if other not in self._joined:
            ids, wanted = (
                (block.column(0) for block in works.metadata.blocks(["id"]))
                for works in (self, other)
            )
            self._joined[other] = RowsById(ids).find_all(wanted)
        return self._joined[other]

    def groups(self, column: str) -> ValueGroups:
        """Return what numbers the values of a column.

        Raises:
            SearchError: If the column is unknown, or holds ranges of years.
        """
        if column not in self._groups:
            if self.type_of(column) == FieldType.YEARS:
                raise SearchError(f"{column!r} holds ranges of years, which cannot be grouped")
            self._groups[column] = ValueGroups(
                lambda rows: self._values(column, rows),
                lambda: (block.column(0) for block in self.blocks([column])),
            )
        return self._groups[column]

    def _values(self, column: str, rows: NDArray[np.int64]) -> pa.ChunkedArray:
        """Return a column, or a derived label, of some rows."""
        if column in self.labels:
            return self.column(column).take(indices(rows))
        return self.take(rows, [column]).column(0)

    def named(self, column: str) -> str:
        """Return the name of a column as the index has it, see `column_named`."""
        return column_named(column, self.types)

    def type_of(self, column: str) -> FieldType:
        """Return the type of a column.

        Raises:
            SearchError: If the column is unknown.
        """
        if column not in self.types:
            raise SearchError(
                f"no column {column!r}; choose from {', '.join(self.types)}, or derive it with "
                "'artsim label'"
            )
        return self.types[column]

    def is_address(self, column: str) -> bool:
        """Return whether a column holds addresses on the web, by its first value."""
        for table in self.blocks([column]):
            first = table.column(0).drop_null().slice(0, 1).to_pylist()
            if first:
                return str(first[0]).startswith(("http://", "https://"))
        return False

    def year_column(self, named: str | None) -> str:
        """Return the column of years: the one named, else the only one of that type or name.

        Raises:
            SearchError: If there is none, or several, or the one named holds no numbers.
        """
        if named is not None:
            if self.type_of(named) not in (FieldType.YEARS, FieldType.NUMBER):
                raise SearchError(f"{named!r} is of type {self.types[named]}, expected years")
            return named
        found = self.year_columns
        if len(found) != 1:
            listed = ", ".join(found or self.fields) or "none"
            raise SearchError(
                f"{'several columns hold' if found else 'no column holds'} years; name it with "
                f"--years COLUMN: the columns are {listed}"
            )
        return found[0]

    @property
    def year_columns(self) -> list[str]:
        """The columns of years; where there is none, those of numbers that are called so."""
        numbers = [name for name in self.fields if self.types[name] == FieldType.NUMBER]
        found = [name for name in self.fields if self.types[name] == FieldType.YEARS]
        return found or [name for name in numbers if name.lower() in _YEAR_NAMES]

    def similar_ids(self, id_: str) -> list[str]:
        """Return up to three ids that are spelled like one that is unknown."""
        wanted = id_.encode("utf-8", "replace").decode()  # a file name may not be UTF-8
        some = self._ids_where(_is_same_number, wanted, 3) if re.search("[0-9]", wanted) else []
        some += self._ids_where(pc.match_substring, wanted, 3) if wanted else []
        other = 1  # letters at one end that may be wrong; the rest must agree
        while not some and other <= len(wanted) // 2:
            like = [
                *self._ids_where(pc.starts_with, wanted[:-other], _CANDIDATES),
                *self._ids_where(pc.ends_with, wanted[other:], _CANDIDATES),
            ]
            some = difflib.get_close_matches(wanted, dict.fromkeys(like), n=3)
            other *= 2
        return list(dict.fromkeys(some))[:3]

    def _ids_where(self, test: Callable[..., Any], text: str, most: int) -> list[str]:
        """Return the first ids that pass a test with a text, ignoring case."""
        some: list[str] = []
        for table in self.metadata.blocks(["id"]):
            ids = table.column("id")
            found = pc.indices_nonzero(test(ids, text, ignore_case=True))
            some += ids.take(found.slice(0, most - len(some))).to_pylist()
            if len(some) == most:
                break
        return some


def _is_same_number(ids: pa.ChunkedArray, text: str, *, ignore_case: bool) -> pa.ChunkedArray:
    """Test which ids differ from a text in zeros before a number alone, and in case."""
    texts = (pc.utf8_lower(some) if ignore_case else some for some in (ids, text_scalar(text)))
    plain, wanted = (pc.replace_substring_regex(some, _ZEROS, r"\1\2") for some in texts)
    return pc.equal(plain, wanted)


def _larger(blocks: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Join small blocks of rows, as each takes a while however small it is."""
    waiting: list[pa.Table] = []
    for block in blocks:
        waiting.append(block)
        if sum(each.num_rows for each in waiting) >= _LABELED:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)


def locate(store: Store, image: str) -> str | None:
    """Return where a picture of the index is: a path that opens from here, or a URL.

    None if it is outside the folders of `Store.roots`.
    """
    if image.startswith(("http://", "https://")):
        return image
    file = picture_file(store.manifest.root, image)
    return str(file) if store.shows(file) else None
