"""The figures of a study as plain tables: for Markdown, for CSV, and behind each figure of a page.

Scores are shares between 0 and 1, or in the unit of the number that is told.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from artsim.errors import StoreError
from artsim.study.results import Estimate, Evidence, LabelStudy, SplitFacts, Study, Way

__all__ = [
    "Table",
    "cell",
    "label_tables",
    "markdown",
    "save_markdown",
    "study_tables",
    "write_csv",
]

ORDINARY = "ordinary"  # the split that is not grouped

_ESCAPED = str.maketrans({"|": "\\|", "\n": " ", "<": "&lt;", "*": "\\*", "_": "\\_", "`": "\\`"})

Row = tuple[object, ...]


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows under headings; None is an empty cell."""

    name: str  # of a file
    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    long: bool = False  # a row a picture or pair of classes: for programs more than for people


def study_tables(study: Study) -> list[Table]:
    """Return all tables of a study that have rows: of the index, then those of its labels."""
    tables = [
        _table("columns", "Columns", _COLUMNS, (
            (each.name, each.type, each.distinct, each.missing, each.not_a_label or "label")
            for each in study.fields
        )),
        _table("failures", "Left out", ("stage", "pictures"), study.failures.items()),
    ]  # fmt: skip
    of_labels: dict[str, list[Table]] = {}
    for label in study.labels:
        for table in label_tables(label):
            of_labels.setdefault(table.name, []).append(table)
    for name, same in of_labels.items():
        rows = (row for table in same for row in table.rows)
        tables.append(_table(name, same[0].title, same[0].columns, rows, long=same[0].long))
    tables += [
        _table("hubs", f"Among the {study.hubs.k} nearest of most others", ("id", "times"), (
            (work.id, times) for work, times in study.hubs.most
        )),
        _table("points", "Map", ("row", "x", "y", *study.layout.classes), zip(
            study.layout.rows, study.layout.x, study.layout.y, *study.layout.classes.values(),
            strict=True,
        ), long=True),
    ]  # fmt: skip
    return [table for table in tables if table.rows]


_COLUMNS = ("column", "type", "distinct", "missing", "use")
_SCORES = ("label", "split", "way", "metric", "score", "low", "high", "test")
_SPLITS = ("label", "split", "drawn", "train", "validation", "test", "same file", "look alike")
_CURVES = ("label", "setting", "value", "score", "chosen")
_CLASSES = (
    *("label", "class", "learned", "test", "right", "recall", "low", "high"),
    *("precision", "taken for", "times"),
)
_COVERAGE = ("label", "column", "value", "test", "right", "low", "high", "expected", "weak")
_BINS = ("label", "from", "to", "test", "mean probability", "right", "low", "high")
_MISTAKES = (
    *("label", "id", "title", "truth", "predicted", "probability", "of the truth"),
    "nearest",
)
_OUTLIERS = (
    *("label", "id", "title", "class", "probability", "predicted", "of that"),
    *("neighbors agree", "nearest"),
)


def label_tables(label: LabelStudy) -> list[Table]:
    """Return the tables of one label that have rows; the label is the first column of each."""
    name, grouped = label.name, label.grouped
    splits = [(ORDINARY, label.split, label.ways)]
    if grouped is not None and grouped.split is not None:
        splits.append((f"each {grouped.group} on one side", grouped.split, grouped.ways))
    tables = [
        _table("scores", "Scores", _SCORES, (
            _score(name, split, way, label.metric, facts.test)
            for split, facts, ways in splits for way in ways
        )),
        _table("splits", "Splits", _SPLITS, (_split(name, way, facts) for way, facts, _ in splits)),
        _table("counts", "Pictures of each class", ("label", "class", "pictures"), (
            (name, class_, count) for class_, count in label.counts.items()
        )),
        _table("curves", "Choices on validation", _CURVES, (
            (name, each.setting, value, score, math.isclose(value, each.chosen))
            for each in label.curves for value, score in zip(each.values, each.scores, strict=True)
        )),
        *_judged(label),
    ]  # fmt: skip
    if label.outliers is not None:
        tables.append(_table("outliers", "Works that do not fit their label", _OUTLIERS, (
            (name, o.work.id, o.work.title, o.class_, o.probability, o.predicted,
             o.predicted_probability, o.agreement, _nearest(o.neighbors))
            for o in label.outliers.works
        )))  # fmt: skip
    if label.retrieved is not None:
        queries = label.retrieved.queries
        tables.append(_table("retrieval", "Retrieval", ("label", "score", "value", "queries"), (
            (name, score, value, queries) for score, value in label.retrieved.scores.items()
        )))  # fmt: skip
    return [table for table in tables if table.rows]


