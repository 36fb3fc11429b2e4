"""The queries of ``artsim similar``: reads them from the words of the command line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from artsim.api import read_query
from artsim.cli.options.index import open_store
from artsim.cli.options.values import column_and_number

if TYPE_CHECKING:
    from artsim.search import Aspect, IndexEncoder, Opened, Term, Works
    from artsim.store import Store

_WEIGHTED = re.compile(r"(?P<weight>\d+(?:\.\d*)?|\.\d+)\*(?P<text>.+)", re.DOTALL)
_YEAR = re.compile(r"-?\d{1,6}")
_YEAR_DIGITS = 4


@dataclass(frozen=True)
class TermReader:
    """Reads queries: a file, an id, a URL or ``text:WORDS``, with a weight as ``1.5*gold.jpg``."""

    works: Works  # of the index
    allow_private: bool  # fetch from this machine's own network too

    def read(self, text: str, *, sign: float = 1.0, box: str | None = None) -> Term:
        """Read a query.

        Raises:
            SearchError: If it is neither a file nor an id, or both.
            FetchError: If a URL cannot be fetched.
        """
        from artsim.fetch import FetchSettings
        from artsim.places import is_file, is_remote

        fetching = FetchSettings(retries=1, allow_private=self.allow_private)
        is_name = is_remote(text) or is_file(text) or self.works.has(text)
        weighted = None if is_name else _WEIGHTED.fullmatch(text)
        weight = float(weighted["weight"]) if weighted else 1.0
        found = read_query(weighted["text"] if weighted else text, self.works, fetching=fetching)
        return cut(replace(found, weight=sign * weight), box)

    def year_or_id(self, text: str | None) -> int | str | None:
        """Read a year or the id of a work; a long number is an id if the index has it."""
        if text is None or not _YEAR.fullmatch(text):
            return text
        return text if len(text) > _YEAR_DIGITS and self.works.has(text) else int(text)


def cut(term: Term, box: str | None) -> Term:
    """Limit a query to a detail of its picture, written as in --crop."""
    from artsim.datatypes import Box

    return term if box is None else replace(term, box=Box.parse(box))


def read_aspects(
    context: click.Context, parameter: click.Parameter, text: str | None
) -> tuple[Aspect, ...]:
    """Read ``style=0.7,content=0.3``; a name alone has the weight 1."""
    from artsim.search import Aspect

    aspects = []
    for part in () if text is None else text.split(","):
        name, equals, weight = part.strip().rpartition("=")
        if not equals:
            name, weight = weight, "1"
        try:
            aspects.append(Aspect(name.strip(), float(weight)))
        except ValueError:
            raise click.BadParameter(
                f"{part!r} is not NAME=WEIGHT, as in style=0.7,content=0.3", param_hint="--by"
            ) from None
        if not name.strip():
            raise click.BadParameter(f"{part!r} names no tap", param_hint="--by")
    return tuple(aspects)


def other_indexes(
    aspects: Iterable[Aspect], encode: Callable[[Store], IndexEncoder]
) -> dict[str, Opened]:
    """Open the indexes that aspects name before a colon, with their encoders."""
    from artsim.search import Opened

    names = {aspect.name.rpartition(":")[0] for aspect in aspects if ":" in aspect.name}
    stores = {name: open_store(Path(name)) for name in sorted(names)}
    return {name: Opened(store, encode(store)) for name, store in stores.items()}


def read_limits(
    context: click.Context, parameter: click.Parameter, texts: Sequence[str]
) -> dict[str, int]:
    """Read each ``COLUMN=N`` of --max-per."""
    return dict(column_and_number(text, "--max-per") for text in texts)
