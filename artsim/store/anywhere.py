"""Indexes wherever they are: a folder, or what is in an object store and its copy here."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from artsim.datatypes import shown_path
from artsim.errors import ConflictError, StoreError
from artsim.places import RemotePath, as_path
from artsim.store.remote import RemoteIndex

_EVERY_S = 60.0  # that an index is sent while it grows

_conflicts: dict[Path, ConflictError] = {}  # that were noticed, by the folder of the copy


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

    It is sent every minute while it grows, and at the end unless there is an error. That another
    run has written to it is raised by `check_sent` as soon as it is noticed.

    Raises:
        StoreError: If the store cannot be read or written, or the index has changed there.
    """
    if not isinstance(path, RemotePath):
        yield path
        return
    remote = RemoteIndex(path)
    folder = remote.fetch(is_new=True)
    end = threading.Event()
    thread = threading.Thread(
        target=_keep_sending, args=(remote, end), name="artsim-sending", daemon=True
    )
    thread.start()
    try:
        yield folder
    finally:
        end.set()
        thread.join()
        _conflicts.pop(folder, None)
    remote.send()


def _keep_sending(remote: RemoteIndex, end: threading.Event) -> None:
    while not end.wait(_EVERY_S):
        try:
            remote.send()
        except ConflictError as error:
            _conflicts[remote.folder] = error
            return
        except StoreError:
            pass  # it is sent at the end, or the error shown


def check_sent(folder: Path) -> None:
    """Do nothing, unless an index that is being written and sent was written by another run too.

    Args:
        folder: The copy of the index, or of a version of it.

    Raises:
        ConflictError: If that was noticed.
    """
    for place in (folder, *folder.parents) if _conflicts else ():
        if place in _conflicts:
            raise _conflicts[place]


def send_index(folder: Path) -> None:
    """Send what has changed in the copy of an index in an object store; of others do nothing.

    Raises:
        StoreError: If the store cannot be written, or the index has changed there.
    """
    address = as_path(shown_path(folder))
    if isinstance(address, RemotePath):
        RemoteIndex(address).send()


def update_index(folder: Path) -> None:
    """Fetch what has changed of an index in an object store in its copy; of others do nothing.

    Raises:
        StoreError: If the store cannot be read, or the copy is being written.
    """
    address = as_path(shown_path(folder))
    if isinstance(address, RemotePath):
        RemoteIndex(address).update()
