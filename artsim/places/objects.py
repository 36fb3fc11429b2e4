"""Objects of stores such as S3, through fsspec: listed, read by range and written, with retries.

Credentials come from the environment alone, as each store's own tools read them. Messages
leave out the queries of addresses, which may be signed.
"""

from __future__ import annotations

import errno
import hashlib
import random
import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from artsim.errors import PlaceError

T = TypeVar("T")


class _Kind(NamedTuple):
    protocol: str  # of fsspec
    package: str
    extra: str
    options: Mapping[str, Any] = {}


_S3 = {
    "max_concurrency": 1,  # else it asks for the size of each file before it reads it
    "config_kwargs": {"retries": {"max_attempts": 2}},  # a server that is down is known soon
}
KINDS: Mapping[str, _Kind] = {
    "s3": _Kind("s3", "s3fs", "s3", _S3),
    "gs": _Kind("gcs", "gcsfs", "gcs"),
    "hf": _Kind("hf", "huggingface_hub", "hf"),
}
TRIES = 5  # of every request, besides those of the packages
PAUSE_S = 0.5  # before the second try, and twice as long before each later one

_TIMES = ("LastModified", "last_modified", "mtime", "updated", "uploaded_at", "created")
_IDENTITIES = ("ETag", "etag", "xet_hash", "blob_id", "md5Hash")
_FINAL = (FileNotFoundError, PermissionError, NotADirectoryError, IsADirectoryError)
_BUGS = (TypeError, AttributeError, NameError)
_NO_KEYS = ("NoCredentials", "PartialCredentials", "ProfileNotFound", "DefaultCredentials")
_SECRET = re.compile(r"(?<=://)[^/\s@]*@|\?[^\s\x22']*|\b(?:AKIA|ASIA|hf_)\w+|\bBearer \S+")
_SHOWN = 160  # characters of a reason


class Entry(NamedTuple):
    """A file of a store, or a folder, which is there if anything is below it."""

    size: int  # bytes
    mtime_ns: int  # where a store keeps no time, its checksum as a number
    is_folder: bool = False
    identity: str = ""  # changes with the content


FOLDER = Entry(0, 0, is_folder=True)


def list_objects(address: str) -> dict[str, Entry]:
    """List all files below an address, or the file of this address, by address.

    Raises:
        OSError: If it cannot be listed.
        PlaceError: If a package is missing.
    """

    def listed(files: Any, name: str) -> dict[str, Entry]:
        files.invalidate_cache()
        found = files.find(name, detail=True)
        if list(found) == [name]:
            found[name] = files.info(name)  # of a file by itself, hf:// lists no size
        return {
            address + path.removeprefix(name): entry_of(info)
            for path, info in found.items()
            if not path.endswith("/") and info.get("type") != "directory"
        }

    return retried(address, listed)


def ask_object(address: str) -> Entry | None:
    """Ask for one file or folder; None if there is none.

    Raises:
        OSError: If there is no answer.
        PlaceError: If a package is missing.
    """

    def asked(files: Any, name: str) -> Entry:
        files.invalidate_cache(name)  # hf:// keeps listings, and another machine may have written
        return entry_of(files.info(name))

    try:
        return retried(address, asked)
    except FileNotFoundError:
        return None


def read_object(address: str, start: int | None = None, end: int | None = None) -> bytes:
    """Read a file, or the bytes of it from start to end.

    Raises:
        OSError: If it is not there or cannot be read.
        PlaceError: If a package is missing.
    """
    if start is not None and start == end:
        return b""
    return retried(address, lambda files, name: bytes(files.cat_file(name, start=start, end=end)))


def upload_object(file: Path, address: str) -> None:
    """Write a file of this machine; it is there whole or not at all.

    Raises:
        OSError: If it cannot be written.
        PlaceError: If a package is missing.
    """
    retried(address, lambda files, name: files.put_file(str(file), name))


def write_object(data: bytes, address: str) -> None:
    """Write some bytes, see `upload_object`."""
    retried(address, lambda files, name: files.pipe_file(name, data))


