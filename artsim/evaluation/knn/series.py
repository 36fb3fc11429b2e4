"""Test pictures that a model may know by their title: works of a series, or one work again."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from artsim.datatypes import FieldType, title_column
from artsim.evaluation.knn.reachable import count_unreachable
from artsim.labels import group_codes
from artsim.splits import Split
from artsim.store import Store

_SHARE = 0.1  # of the test pictures: of fewer the titles may be the same by chance


@dataclass(frozen=True, eq=False)
class Titles:
    """The titles of an index, where it has any."""

    column: str
    codes: NDArray[np.int64]  # (N,); -1 is none

    def count_known(self, split: Split) -> int:
        """Count the test pictures whose title a picture has that they are predicted from."""
        test, bank = (rows[self.codes[rows] >= 0] for rows in (split.test, split.learned))
        if not len(test) or not len(bank):
            return 0
        if split.groups is None and not split.is_leave_one_out:
            return int(np.isin(self.codes[test], self.codes[bank]).sum())
        return len(test) - count_unreachable(self.codes, np.unique(bank), test, split.groups)

    def note(self, split: Split) -> Split:
        """Note how many test pictures may be known by their title, if a tenth or more."""
        count, tested = self.count_known(split), len(split.test)
        if count < max(1, _SHARE * tested):
            return split
        whole = split.is_leave_one_out
        which, other = (
            ("pictures", "another picture") if whole else ("test pictures", "a training picture")
        )
        note = (
            f"{count:,} of {tested:,} {which} share their {self.column} with {other}, as a series "
            f"or one work does; scores without that: --group {self.column}"
        )
        return replace(split, notes=(*split.notes, note))


def read_titles(store: Store) -> Titles | None:
    """Read the titles of an index's works; None without a column of them."""
    texts = [field.name for field in store.fields if field.type is FieldType.TEXT]
    name = title_column(texts)
    return None if name is None else Titles(name, group_codes(store, name))
