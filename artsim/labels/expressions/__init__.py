"""Labels that a catalog does not state but that follow from what it states.

A derived label is written ``NAME = EXPRESSION``::

    lithograph = medium ~ 'lithograph'          classes 'lithograph' and 'not lithograph'
    century = year // 100 + 1                   classes '19', '20', ...
    baroque = years.begin >= 1600 and years.end < 1750
    paper = "Object type" in ('Print', 'Drawing') and not (medium ~ 'vellum')

``~`` is 'contains', in any case of letters, ``!~`` its opposite. Of a column with several values
a picture, ``~``, ``=`` and ``in`` ask whether any of them is so. What rests on a missing value is
missing: a work of unknown medium is never 'not lithograph'. Text stands in single quotes, a column
whose name is not one word in double quotes. ``//`` rounds down; a division by zero is missing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from artsim.errors import EvaluationError
from artsim.labels.expressions.evaluating import ONE_VALUE, evaluate, kind_of, say_found
from artsim.labels.expressions.nodes import Column, Node, Source, walk
from artsim.labels.expressions.parsing import KEYWORDS, Parser, unquoted

__all__ = ["Derivation", "is_derivation", "parse_label"]

_NAME = re.compile(r"\s*(?P<name>[^\W\d]\w*|\"(?:[^\"]|\"\")+\")\s*=(?![=~])")


def is_derivation(text: str) -> bool:
    """Tell ``NAME = EXPRESSION`` from the name of a column."""
    return _NAME.match(text) is not None


@dataclass(frozen=True)
class Derivation:
    """A derived label, parsed."""

    name: str
    expression: str  # as it was written, right of the first =
    columns: tuple[str, ...]  # that it reads, in the order they are named
    _tree: Node
    _source: Source

    def check(self, known: Mapping[str, object]) -> None:
        """Refuse columns that are not there.

        Raises:
            EvaluationError: At the first column that is not one of ``known``, which are listed.
        """
        for node in walk(self._tree):
            if isinstance(node, Column) and node.name not in known:
                listed = ", ".join(known) or "none"
                raise self._source.fault(node.at, f"a column; they are {listed}")

    def values(self, table: pa.Table) -> list[str | None]:
        """Evaluate it on rows that have its columns.

        Returns:
            A class a row: NAME or 'not NAME' of a condition, the number or the text otherwise;
            None where it is missing.

        Raises:
            EvaluationError: If a column is not there, or not of a type the expression can take.
        """
        self.check(dict.fromkeys(table.column_names))
        classes: list[str | None] = []
        # One empty batch, so that types are checked even where there is no row.
        for batch in table.select(self.columns).to_batches() or [_empty(table, self.columns)]:
            try:
                result = evaluate(self._tree, batch, self._source)
            except pa.ArrowInvalid as error:
                raise EvaluationError(
                    f"label {self._source.text!r} cannot be computed: {str(error).splitlines()[0]}"
                ) from error
            kind = kind_of(result.type)
            if kind in ("list", "years"):
                raise self._source.fault(self._tree.at, f"{ONE_VALUE}, {say_found(result.type)}")
            if isinstance(result, pa.Scalar):
                result = pa.array([result.as_py()] * batch.num_rows, result.type)
            classes += [self._class(value) for value in result.to_pylist()]
        return classes

    def _class(self, value: bool | int | float | str | None) -> str | None:
        if value is None or (isinstance(value, float) and not math.isfinite(value)):
            return None
        if isinstance(value, bool):
            return self.name if value else f"not {self.name}"
        if isinstance(value, float):
            return str(int(value)) if value.is_integer() else f"{value:.12g}"
        return str(value) or None


def parse_label(text: str) -> Derivation:
    """Parse ``NAME = EXPRESSION``.

    Raises:
        EvaluationError: If it cannot be read; the message has the place and what was expected.
    """
    text = text.strip()
    source = Source(text)
    match = _NAME.match(text)
    if match is None:
        raise source.fault(0, "NAME = EXPRESSION, such as century = year // 100 + 1")
    name = unquoted(match["name"])
    if not name.strip() or name.lower() in KEYWORDS:
        raise source.fault(match.start("name"), "a name for the label")
    tree = Parser(source, match.end()).parse()
    names = (node.name for node in walk(tree) if isinstance(node, Column))
    columns = tuple(dict.fromkeys(names))
    if not columns:
        raise source.fault(match.end(), "a column in it, for every picture would be the same")
    return Derivation(name, text[match.end() :].strip(), columns, tree, source)


def _empty(table: pa.Table, columns: tuple[str, ...]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([], schema=table.select(columns).schema)
