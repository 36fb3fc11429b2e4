"""Where an index is published: ``lance:PATH``, ``lance:s3://BUCKET/PATH`` or ``milvus:URI``."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from artsim.errors import SearchError
from artsim.search.published.databases import Database

_KINDS = ("lance", "milvus")
_DIGITS = 8  # of a hash
_PANICS = ("PanicException", "RustPanic")  # of Rust; their classes cannot be imported


def is_address(text: str) -> bool:
    """Return whether a text names a published index, not a folder."""
    return text.startswith(tuple(f"{kind}:" for kind in _KINDS))


def normal(address: str) -> str:
    """Return an address that means the same in every working directory.

    Raises:
        SearchError: If it names no place, or contains a password.
    """
    kind, _, place = address.partition(":")
    if kind not in _KINDS or not place:
        raise SearchError(
            f"{address!r} names no database; give lance:FOLDER, lance:s3://BUCKET/PATH or "
            "milvus:http://HOST:19530"
        )
    if "://" not in place:
        place, hash_, name = place.partition("#") if kind == "milvus" else (place, "", "")
        path = Path(place).absolute()
        path = path.resolve() if ".." in path.parts else path
        return f"{kind}:{path}{hash_}{name}"
    if "@" in urlsplit(place).netloc:
        raise SearchError(
            f"{kind}:{urlsplit(place).scheme}://... contains a password; give a token with "
            "MILVUS_TOKEN, and keys of a bucket as the AWS_... variables"
        )
    return f"{kind}:{place.rstrip('/')}"


def connect(address: str, *, name: str | None = None, token: str | None = None) -> Database:
    """Open the database of an address.

    Args:
        address: A normal one.
        name: Of the index that is published; None: that of the only one there.
        token: For Milvus.

    Raises:
        SearchError: If it cannot be reached, or its package is not installed.
    """
    kind, _, place = address.partition(":")
    if kind == "lance":
        from artsim.search.published.lance import LanceDatabase

        return LanceDatabase(address, place)
    from artsim.search.published.milvus import MilvusDatabase

    uri, _, named = place.partition("#")
    return MilvusDatabase(address, uri, named or name, token)


def table_name(tap: str, *, tiles: bool) -> str:
    """Return the name of a tap's table: letters, digits and a hash, as every database allows."""
    text = tap + (".tiles" if tiles else "")
    digest = hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]
    return f"{re.sub(r'[^A-Za-z0-9]+', '_', text).strip('_')}_{digest}"


@contextmanager
def reaching(address: str, *errors: type[Exception]) -> Iterator[None]:
    """Turn an error of a database into one line that names it."""
    try:
        yield
    except errors as error:
        text = str(getattr(error, "message", "") or error)  # pymilvus has it without its code
        lines = text.strip().splitlines() or [type(error).__name__]
        raise LostError(f"{address} does not answer ({lines[0][:200]})") from error
    except BaseException as error:
        if type(error).__name__ not in _PANICS:
            raise
        raise LostError(
            f"{address} is damaged ({error}); remove it and run 'artsim publish' again"
        ) from error


class LostError(SearchError):
    """A database cannot be reached, or has lost what was published."""
