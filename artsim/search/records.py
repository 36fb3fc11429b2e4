"""Works compared by the words of their records: TF-IDF vectors of columns of the catalog.

A word weighs more the more often a record has it, by 1 + log of the count, and the fewer records
have it: log(N / n) for n of N, so that a word of all records does not count. Vectors are scaled to
length 1. Case and accents do not count, as in `find_works`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.sparse import csr_array

from artsim.datatypes import FieldType
from artsim.errors import SearchError
from artsim.search.folding import words_of
from artsim.search.works import Works
from artsim.store import joined_lists

_KINDS = (FieldType.TEXT, FieldType.LIST)

Rows = NDArray[np.int64]
Words = Any  # scipy's sparse arrays have no types: float32, a row a record, a column a word


class Records:
    """The records of N works as unit vectors of V words; a record without words is all zeros.

    Args:
        works: The works.
        columns: Columns or labels of text; all columns of text of the catalog if empty.

    Raises:
        SearchError: If there is no such column, or it has no text.
    """

    def __init__(self, works: Works, columns: Sequence[str] = ()) -> None:
        self.columns = _text_columns(works, columns)
        codes: dict[str, int] = {}
        places: list[int] = []
        starts = [0]
        for texts in zip(*(_texts(works, name) for name in self.columns), strict=True):
            words = words_of(" ".join(filter(None, texts)))
            places += [codes.setdefault(word, len(codes)) for word in words]
            starts.append(len(places))
        self._codes = codes
        counts = csr_array(
            (np.ones(len(places), dtype=np.float32), np.array(places, dtype=np.int64), starts),
            shape=(len(starts) - 1, max(1, len(codes))),
        )
        counts.sum_duplicates()
        having = np.bincount(counts.indices, minlength=counts.shape[1])  # (V,)
        self._weights = np.log(counts.shape[0] / np.maximum(having, 1)).astype(np.float32)
        self._vectors = self._weigh(counts)

    def cosines(self, queries: NDArray[np.float32], rows: Rows | None) -> NDArray[np.float32]:
        """Compare queries, (T, V), with some records, or with all: (T, n)."""
        some = self._vectors if rows is None else self._vectors[rows]
        found: NDArray[np.float32] = (some @ queries.T).T.astype(np.float32)
        return found

    def vectors(self, rows: Rows) -> Words:
        """Return the vectors of some records, sparse: (n, V)."""
        return self._vectors[rows]

    def record(self, row: int) -> NDArray[np.float32]:
        """Return the vector of a record, (V,)."""
        found: NDArray[np.float32] = self._vectors[[row]].toarray()[0]
        return found

    def text(self, text: str) -> NDArray[np.float32]:
        """Return the unit vector of some words, (V,); zeros if no record has one of them."""
        known = [self._codes[word] for word in words_of(text) if word in self._codes]
        counts = np.bincount(known, minlength=len(self._weights)).astype(np.float32)
        found: NDArray[np.float32] = self._weigh(csr_array(counts[None])).toarray()[0]
        return found

    def _weigh(self, counts: Words) -> Words:
        weights = (1 + np.log(counts.data)) * self._weights[counts.indices]
        weighted = csr_array((weights, counts.indices, counts.indptr), shape=counts.shape)
        lengths = np.sqrt(np.asarray(weighted.multiply(weighted).sum(axis=1)).ravel())
        scale = np.divide(1, lengths, out=np.zeros_like(lengths), where=lengths > 0)
        weighted.data *= np.repeat(scale, np.diff(weighted.indptr))
        return weighted.astype(np.float32)


def _text_columns(works: Works, columns: Sequence[str]) -> tuple[str, ...]:
    wrong = [name for name in columns if works.type_of(name) not in _KINDS]
    if wrong:
        raise SearchError(
            f"{wrong[0]!r} is of type {works.type_of(wrong[0])}, expected text; name columns of "
            "text with --text-columns"
        )
    chosen = [*columns] or [
        name for name in works.fields if works.types[name] in _KINDS and not works.is_address(name)
    ]
    if not chosen:
        raise SearchError(f"{str(works.store)!r} has no column of text to compare by")
    return tuple(dict.fromkeys(chosen))


def _texts(works: Works, name: str) -> list[str | None]:
    values: pa.ChunkedArray = works.column(name)
    if works.type_of(name) == FieldType.LIST:
        values = joined_lists(values, " ")
    texts: list[str | None] = values.to_pylist()
    return texts
