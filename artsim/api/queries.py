"""Queries as people write them: paths, ids, addresses, pictures."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from artsim.errors import SearchError

if TYPE_CHECKING:
    from PIL.Image import Image

    from artsim.search import Term, Works

QueryLike: TypeAlias = "str | Path | bytes | Image | Term"

_TEXT = "text:"


def read_queries(query: QueryLike | Sequence[QueryLike], works: Works) -> tuple[Term, ...]:
    """Read one query, or several that are averaged.

    Args:
        query: See `read_query`.
        works: The works of the index.

    Raises:
        SearchError: If one is neither a file nor an id, or both, or is of another type.
        FetchError: If a web address cannot be downloaded.
    """
    if isinstance(query, list | tuple):
        return tuple(read_query(each, works) for each in query)
    return (read_query(query, works),)  # type: ignore[arg-type]  # no other sequence is a query


def read_query(query: QueryLike, works: Works) -> Term:
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
        return _read_text(query, works)
    if hasattr(query, "save"):
        return Term(data=_png(query), name="the picture")
    raise SearchError(
        f"a query cannot be {type(query).__name__}; give a path, a URL, an id, a Pillow image or "
        "the bytes of an image file"
    )


def _read_text(text: str, works: Works) -> Term:
    from artsim.fetch import fetch_picture
    from artsim.readers import is_url
    from artsim.search import Term

    if text.startswith(_TEXT):
        return Term(text=text.removeprefix(_TEXT))
    if is_url(text):
        return Term(data=fetch_picture(text), name=text)
    is_file, is_id = _is_file(text), works.has(text)
    if is_file and is_id:
        raise SearchError(f"{text!r} is both a file and an id; give Path({text!r}) or Term(id=...)")
    if is_file:
        return Term(file=Path(text))
    if is_id:
        return Term(id=text)
    raise SearchError(f"no file and no id {text!r}; give a path, a URL or the id of a work")


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except (OSError, ValueError):  # a name too long, a zero byte
        return False


def _png(image: Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()
