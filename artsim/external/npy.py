"""Vectors in an npy file, a row each, with their ids in a file next to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from artsim.errors import ReaderError
from artsim.external.batches import BATCH_BYTES, VectorBatch, VectorFile, checked, unreadable


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
