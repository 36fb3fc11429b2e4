"""Learn a concept from marked works, rank all others, and choose what to mark next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from artsim.errors import EvaluationError
from artsim.metrics import (
    HeldOut,
    choose_different,
    evaluate_concept,
    fit_concept,
    least_sure,
)
from artsim.prediction.heads import SavedHead
from artsim.prediction.marks import Marks
from artsim.search import FaissBackend, SearchBackend, Works

_BACKGROUND = 500  # works that stand for "no"
_MOST_MARKS = 10_000
_SAME = 0.999  # cosine of two vectors of one picture

Rows = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Concept:
    """A linear model of a concept, and what it says of the N works of an index."""

    marks: Marks
    weights: NDArray[np.float32]  # (D,)
    bias: float
    logits: NDArray[np.float32]  # (N,) above 0 is a yes
    marked: Rows  # rows of the index that are marked

    @cached_property
    def scores(self) -> NDArray[np.float64]:
        """The probability that each work shows the concept, shape (N,), of marks as balanced."""
        return np.asarray(expit(self.logits.astype(np.float64)))

    def ranked(self, k: int, rows: Rows | None = None) -> Rows:
        """Return the k likeliest works that are not marked, among some rows or all, best first."""
        some = self.unmarked(rows)
        return some[np.lexsort((some, -self.logits[some]))][:k]

    def unmarked(self, rows: Rows | None = None) -> Rows:
        """Return the works that are not marked, among some rows or all."""
        some = np.arange(len(self.logits)) if rows is None else rows
        return some[~np.isin(some, self.marked)]


class Teacher:
    """Learns concepts from marked works of an index. Safe to use from several threads.

    Args:
        works: The works of the index.
        backend: What compares its vectors; FAISS over the folder if None.
        tap: The vectors to learn from; the first if None.
    """

    def __init__(
        self, works: Works, backend: SearchBackend | None = None, tap: str | None = None
    ) -> None:
        self.works = works
        self.tap = works.store.tap(tap).name
        self._backend = backend or FaissBackend(works)
        # Drawn once, so that the same marks always give the same concept.
        drawn = np.random.default_rng(0).permutation(works.store.rows)[:_BACKGROUND]
        self._sample = np.sort(drawn)

    @classmethod
    def of(cls, works: Works, head: SavedHead | None) -> Self:
        """Make the teacher that goes on with a concept, by its tap if the index has that."""
        taps = works.store.manifest.passport
        return cls(works, tap=head.tap if head and taps.tap(head.tap) else None)

    @cached_property
    def _background(self) -> NDArray[np.float32]:
        return self._backend.vectors(self.tap, self._sample)

    def mark(self, positive: Sequence[str], negative: Sequence[str] = ()) -> Marks:
        """Mark works by their ids.

        Raises:
            UnknownWorkError: If the index has no such work.
            EvaluationError: If one is marked both ways, or there are too many.
        """
        ids = tuple(dict.fromkeys([*positive, *negative]))
        if both := set(positive) & set(negative):
            raise EvaluationError(
                f"{min(both)!r} is marked as positive and as negative; choose one"
            )
        if len(ids) > _MOST_MARKS:
            raise EvaluationError(f"at most {_MOST_MARKS:,} works can be marked, got {len(ids):,}")
        rows = self.works.places(ids)
        if (rows < 0).any():
            self.works.row(ids[int(rows.argmin())])  # says which ids are similar
        return Marks(
            ids=ids,
            positive=np.isin(np.array(ids, dtype=object), list(positive)),
            vectors=self._backend.vectors(self.tap, rows),
        )

    def marks_of(self, head: SavedHead | None) -> Marks:
        """Return the marks of a concept; those by another model as far as their works are here."""
        if head is None or head.marks is None:
            return Marks.none(self.works.store.tap(self.tap).dim)
        same = head.tap == self.tap
        if same and not head.passport.differences(self.works.store.manifest.passport):
            return head.marks
        positive, negative = (
            [id_ for id_ in head.marks.of(sign) if self.works.has(id_)] for sign in (True, False)
        )
        return self.mark(positive, negative)

    def learn(self, marks: Marks) -> Concept:
        """Learn a concept, and score every work.

        Raises:
            EvaluationError: If no work is marked as positive, or there is nothing to compare with.
        """
        if not marks.positive.any():
            raise EvaluationError("no work is marked as positive; mark one that shows the concept")
        others = self._others(self._rows_of(marks))
        return self.score(marks, *fit_concept(marks.vectors, marks.positive, others))

    def score(self, marks: Marks, weights: NDArray[np.float32], bias: float) -> Concept:
        """Score every work by a model that was learned before, from these marks."""
        length = float(np.linalg.norm(weights)) or 1.0
        (cosines,) = self._backend.cosines(self.tap, weights[None] / np.float32(length), None)
        return Concept(
            marks=marks,
            weights=weights,
            bias=bias,
            logits=np.float32(length) * cosines + np.float32(bias),
            marked=self._rows_of(marks),
        )

    def evaluate(self, marks: Marks) -> HeldOut | None:
        """Rank the marks by models that have not seen them; see `evaluate_concept`."""
        others = self._others(self._rows_of(marks))
        return evaluate_concept(marks.vectors, marks.positive, others)

    def ask(self, concept: Concept, n: int, rows: Rows | None = None) -> Rows:
        """Choose works to mark next: of those it is least sure of, n that differ, (n,)."""
        some = concept.unmarked(rows)
        some = some[least_sure(concept.logits[some], n)]
        return some[choose_different(self._backend.vectors(self.tap, some), n)]

    def _others(self, marked: Rows) -> NDArray[np.float32]:
        return self._background[~np.isin(self._sample, marked)]

    def _rows_of(self, marks: Marks) -> Rows:
        """Return the rows of the marks that are of this index: the same id and the same vector."""
        rows = self.works.places(marks.ids)
        here = np.flatnonzero(rows >= 0)
        cosines = np.vecdot(marks.vectors[here], self._backend.vectors(self.tap, rows[here]))
        found: Rows = rows[here][cosines >= _SAME]
        return found
