"""An expression tried in a process of its own, which may take too long or too much memory.

DuckDB looks at its limits between blocks of rows, not within a call: ``repeat('x', 4e9)`` runs on
for minutes. So what is not known to be quick is evaluated by another process first.
"""

from __future__ import annotations

import subprocess
import sys

import pyarrow as pa

_PROGRAM = "from artsim.labels.rehearsal import main; main()"
_MEMORY = 3 << 30  # bytes of address space of that process
_LIKE = frozenset(["~~", "!~~", "~~*", "!~~*"])
_QUICK = _LIKE | frozenset(
    """
    = != <> < <= > >= + - * / // % ||
    abs array_to_string ceil ceiling century concat contains date_part ends_with floor greatest
    isnan lcase least left len length list_apply list_bool_and list_bool_or list_contains
    list_filter list_has_any list_value lower ltrim mod month prefix regexp_extract
    regexp_full_match regexp_matches right round rtrim starts_with string_split struct_extract
    struct_pack substr substring suffix trim trunc ucase upper year
    """.split()  # noqa: SIM905 - else a name a line
)
_TOO_LARGE = "it takes too much memory"
_LONGEST = 2_000  # characters of an expression that may be quick


def is_quick(text: str, functions: tuple[str, ...]) -> bool:
    """Return whether an expression surely takes little time and memory, by what it calls."""
    if len(text) > _LONGEST or not _QUICK.issuperset(functions):
        return False
    # LIKE tries again and again at each % within a pattern.
    plain = not any(sign in text for sign in '"$\\')
    patterns = text.split("'")[1::2] if plain else [text]
    wild = any("_" in each or "%" in each.strip("%") for each in patterns)
    return not (wild and _LIKE.intersection(functions))


def why_it_fails(table: pa.Table, text: str, seconds: float) -> str:
    """Evaluate an expression over the rows of a table in another process.

    Returns:
        What it exceeds, or why DuckDB cannot evaluate it; nothing if it can.
    """
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    command = [sys.executable, "-c", _PROGRAM, text]
    try:
        done = subprocess.run(
            command, input=sink.getvalue(), capture_output=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        return f"it takes longer than {seconds:g} seconds"
    except (OSError, MemoryError) as error:
        return f"no process could be started to try it ({error}); try again"
    return _TOO_LARGE if done.returncode else done.stdout.decode()


def main() -> None:
    """Evaluate the expression in the arguments over the table that comes in."""
    import duckdb

    from artsim.labels.sql import connect, reason

    _limit_memory()
    table = pa.ipc.open_stream(sys.stdin.buffer).read_all()
    try:
        connect().from_arrow(table).project(sys.argv[1]).fetchall()
    except (MemoryError, duckdb.OutOfMemoryException):
        sys.stdout.write(_TOO_LARGE)
    except (duckdb.Error, ValueError) as error:
        sys.stdout.write(_TOO_LARGE if "bad_alloc" in str(error) else reason(error))


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # Windows: DuckDB's own limit alone holds it
        return
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
