"""Queries as people write them: paths, ids, addresses, pictures."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from artsim.datatypes import shell_word
from artsim.errors import SearchError, UnknownWorkError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    from artsim.fetch import FetchSettings
    from artsim.search import Term, Works

QueryLike: TypeAlias = "str | Path | bytes | Image | NDArray[np.floating] | Term"

_TEXT = "text:"
_TITLE = 200  # characters that a title has at most
_WORDS = re.compile(r"[^\W\d_]+(?:[\s-]+[^\W\d_]+)*")  # letters only: hardly an id or a file
_NAMED = 5  # works that a title may mean and that are listed


def read_queries(query: QueryLike | Sequence[QueryLike], works: Works) -> tuple[Term, ...]:
    """Read one query, see `read_query`, or several that are averaged."""
    from artsim.search import read_words

    several: Sequence[Any] = query if isinstance(query, list | tuple) else [query]
    terms: list[Term] = []
    for each in several:
        if isinstance(each, str) and each.startswith(_TEXT):
            terms += read_words(each.removeprefix(_TEXT))
        else:
            terms.append(read_query(each, works))
    return tuple(terms)


def read_query(query: QueryLike, works: Works, *, fetching: FetchSettings | None = None) -> Term:
    """Read a query: a file, web address, id, ``text:WORDS``, bytes, Pillow image or vector.

    A file may be in an object store.

    Raises:
        SearchError: If it is neither a file nor an id, or both, or is of another type.
        FetchError: If a web address cannot be downloaded.
    """
    import numpy as np

    from artsim.search import Term

    if isinstance(query, Term):
        return query
    if isinstance(query, bytes):
        return Term(data=query, name="the picture")
    if isinstance(query, Path):
        return Term(file=query)
    if isinstance(query, str):
        return _read_text(query, works, fetching)
    if isinstance(query, np.ndarray):
        return Term(vector=query)
    if hasattr(query, "save"):
        stream = io.BytesIO()
        query.save(stream, "PNG")
        return Term(data=stream.getvalue(), name="the picture")
    raise SearchError(
        f"a query cannot be {type(query).__name__}; give a path, a URL, an id, a Pillow image, "
        "the bytes of an image file or a vector as a NumPy array"
    )


def _read_text(text: str, works: Works, fetching: FetchSettings | None) -> Term:
    from artsim.fetch import FetchSettings, fetch_picture
    from artsim.places import is_file, is_remote
    from artsim.readers import is_url
    from artsim.search import Term

    if text.startswith(_TEXT):
        return Term(text=text.removeprefix(_TEXT))
    if is_url(text):
        return Term(data=fetch_picture(text, fetching or FetchSettings()), name=text)
    if is_remote(text):
        return Term(id=text) if works.has(text) else Term(file=_in_store(text))
    if not is_file(text):
        check_work(text, works, what="file, id or URL", otherwise=f"no file {text!r}, and ")
        return Term(id=text)
    if works.has(text):
        ((_, image, _),) = works.known([works.row(text)])
        if image is not None and Path(image).absolute() == Path(text).absolute():
            return Term(id=text)  # in the collection's own folder, a file's path may be its id
        raise SearchError(
            f"{text!r} is both a file and an id of the index; use ./{text} for the file, and "
            "--id or Term(id=...) for the id"
        )
    return Term(file=Path(text))


def _in_store(address: str) -> Path:
    """Return the path of a picture in an object store."""
    from artsim.places import as_path, is_file

    path = as_path(address)
    try:
        is_there = is_file(path)
    except OSError as error:
        raise SearchError(
            f"cannot read {address}: {error.strerror or error}; check the address, the credentials "
            "and the network"
        ) from error
    if not is_there:
        raise SearchError(f"no picture at {address}; check the address")
    return path


def check_work(text: str, works: Works, *, what: str = "id", otherwise: str = "") -> None:
    """Check that there is a work of this id.

    Raises:
        UnknownWorkError: If there is none, with the works that have these words: it is no ``what``.
            Without any of them, the message begins with ``otherwise``.
    """
    try:
        works.row(text)
    except UnknownWorkError as error:
        found = "" if works.similar_ids(text) else _works_with(text, works)
        message = f"{text!r} is no {what}; {found}" if found else f"{otherwise}{error}"
        if works.store.manifest.passport.takes_words and _WORDS.fullmatch(text):
            command = f"'artsim similar --text {shell_word(text)}'"
            message += f"\nTo search for what pictures show: {command}"
        raise UnknownWorkError(message, text) from None


def _works_with(text: str, works: Works) -> str:
    """List the works that words may mean, for an error; nothing if there are none."""
    from artsim.report import Caption
    from artsim.search import find_works

    if len(text) > _TITLE or not any(map(str.isalpha, text)):
        return ""
    found = find_works(works, text, k=_NAMED)
    if not found.count:
        return ""
    listed = [
        f"\n  {id_}  {', '.join(Caption.of(metadata).lines)}"
        for id_, _, metadata in works.known(found.rows.tolist())
    ]
    more = f"\n  and {found.count - _NAMED:,} more: see 'artsim find'"
    several = f"these works of {str(works.store)!r} have the words, name one by its id"
    single = f"this work of {str(works.store)!r} has the words, name it by its id"
    which = single if found.count == 1 else several
    return f"{which}:{''.join(listed)}{more if found.count > _NAMED else ''}"