def _judged(label: LabelStudy) -> Iterator[Table]:
    found, name = label.judgment, label.name
    if found is None:
        return
    yield _table("classes", "Classes", _CLASSES, (
        (name, c.class_, c.learned, c.tested, c.right, *_three(c.recall),
         None if c.precision is None else c.precision.value, c.taken_for, c.times or None)
        for c in found.classes
    ))  # fmt: skip
    yield _table("confusions", "Confusions", ("label", "truth", "predicted", "test"), (
        (name, each.truth, each.predicted, each.count) for each in found.confusions
    ), long=True)  # fmt: skip
    yield _table("calibration", "How sure, how often right", _BINS, (
        (name, b.low, b.high, b.count, b.confidence, *_three(b.right)) for b in found.bins
    ))  # fmt: skip
    yield _table("mistakes", "The surest mistakes", _MISTAKES, (
        (name, m.work.id, m.work.title, m.truth, m.predicted, m.probability, m.truth_probability,
         _nearest(m.neighbors))
        for m in found.mistakes
    ))  # fmt: skip
    yield _table("coverage", "Coverage", _COVERAGE, (
        (name, each.column, c.value, c.count, *_three(c.right), c.expected, c.weak)
        for each in found.coverage for c in each.corners
    ))  # fmt: skip


def cell(value: object) -> str:
    """Write a value for people."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def markdown(study: Study, command: str) -> str:
    """Write the tables as Markdown, with the command that made them.

    Args:
        study: What was found.
        command: That made it.
    """
    versions = ", ".join(f"{name} {version}" for name, version in study.versions.items())
    lines = [
        f"# {_plain(study.name)}: how well a picture can tell",
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
    for name, reason in study.not_studied.items():
        lines += ["", f"{_plain(name)} is not studied: {_plain(reason)}"]
    return "\n".join(lines) + "\n"


def save_markdown(study: Study, command: str, path: Path) -> None:
    """Write `markdown` to a file.

    Raises:
        StoreError: If it cannot be written.
    """
    _write({path: markdown(study, command)})


def write_csv(study: Study, path: Path) -> list[Path]:
    """Write the tables as CSV: one file of all cells if the name ends so, else a folder of files.

    The one file has a row a cell: table, row, column, value.

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
        files = {path: _csv(("table", "row", "column", "value"), cells)}
    else:
        files = {path / f"{each.name}.csv": _csv(each.columns, each.rows) for each in tables}
    _write(files)
    return list(files)


def _write(files: Mapping[Path, str]) -> None:
    for file, text in files.items():
        try:
            file.parent.mkdir(exist_ok=True)
            file.write_text(text, encoding="utf-8", newline="")
        except OSError as error:
            reason = error.strerror or str(error)
            raise StoreError(
                f"cannot write tables to {str(file)!r}: {reason}; name another file"
            ) from error


def _table(
    name: str, title: str, columns: tuple[str, ...], rows: Iterable[Row], *, long: bool = False
) -> Table:
    return Table(name=name, title=title, columns=columns, rows=tuple(rows), long=long)


def _score(name: str, split: str, way: Way, metric: str, test: int) -> Row:
    return (name, split, way.name, metric, *_three(way.estimate), test)


def _split(name: str, way: str, facts: SplitFacts) -> Row:
    sizes = (facts.train, facts.validation, facts.test)
    return (name, way, facts.way, *sizes, *facts.leaks.values())


def _three(estimate: Estimate | None) -> Row:
    """Return a score and the ends of its interval, as far as there are any."""
    if estimate is None:
        return (None,) * 3
    three = (estimate.value, estimate.low, estimate.high)
    return tuple(None if math.isnan(value) else value for value in three)


def _nearest(evidence: Sequence[Evidence]) -> str:
    return "; ".join(f"{each.work.id} ({each.class_})" for each in evidence)


def _csv(columns: Sequence[str], rows: Iterable[Row]) -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(columns)
    writer.writerows(rows)
    return out.getvalue().encode("utf-8", "replace").decode()


def _line(row: Iterable[object]) -> str:
    return "| " + " | ".join(_plain(cell(value)) for value in row) + " |"


def _plain(text: str) -> str:
    """Keep Markdown from reading a title as its own marks."""
    return text.encode("utf-8", "replace").decode().translate(_ESCAPED)
