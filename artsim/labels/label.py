"""A label of an index: one class a picture, several classes, or a number."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

LIKELY = 0.5  # several classes a picture: each is predicted from this probability on

_CLASSES, _PER_CLASS = 20, 3  # from so many classes, fewer pictures a class are worth a note
_STRATA = 10  # tenths of the distribution of a number, so that each part of a split has all of it

Codes = NDArray[np.int64]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Rows = NDArray[np.integer]


class LabelKind(StrEnum):
    """How a label is predicted and scored."""

    MULTICLASS = "multiclass"  # one class a picture
    MULTILABEL = "multilabel"  # several classes a picture
    NUMBER = "number"  # a number or an interval, say of years

    @classmethod
    def _missing_(cls, value: object) -> LabelKind | None:
        """Read the names that files written by artsim 0.1 have."""
        return {"classes": cls.MULTICLASS, "members": cls.MULTILABEL}.get(str(value))

    @property
    def metric(self) -> str:
        """The name of the score; for a number, less is better."""
        return {self.MULTICLASS: "top1", self.MULTILABEL: "mAP", self.NUMBER: "MAE"}[self]

    @property
    def baseline(self) -> str:
        """What is predicted without a picture: see `artsim.metrics`."""
        return {"top1": "majority", "mAP": "chance", "MAE": "median"}[self.metric]


@dataclass(frozen=True, kw_only=True, eq=False)
class Label:
    """A label with one value for each of N rows; its kind determines which arrays are set."""

    name: str
    kind: LabelKind
    strata: Codes  # (N,) class codes, or what a split divides evenly; -1 where there is no value
    classes: tuple[str, ...] = ()  # sorted; what class codes stand for; none of a number
    may_be_codes: bool = False  # numbers of classes, as 0 to 26 for 27 styles
    is_prediction: bool = False  # a model's, of the same pictures
    qualified: int = 0  # values left out, as they are qualified: "after", "workshop of"
    # Multilabel: row i has codes[starts[i] : starts[i + 1]], rising, each once.
    starts: Codes = field(default_factory=lambda: np.zeros(1, dtype=np.int64))  # (N+1,)
    codes: Codes = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    # Number: an interval that includes its end, NaN where there is none.
    begin: Floats = field(default_factory=lambda: np.zeros(0))  # (N,)
    end: Floats = field(default_factory=lambda: np.zeros(0))  # (N,); of a plain number its begin

    def __len__(self) -> int:
        """Count the rows, with and without a value."""
        return len(self.strata)

    @property
    def known(self) -> Mask:
        """Whether each row has a value, shape (N,)."""
        known: Mask = self.strata >= 0
        return known

    @property
    def labeled(self) -> Codes:
        """The rows that have a value, in order."""
        return np.flatnonzero(self.known)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the reader of a score must know of the label: values left out, tiny classes."""
        notes = []
        if self.qualified:
            values = "value is" if self.qualified == 1 else "values are"
            notes.append(
                f"{self.qualified:,} qualified {values} left out "
                '(such as "after" and "workshop of"); --qualified keep counts them'
            )
        if self.is_prediction:
            notes.append(
                f"{self.name} was predicted by a model, and is no fact of the catalog: the scores "
                "say how well the model is imitated; check it with 'artsim review' first"
            )
        pictures, count = len(self.labeled), len(self.classes)
        if count >= _CLASSES and pictures < _PER_CLASS * count:
            single = int((self.counts == 1).sum())
            notes.append(
                f"{self.name} nearly names the pictures: {count:,} classes of {pictures:,} "
                f"pictures, {single:,} of a single one, which cannot be predicted; group them with "
                "'artsim label'"
            )
        if self.may_be_codes:
            notes.append(f"its numbers may be codes of classes: if so, {self.as_classes}")
        return tuple(notes)

    @property
    def as_classes(self) -> str:
        """How classes are made of a number: the next step where they are expected."""
        if self.may_be_codes:
            return f"embed again with --type {shlex.quote(self.name)}=text"
        return f"derive some: --label 'century = floor({self.name} / 100) + 1'"

    @property
    def row_codes(self) -> tuple[Codes, Codes]:
        """A row and a class code for each class that a row has, sorted; none of a number."""
        if self.kind == LabelKind.MULTILABEL:
            return np.repeat(np.arange(len(self)), np.diff(self.starts)), self.codes
        rows = self.labeled if self.classes else self.labeled[:0]
        return rows, self.strata[rows]

    @property
    def counts(self) -> Codes:
        """The number of rows of each class, shape (K,)."""
        return np.bincount(self.row_codes[1], minlength=len(self.classes))

    @property
    def matrix(self) -> Mask:
        """Whether each row has each class, shape (N, K)."""
        matrix = np.zeros((len(self), len(self.classes)), dtype=bool)
        matrix[self.row_codes] = True
        return matrix

    @property
    def numbers(self) -> Floats:
        """The middle of each row's interval, shape (N,); NaN where there is no value."""
        return (self.begin + self.end) / 2

    @property
    def are_ranges(self) -> bool:
        """Whether any interval is longer than a point."""
        return bool((self.begin < self.end).any())

    def take(self, rows: Rows) -> Label:
        """Return the label of these rows, in this order."""
        if self.kind == LabelKind.MULTILABEL:
            starts, counts = self.starts[rows], np.diff(self.starts)[rows]
            places = np.repeat(starts - np.cumsum(counts) + counts, counts)
            return self._with_lists(counts, self.codes[places + np.arange(len(places))])
        taken = replace(self, strata=self.strata[rows])
        if self.kind == LabelKind.MULTICLASS:
            return taken
        return replace(taken, begin=self.begin[rows], end=self.end[rows])

    def keep(self, rows: Mask) -> Label:
        """Return the label without the values of all rows but these, shape (N,)."""
        if self.kind == LabelKind.MULTILABEL:
            counts = np.diff(self.starts)
            return self._with_lists(counts * rows, self.codes[np.repeat(rows, counts)])
        kept = replace(self, strata=np.where(rows, self.strata, -1))
        if self.kind == LabelKind.MULTICLASS:
            return kept
        begin, end = (np.where(rows, each, np.nan) for each in (self.begin, self.end))
        return replace(kept, begin=begin, end=end)

    def among(self, rows: Mask) -> Label:
        """Return the label as if there were no rows but these, shape (N,): it has their classes."""
        kept = self.keep(rows)
        if self.kind == LabelKind.NUMBER:
            return replace(kept, strata=number(self.name, kept.begin, kept.end).strata)
        return kept.keep_classes(kept.counts > 0)

    def keep_classes(self, classes: Mask) -> Label:
        """Return the label with these classes only, shape (K,); those that no row has go too."""
        rows, codes = self.row_codes
        rows, codes = rows[classes[codes]], codes[classes[codes]]
        found, codes = np.unique(codes, return_inverse=True)
        kept = replace(self, classes=tuple(self.classes[code] for code in found))
        if self.kind == LabelKind.MULTILABEL:
            return kept._with_lists(np.bincount(rows, minlength=len(self)), codes)
        strata = np.full_like(self.strata, -1)
        strata[rows] = codes
        return replace(kept, strata=strata)

    def _with_lists(self, counts: Codes, codes: Codes) -> Label:
        """Return the label with other class codes, ``counts`` of them in each row."""
        starts = np.append(0, np.cumsum(counts)).astype(np.int64)
        first = np.full(len(counts), -1, dtype=np.int64)
        first[counts > 0] = codes[starts[:-1][counts > 0]]
        return replace(self, strata=first, starts=starts, codes=codes.astype(np.int64))


