"""Which index a search reads, also one that is published: ``--index lance:...``, ``milvus:...``."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from artsim.cli.options.index import open_store
from artsim.cli.options.values import INDEXES
from artsim.cli.output import print_notes

if TYPE_CHECKING:
    from artsim.search import SearchBackend, Works
    from artsim.search.published import Publication
    from artsim.store import Store

    Backend = Callable[[Works], SearchBackend] | None  # None: the folder is searched


def milvus_token() -> str | None:
    """Return the token for Milvus that the environment gives."""
    return os.environ.get("MILVUS_TOKEN") or None


def open_searched(index: Path | str | None) -> tuple[Store, Backend]:
    """Open an index, see `open_store`, and what makes the backend if it is a published one.

    Prints a note on stderr where the database does not answer, or approximates.
    """
    store, publication = open_publication(index)
    return store, publication.backend(store) if publication else None


def open_publication(index: Path | str | None) -> tuple[Store, Publication | None]:
    """Open an index, and where it is published if it is named so."""
    if not isinstance(index, str):
        return open_store(index), None
    from artsim.search.published import open_published
    from artsim.store import is_store

    here = sorted(filter(is_store, INDEXES.glob("*")))
    publication = open_published(index, here, token=milvus_token())
    if publication.problem:
        print_notes(publication.problem)
    return open_store(publication.index), publication


def open_several(indexes: Sequence[Path | str]) -> list[tuple[Store, Publication | None]]:
    """Open several indexes, each once, or the only one in indexes/ where none is named."""
    opened = [open_publication(index) for index in indexes] or [open_publication(None)]
    return list({store.path.resolve(): (store, each) for store, each in opened}.values())


def reopened(
    opened: Sequence[tuple[Store, Publication | None]],
) -> dict[str, Callable[[Store], Backend]]:
    """Return, by name, what opens the published ones again whenever their index has changed."""
    from artsim.search.published import open_published

    def open_(address: str, store: Store) -> Backend:
        return open_published(address, [store.path], token=milvus_token()).backend(store)

    return {
        store.path.resolve().name: partial(open_, publication.address)
        for store, publication in opened
        if publication and publication.note
    }
