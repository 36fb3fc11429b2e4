"""Embed the collection of an index by another model, into a version of the index."""

from __future__ import annotations

from dataclasses import replace

from artsim.datatypes import Catalog, Passport, Progress, no_progress
from artsim.embedding import EmbedSettings, EmbedSummary, Engine, embed_collection
from artsim.errors import StoreError
from artsim.models import Extractor
from artsim.store import Store, begin_version, is_being_written, is_store, version_path


def count_unread(store: Store, passport: Passport) -> int:
    """Count the works of an index that its version with these vectors has not come to yet."""
    folder = version_path(store.path, passport)
    if not is_store(folder):
        return store.rows
    version = Store.open(folder)
    failed: int = version.failures().num_rows
    return max(0, store.rows - version.rows - failed)


def build_version(
    store: Store,
    catalog: Catalog,
    extractor: Extractor,
    *,
    settings: EmbedSettings | None = None,
    engine: Engine | None = None,
    progress: Progress = no_progress,
) -> EmbedSummary:
    """Embed a collection into a version of its index, or bring that up to date.

    The index itself is only read. The version is no candidate for a switch before `finish_version`.

    Raises:
        StoreError: If the index is unfinished or has these vectors already, or its collection is
            read with other columns now.
        ReaderError: If no picture can be embedded.
    """
    if not store.manifest.complete:
        raise StoreError(
            f"{str(store)!r} is being embedded now; wait until it is done"
            if is_being_written(store.path)
            else f"{str(store)!r} is unfinished; run 'artsim embed' again to finish it first"
        )
    if not store.manifest.passport.differences(extractor.passport):
        raise StoreError(
            f"{str(store)!r} has the vectors of {extractor.passport.spec} already; name "
            "another model or other taps with -m"
        )
    if tuple(catalog.fields) != store.manifest.fields:
        raise StoreError(
            f"{str(catalog.source)!r} is now read with other columns or types than those of "
            f"{str(store)!r}; give the options of 'artsim embed' that made it, or run that "
            "again first"
        )
    folder = version_path(store.path, extractor.passport)
    begin_version(folder)
    # Pictures that are gone are no reason to stop: the works are counted before the switch.
    settings = replace(
        settings or EmbedSettings(), tiles=store.manifest.tiles or None, allow_loss=True
    )
    return embed_collection(
        catalog, folder, extractor, settings=settings, engine=engine, progress=progress
    )
