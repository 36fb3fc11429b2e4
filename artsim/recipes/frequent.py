"""Reduce labels to their most frequent classes, and to the images that have all labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from artsim.errors import TrainingError
from artsim.labels import Label


def most_frequent(target: Label, n: int, *, without: Sequence[str] = ()) -> Label:
    """Keep a label's most frequent classes; images with none of them lose their label.

    Args:
        target: A multiclass or multilabel label.
        n: Classes to keep; of equally frequent ones the first by name.
        without: Names that do not count as classes, such as 'anonymous'; case is ignored.
    """
    counts = target.counts
    names = {name.casefold() for name in without}
    counts[[i for i, name in enumerate(target.classes) if name.casefold() in names]] = 0
    kept = np.zeros(len(counts), dtype=bool)
    kept[np.argsort(-counts, kind="stable")[:n]] = True
    return target.keep_classes(kept & (counts > 0))


def in_all(targets: Sequence[Label]) -> tuple[Label, ...]:
    """Keep the images that have every label, and the classes that these images have.

    Raises:
        TrainingError: If no image has all labels.
    """
    rows = np.all([target.strata >= 0 for target in targets], axis=0)
    if not rows.any():
        names = ", ".join(target.name for target in targets)
        raise TrainingError(f"no picture has all of {names}; keep more classes of each")
    return tuple(
        target.keep(rows).keep_classes(np.ones(len(target.classes), dtype=bool))
        for target in targets
    )
