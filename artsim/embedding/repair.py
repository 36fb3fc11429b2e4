"""Make again what is damaged in an index, and keep the rest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from artsim import index  # its names load FAISS when they are used
from artsim.datatypes import Catalog, Progress, no_progress, shown_path
from artsim.embedding.chunks import EmbedSettings
from artsim.embedding.run import EmbedSummary, embed_collection
from artsim.errors import StoreError
from artsim.models import Extractor
from artsim.store import COPY, FAILURES, Check, Store, check_files, lock_index, restore_manifest

_MADE_WHEN_NEEDED = (".pairs.json", ".tiles.npy", ".tiles.json")


@dataclass(frozen=True)
class Repair:
    """What was damaged, and what is left of it."""

    before: Check
    after: Check
    manifest: bool  # it was restored from its copy
    embedded: EmbedSummary | None  # None: no picture had to be embedded


def repair_index(
    path: Path,
    open_collection: Callable[[Store], Catalog],
    load_extractor: Callable[[Store], Extractor],
    *,
    settings: EmbedSettings | None = None,
    progress: Progress = no_progress,
) -> Repair:
    """Make the damaged files of an index again: search files, and parts from their pictures.

    The collection is opened, and the network loaded, only if a part is damaged, or if an earlier
    repair was interrupted; then the index is brought up to date with the collection as
    `embed_collection` does.

    Raises:
        StoreError: If the manifest and its copy are damaged, or the collection is read with other
            columns than before.
        ReaderError: If the collection cannot be read.
    """
    restored = restore_manifest(path)
    store = Store.open(path)
    before, summary = check_files(store), None
    is_external = store.manifest.passport.is_external
    if before.needs_pictures or (not is_external and _is_unfinished(store)):
        if is_external:
            raise StoreError(
                f"{', '.join(before.damaged)} of {str(store)!r} are damaged, and its vectors were "
                "computed elsewhere; run 'artsim import-vectors' again to another folder"
            )
        catalog = open_collection(store)
        if tuple(catalog.fields) != store.manifest.fields:
            raise StoreError(
                f"{str(catalog.source)!r} is now read with other columns or types than those of "
                f"{shown_path(path)!r}; give the options of 'artsim embed' that made it"
            )
        extractor = load_extractor(store)
        passport = store.manifest.passport  # without scaled decoding it is of --exact, or a GPU's
        settings = replace(
            settings or EmbedSettings(),
            half_precision=passport.preprocessing.scaled_decoding > 0 or bool(passport.decoder),
        )
        if FAILURES in before.damaged:
            (path / FAILURES).unlink()
        summary = embed_collection(catalog, path, extractor, settings=settings, progress=progress)
        store = Store.open(path)
    with lock_index(path):
        for name in before.damaged:
            if name == "hashes.parquet" or name.endswith(_MADE_WHEN_NEEDED):
                (path / name).unlink(missing_ok=True)
        if COPY in before.damaged:
            (path / COPY).unlink()
            store.set_labels(store.manifest.labels)  # writes it, if the index is complete
        for tap in store.manifest.passport.taps:
            if store.rows and not index.is_whole_index(store, tap.name):
                index.build_index(store, tap.name)
    return Repair(before, check_files(store), restored, summary)


def _is_unfinished(store: Store) -> bool:
    """Return whether rows are missing after a repair that was interrupted, or short of memory."""
    return not store.manifest.complete or "resources" in store.failures()["stage"].to_pylist()
