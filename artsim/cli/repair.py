"""``artsim repair``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cloup

from artsim.cli.options.collection import (
    collection_of,
    max_pixels_option,
    moved_option,
    open_collection,
    reader_options,
)
from artsim.cli.options.computing import (
    backend_option,
    device_option,
    make_compute,
    weights_option,
    workers_option,
)
from artsim.cli.options.index import find_index, index_argument, index_option
from artsim.cli.output import echo, resumable, show_progress
from artsim.datatypes import plural, shown_path

if TYPE_CHECKING:
    from artsim.datatypes import Catalog
    from artsim.models import Extractor
    from artsim.store import Store

_REMEDIES = {
    "heads": "train it again with 'artsim probe'",
    "splits": "delete it and draw it again with 'artsim split'",
    "layouts": "draw it again with 'artsim map'",
}


@cloup.command()
@index_argument
@cloup.option_group("Index", index_option)
@cloup.option_group(
    "Collection",
    moved_option,
    *reader_options,
    max_pixels_option,
)
@cloup.option_group("Compute", device_option, backend_option, weights_option, workers_option)
def repair(
    index: Path | None,
    collection: str | None,
    device: str,
    backend: str,
    weights: Path | None,
    workers: int,
    max_pixels: int,
    **options: Any,
) -> None:
    """Rebuild the damaged files of an index and keep the rest.

    Every file is compared with its checksum. Search files are rebuilt; the pictures of damaged
    parts are embedded again, and the index is brought up to date as 'artsim embed' does.

    Example:

    \b
        artsim repair
        artsim repair indexes/paintings --collection /media/scans/paintings
    """
    path = find_index(index)

    from artsim.embedding import EmbedSettings, repair_index

    def catalog(store: Store) -> Catalog:
        return open_collection(
            collection or collection_of(store), options, strict=False, before=store.manifest
        )

    def extractor(store: Store) -> Extractor:
        from artsim.search import load_index_extractor

        echo(f"{path.name}: files are damaged, so pictures will be embedded again", err=True)
        made = store.manifest.passport
        # Not OpenVINO where torch computed the others, and resized their pictures.
        by = "torch" if (backend, made.backend) == ("auto", "torch") else backend
        compute = make_compute(device, by, "bf16" if "bf" in made.compute_dtype else "f32")
        return load_index_extractor(store, weights=weights, compute=compute)

    settings = EmbedSettings(workers=workers, max_pixels=max_pixels)
    with resumable(path), show_progress(path.name) as progress:
        done = repair_index(path, catalog, extractor, settings=settings, progress=progress)
    damaged = [*(["manifest.json"] if done.manifest else []), *done.before.damaged]
    if not damaged:
        echo(f"{shown_path(path)}: all checksums match")
    for name in damaged:
        if name not in done.after.damaged:
            echo(f"{shown_path(path / name)}: repaired")
    if done.embedded:
        echo(f"{shown_path(path)}: {plural(done.embedded.embedded, 'picture')} embedded again")
    for name in done.after.damaged:
        remedy = _REMEDIES.get(Path(name).parts[0], "embed the collection again to a new folder")
        echo(f"{shown_path(path / name)}: damaged; {remedy}", err=True)
    if done.after.damaged:
        sys.exit(1)
