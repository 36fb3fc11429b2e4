"""Queries as people write them: paths, ids, addresses, pictures."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from artsim.errors import SearchError

if TYPE_CHECKING:
    from PIL.Image import Image

    from artsim.fetch import FetchSettings
    from artsim.search import Term, Works

QueryLike: TypeAlias = "str | Path | bytes | Image | Term"

_TEXT = "text:"


def read_queries(query: QueryLike | Sequence[QueryLike], works: Works) -> tuple[Term, ...]:
    """Read one query, see `read_query`, or several that are averaged."""
    if isinstance(query, list | tuple):
        return tuple(read_query(each, works) for each in query)
    return (read_query(query, works),)  # type: ignore[arg-type]  # no other sequence is a query


def read_query(query: QueryLike, works: Works, *, fetching: FetchSettings | None = None) -> Term:
    """Read a query: a file, a web address, an id, ``text:WORDS``, bytes or a Pillow image.

    Raises:
        SearchError: If it is neither a file nor an id, or both, or is of another type.
        FetchError: If a web address cannot be downloaded.
    """
    from artsim.search import Term

    if isinstance(query, Term):
        return query
    if isinstance(query, bytes):
        return Term(data=query, name="the picture")
    if isinstance(query, Path):
        return Term(file=query)
    if isinstance(query, str):
        return _read_text(query, works, fetching)
    if hasattr(query, "save"):
        stream = io.BytesIO()
        query.save(stream, "PNG")
        return Term(data=stream.getvalue(), name="the picture")
    raise SearchError(
        f"a query cannot be {type(query).__name__}; give a path, a URL, an id, a Pillow image or "
        "the bytes of an image file"
    )


def _read_text(text: str, works: Works, fetching: FetchSettings | None) -> Term:
    from artsim.fetch import FetchSettings, fetch_picture
    from artsim.places import is_file
    from artsim.readers import is_url
    from artsim.search import Term

    if text.startswith(_TEXT):
        return Term(text=text.removeprefix(_TEXT))
    if is_url(text):
        return Term(data=fetch_picture(text, fetching or FetchSettings()), name=text)
    if not is_file(text):
        try:
            works.row(text)
        except SearchError as error:
            raise SearchError(f"no file {text!r}, and {error}") from None
        return Term(id=text)
    if works.has(text):
        raise SearchError(
            f"{text!r} is both a file and an id of the index; use ./{text} for the file, and "
            "--id or Term(id=...) for the id"
        )
    return Term(file=Path(text))
