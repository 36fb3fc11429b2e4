"""Rows that are kept apart in a search for neighbors: of one artist, or of one look."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from artsim.datatypes import Progress
from artsim.labels import codes_of, derived_labels
from artsim.splits import look_alikes, picture_hashes
from artsim.store import Store

NEAR_DUPLICATE = "near-duplicate"  # a group of pictures that look the same


def read_groups(
    store: Store, names: Sequence[str], *, workers: int, progress: Progress
) -> NDArray[np.int64]:
    """Return group codes, one column a name, shape (N, G); -1 is no group.

    Args:
        store: The index.
        names: Of columns or labels; `NEAR_DUPLICATE`, where no column is called so, joins the
            pictures that look the same, and those that look the same as these.
        workers: Threads that decode pictures to compare their looks.
        progress: Called while they do.

    Raises:
        EvaluationError: If there is no such column.
    """
    columns = {*(field.name for field in store.manifest.fields), *derived_labels(store)}
    groups = np.empty((store.rows, len(names)), dtype=np.int64)
    for place, name in enumerate(names):
        if name == NEAR_DUPLICATE and name not in columns:
            hashes = picture_hashes(store, workers=workers, progress=progress)
            groups[:, place] = look_alikes(hashes)
        else:
            groups[:, place] = codes_of(store, name)
    return groups
