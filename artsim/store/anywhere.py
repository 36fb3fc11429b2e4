"""Indexes wherever they are: a folder, or what is in an object store and its copy here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from artsim.datatypes import shown_path
from artsim.places import RemotePath, as_path
from artsim.store.remote import RemoteIndex


def local_index(path: str | Path) -> Path:
    """Return the folder of an index; of one in an object store, its copy, brought up to date.

    Raises:
        StoreError: If there is none in the store, or it cannot be read.
        PlaceError: If the address is wrong, or a package is missing.
    """
    place = as_path(path)
    return RemoteIndex(place).fetch() if isinstance(place, RemotePath) else place


@contextmanager
def index_to_write(path: Path) -> Iterator[Path]:
    """Give the folder of an index that may be new; that of one in an object store is sent.

    Raises:
        StoreError: If the store cannot be read or written, or the index has changed there.
    """
    if not isinstance(path, RemotePath):
        yield path
        return
    remote = RemoteIndex(path)
    folder = remote.fetch(is_new=True)
    with remote.sending():
        yield folder


def send_index(folder: Path) -> None:
    """Send what has changed in the copy of an index in an object store; of others do nothing.

    Raises:
        StoreError: If the store cannot be written, or the index has changed there.
    """
    address = as_path(shown_path(folder))
    if isinstance(address, RemotePath):
        RemoteIndex(address).send()
