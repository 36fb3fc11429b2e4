"""A catalog's columns: what is missing, which can be labels, and how well these are predicted.

Every label has two baselines that need no picture. **Majority**: predict the most common class.
**Best column**: predict the most common class among the rows with the same value of one other
column or size of the picture. The column is chosen on the training folds by leave-one-out, and
scored on the fold left out; columns that number or name the rows are never used. A network is
worth what it adds to these. (The metadata baseline of a probe, `artsim.metrics.metadata_baseline`,
is a model of several columns.)
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from artsim.datatypes import FieldType
from artsim.inspection.oddities import OddValues
from artsim.readers import is_identifier
from artsim.splits import k_fold, part_of
from artsim.store import joined_lists

FOLDS = 5
BASELINE_ROWS = 100_000  # drawn at random where there are more

_MOST_PARTS = 9  # values that a column of splits has
_EXAMPLES = 3  # values of a column
_SEARCHED = 1000  # rows, for them
_SHOWN = 60  # letters of an example
_BINS = 32  # of a number, each with as many rows

Codes = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class ColumnSummary:
    """A metadata column."""

    name: str
    type: FieldType
    missing: int  # rows without a value
    distinct: int  # values; of a list, members
    not_a_label: str | None  # why it cannot be a label; None if it can be one
    names_rows: bool  # it numbers or names the rows, so no baseline uses it
    is_split: bool = False  # its values are train, val and test, which are not metadata either
    examples: tuple[str, ...] = ()  # the first different values, shortened; a list's with |
    odd: OddValues | None = None  # values that read otherwise than most


@dataclass(frozen=True, kw_only=True)
class BestColumn:
    """How often one other column predicts a class, on held-out rows."""

    accuracy: float
    column: str  # chosen in most folds; '' if none promises more than the most common class
    by_column: tuple[tuple[str, float], ...]  # accuracy with each column alone, best first
    n: int  # rows
    folds: int
    seed: int


@dataclass(frozen=True, kw_only=True)
class LabelSummary:
    """A column that can be a label."""

    name: str
    classes: tuple[tuple[str, int], ...]  # with their rows, the most common first
    rows: int  # that have the label
    several: bool  # a row can have several classes
    majority: float  # share of the rows with the most common class
    best_column: BestColumn | None  # None for lists, splits, and fewer rows than folds


def describe_columns(table: pa.Table) -> list[ColumnSummary]:
    """Describe every column of a catalog's table but id and image."""
    return [_describe(table, name) for name in table.column_names if name not in ("id", "image")]


def describe_label(
    column: ColumnSummary, values: pa.ChunkedArray, best: BestColumn | None
) -> LabelSummary:
    """Count the classes of a column of text or of lists of text."""
    counts = zip(*(each.tolist() for each in _counts(values)), strict=True)
    classes = sorted(counts, key=lambda pair: (-pair[1], pair[0]))
    rows = len(values) - column.missing
    return LabelSummary(
        name=column.name,
        classes=tuple(classes),
        rows=rows,
        several=column.type is FieldType.LIST,
        majority=classes[0][1] / rows,
        best_column=best,
    )


def predictors(
    table: pa.Table, columns: Sequence[ColumnSummary], sizes: Mapping[str, NDArray[np.float64]]
) -> dict[str, Codes]:
    """Encode everything that may predict a class without a picture; missing is a value, too.

    Args:
        table: The catalog.
        columns: Its columns; those that name rows or split them are left out.
        sizes: Numbers known of the files, shape (N,), NaN where they are not.

    Returns:
        Codes from 0, shape (N,), by name.
    """
    found = {}
    for column in columns:
        values = table.column(column.name)
        if column.names_rows or column.is_split:
            continue
        if column.type is FieldType.YEARS:
            values = pc.struct_field(values, "begin")
        if column.type in (FieldType.NUMBER, FieldType.YEARS):
            found[column.name] = _binned(pc.cast(values, pa.float64()).to_numpy())
        elif column.type is FieldType.LIST:
            found[column.name] = _coded(joined_lists(values, "|"))
        else:
            found[column.name] = _coded(values)
    found |= {name: _binned(values) for name, values in sizes.items()}
    return {name: codes for name, codes in found.items() if codes.size and codes.max() > 0}