def encode(values: Sequence[str | None]) -> tuple[Codes, tuple[str, ...]]:
    """Return the code of each value, shape (N,), -1 for None; and the values by code, sorted."""
    classes = sorted({value for value in values if value is not None})
    code = {name: i for i, name in enumerate(classes)}
    codes = (-1 if value is None else code[value] for value in values)
    return np.fromiter(codes, dtype=np.int64, count=len(values)), tuple(classes)


def multiclass(name: str, values: Sequence[str | None]) -> Label:
    """Make a label of one class a row; None is no value."""
    codes, classes = encode(values)
    return Label(name=name, kind=LabelKind.MULTICLASS, strata=codes, classes=classes)


def multilabel(name: str, values: Sequence[Sequence[str] | None]) -> Label:
    """Make a label of several classes a row, split by the first; None or an empty list is none."""
    lists = [sorted(set(value or ())) for value in values]
    codes, classes = encode([each for members in lists for each in members])
    none = np.zeros(0, dtype=np.int64)
    label = Label(name=name, kind=LabelKind.MULTILABEL, strata=none, classes=classes)
    return label._with_lists(np.array([len(each) for each in lists], dtype=np.int64), codes)


def number(name: str, begin: Floats, end: Floats | None = None) -> Label:
    """Make a label of numbers, or of intervals that include their end, shape (N,); NaN is none."""
    end = begin if end is None else end
    middle, strata = (begin + end) / 2, np.full(len(begin), -1, dtype=np.int64)
    known = ~np.isnan(middle)
    if known.any():
        edges = np.quantile(middle[known], np.linspace(0, 1, _STRATA + 1)[1:-1])
        strata[known] = np.searchsorted(edges, middle[known])
    return Label(name=name, kind=LabelKind.NUMBER, strata=strata, begin=begin, end=end)
