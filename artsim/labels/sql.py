"""Catalog columns in DuckDB: what `--where` and the expressions of derived labels share.

An expression sees the columns it is given and nothing else: no file, no network, no other table,
and it can change no setting. Divisions by zero and NaN are missing values.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from artsim.errors import ArtsimError
from artsim.labels.any_value import with_any_value
from artsim.labels.rehearsal import is_quick, why_it_fails

_SECONDS = 60.0  # that an expression may take over all rows
_MEMORY = "2GB"  # that it may take
_MOST = 50_000  # characters of an expression
_SHOWN = 150  # of them in a message
# What may hold two dashes, and a comment.
_COMMENT = re.compile(
    r"""(?<!\w)[eE]'(?:[^'\\]|\\.|'')*' | '(?:[^']|'')*' | "(?:[^"]|"")*" | (\$\w*\$).*?\1
      | (?P<comment>--|/\*)""",
    re.VERBOSE | re.DOTALL,
)

_TYPES = {  # patterns of DuckDB's types: what a catalog calls them
    "VARCHAR|STRING_LITERAL": "text",
    r"U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?(_LITERAL)?\d*": "number",
    r"DOUBLE|FLOAT|DECIMAL\([^)]*\)": "number",
}

_REASONS = (  # patterns of DuckDB's errors, and what they mean here
    (r'Referenced column "(.*?)"', "there is no column '{}'; text goes in single quotes"),
    (
        r'syntax error at or near "(.+)"$',
        "it cannot be read at '{}'; text goes in single quotes: artist = 'Goya', and a name with "
        "spaces in double ones: \"Object name\" = 'vase'",
    ),
    (r"unterminated", "a quote is not closed; text goes in single quotes, with '' for one inside"),
    (r"Could not convert string '(.*?)' to (\w+)", "'{}' is no {}"),
    (r"Function with name (\S+) does not exist", "there is no function '{}'"),
    (
        r"(?:compare|cast).*STRUCT\(",
        "a range of years has two ends; compare COLUMN.begin or COLUMN.end",
    ),
    (
        r"Cannot compare values of type (\S+) and type (\S+)",
        "{} cannot be compared with {}",
    ),
    (
        r"cannot contain (aggregates|window functions)",
        "{} use other rows, but the value of a row may only depend on that row",
    ),
)

Fault = Callable[[str], ArtsimError]  # makes the error of a reason


@dataclass(frozen=True)
class Parsed:
    """What an expression is made of."""

    columns: tuple[str, ...] = ()  # as they are written, in order; DuckDB ignores their case
    functions: tuple[str, ...] = ()
    classes: frozenset[str] = frozenset()  # DuckDB's kinds of nodes: FUNCTION, SUBQUERY, STAR, ...
    is_quick: bool = True  # see `rehearse`
    error: str = ""  # why it cannot be parsed


# The year of a number, and the middle of a range or its one end.
_YEAR = """CREATE TEMP MACRO _year(x) AS coalesce(
    TRY_CAST(to_json(x) AS DOUBLE),
    (TRY_CAST(to_json(x) ->> '$.begin' AS DOUBLE)
        + TRY_CAST(to_json(x) ->> '$.end' AS DOUBLE)) / 2,
    TRY_CAST(to_json(x) ->> '$.begin' AS DOUBLE),
    TRY_CAST(to_json(x) ->> '$.end' AS DOUBLE))"""
# 19 of 1801 to 1900, -4 of 400 to 301 BCE; there is no year 0.
_CENTURY = """CREATE TEMP MACRO century(x) AS CASE
    WHEN _year(x) > 0 THEN ceil(_year(x) / 100)
    WHEN _year(x) < 0 THEN floor(_year(x) / 100) END"""


def connect() -> Any:
    """Open a DuckDB in memory that reaches nothing outside it, with the function century."""
    import duckdb

    connection = duckdb.connect(
        config={
            "enable_external_access": "false",
            "python_enable_replacements": "false",
            "error_on_division_by_zero": "false",
            "ieee_floating_point_ops": "false",  # 1.5 / 0 is missing as 1 / 0 is
            "lock_configuration": "true",
            "memory_limit": _MEMORY,
        }
    )
    for macro in (_YEAR, _CENTURY):
        connection.execute(macro)
    return connection


def catalog_table(table: pa.Table) -> pa.Table:
    """Return columns as expressions see them: whole numbers of 64 bits, NaN missing."""
    for place, field in enumerate(table.schema):
        values = table.column(place)
        if pa.types.is_integer(field.type):
            values = pc.cast(values, pa.int64())
        elif pa.types.is_floating(field.type):
            values = pc.cast(values, pa.float64())
            if pc.any(pc.is_nan(values)).as_py():
                values = pc.if_else(pc.is_nan(values), pa.scalar(None, pa.float64()), values)
        table = table.set_column(place, field.name, values)
    return table


@lru_cache(256)
def parse_sql(text: str) -> Parsed:
    """Parse one SQL expression without looking at any table; refuse long ones and comments."""
    if len(text) > _MOST:
        return Parsed(error=f"it has {len(text):,} characters, at most {_MOST:,} are read")
    if any(match["comment"] for match in _COMMENT.finditer(text)):
        return Parsed(error="-- and /* begin a comment, which would hide the rest; leave it out")
    try:
        (tree,) = connect().execute("SELECT json_serialize_sql(?)", [f"SELECT {text}"]).fetchone()
    except Exception as error:  # DuckDB's, whose module is not loaded here; or not Unicode
        return Parsed(error=reason(error))
    try:
        parsed = json.loads(tree)
    except RecursionError:
        return Parsed(error="too many parts depend on each other; write fewer, or IN (...)")
    if parsed["error"]:
        return Parsed(error=_explained(parsed["error_message"]))
    if len(parsed["statements"]) != 1:
        return Parsed(error="it is more than one statement")
    nodes = list(_walk(parsed["statements"][0]["node"]["select_list"], frozenset()))
    functions = tuple(dict.fromkeys(n["function_name"] for n in nodes if "function_name" in n))
    return Parsed(
        columns=tuple(dict.fromkeys(n["column_names"][0] for n in nodes if "column_names" in n)),
        functions=functions,
        classes=frozenset(node["class"] for node in nodes),
        is_quick=is_quick(text, functions),
    )


def _walk(node: Any, bound: frozenset[str]) -> Iterator[dict[str, Any]]:
    """List the nodes of a tree, but for the parameters of its lambdas."""
    if isinstance(node, list):
        for each in node:
            yield from _walk(each, bound)
    elif isinstance(node, dict):
        if node.get("class") == "LAMBDA":
            own = [n["column_names"][0] for n in _walk(node["lhs"], bound) if "column_names" in n]
            yield from _walk(node["expr"], bound | set(own))
            return
        names = node.get("column_names")
        if "class" in node and not (names and names[0] in bound):
            yield node
        for each in node.values():
            yield from _walk(each, bound)


def columns_meant(written: Iterable[str], known: Collection[str], fault: Fault) -> list[str]:
    """Find the columns of an expression: spelled as written, or else in other letters' case.

    Names that are no columns are left out.

    Raises:
        ArtsimError: If a name may be several columns, or two of them differ only in their case.
    """
    found: dict[str, str] = {}
    for name in written:
        near = [each for each in known if each.lower() == name.lower()]
        if len(near) > 1 and name not in near:
            raise fault(f"{name!r} may be {' or '.join(map(repr, near))}; spell it as the column")
        column = name if name in near else next(iter(near), None)
        if column is not None and found.setdefault(column.lower(), column) != column:
            raise fault(
                f"the columns {found[column.lower()]!r} and {column!r} differ only in their case; "
                "use one of them"
            )
    return list(found.values())


def distinct_names(names: Sequence[str], used: Collection[str] = ()) -> list[str]:
    """Rename columns so that no two differ only in their case, for DuckDB; not those used."""
    lower = [name.lower() for name in names]
    taken, renamed = set(lower), []
    for name in names:
        new = name
        if name not in used and lower.count(name.lower()) > 1:
            while new.lower() in taken:
                new += "_"
        taken.add(new.lower())
        renamed.append(new)
    return renamed


def rehearse(table: pa.Table, text: str, fault: Fault) -> None:
    """Evaluate an expression over a table in another process first, unless it is surely quick.

    This comes before anything else is done with it here: a constant part is computed as soon as
    the types of an expression are asked for.

    Raises:
        ArtsimError: If it takes too long or too much memory.
    """
    parsed = parse_sql(text)
    if parsed.error or parsed.is_quick:
        return
    columns = set(map(str.lower, parsed.columns))
    read = [name for name in table.column_names if name.lower() in columns]
    why = why_it_fails(table.select(read or table.column_names[:1]), text, _SECONDS)
    if why:
        raise fault(why)


def filtered(connection: Any, relation: Any, text: str, fault: Fault) -> Any:
    """Keep the rows of a relation that meet a condition.

    Raises:
        ArtsimError: If the condition is none, or reads more than the columns.
    """
    parsed = parse_sql(text)
    if parsed.error:
        raise fault(parsed.error)
    if "SUBQUERY" in parsed.classes:
        raise fault("it reads another table; use only the columns")
    with time_limit(connection, fault):
        text = with_any_value(connection, relation, text, parsed.columns)
    if not parsed.is_quick:
        rehearse(relation.to_arrow_table(), text, fault)
    with time_limit(connection, fault):
        # Parsed as one expression: anything longer is refused here.
        found = relation.filter(text)
        (kind,) = relation.project(text).types
    if str(kind) != "BOOLEAN":
        what = _in_words(str(kind)).lower()
        raise fault(f"it is of type {what}, expected a condition such as year < 1700")
    return found


def shown(text: str) -> str:
    """Quote an expression in a message, and shorten a long one."""
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...")


@contextmanager
def time_limit(connection: Any, fault: Fault) -> Iterator[None]:
    """Stop a query of a connection that takes too long; ``fault`` makes an error of a reason."""
    import duckdb

    over = threading.Event()

    def watch() -> None:
        wait = _SECONDS
        while not over.wait(wait):
            connection.interrupt()  # without effect between two queries, so again
            wait = 0.1

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    except duckdb.InterruptException as error:
        raise fault(f"it takes longer than {_SECONDS:g} seconds") from error
    except (duckdb.Error, ValueError) as error:  # ValueError: not one column
        raise fault(reason(error)) from error
    finally:
        over.set()
        watcher.join()  # else its thread may drop the connection while Python exits, which aborts


def reason(error: Exception) -> str:
    """Say in one line, and in the words of a catalog, why DuckDB refuses an expression."""
    return _explained(" ".join(str(error).split("\n\n")[0].split("LINE 1:")[0].split()))


def _explained(text: str) -> str:
    for pattern, message in _REASONS:
        if found := re.search(pattern, text):
            return message.format(*map(_in_words, found.groups()))
    if "No function matches" in text or "type VARCHAR[]" in text:
        call = text.partition("argument types ")[2].partition(". You")[0]
        what = f"{_in_words(call)} does not exist" if call else "a list is not text"
        lists = (
            "; compare a column with several values a row with =, <>, IN, LIKE or ILIKE, "
            "or use list_contains(COLUMN, 'text')"
        )
        return what + (lists if "[]" in (call or text) else "")
    return text.partition("Error: ")[2] or text


def _in_words(text: str) -> str:
    """Replace DuckDB's names of types by those of columns."""
    for types, word in _TYPES.items():
        text = re.sub(rf"\b(?:{types})(?!\w)", word, text)
    return text.replace("text[]", "list")


def quoted(names: Sequence[str]) -> str:
    """List the names of columns as an expression writes them."""
    plain = {name for name in names if name.isidentifier() and name.lower() not in _reserved()}
    return ", ".join(
        name if name in plain else '"' + name.replace('"', '""') + '"' for name in names
    )


@lru_cache(1)
def _reserved() -> frozenset[str]:
    words = "SELECT keyword_name FROM duckdb_keywords() WHERE keyword_category = 'reserved'"
    return frozenset(name for (name,) in connect().execute(words).fetchall())
