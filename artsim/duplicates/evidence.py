"""What the works of one or several indexes are compared by."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from PIL import Image

from artsim.duplicates import candidates
from artsim.duplicates.candidates import Candidates
from artsim.errors import ImageError
from artsim.images import Grays, decode, read_bytes
from artsim.index import open_index
from artsim.metrics import room_for, take
from artsim.metrics.neighbors import NO_ROW, check_unit_vectors, nearest_inner
from artsim.places import picture_file
from artsim.splits import Looks
from artsim.store import Store

_BLOCK = 16_384  # vectors read, or works compared, at a time
_GRAY_SIDE = 192  # pixels of a picture that is read to find crops

Rows = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class DuplicateEvidence:
    """What N works of one or several indexes are compared by."""

    stores: Rows  # (N,): the number of each work's index
    files: Rows  # (N,): works of one file have one number; -1 where it is not known
    hashes: Sequence[int | None]  # perceptual
    grays: Grays | None = None  # (N, 16, 16), of zeros where not known
    vectors: NDArray[np.float32] | None = None  # (N, D), of length 1 or 0; None: not comparable
    # Opens the picture of a row as grays, shape (192, 192); None where it cannot be opened.
    read_gray: Callable[[int], NDArray[np.float64] | None] | None = None

    def same_file(self, a: int, b: int) -> bool:
        """Return whether two works are known to have the same file."""
        return bool(self.files[a] == self.files[b] >= 0)

    def bits(self, a: int, b: int) -> int | None:
        """Return how many bits of two works' hashes differ; None without a hash."""
        one, other = self.hashes[a], self.hashes[b]
        return None if one is None or other is None else (one ^ other).bit_count()

    def score(self, a: int, b: int) -> float | None:
        """Return the cosine of two works; None if vectors are not comparable."""
        vectors = self.vectors
        return None if vectors is None else min(float(vectors[a] @ vectors[b]), 1.0)

    def neighbors(
        self, k: int, *, across: bool, device: str
    ) -> Iterator[tuple[Rows, NDArray[np.float32], Rows]]:
        """Yield blocks of works with their k nearest: rows (B,), cosines (B, k), rows (B, k).

        Works without a vector are left out; a work with fewer neighbors has -1 and -inf there.
        With ``across`` only works of other indexes are neighbors. Of many works the neighbors are
        those among candidates, see `Candidates`; their cosines are exact.
        """
        bank, usable = self.comparable()
        stores = self.stores[usable] if across else None
        rows = np.arange(len(usable))
        among = Candidates(bank) if len(bank) > candidates.EXACT else None
        if among is None:  # all at once, so that a GPU has the vectors once
            every = nearest_inner(
                bank,
                bank,
                k,
                exclude=rows,
                query_groups=stores,
                bank_groups=stores,
                device=device,
            )
        for start in range(0, len(usable), _BLOCK):
            part = rows[start : start + _BLOCK]
            if among is not None:
                scores, places = among.nearest(part, k, stores)
            else:
                scores, places = every.scores[part], every.rows[part]
            yield usable[part], scores, np.where(places == NO_ROW, NO_ROW, usable[places])

    def comparable(self) -> tuple[NDArray[np.float32], Rows]:
        """Return the vectors that are not all zeros, and their rows."""
        assert self.vectors is not None
        usable = np.flatnonzero(self.vectors.any(axis=1))
        bank = self.vectors if len(usable) == len(self.vectors) else take(self.vectors, usable)
        check_unit_vectors(bank, "vectors")
        return bank, usable


def gather(
    stores: Sequence[Store], looks: Sequence[Looks], tap: str | None = None
) -> tuple[DuplicateEvidence, list[str]]:
    """Collect the evidence of all indexes; their rows are numbered consecutively.

    What the pictures look like is from `artsim.splits.picture_looks`, and the vectors are those of
    a tap, the first of the first index if None.

    Returns:
        The evidence, and the reasons why the vectors cannot be compared: none if they can.

    Raises:
        StoreError: If the first index has no such tap.
    """
    first = stores[0]
    name = first.tap(tap).name
    differences = [
        f"{store}: {difference}"
        for store in stores[1:]
        for difference in first.manifest.passport.differences(store.manifest.passport)
    ]
    # Imported vectors do not record how they were made.
    differences += [
        f"{store} holds imported vectors"
        for store in stores
        if len(stores) > 1 and store.manifest.passport.is_external
    ]
    evidence = DuplicateEvidence(
        stores=np.repeat(np.arange(len(stores)), [store.rows for store in stores]),
        files=_files(stores),
        hashes=list(itertools.chain.from_iterable(look.hashes for look in looks)),
        grays=looks[0].grays if len(looks) == 1 else np.concatenate([look.grays for look in looks]),
        vectors=None if differences else _unit_vectors(stores, name),
        read_gray=partial(_read_gray, stores),
    )
    return evidence, differences


def _files(stores: Sequence[Store]) -> Rows:
    """Number the files of all works, shape (N,); -1 for those without a sha256."""
    hashes = [store.read(["content_hash"]).column(0) for store in stores]
    encoded = pa.chunked_array([part for each in hashes for part in each.chunks], pa.string())
    encoded = encoded.dictionary_encode().combine_chunks()
    numbers = np.asarray(pc.fill_null(encoded.indices, -1), dtype=np.int64)
    none = pc.index(encoded.dictionary, "").as_py()
    return np.where(numbers == none, -1, numbers)


def _read_gray(stores: Sequence[Store], row: int) -> NDArray[np.float64] | None:
    for store in stores:
        if row < store.rows:
            break
        row -= store.rows
    (image,) = store.take([row], ["image"]).column(0).to_pylist()
    try:
        data = read_bytes(picture_file(store.manifest.root, image))
        picture = decode(data, at_least=lambda width, height: (_GRAY_SIDE, _GRAY_SIDE))
    except ImageError:
        return None
    gray = Image.fromarray(picture.pixels).convert("L")
    small = gray.resize((_GRAY_SIDE, _GRAY_SIDE), Image.Resampling.BOX)
    return np.asarray(small, dtype=np.float64)


def _unit_vectors(stores: Sequence[Store], tap: str) -> NDArray[np.float32]:
    """Read the unit vectors of all works, shape (N, D)."""
    vectors = room_for(sum(store.rows for store in stores), stores[0].tap(tap).dim)
    start = 0
    for store in stores:
        own = open_index(store, tap).vectors if store.rows else ()
        for at in range(0, store.rows, _BLOCK):
            block = own[at : at + _BLOCK]
            vectors[start : start + len(block)] = block
            start += len(block)
    return vectors
