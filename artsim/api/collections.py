"""From collections to indexes: embed, import, inspect."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from artsim.api.index import Index
from artsim.api.results import Table
from artsim.datatypes import DEFAULT_MODEL, SHORT_NAMES, Progress, no_progress, parse_spec
from artsim.places import as_path
from artsim.readers import DEFAULT_OPTIONS, ReaderOptions, read_collection
from artsim.store import Store, index_to_write

if TYPE_CHECKING:
    from artsim.embedding import EmbedSettings
    from artsim.models import Compute

_INDEXES = Path("indexes")  # in the working directory


def embed(
    collection: str | Path,
    output: str | Path | None = None,
    *,
    model: str = DEFAULT_MODEL,
    weights: str | Path | None = None,
    reader: ReaderOptions = DEFAULT_OPTIONS,
    compute: Compute | None = None,
    settings: EmbedSettings | None = None,
    progress: Progress = no_progress,
) -> Index:
    """Embed a collection into an index, or bring its index up to date.

    Only new and changed pictures are embedded. Pictures that cannot be embedded do not stop the
    run; they are in ``Index.failures``.

    Args:
        collection: A folder of pictures, a table beside pictures, or ``READER:PATH``.
        output: The index folder; ``indexes/NAME`` in the working directory if None.
        model: ``SOURCE:ARCH[.TAG][@LAYER[/POOLING]+...]``, or a short name such as ``lite0``.
        weights: A local file of weights instead of the model's own.
        reader: Columns, types and other options for reading the collection.
        compute: Device, backend and precision; the CPU in float32 if None.
        settings: Batch size, threads, tiles, limits, and a cluster or several devices to embed on;
            as many threads as cores if None.
        progress: Called with the pictures done, their number and the failures so far.

    Raises:
        ReaderError: If the collection cannot be read.
        ModelError: If there is no such model, or its weights are not on this machine.
        EngineError: If the cluster or a device of the settings cannot be used.
        PassportError: If the index was made by another model or preprocessing.
        StoreError: If the index cannot be written, or most of it would be dropped.

    Example:
        >>> index = artsim.embed("paintings/", model="lite0")
    """
    from artsim.embedding import EmbedSettings, embed_collection, open_engine
    from artsim.models import Compute, NetworkRequest

    catalog = read_collection(collection, options=reader)
    path = as_path(output) if output is not None else _INDEXES / catalog.name
    request = NetworkRequest(
        spec=parse_spec(model),
        weights=None if weights is None else Path(weights),
        compute=compute or Compute(),
    )
    engine, extractor = open_engine(settings.engine if settings else None, request)
    settings = settings or EmbedSettings(
        batch_size=extractor.batch_size, workers=os.cpu_count() or 1
    )
    with closing(engine), index_to_write(path) as folder:
        embed_collection(
            catalog, folder, extractor, settings=settings, engine=engine, progress=progress
        )
    return Index(Store.open(folder))


def import_vectors(
    file: str | Path,
    output: str | Path,
    *,
    catalog: str | Path | None = None,
    ids: str | Path | None = None,
    tap: str | None = None,
    reader: ReaderOptions = DEFAULT_OPTIONS,
) -> Index:
    """Import vectors that were computed elsewhere into an index.

    Args:
        file: A CSV, Parquet or npy file of ids and vectors.
        output: The index folder; a complete index is never overwritten.
        catalog: A collection to take metadata and pictures from, joined by id.
        ids: For npy: a file with one id per line.
        tap: The name of the vectors; the name of their column if None.
        reader: Options for reading the catalog.

    Raises:
        ReaderError: If the files cannot be read, or no vector can be used.
        StoreError: If there is an index already, or it cannot be written.
    """
    from artsim.external import import_vectors as run
    from artsim.external import open_vectors

    read = None if catalog is None else read_collection(catalog, options=reader)
    vectors = open_vectors(Path(file), ids=None if ids is None else Path(ids))
    run(vectors, Path(output), catalog=read, tap=tap)
    return Index(Store.open(Path(output)))


def inspect(collection: str | Path, *, reader: ReaderOptions = DEFAULT_OPTIONS) -> Table:
    """Look a collection over before it is embedded: one row per kind of finding.

    Args:
        collection: See `embed`.
        reader: See `embed`.

    Raises:
        ReaderError: If the collection cannot be read or lists no picture.
    """
    from artsim.inspection import inspect_collection

    found = inspect_collection(read_collection(collection, options=reader))
    rows = tuple(
        {
            "finding": each.kind.summary,
            "count": each.count,
            "example": " = ".join(each.examples[0].names) if each.examples else "",
        }
        for each in found.findings
    )
    return Table(f"{found.name}: {found.rows:,} rows", rows, results=(found,))


def list_models(pattern: str = "*") -> list[str]:
    """Name the models that match a pattern, such as ``timm:vit_small*``, short names first.

    Args:
        pattern: With ``*`` and ``?``, matched with and without the source; without either, a part
            of the name.
    """
    import fnmatch

    from artsim.models import SOURCES, list_architectures

    if not any(sign in pattern for sign in "*?["):  # a part of the name, not of the source alone
        pattern = f"*{pattern}*" if ":" in pattern else f"*:*{pattern}*"
    short = fnmatch.filter(SHORT_NAMES, pattern.removeprefix("*:"))
    specs = (f"{source}:{arch}" for source in SOURCES for arch in list_architectures(source))
    return short + [
        spec
        for spec in specs
        if fnmatch.fnmatch(spec, pattern) or fnmatch.fnmatch(spec.partition(":")[2], pattern)
    ]
