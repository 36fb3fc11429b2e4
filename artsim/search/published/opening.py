"""Open what is published: find its index folder, and compare the two.

The folder keeps the addresses that it was published to in ``published.json``, and this machine the
folder of each address that was published or opened here, so that it is found, and answers, when the
database is lost.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from platformdirs import user_cache_path

from artsim.datatypes import shell_word
from artsim.errors import PlaceError, SearchError, StoreError
from artsim.places import as_path, real_path
from artsim.search.backend import SearchBackend
from artsim.search.published.address import LostError, connect, normal
from artsim.search.published.backend import PublishedBackend
from artsim.search.published.databases import Database
from artsim.search.published.note import PublishedNote
from artsim.search.works import Works
from artsim.store import Store, is_store, sealed, unsealed, write_whole

_FILE = "published.json"


@dataclass(frozen=True)
class Publication:
    """An index that is published, and how it is searched."""

    address: str
    index: Path  # its folder
    note: PublishedNote | None  # None: the database does not answer, see `problem`
    database: Database | None = None
    problem: str = ""

    def backend(self, store: Store) -> Callable[[Works], SearchBackend] | None:
        """Return what makes the backend of the open index; None: the folder answers.

        Raises:
            SearchError: If the index is not as it was published.
        """
        if self.note is None or self.database is None:
            return None
        if self.note.fingerprint != store.fingerprint:
            raise SearchError(
                f"{str(store)!r} has changed since it was published at {self.address}; run "
                f"'artsim publish {shell_word(store)} {shell_word(self.address)}', or search "
                f"the folder: --index {shell_word(store)}"
            )
        return partial(PublishedBackend, database=self.database, note=self.note)

    @property
    def recall(self) -> str:
        """How good approximate searches are, in a few words; empty if all are exact."""
        found = self.note.recall if self.note else {}
        return ", ".join(f"recall@10 {value:.3f} by {tap}" for tap, value in found.items())


def open_published(
    address: str, indexes: Iterable[Path] = (), *, token: str | None = None
) -> Publication:
    """Open what is published at an address.

    Args:
        address: See `artsim.search.published.address`.
        indexes: Folders of indexes among which the one that is published is looked for; else it
            is where it was published.
        token: For Milvus.

    Raises:
        SearchError: If nothing whole is published there, or its index is not on this machine.
    """
    address, indexes = normal(address), list(indexes)
    try:
        database = connect(address, token=token)
        note = PublishedNote.read(database)
    except LostError as error:
        instead = _answer_by_folder(address, indexes, str(error))
        if instead is None:
            raise LostError(f"{error}; start it, or search an index folder: --index DIR") from error
        return instead
    if note is None:
        instead = _answer_by_folder(address, indexes, f"nothing is published at {address} any more")
        if instead is None:
            raise SearchError(
                f"no index is published at {address}; publish one with "
                f"'artsim publish INDEX {shell_word(address)}'"
            )
        return instead
    index = find_published(note, address, indexes)
    if not note.whole:
        raise SearchError(
            f"publishing {note.name!r} to {address} was interrupted, or is going on; run "
            f"'artsim publish {shell_word(index)} {shell_word(address)}' to finish it, or search "
            f"the folder: --index {shell_word(index)}"
        )
    _remember(address, index, note.fingerprint)
    return Publication(address, index, note, database)


def _answer_by_folder(address: str, indexes: Iterable[Path], why: str) -> Publication | None:
    """Return the folder of a lost database, if it is known here."""
    found = [path for path in indexes if address in published_addresses(path)]
    found += _remembered(address)
    if not found:
        return None
    return Publication(address, found[0], None, problem=f"{why}; {found[0]} answers instead")


def find_published(note: PublishedNote, address: str, indexes: Iterable[Path]) -> Path:
    """Find the folder of the index that is published.

    Raises:
        SearchError: If there is none.
    """
    named = [path for path in indexes if path.resolve().name == note.name]
    here = [path for path in named if address in published_addresses(path)]
    places = [*here, *named, as_path(note.path)]
    found = next((path for path in places if is_store(path)), None)
    if found is None:
        raise SearchError(
            f"{address} holds the vectors of the index {note.name!r}, whose folder is neither in "
            f"'indexes' nor at {note.path!r}; copy it to indexes/{note.name}"
        )
    return found


def published_addresses(index: Path) -> list[str]:
    """List the addresses that an index was published to."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        values = unsealed((index / _FILE).read_text(encoding="utf-8"))
        return [str(address) for address in values["addresses"]]
    return []


def record(store: Store, address: str) -> None:
    """Note an address in the index folder."""
    addresses = dict.fromkeys([*published_addresses(store.path), address])
    data = sealed({"addresses": list(addresses)})
    with suppress(StoreError):  # it can be searched where the folder cannot be written
        write_whole(store.path / _FILE, lambda stream: stream.write(data))
    _remember(address, as_path(real_path(str(store))), store.fingerprint)


def _remember(address: str, index: Path, fingerprint: str) -> None:
    """Note on this machine where the index of an address is, and what it was when published."""
    data = sealed({"index": str(index.absolute()), "fingerprint": fingerprint})
    with suppress(OSError, StoreError):
        _memory(address).parent.mkdir(parents=True, exist_ok=True)
        write_whole(_memory(address), lambda file: file.write(data))


def _remembered(address: str) -> list[Path]:
    """Return the folder that this machine has noted, unless it is another index by now.

    Its own list has the address; one that could not be written has not changed since.
    """
    with suppress(OSError, ValueError, KeyError, TypeError, PlaceError, StoreError):
        values = unsealed(_memory(address).read_text(encoding="utf-8"))
        index = as_path(str(values["index"]))
        if address in published_addresses(index):
            return [index]
        if is_store(index) and Store.open(index).fingerprint == values["fingerprint"]:
            return [index]
    return []


def _memory(address: str) -> Path:
    key = hashlib.sha256(address.encode()).hexdigest()[:40]
    return user_cache_path("artsim") / "published" / key
