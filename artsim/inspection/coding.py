"""The values of a column as numbers: whatever its texts, it takes a few bytes a row."""

from __future__ import annotations

import hashlib
import tempfile
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from artsim.inspection.stored import StoredTable
from artsim.readers import no_room
from artsim.store import indices, joined_lists, take_rows, text_hashes

Codes = NDArray[np.int32]
Test = Callable[[pa.Array], NDArray[np.bool_]]  # of each text, whether it passes


@dataclass(frozen=True, kw_only=True)
class Values:
    """The values of a column of text or of lists: V in all rows, K different ones.

    Missing ones are left out, and a list's members count once. Codes are given in the order in
    which the values first appear.
    """

    codes: Codes  # (V,)
    rows: NDArray[np.int32]  # (V,) ascending
    first: NDArray[np.int32]  # (K,) the place in ``codes`` where each first appears
    counts: NDArray[np.int64]  # (K,) rows with each
    passed: Mapping[str, NDArray[np.bool_]]  # (K,) by test
    sizes: tuple[int, ...]  # values in each part of the table

    def by_row(self, rows: int) -> Codes:
        """Return the code of each row of a column of text, shape (rows,), -1 if it is missing."""
        codes = np.full(rows, -1, dtype=np.int32)
        codes[self.rows] = self.codes
        return codes

    def repeats(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return the rows with a text that an earlier row has, and the first row that has it."""
        first = self.first[self.codes]
        again = np.flatnonzero(first != np.arange(len(first)))
        return self.rows[again], self.rows[first[again]]


def number_values(table: StoredTable, name: str, tests: Mapping[str, Test] | None = None) -> Values:
    """Number the values of a column of text or of lists.

    They are distinguished by a hash of 64 bits, so that only a part of them is in memory.
    """
    return _numbered(table.parts(name), tests or {})


def number_lists(table: StoredTable, name: str) -> Values:
    """Number the lists of a column, each as a whole."""
    return _numbered((joined_lists(part, "|") for part in table.parts(name)), {})


def texts_of(
    table: StoredTable, name: str, values: Values, codes: Sequence[int] | NDArray[np.int64]
) -> list[str]:
    """Read the texts of some codes of a column."""

    def members(number: int) -> pa.Table:
        return pa.table({name: _members(table.part(name, number))[0]})

    taken = take_rows(members, values.sizes, values.first[codes].astype(np.int64))
    texts: list[str] = taken.column(0).to_pylist()
    return texts


class StoredCodes(Mapping[str, Codes]):
    """The codes of columns, in a temporary file without a name.

    Raises:
        ReaderError: If the temporary folder is full.
    """

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as this
        weakref.finalize(self, self._file.close)
        self._places: dict[str, tuple[int, int, bytes]] = {}  # offset, bytes, their hash

    def add(self, name: str, codes: Codes) -> None:
        """Store the codes of a column, shape (N,)."""
        data = codes.astype(np.int32).tobytes()
        try:
            place = self._file.seek(0, 2)
            self._file.write(data)
        except OSError as error:
            raise no_room(error) from error
        self._places[name] = place, len(data), hashlib.blake2b(data).digest()

    def are_same(self, name: str, other: str) -> bool:
        """Return whether two columns have the same codes."""
        return self._places[name][2] == self._places[other][2]

    def __getitem__(self, name: str) -> Codes:
        place, length, _ = self._places[name]
        self._file.seek(place)
        return np.frombuffer(self._file.read(length), dtype=np.int32)

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def _numbered(parts: Iterable[pa.Array], tests: Mapping[str, Test]) -> Values:
    """Number the values of parts: first those of each part, then all by their hashes."""
    hashes, places, rows = [], [], []  # of the different values of each part; of all values
    passed: dict[str, list[NDArray[np.bool_]]] = {name: [] for name in tests}
    different = row = 0
    for part in parts:
        members, row_of = _members(part)
        encoded = members.dictionary_encode()
        texts = encoded.dictionary
        hashes.append(text_hashes(texts))
        places.append(encoded.indices.to_numpy() + np.int32(different))
        rows.append((row_of + row).astype(np.int32))
        for name, test in tests.items():
            passed[name].append(test(texts))
        different += len(texts)
        row += len(part)
    _, first, number = np.unique(np.concatenate(hashes), return_index=True, return_inverse=True)
    code = np.empty(len(first), dtype=np.int32)
    code[np.argsort(first)] = np.arange(len(first))  # (K,) of each hash
    codes = code[number][np.concatenate(places)]  # (V,)
    appears = np.empty(len(first), dtype=np.int32)
    appears[codes[::-1]] = np.arange(len(codes), dtype=np.int32)[::-1]
    return Values(
        codes=codes,
        rows=np.concatenate(rows),
        first=appears,
        counts=np.bincount(codes, minlength=len(first)),
        passed={name: np.concatenate(found)[np.sort(first)] for name, found in passed.items()},
        sizes=tuple(map(len, rows)),
    )


def _members(part: pa.Array) -> tuple[pa.Array, NDArray[np.int64]]:
    """Return the values of a part, of lists each once a row, and the row of each; none is null."""
    if not pa.types.is_list(part.type):
        return part.drop_null(), np.flatnonzero(part.is_valid().to_numpy(zero_copy_only=False))
    members = part.flatten()
    known = members.is_valid()
    rows = pc.list_parent_indices(part).filter(known).to_numpy()
    members = members.filter(known)
    codes = members.dictionary_encode().indices.to_numpy().astype(np.int64)
    _, first = np.unique(rows * (codes.max(initial=0) + 1) + codes, return_index=True)
    return members.take(indices(first)), rows[first]
