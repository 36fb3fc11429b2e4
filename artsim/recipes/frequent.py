"""Labels cut down to their most frequent classes, and to the pictures that have all of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from artsim.errors import TrainingError
from artsim.labels import Label

__all__ = ["in_all", "most_frequent"]


def most_frequent(target: Label, n: int, *, without: Sequence[str] = ()) -> Label:
    """Keep a label's most frequent classes; pictures of none of them have no label.

    Args:
        target: A label of one class a picture or of several.
        n: Classes to keep; of equally frequent ones the first by name.
        without: Names, in any case, that are no class: 'anonymous'.
    """
    counts = target.counts
    names = {name.casefold() for name in without}
    counts[[i for i, name in enumerate(target.classes) if name.casefold() in names]] = 0
    kept = np.zeros(len(counts), dtype=bool)
    kept[np.argsort(-counts, kind="stable")[:n]] = True
    return target.keep_classes(kept & (counts > 0))


def in_all(targets: Sequence[Label]) -> tuple[Label, ...]:
    """Keep the pictures that have every label, and the classes that are left to them.

    Raises:
        TrainingError: If no picture has them all.
    """
    rows = np.all([target.strata >= 0 for target in targets], axis=0)
    if not rows.any():
        names = ", ".join(target.name for target in targets)
        raise TrainingError(f"no picture has all of {names}; ask for more classes of each")
    return tuple(
        target.keep(rows).keep_classes(np.ones(len(target.classes), dtype=bool))
        for target in targets
    )