def write_object_if(data: bytes, address: str, identity: str | None) -> str | None:
    """Write some bytes where the file is still as it was known; two writers never both succeed.

    Where a store has no such writes, the file is looked at first.

    Args:
        data: All of the file's bytes.
        address: Of the file.
        identity: What `ask_object` said of the file; None: it must not be there yet.

    Returns:
        The file's new identity; None if it was another, and nothing is written, or has become
        another at once.

    Raises:
        OSError: If it cannot be written.
        PlaceError: If a package is missing.
    """
    kind = address.partition(":")[0]
    is_new, is_asked = identity is None, kind == "hf" or (kind != "s3" and identity is not None)
    options = {"mode": "create"} if is_new else {"IfMatch": identity}

    def write(files: Any, name: str) -> bool:
        if is_asked:
            found = ask_object(address)
            if (found.identity if found else None) != identity:
                return False
        try:
            files.pipe_file(name, data, **({} if is_asked else options))
        except Exception as error:
            if not _is_refused(error):
                raise
            return False
        return True

    try:
        # The answer to a first try may have been lost.
        if not retried(address, write) and read_object(address) != data:
            return None
    except FileNotFoundError:  # it was to be there, or has been removed since
        return None
    found = ask_object(address)
    with suppress(FileNotFoundError):
        # Another may have written since: the identity would be that of its file.
        if found and read_object(address) == data:
            return found.identity
    return None


def _is_refused(error: Exception) -> bool:
    """Return whether a store did not write as its file is another."""
    answer = getattr(error.__cause__ or error, "response", None)
    code = answer.get("Error", {}).get("Code") if isinstance(answer, dict) else None
    return (
        isinstance(error, FileExistsError)
        or code in ("PreconditionFailed", "ConditionalRequestConflict", "412")
        or str(getattr(error, "code", "")) == "412"  # of GCS
    )


def download_object(address: str, file: Path) -> None:
    """Read a file of a store into one of this machine.

    Raises:
        OSError: If it is not there or cannot be read.
        PlaceError: If a package is missing.
    """
    retried(address, lambda files, name: files.get_file(name, str(file)))


def remove_object(address: str) -> None:
    """Remove a file; it may be gone."""
    with suppress(FileNotFoundError):
        retried(address, lambda files, name: files.rm_file(name))


def entry_of(found: Mapping[str, Any]) -> Entry:
    """Return what a store says of a file or folder."""
    if found.get("type") == "directory":
        return FOLDER
    identity = next((str(found[name]) for name in _IDENTITIES if found.get(name)), "")
    mtime_ns = next((_ns(found[name]) for name in _TIMES if found.get(name)), None)
    if mtime_ns is None:
        mtime_ns = int.from_bytes(hashlib.sha256(identity.encode()).digest()[:7])
    return Entry(int(found.get("size") or 0), mtime_ns, identity=identity)


def retried(address: str, call: Callable[[Any, str], T]) -> T:
    """Call with fsspec's file system and its name for an address, some times if need be."""
    kind = KINDS[address.partition(":")[0]]
    files = _file_system(address, kind)
    for attempt in range(TRIES):
        if attempt:
            time.sleep(PAUSE_S * 2 ** (attempt - 1) * random.uniform(0.5, 1))
        try:
            return call(files, files._strip_protocol(address))
        except _BUGS:
            raise
        except _FINAL as error:
            raise type(error)(
                error.errno or errno.EACCES, error.strerror or _reason(error), address
            ) from None
        except Exception as error:  # of the packages, which have many kinds
            reason = _reason(error)
            if any(name in type(error).__name__ for name in _NO_KEYS):
                raise PermissionError(errno.EACCES, f"no credentials: {reason}", address) from None
    raise OSError(errno.EIO, f"{reason}, {TRIES} tries", address) from None


def _file_system(address: str, kind: _Kind) -> Any:
    try:
        import fsspec

        return fsspec.filesystem(kind.protocol, use_listings_cache=False, **kind.options)
    except ImportError as error:
        raise PlaceError(
            f"{address} needs {kind.package}; install it with pip install 'artsim[{kind.extra}]'"
        ) from error


def _ns(time_: Any) -> int:
    """Return a time in ns, whichever way a package gives it."""
    if isinstance(time_, str):
        time_ = datetime.fromisoformat(time_)
    if isinstance(time_, datetime):
        time_ = time_.timestamp()
    return round(float(time_) * 1e3) * 10**6  # stores have ms; a float has no ns


def _reason(error: BaseException) -> str:
    """Write an error in one line that contains no secret."""
    text = _SECRET.sub("", " ".join((getattr(error, "strerror", None) or str(error)).split()))
    return text[:_SHOWN] or type(error).__name__
