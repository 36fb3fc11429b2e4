"""Vectors in batches, with their ids and faults; read from an npy file, a row each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from artsim.errors import ReaderError

BATCH_BYTES = 32 << 20  # of vectors read at a time

_LARGE = 1e9  # numbers whose squares, and their inverses', float32 still adds up


@dataclass(frozen=True)
class VectorBatch:
    """Some rows of a file of vectors."""

    ids: list[str | None]  # (B,)
    vectors: NDArray[np.float32]  # (B, D); the values of a faulty row are undefined
    faults: Mapping[int, str]  # why rows of the batch are not vectors, by row


@dataclass(frozen=True)
class VectorFile:
    """An open file of vectors; ``batches()`` reads from the start at every call."""

    path: Path
    name: str  # of the column, or the common prefix of the numbered columns
    dim: int  # numbers per vector: the usual length in the first rows
    batches: Callable[[], Iterator[VectorBatch]]


def checked(
    ids: list[str | None], numbers: NDArray[np.float64], faults: dict[int, str]
) -> VectorBatch:
    """Make a batch, adding the faults of its numbers; very long and short vectors are scaled."""
    largest = np.abs(numbers).max(axis=1)
    extreme = (largest > _LARGE) & (largest <= np.finfo(np.float32).max)
    extreme |= (largest > 0) & (largest < 1 / _LARGE)
    numbers = numbers.copy()
    numbers[extreme] /= largest[extreme, None]
    with np.errstate(over="ignore"):
        vectors = numbers.astype(np.float32)  # (B, D)
    finite = np.isfinite(vectors)
    for row in np.flatnonzero(~finite.all(axis=1)):
        place = int(np.argmin(finite[row]))
        faults.setdefault(int(row), f"number {place + 1} is {numbers[row, place]:g}")
    for row in np.flatnonzero(~vectors.any(axis=1)):
        faults.setdefault(int(row), "every number is 0, so the vector has no direction")
    return VectorBatch(ids, vectors, faults)


def unreadable(path: Path, error: Exception) -> ReaderError:
    """Return the error of a file that cannot be read."""
    return ReaderError(f"{path} cannot be read: {str(error).splitlines()[0]}")


def open_npy(path: Path, ids: Path | None) -> VectorFile:
    """Open an npy file of vectors; ``ids`` is a text file or an npy of text, in the same order."""
    matrix = _load(path)
    if matrix.ndim != 2 or matrix.dtype.kind not in "fiu" or not matrix.size:
        raise ReaderError(
            f"{path} holds {matrix.dtype} of shape {matrix.shape}; expected numbers, one row per "
            "vector"
        )
    if ids is None:
        raise ReaderError(f"{path} has no ids; name a file with one id per line with --ids")
    texts = _read_ids(ids)
    count, dim = matrix.shape
    if len(texts) != count:
        raise ReaderError(
            f"{path} has {count:,} vectors and {ids} has {len(texts):,} ids; expected as many"
        )
    step = max(1, BATCH_BYTES // (8 * dim))

    def batches() -> Iterator[VectorBatch]:
        for start in range(0, count, step):
            block = np.asarray(matrix[start : start + step], dtype=np.float64)
            yield checked(texts[start : start + step], block, {})

    return VectorFile(path, path.stem, int(dim), batches)


def _load(path: Path) -> NDArray[np.generic]:
    try:
        array: NDArray[np.generic] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise unreadable(path, error) from error
    return array


def _read_ids(path: Path) -> list[str | None]:
    if not path.is_file():
        raise ReaderError(f"no file {str(path)!r} of ids; expected one id per line")
    if path.suffix.lower() == ".npy":
        values = _load(path)
        if values.ndim != 1 or values.dtype.kind not in "Uiu":
            raise ReaderError(f"{path} holds {values.dtype} of shape {values.shape}; expected ids")
        lines = [str(value) for value in values]
    else:
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except UnicodeDecodeError as error:
            raise ReaderError(f"{path} is not UTF-8 ({error.reason}); save it as UTF-8") from error
    return [line.strip() or None for line in lines]