def find_best_column(
    values: pa.ChunkedArray, known: Mapping[str, Codes], *, seed: int
) -> BestColumn | None:
    """Measure how often one other column predicts the class, on held-out rows.

    Args:
        values: The class of each row, null where it has none.
        known: What may predict it, as from `predictors`, without the label itself.
        seed: Of the folds, and of the draw where there are more than 100,000 rows.

    Returns:
        None if there are fewer rows than folds.
    """
    rows = np.flatnonzero(values.is_valid().to_numpy())
    if len(rows) > BASELINE_ROWS:
        rows = np.sort(np.random.default_rng(seed).choice(rows, BASELINE_ROWS, replace=False))
    if len(rows) < FOLDS:
        return None
    truth = _coded(values.take(pa.array(rows)))
    fold = np.empty(len(rows), dtype=np.int64)
    for number, held_out in enumerate(k_fold(truth, FOLDS, seed=seed)):
        fold[held_out] = number
    names = ["", *known]
    codes = [np.zeros(len(rows), dtype=np.int64), *(known[name][rows] for name in known)]
    scored = [_score(truth, each, fold) for each in codes]
    right, promised = (np.array(each) for each in zip(*scored, strict=True))  # (columns, folds)
    chosen = promised.argmax(axis=0)  # (folds,)
    accuracy = right.sum(axis=1) / len(rows)  # (columns,)
    best = np.argsort(-accuracy, kind="stable")
    return BestColumn(
        accuracy=float(right[chosen, np.arange(FOLDS)].sum() / len(rows)),
        column=names[int(np.bincount(chosen).argmax())],
        by_column=tuple((names[i], float(accuracy[i])) for i in best if names[i]),
        n=len(rows),
        folds=FOLDS,
        seed=seed,
    )


def spellings(classes: Mapping[str, int]) -> Iterator[tuple[str, ...]]:
    """Yield the classes that differ only in case, spaces or Unicode form, the commonest first."""
    spelled: dict[str, list[str]] = {}
    for name in classes:
        plain = " ".join(unicodedata.normalize("NFKC", name).casefold().split())
        spelled.setdefault(plain, []).append(name)
    for names in spelled.values():
        if len(names) > 1:
            yield tuple(sorted(names, key=lambda name: (-classes[name], name)))


def _describe(table: pa.Table, name: str) -> ColumnSummary:
    values = table.column(name)
    type_ = FieldType.of(values.type)
    missing = values.null_count
    names_rows = is_split = False
    reason: str | None
    if type_ is FieldType.YEARS:
        distinct = pc.count_distinct(pc.struct_field(values, "begin")).as_py()
        reason = "it holds years; name it with --label to predict them"
    elif type_ is FieldType.NUMBER:
        if pa.types.is_floating(values.type):
            missing += int(pc.sum(pc.is_nan(values)).as_py() or 0)
        rows = len(values) - missing
        known = values.filter(pc.is_finite(pc.cast(values, pa.float64())))
        distinct = pc.count_distinct(known).as_py()
        # Whole numbers without a gap: the rows, numbered.
        ends = pc.min_max(known).as_py()
        names_rows = rows > 1 and distinct == rows and ends["max"] - ends["min"] == rows - 1
        reason = "it holds numbers; name it with --label to predict them"
    else:
        if type_ is FieldType.LIST:
            missing = len(values) - len(np.unique(_members(values)[1]))
        rows = len(values) - missing
        names, counts = _counts(values)
        distinct = len(names)
        names_rows = rows > 1 and 2 * int((counts == 1).sum()) > rows
        reason = _why_not_label(values, names, counts, rows)
        is_split = 0 < distinct <= _MOST_PARTS and None not in map(part_of, names.to_pylist())
    return ColumnSummary(
        name=name,
        type=type_,
        missing=missing,
        distinct=distinct,
        not_a_label=reason,
        names_rows=names_rows or is_identifier(name),
        is_split=is_split,
        examples=tuple(_examples(values)),
    )


