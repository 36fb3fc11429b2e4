"""Labels derived from the columns of an index, and its splits."""

from __future__ import annotations

from collections.abc import Sequence

from artsim.api.index import IndexLike, open_store
from artsim.api.results import Table
from artsim.datatypes import plural


def add_label(index: IndexLike, text: str) -> Table:
    """Add a derived label to an index, ``NAME = SQL``; one row per class.

    Args:
        index: An index, or its folder.
        text: For example ``"century = century(year)"``.

    Raises:
        EvaluationError: If it cannot be read or computed, or a column has its name.
    """
    from collections import Counter

    from artsim.labels import add_label

    label, values, before = add_label(open_store(index).path, text)
    counts = Counter(value for value in values if value is not None)
    rows = tuple({"class": name, "rows": count} for name, count in counts.most_common())
    notes = () if before is None else (f"it replaces another, which was: {before}",)
    return Table(f"{label.name}: {plural(len(counts), 'class', 'classes')}", rows, notes=notes)


def draw_split(
    index: IndexLike,
    name: str,
    *,
    fractions: Sequence[float] = (0.7, 0.1, 0.2),
    stratify: str | None = None,
    group: str | None = None,
    seed: int = 0,
) -> Table:
    """Split an index into training, validation and test set and store that; one row per part.

    Args:
        index: An index, or its folder.
        name: Name of the new split.
        fractions: Train and test, or train, validation and test; they add up to 1.
        stratify: A label whose classes are divided evenly.
        group: A column whose values stay in one part: ``"artist"``.
        seed: Seed of the random split.

    Raises:
        EvaluationError: If there is such a split already, or the rows cannot be divided so.
    """
    from artsim.splits import SplitPlan, make_split

    plan = SplitPlan(fractions=tuple(fractions), stratify=stratify, group=group, seed=seed)
    split = make_split(open_store(index), name, plan)
    rows = tuple({"part": part, "rows": count} for part, count in split.counts.items())
    return Table(f"Split {name}", rows)


def find_leaks(index: IndexLike, split: str, *, group: str | None = None) -> Table:
    """Compare the parts of a split: files, look-alikes and groups that are in both of two parts.

    Args:
        index: An index, or its folder.
        split: A stored split or a split column.
        group: A column whose values should be in one part only.

    Raises:
        EvaluationError: If there is no such split or column.
    """
    from artsim.splits import audit_splits

    store = open_store(index)
    found = audit_splits(store, [split], group=group)
    rows = tuple(
        {"part": each.test_part, "other": each.train_part, "rows": each.test_rows}
        | {"leaks": len(each.leaks)}
        | {str(kind): each.counts[kind] for kind in found.checked}
        for each in found.comparisons
    )
    return Table(f"Leaks of split {split}", rows, results=(found,))
