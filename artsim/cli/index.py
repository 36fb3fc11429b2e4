"""``artsim index``."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import cloup

from artsim.cli.options.index import index_argument, index_option, open_store, tap_option
from artsim.cli.options.outputs import format_option
from artsim.cli.output import echo, fixed, print_json_lines, print_table
from artsim.datatypes import plural

if TYPE_CHECKING:
    from artsim.index import IndexInfo

_NUMBER = r"\s*(\d+\.?\d*|\.\d+)\s*"


class _Quantity(click.ParamType):  # type: ignore[type-arg]  # generic only in newer versions
    """A number with its unit: 4GB, 20ms."""

    name = "quantity"

    def __init__(self, units: dict[str, float], example: str) -> None:
        self._units = {unit.lower(): size for unit, size in units.items()}
        self._expected = f"expected a number and one of {', '.join(units)}, such as {example}"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Turn what was given into a number of the unit that counts as 1."""
        found = re.fullmatch(_NUMBER + r"([a-zA-Z]+)\s*", value)
        if found is None or found[2].lower() not in self._units:
            self.fail(f"{value!r}: {self._expected}", param, ctx)
        return float(found[1]) * self._units[found[2].lower()]


_BYTES = _Quantity({"kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12}, "4GB")
_SECONDS = _Quantity({"ms": 1e-3, "s": 1}, "20ms")


@cloup.command()
@index_argument
@cloup.option_group("Index", index_option, tap_option(default="every tap"))
@cloup.option_group(
    "Goals",
    click.option(
        "--recall",
        type=float,
        metavar="SHARE",
        help="Share of the 10 nearest neighbors to find, at least; 1 is exact search.  "
        "[default: 0.98]",
    ),
    click.option(
        "--memory",
        type=_BYTES,
        metavar="SIZE",
        help="Memory for the vectors or codes, at most: 4GB.  [default: no limit]",
    ),
    click.option(
        "--latency",
        type=_SECONDS,
        metavar="TIME",
        help="Processor time per query, at most: 20ms.  [default: 20ms]",
    ),
    click.option(
        "--kind",
        type=click.Choice(["auto", "flat", "pq", "ivf"]),
        help="flat: exact search; pq: compressed vectors; ivf: compressed vectors in cells.  "
        "[default: auto, chosen by the goals]",
    ),
)
@cloup.option_group("Output", format_option)
def index(
    index: Path | None,
    tap: str | None,
    as_json: bool,
    **goals: Any,
) -> None:
    """Build the search index: exact, or approximate and faster.

    Search stays exact where that is fast enough. Beyond that, compressed vectors propose
    candidates, which are ranked by their exact cosines; recall is measured on pictures of the
    index. The goals are stored, and 'artsim embed' keeps to them when the index grows. Goals that
    you leave out keep their stored values.

    Example:

    \b
        artsim index
        artsim index indexes/paintings --recall 0.99 --memory 4GB --latency 20ms
    """
    from artsim.index import Goals, IndexKind, build_index, read_note
    from artsim.store import lock_index

    store = open_store(index)
    types: dict[str, Any] = {"recall": float, "memory": int, "latency": float, "kind": IndexKind}
    changes = {name: type_(goals[name]) for name, type_ in types.items() if goals[name] is not None}
    taps = [each.name for each in store.manifest.passport.taps] if tap is None else [tap]
    infos = []
    with lock_index(store.path):
        for name in taps:
            before = read_note(store, store.tap(name).name)
            stored = before.goals if before else Goals()
            infos.append(build_index(store, name, replace(stored, **changes)))
    if as_json:
        print_json_lines(map(as_dict, infos), index=store)
        return
    echo(f"Search index of {store} ({plural(store.rows, 'picture')})")
    rows = [
        [
            info.tap,
            info.kind,
            fixed(info.recall_at_10),
            fixed(None if info.latency is None else 1000 * info.latency, 1),
            fixed(info.memory / 1e6, 1),
            info.why,
        ]
        for info in infos
    ]
    columns = ["tap", "kind", "recall@10", "ms", "MB", "why"]
    print_table(columns, rows, right=["recall@10", "ms", "MB"])


def as_dict(info: IndexInfo) -> dict[str, Any]:
    """Return the facts about a search index, without the checksums of its files."""
    from dataclasses import asdict

    hidden = {"bytes", "fingerprint", "parts", "sha256"}
    return {name: value for name, value in asdict(info).items() if name not in hidden}


def describe(info: IndexInfo) -> str:
    """Describe a search index in one line."""
    if not info.queries:
        return f"{info.tap} by {info.kind}, exact"
    return (
        f"{info.tap} by {info.kind}, recall@10 {info.recall_at_10:.3f} on {info.queries} queries, "
        f"{1000 * (info.latency or 0):.1f} ms ({info.why})"
    )
