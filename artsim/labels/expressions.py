"""Labels that follow from the columns of a catalog, written ``NAME = SQL EXPRESSION``.

For example::

    lithograph = medium ILIKE '%lithograph%'    classes 'lithograph' and 'not lithograph'
    century = century(year)                     classes '19', '20', '-4' (before Christ), ...
    baroque = years.begin >= 1600 and years.end < 1750
    oil = materials = 'oil'                     a column with several values: one of them

The SQL is DuckDB's, as in ``--where``. Whatever depends on a missing value is missing: a work of
unknown medium is never 'not lithograph'. Text is in single quotes, and a column whose name is not
one word in double quotes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any

import pyarrow as pa

from artsim.errors import EvaluationError
from artsim.labels.any_value import with_any_value
from artsim.labels.old_expressions import has_old_signs, to_sql, unquoted
from artsim.labels.sql import (
    Parsed,
    catalog_table,
    columns_meant,
    connect,
    parse_sql,
    quoted,
    rehearse,
    shown,
    time_limit,
)

_NAME = re.compile(r"\s*(?P<name>[^\W\d]\w*(?: \w+)*|\"(?:[^\"]|\"\")+\")\s*=(?![=~])")
_EXAMPLE = "NAME = EXPRESSION, such as century = century(year)"


def is_derivation(text: str) -> bool:
    """Return whether this is ``NAME = EXPRESSION`` and not the name of a column."""
    return _NAME.match(text) is not None


def short_name(text: str) -> str:
    """Return the name in ``NAME = EXPRESSION``; anything else is a name itself."""
    match = _NAME.match(text)
    return unquoted(match["name"]) if match else text


@dataclass(frozen=True)
class Derivation:
    """A derived label, parsed."""

    name: str
    expression: str  # as it was written, right of the first =
    columns: tuple[str, ...]  # that it reads, as they are written there

    def columns_of(self, known: Iterable[str]) -> list[str]:
        """Find its columns among those of a catalog, whatever the case of letters.

        Raises:
            EvaluationError: At the first that is not one of ``known``, which are listed.
        """
        names = list(known)
        lower = set(map(str.lower, names))
        for column in self.columns:
            if column.lower() not in lower:
                raise self._fault(f"no column {column!r}; choose from {quoted(names) or 'none'}")
        return columns_meant(self.columns, names, self._fault)

    def values(self, table: pa.Table) -> list[str | None]:
        """Return the class of each row of a table that has its columns, None where it is missing.

        The classes of a condition are NAME and 'not NAME', otherwise they are numbers or text.

        Raises:
            EvaluationError: If a column is not there, or not of a type the expression can take.
        """
        import duckdb

        connection = connect()
        rows = catalog_table(table.select(self.columns_of(table.column_names)))
        with time_limit(connection, self._cannot):
            relation = connection.from_arrow(rows)
            expression = with_any_value(connection, relation, self.expression, self.columns)
        rehearse(rows, expression, self._cannot)
        with time_limit(connection, self._cannot):
            # A filter refuses aggregates and windows: the value of a row depends on no other row.
            relation.filter(duckdb.SQLExpression(expression).isnull())
            found = relation.project(expression)
            (type_,) = found.types
            if type_.id in ("list", "array", "struct", "map", "blob"):
                raise self._fault(
                    f"it gives {str(type_).lower()}, expected one value a row: write "
                    "COLUMN.begin of years, list_contains(COLUMN, 'text') or "
                    "array_to_string(COLUMN, ', ') of a list"
                )
            return [self._class(value) for (value,) in found.fetchall()]

    def _class(self, value: Any) -> str | None:
        if value is None or (isinstance(value, float) and not math.isfinite(value)):
            return None
        if isinstance(value, bool):
            return self.name if value else f"not {self.name}"
        if isinstance(value, float | Decimal):
            return str(int(value)) if value == int(value) else f"{float(value):.12g}"
        return str(value) or None

    def _cannot(self, why: str) -> EvaluationError:
        return self._fault(f"{why}; see 'artsim label --help'")

    def _fault(self, why: str) -> EvaluationError:
        return _fault(f"{self.name} = {self.expression}", why)


def parse_label(text: str) -> Derivation:
    """Parse ``NAME = EXPRESSION``.

    Raises:
        EvaluationError: If it cannot be read, or is no expression over columns alone.
    """
    text = text.strip()
    match = _NAME.match(text)
    if match is None:
        raise _fault(text, f"expected {_EXAMPLE}")
    name, expression = unquoted(match["name"]), text[match.end() :].strip()
    if not name.strip():
        raise _fault(text, "expected a name for the label")
    if has_old_signs(expression):
        new = f"{match['name']} = {to_sql(expression)}"
        raise _fault(text, f"labels are SQL, without //, ~ and !~; write {new!r}")
    parsed = parse_sql(expression)
    wrong = parsed.error or _refused(parsed)
    if wrong:
        raise _fault(text, wrong)
    return Derivation(name, expression, parsed.columns)


def _refused(parsed: Parsed) -> str:
    """Return why an expression cannot be a label; nothing if it can."""
    if "SUBQUERY" in parsed.classes:
        return "it reads another table; use the columns of the index alone"
    if "STAR" in parsed.classes:
        return "* is not a column; name each column"
    if not parsed.columns:
        return "it uses no column, so every row would have the same value"
    found = sorted(_volatile().intersection(parsed.functions))
    return f"{found[0]}() gives another value each time" if found else ""


@cache
def _volatile() -> frozenset[str]:
    """The functions of DuckDB that give another value each time."""
    named = "SELECT function_name FROM duckdb_functions() WHERE stability = 'VOLATILE'"
    return frozenset(name for (name,) in connect().execute(named).fetchall())


def _fault(text: str, why: str) -> EvaluationError:
    return EvaluationError(f"label {shown(text)}: {why}")
