"""How similar random texts are to the works of an index, which says whether a text's score is high.

A cosine of text and picture is low for most networks, and comparable with no other. So a score is
placed among those of a background: texts about what museums have, each with random works. A query
of several texts has a background of as many, with the same weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from artsim.index import unit
from artsim.search.percentiles import SEED, Scores, count_scores

_WORKS = 20_000  # at most
_BLOCK = 2_000  # works
_CANCELED = 0.05  # length of a sum of unit vectors that points nowhere

SUBJECTS = (
    "a woman", "a man", "a child", "an old man with a beard", "two lovers", "a crowd of people",
    "a soldier", "a king on a throne", "a saint with a halo", "the Virgin and child", "an angel",
    "the crucifixion", "a nude", "a dancer", "a musician", "peasants in a field", "a battle",
    "a horse", "a dog", "a bird", "a lion", "a dragon", "a fish", "flowers in a vase", "fruit",
    "a skull", "a landscape with trees", "mountains", "a river", "the sea in a storm", "a harbor",
    "ships", "a bridge", "a street", "a church", "a castle", "ruins", "an interior with a window",
    "a table with food", "a garden", "snow", "a sunset", "clouds", "a moonlit night", "a map",
    "a chair", "a cup", "a bowl", "a coin", "a sword", "a helmet", "a mask", "a textile pattern",
    "a page of writing", "an initial with gold", "geometric shapes", "an abstract composition",
    "a machine", "a building of glass", "a portrait in profile",
)  # fmt: skip
_FORMS = ("{}", "a picture of {}")
TEXTS = tuple(form.format(subject) for form, subject in product(_FORMS, SUBJECTS))

Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Background:
    """Random queries of texts with these weights, and some of the works of an index."""

    works: int  # of the index; of many, 20,000 are drawn
    weights: Sequence[float]

    @property
    def pairs(self) -> int:
        """Count the pairs of a text and a work."""
        return len(TEXTS) * min(self.works, _WORKS)

    def compare(self, texts: Vectors, read: Callable[[NDArray[np.int64]], Vectors]) -> Scores:
        """Compare them.

        Args:
            texts: Unit vectors of `TEXTS`, (M, D).
            read: Returns the unit vectors of some rows, (n, D).
        """
        rng = np.random.default_rng(SEED)
        picks = np.stack([rng.permutation(len(texts)) for _ in self.weights])  # (T, M)
        share = np.asarray(self.weights, dtype=np.float32) / np.abs(self.weights).max()
        sums = np.einsum("t,tmd->md", share, texts[picks])
        queries = unit(sums[np.linalg.norm(sums, axis=1) > _CANCELED])
        rows = np.sort(rng.permutation(self.works)[:_WORKS])
        return count_scores(
            (read(rows[start : start + _BLOCK]) @ queries.T).ravel()
            for start in range(0, len(rows), _BLOCK)
        )
