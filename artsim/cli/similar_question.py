"""The queries of ``artsim similar``: reads them from the words of the command line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from artsim.cli.options.index import open_store

if TYPE_CHECKING:
    from artsim.search import Aspect, IndexEncoder, Opened, Term, Works
    from artsim.store import Store

_WEIGHTED = re.compile(r"(?P<weight>\d+(?:\.\d*)?|\.\d+)\*(?P<text>.+)", re.DOTALL)
_WORDS = "text:"
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
        weighted = None if _is_file(text) or self.works.has(text) else _WEIGHTED.fullmatch(text)
        weight = float(weighted["weight"]) if weighted else 1.0
        source = self._source(weighted["text"] if weighted else text)
        return self._term(source, sign * weight, box)

    def words(self, text: str) -> Term:
        """Return words as a query."""
        return self._term({"text": text}, 1.0, None)

    def id(self, text: str, *, box: str | None = None) -> Term:
        """Return an id as a query."""
        return self._term({"id": text}, 1.0, box)

    def year_or_id(self, text: str | None) -> int | str | None:
        """Read a year or the id of a work; a long number is an id if the index has it."""
        if text is None or not _YEAR.fullmatch(text):
            return text
        return text if len(text) > _YEAR_DIGITS and self.works.has(text) else int(text)

    def _term(self, source: Mapping[str, Any], weight: float, box: str | None) -> Term:
        from artsim.datatypes import Box
        from artsim.search import Term

        return Term(**source, weight=weight, box=None if box is None else Box.parse(box))

    def _source(self, text: str) -> dict[str, Any]:
        from artsim.errors import SearchError
        from artsim.readers import is_url

        if text.startswith(_WORDS):
            return {"text": text.removeprefix(_WORDS)}
        if is_url(text):
            return {"data": self._fetch(text), "name": text}
        if not _is_file(text):
            try:
                self.works.row(text)
            except SearchError as error:
                raise SearchError(f"no file {text!r}, and {error}") from None
            return {"id": text}
        if self.works.has(text):
            raise SearchError(
                f"{text!r} is both a file and an id of the index; use ./{text} or --id {text}"
            )
        return {"file": Path(text)}

    def _fetch(self, url: str) -> bytes:
        from artsim.fetch import FetchSettings, fetch_picture

        return fetch_picture(url, FetchSettings(retries=1, allow_private=self.allow_private))


def read_aspects(text: str | None) -> tuple[Aspect, ...]:
    """Read ``style=0.7,content=0.3``; a name alone has the weight 1."""
    from artsim.search import Aspect

    aspects = []
    for part in (text or "").split(",") if text is not None else ():
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


def limits(max_per: Sequence[str], collapse: Sequence[str]) -> dict[str, int]:
    """Read each ``COLUMN=N`` of --max-per; a column of --collapse is limited to one."""
    found = {}
    for text in max_per:
        column, _, most = text.rpartition("=")
        if not column or not most.strip().isdecimal():
            raise click.BadParameter(f"{text!r} is not COLUMN=N", param_hint="--max-per")
        found[column] = int(most)
    return found | dict.fromkeys(collapse, 1)


def is_folder(text: str) -> bool:
    """Return whether a text names an existing folder."""
    return _is(Path.is_dir, text)


def _is_file(text: str) -> bool:
    return _is(Path.is_file, text)


def _is(test: Callable[[Path], bool], text: str) -> bool:
    try:
        return test(Path(text))
    except (OSError, ValueError):  # a name too long, a zero byte
        return False