def _examples(values: pa.ChunkedArray) -> list[str]:
    """Return the first different values, as text of a few words."""
    texts = dict[str, None]()
    for value in values.drop_null().slice(0, _SEARCHED).to_pylist():
        if isinstance(value, dict):  # years
            texts[f"{value['begin']} to {value['end']}"] = None
        elif isinstance(value, list):
            if known := [each for each in value if each is not None]:
                texts["|".join(known)] = None
        elif value == value:  # NaN is missing
            texts[str(value)] = None
        if len(texts) == _EXAMPLES:
            break
    return [text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..." for text in texts]


def _why_not_label(
    values: pa.ChunkedArray, names: pa.Array, counts: NDArray[np.int64], rows: int
) -> str | None:
    """Decide as `artsim.labels.why_not_label`, from counts, for millions of rows."""
    if not rows:
        return "no row has a value"
    if len(names) == 1:
        return f"one class only: {names[0].as_py()!r}"
    shared = _sharing(values) if pa.types.is_list(values.type) else int(counts[counts > 1].sum())
    if shared == 0:
        return f"all {rows:,} values are different"
    if 2 * shared < rows:
        return f"only {shared:,} of {rows:,} rows share their value with another row"
    return None


def _sharing(values: pa.ChunkedArray) -> int:
    """Count the rows of a list column that share a member with another row."""
    members, rows = _members(values)
    codes = _coded(members)
    shared = np.bincount(codes)[codes] > 1
    return len(np.unique(rows[shared]))


def _members(values: pa.ChunkedArray) -> tuple[pa.Array, NDArray[np.int64]]:
    """Return the members of all lists, each once a row and no null, and their rows."""
    flat = values.combine_chunks()
    members = flat.flatten()
    known = members.is_valid()
    rows = pc.list_parent_indices(flat).filter(known).to_numpy()
    members = members.filter(known)
    codes = _coded(members)
    _, first = np.unique(rows * (codes.max(initial=0) + 1) + codes, return_index=True)
    return members.take(pa.array(first)), rows[first]


def _counts(values: pa.ChunkedArray) -> tuple[pa.Array, NDArray[np.int64]]:
    """Return the distinct classes and how many rows have each."""
    flat = _members(values)[0] if pa.types.is_list(values.type) else values
    counts = pc.value_counts(flat.drop_null())
    return counts.field("values"), counts.field("counts").to_numpy()


def _coded(values: pa.Array | pa.ChunkedArray) -> Codes:
    """Number the distinct values; null is one of them."""
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    codes: Codes = (
        pc.dictionary_encode(values, null_encoding="encode").indices.to_numpy().astype(np.int64)
    )
    return codes


def _binned(values: NDArray[np.float64]) -> Codes:
    """Cut numbers into bins of equal size; NaN is a bin, too."""
    known = values[np.isfinite(values)]
    if not len(known):
        return np.zeros(len(values), dtype=np.int64)
    edges = np.unique(np.quantile(known, np.linspace(0, 1, _BINS + 1)[1:-1]))
    bins = np.searchsorted(edges, values, side="left") + 1
    return np.where(np.isfinite(values), bins, 0).astype(np.int64)


def _score(
    truth: Codes, values: Codes, fold: Codes
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Answer with the most common class of each value, in each fold from the others.

    Returns:
        Right answers in each fold, and the share of right answers that leave-one-out promises
        in each fold's training rows; each of shape (folds,).
    """
    n_classes = int(truth.max()) + 1
    pairs, pair = np.unique(values * n_classes + truth, return_inverse=True)
    held_out = np.zeros((len(pairs), FOLDS), dtype=np.int64)  # (P, folds) rows
    np.add.at(held_out, (pair, fold), 1)
    train = held_out.sum(axis=1, keepdims=True) - held_out  # (P, folds)
    value, class_ = np.divmod(pairs, n_classes)
    starts = np.flatnonzero(np.diff(value, prepend=-1))  # of each value's pairs
    segment = np.cumsum(np.diff(value, prepend=-1) != 0) - 1  # (P,)

    most = np.maximum.reduceat(train, starts, axis=0)  # (V, folds)
    place = np.arange(len(pairs))[:, None]
    winner = np.minimum.reduceat(
        np.where(train == most[segment], place, len(pairs)), starts, axis=0
    )  # (V, folds): the pair with the class that a value predicts
    per_class = np.stack(
        [np.bincount(class_, weights=train[:, f], minlength=n_classes) for f in range(FOLDS)], 1
    )
    fallback = per_class.argmax(axis=0)  # (folds,): where a value was never met
    is_fallback = class_[:, None] == fallback  # (P, folds)
    answers = np.where(most[segment] > 0, place == winner[segment], is_fallback)
    right = (held_out * answers).sum(axis=0)

    others = np.where(place == winner[segment], -1, train)
    second = np.maximum.reduceat(others, starts, axis=0)
    alone = np.add.reduceat(train, starts, axis=0) == 1
    promised = np.where(most - 1 > second, most, 0) * ~alone
    lonely = (train * is_fallback * alone[segment]).sum(axis=0)
    return right, (promised.sum(axis=0) + lonely) / train.sum(axis=0)
