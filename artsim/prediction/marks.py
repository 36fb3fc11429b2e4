"""Marks: the works that show a concept, and works that do not."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Marks:
    """M marked works. Their vectors are kept, so that a concept can be taught on in any index."""

    ids: tuple[str, ...]
    positive: NDArray[np.bool_]  # (M,)
    vectors: NDArray[np.float32]  # (M, D) unit vectors

    @classmethod
    def none(cls, dim: int) -> Marks:
        """Return no marks, of vectors of so many dimensions."""
        vectors = np.zeros((0, dim), dtype=np.float32)
        return cls(ids=(), positive=np.zeros(0, dtype=bool), vectors=vectors)

    def __len__(self) -> int:
        return len(self.ids)

    def of(self, positive: bool) -> list[str]:
        """Return the ids that are marked so."""
        return [id_ for id_, sign in zip(self.ids, self.positive, strict=True) if sign == positive]

    def without(self, ids: Collection[str]) -> Marks:
        """Return the marks without those of some works."""
        kept = np.array([id_ not in ids for id_ in self.ids], dtype=bool)
        return Marks(
            ids=tuple(id_ for id_ in self.ids if id_ not in ids),
            positive=self.positive[kept],
            vectors=self.vectors[kept],
        )

    def updated(self, new: Marks) -> Marks:
        """Return these marks and new ones; a work that is marked again is marked as the new say."""
        before = self.without(set(new.ids))
        return Marks(
            ids=(*before.ids, *new.ids),
            positive=np.concatenate([before.positive, new.positive]),
            vectors=np.concatenate([before.vectors, new.vectors]),
        )
