"""The vectors of a tap by row, memory-mapped: exact cosines of any rows, for any kind of index.

If half precision is enough for what was stored, a row takes two bytes per number: the vector is
scaled by a power of two to where float16 has all its eleven bits, so its direction stays exact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import IO

import faiss
import numpy as np
from numpy.typing import NDArray

from artsim.errors import SearchError

Blocks = Callable[[], Iterable[NDArray[np.floating]]]

_BLOCK = 1 << 17  # numbers compared at a time: they stay in the processor's cache
_ALONE = 1 << 22  # numbers that are worth starting a thread for: about 2 ms
_EXPONENT = 15  # the largest number of a row is in [2 ** 14, 2 ** 15); float16 ends at 2 ** 16
_LEAST_NORM = 1e-12  # whose square float32 holds with all its bits
_UNDERFLOW = 2.0**-25  # that float16 may lose of a row so scaled; float32 keeps no more


class Vectors:
    """Unit vectors, shape (N, D), that are read when they are used."""

    def __init__(self, matrix: NDArray[np.floating], *, keep: object = None) -> None:
        """Take rows, (N, D): float16 of any length, or float32 of length 1.

        ``keep`` is the owner of the matrix's memory, if that is not the matrix itself.
        """
        self.stored = np.asarray(matrix)  # a plain view, also of a memory map
        self._keep = keep
        self.shape: tuple[int, int] = (matrix.shape[0], matrix.shape[1])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice | NDArray[np.integer]) -> NDArray[np.float32]:
        """Read some rows as unit vectors, shape (n, D), in the order given."""
        block = self.stored[rows]
        if block.dtype == np.float16:
            return unit(_floats(block, np.empty(block.shape, dtype=np.float32)))
        return np.asarray(block)

    def cosines(
        self, query: NDArray[np.float32], rows: NDArray[np.integer] | None = None
    ) -> NDArray[np.float32]:
        """Compare a query, a unit vector (D,), with some rows, (n,), or with all.

        Many rows are compared in as many threads as faiss uses.

        Returns:
            Cosines, shape (n,); equal vectors have equal ones, whatever their rows.

        Raises:
            SearchError: If the query has another size.
        """
        dim = self.shape[1]
        if query.shape != (dim,):
            raise SearchError(
                f"the index holds vectors of {dim} numbers, the query has {len(query)}"
            )
        cosines = np.empty(len(self) if rows is None else len(rows), dtype=np.float32)
        threads = min(faiss.omp_get_max_threads(), cosines.size * dim // _ALONE)
        if threads < 2:
            self._compare(query, rows, slice(0, cosines.size), cosines)
            return cosines
        edges = np.linspace(0, cosines.size, threads + 1).astype(np.int64).tolist()
        with ThreadPoolExecutor(threads, thread_name_prefix="artsim-cosines") as pool:
            parts = [slice(start, stop) for start, stop in pairwise(edges)]
            list(pool.map(lambda part: self._compare(query, rows, part, cosines), parts))
        return cosines

    def _compare(
        self,
        query: NDArray[np.float32],
        rows: NDArray[np.integer] | None,
        part: slice,
        cosines: NDArray[np.float32],
    ) -> None:
        """Fill in a part of the cosines.

        The blocks share memory: allocating takes longer than comparing.
        """
        dim = self.shape[1]
        step = max(1, min(_BLOCK // dim, part.stop - part.start))
        gathered = np.empty((0 if rows is None else step, dim), dtype=self.stored.dtype)
        numbers = np.empty((step, dim), dtype=np.float32)
        for start in range(part.start, part.stop, step):
            here = slice(start, min(start + step, part.stop))
            if rows is None:
                block = self.stored[here]
            elif not self.stored.flags.aligned:  # np.take would first copy all of it
                block = self.stored[rows[here]]
            else:
                block = gathered[: here.stop - start]
                # With mode="raise" numpy would write to a buffer first.
                np.take(self.stored, rows[here], axis=0, out=block, mode="wrap")
            if block.dtype == np.float16:
                floats = _floats(block, numbers[: len(block)])
                norms = np.sqrt(np.vecdot(floats, floats))
                cosines[here] = np.vecdot(floats, query) / np.where(norms > 0, norms, 1)
            else:
                cosines[here] = np.vecdot(block, query)


def unit(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    """Scale vectors to length 1, shape (N, D); a vector of zeros stays one."""
    vectors = np.asarray(vectors, dtype=np.float32)
    with np.errstate(over="ignore"):
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    # Squares of numbers beyond 1e19 are infinite in float32, and of those below 1e-19 are zero.
    extreme = np.flatnonzero(~np.isfinite(norms[:, 0]) | (norms[:, 0] < _LEAST_NORM))
    if len(extreme):
        vectors = vectors.copy()
        rows = vectors[extreme].astype(np.float64)
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        vectors[extreme] = rows / np.where(lengths > 0, lengths, 1)
        norms[extreme] = np.linalg.norm(vectors[extreme], axis=1, keepdims=True)
    return np.ascontiguousarray(vectors / np.where(norms > 0, norms, 1), dtype=np.float32)


def _floats(halves: NDArray[np.floating], numbers: NDArray[np.float32]) -> NDArray[np.float32]:
    """Convert finite float16 to float32 exactly, three times as fast as numpy.

    Sign, exponent and fraction are moved to their places in float32. Its exponents count from
    -127 instead of -15, which the factor corrects.
    """
    bits = numbers.view(np.int32)
    np.copyto(bits, halves.view(np.int16))  # the upper bits repeat the sign
    np.left_shift(bits, 13, out=bits)
    np.bitwise_and(bits, np.int32(-0x70000001), out=bits)  # all but the repeated ones
    return np.multiply(numbers, np.float32(2.0**112), out=numbers)


def write_vectors(stream: IO[bytes], blocks: Blocks, rows: int, dim: int) -> None:
    """Write vectors, (``rows``, ``dim``), as a .npy file that `Vectors` can be a view of.

    Args:
        stream: Where to, from its beginning.
        blocks: Returns the vectors at each call: float32 (n, D) of any length, or float16 rows of
            such a file, which are copied.
        rows: In all blocks together.
        dim: Numbers per vector.
    """
    for dtype, pack in ((np.float16, _halves), (np.float32, unit)):
        stream.seek(0)
        stream.truncate()
        np.lib.format.write_array_header_1_0(
            stream, {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": (rows, dim)}
        )
        for block in blocks():
            packed = block if block.dtype == dtype == np.float16 else pack(block)
            if packed is None:  # the type is too small for it
                break
            stream.write(np.ascontiguousarray(packed).data)
        else:
            return


def _halves(vectors: NDArray[np.floating]) -> NDArray[np.float16] | None:
    """Scale each row by a power of two into float16; None if that loses a significant bit."""
    _, exponents = np.frexp(np.abs(vectors).max(axis=1, keepdims=True))  # (n, 1)
    scaled = np.ldexp(vectors, _EXPONENT - exponents)  # (n, D)
    halves = scaled.astype(np.float16)
    lost = np.abs(scaled - halves)
    return halves if (lost <= _UNDERFLOW).all() else None
