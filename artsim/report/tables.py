"""The figures of a study as plain tables: for Markdown, for CSV, and behind each figure of a page.

Scores are shares between 0 and 1, or in the unit of a predicted number.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from artsim.datatypes import Estimate, printable
from artsim.report.pages import cell, save_text
from artsim.report.spreadsheet import spreadsheet
from artsim.study import LabelStudy, Misfit, Study

_WORK = "label, id, title, truth, predicted, probability, of the truth"
_ESCAPED = str.maketrans({"|": "\\|", "\n": " ", "<": "&lt;", "*": "\\*", "_": "\\_", "`": "\\`"})

Row = tuple[object, ...]


@dataclass(frozen=True)
class StudyTable:
    """Rows under headings; None is an empty cell."""

    name: str  # of a file
    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    long: bool = False  # a row per picture or pair of classes: for programs rather than people

    @property
    def numeric(self) -> list[bool]:
        """Which columns hold numbers only."""
        return [
            all(isinstance(value, int | float | None) for value in column)
            for column in zip(*self.rows, strict=True)
        ]


def study_tables(study: Study) -> list[StudyTable]:
    """Return all tables of a study that have rows: of the index, then those of its labels."""
    tables = [
        _table("columns", "Columns", "column, type, distinct, missing, use", (
            (each.name, each.type, each.distinct, each.missing, each.not_a_label or "label")
            for each in study.fields
        )),
        _table("failures", "Failed pictures", "stage, pictures", study.failures.items()),
    ]  # fmt: skip
    of_labels: dict[str, list[StudyTable]] = {}
    for label in study.labels:
        for table in label_tables(label):
            of_labels.setdefault(table.name, []).append(table)
    tables += [
        replace(same[0], rows=tuple(row for table in same for row in table.rows))
        for same in of_labels.values()
    ]
    found = study.map
    points = zip(found.rows, found.x, found.y, *found.classes.values(), strict=True)
    tables += [
        _table("hubs", f"Hubs: among the {study.hubs.k} nearest of most others", "id, times", (
            (work.id, times) for work, times in study.hubs.most
        )),
        StudyTable("points", "Map", ("row", "x", "y", *found.classes), tuple(points), long=True),
    ]  # fmt: skip
    return [table for table in tables if table.rows]


def label_tables(label: LabelStudy) -> list[StudyTable]:
    """Return the tables of one label that have rows; the label is the first column of each."""
    name, grouped = label.name, label.grouped
    splits = [(label.split.name, label.split, label.methods)]
    if grouped is not None and grouped.split is not None:
        splits.append((f"each {grouped.group} in one set", grouped.split, grouped.methods))
    tables = [
        _table("scores", "Scores", (
            "label, split, method, metric, score, low, high, macro F1, test"
        ), (
            (name, split, method.name, label.metric, *_three(method.estimate), method.macro_f1,
             facts.test)
            for split, facts, methods in splits for method in methods
        )),
        _table("splits", "Splits", (
            "label, split, made by, train, validation, test, copies, look-alikes, notes"
        ), (
            (name, split, facts.description, facts.train, facts.validation, facts.test,
             *facts.leaks.values(), "; ".join(facts.notes) or None)
            for split, facts, _ in splits
        )),
        _table("counts", "Pictures per class", "label, class, pictures", (
            (name, class_, count) for class_, count in label.counts.items()
        )),
        _table("curves", "Settings and validation scores", "label, setting, value, score, chosen", (
            (name, each.setting, value, score, math.isclose(value, each.chosen))
            for each in label.curves for value, score in zip(each.values, each.scores, strict=True)
        )),
        *_of_hierarchy(label),
        *_of_predictions(label),
    ]  # fmt: skip
    if label.outliers is not None:
        tables.append(_table("outliers", "Pictures that do not fit their label", (
            f"{_WORK}, neighbors agree, nearest"
        ), (
            (name, *_work(each), each.agreement, _nearest(each)) for each in label.outliers.works
        )))  # fmt: skip
    if label.retrieved is not None:
        queries = label.retrieved.queries
        tables.append(_table("retrieval", "Retrieval", "label, score, value, queries", (
            (name, score, value, queries) for score, value in label.retrieved.scores.items()
        )))  # fmt: skip
    return [table for table in tables if table.rows]


def _of_hierarchy(label: LabelStudy) -> Iterator[StudyTable]:
    found, name = label.hierarchy, label.name
    if found is None:
        return
    levels = [("class", found.scores)]
    if found.backed_off is not None:
        levels.append((f"sure {found.backed_off.least:.2f}", found.backed_off.scores))
    yield _table("hierarchy", "Scores by the classes above", (
        "label, level, hP, hR, hF, on path, near, mean depth"
    ), (
        (name, level, _known(each.precision), each.recall, each.f1, _three(each.on_path)[0],
         _three(each.near)[0], each.mean_depth)
        for level, each in levels
    ))  # fmt: skip
    yield _table("depths", "Accuracy at each depth", (
        "label, level, depth, accuracy, low, high, test"
    ), (
        (name, level, depth, *_three(at), at.n)
        for level, each in levels for depth, at in enumerate(each.depths, start=1)
    ))  # fmt: skip


def _of_predictions(label: LabelStudy) -> Iterator[StudyTable]:
    found, name = label.predictions, label.name
    if found is None:
        return
    yield _table("classes", "Classes", (
        "label, class, train, test, correct, recall, low, high, precision, confused with, times"
    ), (
        (name, c.class_, c.train, c.test, c.correct, *_three(c.recall), _three(c.precision)[0],
         c.confused_with, c.confused or None)
        for c in found.classes
    ))  # fmt: skip
    yield _table("confusions", "Confusions", "label, truth, predicted, test", (
        (name, each.truth, each.predicted, each.count) for each in found.confusions
    ), long=True)  # fmt: skip
    yield _table("calibration", "Confidence and accuracy", (
        "label, from, to, test, mean confidence, accuracy, low, high"
    ), (
        (name, b.low, b.high, b.count, b.confidence, *_three(b.accuracy)) for b in found.calibration
    ))  # fmt: skip
    yield _table("errors", "Most confident errors", f"{_WORK}, nearest", (
        (name, *_work(each), _nearest(each)) for each in found.errors
    ))  # fmt: skip
    yield _table("slices", "Accuracy by the values of other columns", (
        "label, column, value, test, accuracy, low, high, expected, weak"
    ), (
        (name, each.column, c.value, c.count, *_three(c.accuracy), c.expected, c.weak)
        for each in found.columns for c in each.slices
    ))  # fmt: skip


def markdown(study: Study, command: str) -> str:
    """Write the tables as Markdown, with the command that made them."""
    versions = ", ".join(f"{name} {version}" for name, version in study.versions.items())
    lines = [
        f"# {_plain(study.name)}: evaluation report",
        "",
        f"{study.rows:,} pictures by `{study.spec}`, tap `{study.tap}`, seed {study.seed}; "
        f"{versions}.",
        "",
        "Made by",
        "",
        f"    {command}",
    ]
    for table in study_tables(study):
        if table.long:
            continue
        lines += ["", f"## {table.title}", "", _line(table.columns)]
        lines.append("|" + " --- |" * len(table.columns))
        lines += [_line(row) for row in table.rows]
    for name, reason in study.skipped.items():
        lines += ["", f"{_plain(name)} was skipped: {_plain(reason)}"]
    return printable("\n".join(lines)) + "\n"


def write_csv(study: Study, path: Path) -> list[Path]:
    """Write the tables as CSV: one file of all cells if the name ends so, else a folder of files.

    The one file has a row per cell: table, row, column, value.

    Returns:
        What was written.

    Raises:
        StoreError: If something cannot be written.
    """
    tables = study_tables(study)
    if path.suffix.lower() == ".csv":
        cells = [
            (table.name, number, column, value)
            for table in tables
            for number, row in enumerate(table.rows, start=1)
            for column, value in zip(table.columns, row, strict=True)
        ]
        files = {path: spreadsheet(("table", "row", "column", "value"), cells)}
    else:
        files = {path / f"{each.name}.csv": spreadsheet(each.columns, each.rows) for each in tables}
    for file, text in files.items():
        save_text(text, file)
    return list(files)


def _table(
    name: str, title: str, columns: str, rows: Iterable[Row], *, long: bool = False
) -> StudyTable:
    return StudyTable(name, title, tuple(columns.split(", ")), tuple(rows), long)


def _three(estimate: Estimate | None) -> Row:
    """Return a score and the ends of its interval, as far as there are any."""
    if estimate is None:
        return (None,) * 3
    return tuple(map(_known, (estimate.value, estimate.low, estimate.high)))


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _work(found: Misfit) -> Row:
    work = (found.work.id, found.work.title, found.truth, found.predicted)
    return (*work, found.probability, found.truth_probability)


def _nearest(found: Misfit) -> str:
    return "; ".join(f"{each.work.id} ({each.class_})" for each in found.neighbors)


def _line(row: Iterable[object]) -> str:
    return "| " + " | ".join(_plain(cell(value)) for value in row) + " |"


def _plain(text: str) -> str:
    """Keep Markdown from reading a title as its own marks."""
    return text.encode("utf-8", "replace").decode().translate(_ESCAPED)
