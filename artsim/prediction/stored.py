"""Predictions that are stored with an index as a column, and their review by people.

A stored prediction is the added column ``NAME``; a review of it is the added column
``NAME_reviewed`` with the labels that were accepted or corrected, and by whom and when. People
decide in a spreadsheet, made by `export_review` and read by `read_review`.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from artsim import __version__
from artsim.datatypes import Field, FieldType
from artsim.errors import EvaluationError
from artsim.labels import refuse_taken, title_column
from artsim.readers.delimited import open_delimited
from artsim.store import (
    PREDICTION,
    AddedColumn,
    CsvWriter,
    Store,
    csv_value,
    lock_index,
    whole_file,
    write_added,
)

_REVIEW = "review"  # a kind of added column
_SUFFIX = "_reviewed"
_CELLS = ("id", "image", "title", "predicted", "confidence", "decision", "correction")
_DECISIONS = {"accept": "accept", "accepted": "accept", "reject": "reject", "rejected": "reject"}
_DECISIONS |= {"correct": "correct", "corrected": "correct"}
_BETWEEN = ";"  # between the values of a list in a cell


@dataclass(frozen=True, kw_only=True)
class ReviewResult:
    """What reading a review did."""

    name: str  # of the column with the reviewed labels
    accepted: int
    rejected: int
    corrected: int
    open: int  # rows without a decision
    problems: tuple[str, ...]  # rows that could not be read, and why; all others were


def save_predictions(
    store: Store,
    name: str,
    values: Sequence[str | None] | Sequence[list[str] | None],
    confidences: NDArray[np.floating],
    made: Mapping[str, Any],
) -> None:
    """Store predictions of every row as a column, or replace those of the same name.

    Args:
        store: The index of N rows.
        name: Of the column.
        values: N predictions; None where there is none.
        confidences: The probability of each, shape (N,).
        made: How they were made: ``by`` what, from which model.

    Raises:
        EvaluationError: If the index has another column or a label of that name.
        StoreError: If the name is not valid, or the column cannot be written.
    """
    is_list = any(isinstance(value, list) for value in values)
    field = Field(name, FieldType.LIST if is_list else FieldType.TEXT)
    text = pa.list_(pa.string()) if is_list else pa.string()
    table = store.read(["id"]).append_column(name, pa.array(values, text))
    table = table.append_column("confidence", pa.array(np.asarray(confidences, dtype=np.float64)))
    about = {"kind": PREDICTION, "artsim": __version__, "created": utc_now(), **made}
    with lock_index(store.path):
        refuse_taken(store.reopen(), name, PREDICTION)
        write_added(store.path, field, table, about)


def stored_predictions(store: Store) -> dict[str, AddedColumn]:
    """Find the stored predictions of an index by name."""
    return {n: each for n, each in store.added.items() if each.is_prediction}


def export_review(store: Store, name: str, file: Path) -> int:
    """Write stored predictions to a CSV file to be reviewed, the least confident first.

    Each row has a predicted value and two cells to fill in: ``decision`` (accept, reject, correct)
    and ``correction``, the right value. Decisions that were read before are filled in.

    Returns:
        The number of rows.

    Raises:
        EvaluationError: If the index has no such predictions.
        StoreError: If the file cannot be written.
    """
    column = _find(store, name)
    is_list = column.field.type == FieldType.LIST
    rows = store.read(["id", "image"])
    title = title_column(store)
    titles = store.read([title]).column(0).to_pylist() if title else [None] * store.rows
    table = column.read()
    predicted = store.read([column.field.name]).column(0).to_pylist()
    confidence = dict(
        zip(*(table.column(n).to_pylist() for n in ("id", "confidence")), strict=True)
    )
    reviewed = store.added.get(name + _SUFFIX)
    decided: dict[str, dict[str, Any]] = {}
    if reviewed is not None:
        decided = {row["id"]: row for row in reviewed.read().to_pylist()}
    cells = []
    for id_, image, title_, value in zip(
        *(column.to_pylist() for column in rows.columns), titles, predicted, strict=True
    ):
        if value is not None:
            before = decided.get(id_, {})
            right = before.get(name + _SUFFIX) if before.get("decision") == "correct" else None
            shown = f"{confidence[id_]:.4f}"
            decision = before.get("decision")
            cells.append(
                (id_, image, title_, _text(value), shown, decision, _text(right, is_list=is_list))
            )
    cells.sort(key=lambda row: float(row[4] or 0))
    with whole_file(file) as stream:
        stream.write(codecs.BOM_UTF8)  # spreadsheets recognize UTF-8 by it
        CsvWriter(stream, _CELLS).write(cells)
    return len(cells)


def read_review(store: Store, name: str, file: Path, *, by: str) -> ReviewResult:
    """Read the decisions of a reviewed CSV file, and store the labels they give as a column.

    Accepted and corrected values become labels, rejected ones become missing. Earlier decisions on
    other rows stay. A row that cannot be read is reported, and the rest is read.

    Args:
        store: The index.
        name: Of the stored predictions.
        file: Made by `export_review`, decisions filled in.
        by: Who decided.

    Raises:
        ReaderError: If the file cannot be read.
        EvaluationError: If the index has no such predictions, the file lacks a column, or the index
            has another column by the name of the reviewed labels.
    """
    column, reviewed = _find(store, name), name + _SUFFIX
    known = set(column.read().column("id").to_pylist())
    now, counts = utc_now(), dict.fromkeys(("accept", "reject", "correct", ""), 0)
    new: dict[str, dict[str, Any]] = {}
    problems = []
    for row in _cells(file):
        decision, value = _decide(row)
        if row["id"] not in known:
            problems.append(f"{row['id']!r} has no prediction {name!r}")
        elif decision is None or (decision == "correct" and not value):
            problems.append(
                f"{row['id']!r}: decision {row['decision']!r} with correction "
                f"{row['correction']!r}; expected accept, reject, or a correction"
            )
        else:
            counts[decision] += 1
            if decision:
                of_kind: Any = value
                if column.field.type == FieldType.LIST and value is not None:
                    of_kind = [part.strip() for part in value.split(_BETWEEN) if part.strip()]
                new[row["id"]] = {
                    "id": row["id"],
                    reviewed: of_kind,
                    "decision": decision,
                    "by": by,
                    "at": now,
                }
    if new:
        with lock_index(store.path):
            fresh = store.reopen()
            refuse_taken(fresh, reviewed, _REVIEW)
            before = fresh.added.get(reviewed)
            merged = {} if before is None else {row["id"]: row for row in before.read().to_pylist()}
            for id_, row in new.items():
                known_row = merged.get(id_, {})
                # Reading a decision again changes neither who made it nor when.
                if any(known_row.get(key) != row[key] for key in ("decision", reviewed)):
                    merged[id_] = row
            table = pa.Table.from_pylist(list(merged.values()), schema=_schema(column, reviewed))
            made = {"kind": _REVIEW, "by": f"reviewed from {name}", "updated": now}
            write_added(store.path, Field(reviewed, column.field.type), table, made)
    return ReviewResult(
        name=reviewed,
        accepted=counts["accept"],
        rejected=counts["reject"],
        corrected=counts["correct"],
        open=counts[""],
        problems=tuple(problems),
    )


def _schema(column: AddedColumn, reviewed: str) -> pa.Schema:
    is_list = column.field.type == FieldType.LIST
    value = pa.list_(pa.string()) if is_list else pa.string()
    texts = ((name, pa.string()) for name in ("decision", "by", "at"))
    return pa.schema([("id", pa.string()), (reviewed, value), *texts])


def _find(store: Store, name: str) -> AddedColumn:
    known = stored_predictions(store)
    if name not in known:
        listed = ", ".join(known) or "none; store some with 'artsim zero-shot --save'"
        raise EvaluationError(f"no stored predictions {name!r}; there are: {listed}")
    return known[name]


def _cells(file: Path) -> Iterator[dict[str, str]]:
    """Yield the rows of a reviewed file."""
    table = open_delimited(file)
    needed = ("id", "predicted", "decision", "correction")
    for name in needed:
        if name not in table.names:
            raise EvaluationError(
                f"{str(file)!r} lacks the column {name!r}; make the file with 'artsim review -o'"
            )
    for row in table.table(needed).to_pylist():
        yield {name: csv_value(value or "") for name, value in row.items()}


def _decide(row: Mapping[str, str]) -> tuple[str | None, str | None]:
    """Return the decision of a row, None if it makes no sense, and the right value."""
    written = row["decision"].lower()
    if row["correction"]:
        return ("correct" if written in ("", *_DECISIONS) else None), row["correction"]
    decision = _DECISIONS.get(written) if written else ""
    return decision, row["predicted"] if decision == "accept" else None


def _text(value: Any, *, is_list: bool = False) -> str:
    is_list = is_list or isinstance(value, list)
    return f"{_BETWEEN} ".join(value) if is_list and value else value or ""


def utc_now() -> str:
    """Return the time as it is recorded: ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
