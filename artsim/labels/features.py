"""Metadata as features of a linear model: size, shape and other columns, on one scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from artsim.datatypes import FieldType
from artsim.errors import EvaluationError
from artsim.labels.expressions import is_derivation
from artsim.labels.fitness import is_id_name, why_id, why_not_label
from artsim.labels.reading import derivation_of, derived_labels, numbers_of, values_of
from artsim.store import Store

SHAPE: tuple[str, ...] = ("width", "height", "aspect_ratio")  # of any picture, whatever the catalog

_MEASURED = (*SHAPE, "pixel_count")
_NAMES_ROWS = ("id", "image", "content_hash", "file_mtime_ns")
_MAX_CLASSES = 256  # of a text column, each a feature of 0 and 1

Columns = Mapping[str, Sequence[Any]]  # by column: numbers or text, None where missing
Rows = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class FeatureColumn:
    """A column as features: a number standardized, or one feature of 0 and 1 for each class."""

    name: str
    mean: float = 0.0
    std: float = 1.0
    classes: tuple[str, ...] = ()  # of text

    def features(self, values: Sequence[Any]) -> NDArray[np.float32]:
        """Turn values into features, shape (n, M); missing values and new classes are 0."""
        if self.classes:
            place = {name: i for i, name in enumerate(self.classes)}
            codes = np.array([place.get(value, -1) for value in values], dtype=np.int64)
            return np.asarray(codes[:, None] == np.arange(len(self.classes)), dtype=np.float32)
        known = (value if isinstance(value, int | float) else np.nan for value in values)
        numbers = np.fromiter(known, np.float64, len(values))
        scaled = np.nan_to_num((numbers - self.mean) / self.std)  # missing is average
        return scaled.astype(np.float32)[:, None]


@dataclass(frozen=True)
class Metadata:
    """Columns as features; their means and deviations are those of the rows it was fitted on."""

    columns: tuple[FeatureColumn, ...] = ()

    @classmethod
    def fit(cls, values: Columns, rows: Rows) -> Self:
        """Learn scales and classes from some rows."""
        columns = []
        for name, column in values.items():
            known = [column[row] for row in rows if column[row] is not None]
            if any(isinstance(value, str) for value in known):
                columns.append(FeatureColumn(name=name, classes=tuple(sorted(set(known)))))
                continue
            mean, std = (np.mean(known), np.std(known)) if known else (0.0, 1.0)
            columns.append(FeatureColumn(name=name, mean=float(mean), std=float(std) or 1.0))
        return cls(tuple(columns))

    @property
    def names(self) -> tuple[str, ...]:
        """The columns it reads."""
        return tuple(column.name for column in self.columns)

    def features(self, values: Columns, n: int) -> NDArray[np.float32]:
        """Turn n rows into features, shape (n, M)."""
        blocks = [column.features(values[column.name]) for column in self.columns]
        return np.concatenate([np.zeros((n, 0), dtype=np.float32), *blocks], axis=1)

    def to_json(self) -> list[dict[str, Any]]:
        """Return it as plain values for `from_json`."""
        return [asdict(column) for column in self.columns]

    @classmethod
    def from_json(cls, columns: Sequence[dict[str, Any]]) -> Self:
        """Read what `to_json` gave, whether or not it went through JSON."""
        fields = [{**column, "classes": tuple(column["classes"])} for column in columns]
        return cls(tuple(FeatureColumn(**each) for each in fields))


def read_metadata(store: Store, names: Sequence[str]) -> dict[str, list[Any]]:
    """Read columns that are to be features: numbers or text for each row.

    Args:
        store: The index.
        names: ``width``, ``height``, ``aspect_ratio`` (width / height), ``pixel_count`` (their
            product), columns of numbers, of text or of year ranges (their middle), derived labels.

    Raises:
        EvaluationError: If a column is not there, is an id, or cannot be a feature.
    """
    return {name: _read_column(store, name) for name in dict.fromkeys(names)}


def refuse_label(store: Store, label: str, names: Sequence[str]) -> None:
    """Refuse features that give the label away: itself, and what it is derived from.

    Raises:
        EvaluationError: If one of them does.
    """
    derivation = derivation_of(store, label)
    made_of = {column.lower() for column in derivation.columns} if derivation else set()
    for name in names:
        if name == label or name.lower() in made_of:
            what = "the label itself" if name == label else f"what {label!r} is derived from"
            raise EvaluationError(f"{name!r} cannot be a feature: it is {what}; leave it out")


def _read_column(store: Store, name: str) -> list[Any]:
    fields = {field.name: field.type for field in store.fields}
    if name in _NAMES_ROWS:
        raise EvaluationError(
            f"{name!r} cannot be a feature: it identifies the picture and does not describe it"
        )
    if name in _MEASURED and name not in fields:
        width, height = map(numbers_of, store.read(["width", "height"]).columns)
        # Vectors that came without a picture have the size 0.
        width, height = (np.where(each > 0, each, np.nan) for each in (width, height))
        found = (width, height, width / height, width * height)
        return _none_for_nan(found[_MEASURED.index(name)])
    known = dict.fromkeys([*_MEASURED, *fields, *derived_labels(store)])
    if name not in known and not is_derivation(name):
        raise EvaluationError(f"no column {name!r} to be a feature; choose from {', '.join(known)}")
    if fields.get(name) in (FieldType.NUMBER, FieldType.YEARS):
        numbers = numbers_of(store.read([name]).column(name))
        reason, values = why_id(name, numbers), _none_for_nan(numbers)
    else:
        values = values_of(store, name)
        reason = why_not_label(values)
        distinct = len(set(values) - {None})
        if reason is None and is_id_name(name):
            reason = f"it is an id by its name, with {distinct:,} different values"
        if reason is None and distinct > _MAX_CLASSES:
            reason = f"it has {distinct:,} different values, expected at most {_MAX_CLASSES}"
    if reason is not None:
        raise EvaluationError(f"{name!r} cannot be a feature: {reason}; leave it out of --with")
    return values


def _none_for_nan(numbers: NDArray[np.float64]) -> list[Any]:
    return [None if np.isnan(number) else float(number) for number in numbers]
