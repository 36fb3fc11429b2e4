"""Where each id is in a catalog: by a hash of 64 bits, so that millions take 16 bytes each."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from artsim.store import CatalogRows, indices, text_hashes


class IdPlaces:
    """Finds the rows of a catalog by their ids."""

    def __init__(self, rows: CatalogRows) -> None:
        self._rows = rows
        hashes = text_hashes(rows.column("id"))
        self._order = np.argsort(hashes, kind="stable")  # (N,) positions, those of a hash ascending
        self._hashes = hashes[self._order]  # (N,) ascending

    def repeated(self) -> NDArray[np.int64]:
        """Return the positions of ids that other rows may have, too, ascending."""
        same = np.flatnonzero(self._hashes[1:] == self._hashes[:-1])
        return np.sort(self._order[np.union1d(same, same + 1)])

    def find(self, ids: pa.Array | pa.ChunkedArray, usable: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return the position of the first usable row with each id, -1 where there is none.

        Args:
            ids: Shape (n,).
            usable: Which rows of the catalog count, shape (N,).
        """
        wanted = text_hashes(ids)
        found = np.full(len(wanted), -1, dtype=np.int64)
        left = np.arange(len(wanted))  # those that are looked for
        order = np.argsort(wanted)  # neighbors are looked up in the same part of memory
        places = np.empty_like(order)
        places[order] = np.searchsorted(self._hashes, wanted[order])
        while True:
            in_range = places < len(self._hashes)
            left, places = left[in_range], places[in_range]
            is_same = self._hashes[places] == wanted[left]
            left, places = left[is_same], places[is_same]
            if not len(left):
                return found
            positions = self._order[places]
            here = self._rows.take(positions, ["id"]).column(0)
            good = _equal(here, ids, left) & usable[positions]
            found[left[good]] = positions[good]
            left, places = left[~good], places[~good] + 1  # another row of the same hash


def _equal(
    here: pa.ChunkedArray, ids: pa.Array | pa.ChunkedArray, places: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Return which ids are those at some places of others."""
    same = pc.equal(here, ids.take(indices(places)))
    return np.asarray(pc.fill_null(same, False))
