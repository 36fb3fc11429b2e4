"""The works that ``artsim teach`` marks and unmarks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from artsim.cli.output import print_notes

if TYPE_CHECKING:
    from artsim.prediction import Marks, Teacher
    from artsim.search import Works


def read_marks(
    teacher: Teacher,
    before: Marks,
    *,
    positive: Sequence[str],
    negative: Sequence[str],
    unmark: Sequence[str],
    marks_file: Path | None,
) -> tuple[Marks, list[str]]:
    """Add the marks that are given to those before; also say which ids are unknown.

    Works to unmark that have no mark are noted.
    """
    from artsim.api import check_work
    from artsim.errors import UnknownWorkError

    works, problems = teacher.works, []
    given = {"positive": [*_ids(works, positive)], "negative": [*_ids(works, negative)]}
    if marks_file is not None:
        for id_, mark in _read_marks(marks_file):
            given[mark].append(id_)

    def known(ids: Sequence[str], otherwise: str) -> Iterator[str]:
        for id_ in ids:
            try:
                check_work(id_, works)
                yield id_
            except UnknownWorkError as error:
                problems.append(f"{otherwise}: {error}")

    new = teacher.mark(**{mark: [*known(ids, "not marked")] for mark, ids in given.items()})
    removed = dict.fromkeys(_ids(works, unmark))
    without = [id_ for id_ in removed if id_ not in before.ids]
    print_notes(*(f"{id_!r} has no mark to remove" for id_ in known(without, "not unmarked")))
    marks = before.without(removed.keys())
    return (marks.updated(new) if len(new) else marks), problems


def _ids(works: Works, texts: Sequence[str]) -> Iterator[str]:
    """Read ids: given as they are, separated by commas, or in a file with one a line."""
    from artsim.places import is_file

    for text in texts:
        if works.has(text):  # also one with commas
            yield text
        elif not is_file(text):
            if text.endswith((".csv", ".tsv", ".txt")):
                raise click.UsageError(f"no file {text!r}; give IDs, or a file with one a line")
            yield from filter(None, map(str.strip, text.split(",")))
        elif text.endswith((".csv", ".tsv")):
            yield from (row["id"] for row in _table(Path(text), ["id"]))
        else:
            lines = Path(text).read_text(encoding="utf-8-sig", errors="replace").splitlines()
            yield from (line.strip() for line in lines if line.strip())


def _read_marks(file: Path) -> Iterator[tuple[str, str]]:
    for row in _table(file, ["id", "mark"]):
        mark = (row["mark"] or "").strip()
        if mark not in ("", "positive", "negative"):
            raise click.BadParameter(
                f"{str(file)!r} has the mark {mark!r} for {row['id']!r}; expected positive or "
                "negative",
                param_hint="--marks",
            )
        if mark:
            yield row["id"], mark


def _table(file: Path, columns: list[str]) -> list[dict[str, str]]:
    from artsim.readers.delimited import open_delimited
    from artsim.store import csv_value

    table = open_delimited(file)
    for name in columns:
        if name not in table.names:
            raise click.UsageError(f"{str(file)!r} has no column {name!r}")
    rows = table.table(columns).to_pylist()
    return [{name: csv_value(row[name] or "") for name in columns} for row in rows]
