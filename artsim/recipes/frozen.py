"""Embeddings of an index's images by another frozen network."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from artsim.datatypes import Box, Preprocessing, parse_spec
from artsim.errors import ImageError
from artsim.images import read_bytes
from artsim.loader import Loaded, load, preprocess
from artsim.models import Compute, Extractor, load_extractor
from artsim.places import picture_file
from artsim.store import Store
from artsim.training import Run

Pixels = Iterator[tuple[int, NDArray[np.uint8]]]  # position and image, (3, H, W) uint8


def embed_rows(
    store: Store,
    rows: NDArray[np.int64],
    spec: str,
    run: Run,
    *,
    weights: Path | None = None,
    boxes: Mapping[int, Box] = MappingProxyType({}),
) -> dict[str, NDArray[np.float32]]:
    """Embed some rows of an index.

    Args:
        store: The index.
        rows: Shape (n,).
        spec: A network and its taps.
        run: Its device and decoding threads.
        weights: A local file of weights instead of the spec's.
        boxes: Regions to embed instead of whole images, by row.

    Returns:
        Vectors by tap, each (n, D); zeros for an image that cannot be decoded.

    Raises:
        ModelError: If the network does not exist, or its weights cannot be downloaded.
    """
    compute = Compute(device=run.device)
    extractor = load_extractor(parse_spec(spec), weights=weights, compute=compute)
    images = store.take(rows.tolist(), ["image"]).column("image").to_pylist()
    files = [picture_file(store.manifest.root, image) for image in images]
    taps = {tap.name: tap.dim for tap in extractor.passport.taps}
    found = {name: np.zeros((len(rows), dim), dtype=np.float32) for name, dim in taps.items()}
    details = {place: boxes[row] for place, row in enumerate(rows.tolist()) if row in boxes}
    whole = ((place, file) for place, file in enumerate(files) if place not in details)
    with closing(load(whole, extractor.preprocessing, workers=run.workers)) as loading:
        loaded = ((each.key, each.pixels) for each in loading if isinstance(each, Loaded))
        _embed(extractor, loaded, found)
    _embed(extractor, _details(files, details, extractor.preprocessing), found)
    return found


def _embed(extractor: Extractor, pixels: Pixels, found: Mapping[str, NDArray[np.float32]]) -> None:
    while batch := list(itertools.islice(pixels, extractor.batch_size)):
        places, images = zip(*batch, strict=True)
        for name, vectors in extractor.embed_batch(np.stack(images)).items():
            found[name][list(places)] = vectors


def _details(files: list[Path], boxes: Mapping[int, Box], preprocessing: Preprocessing) -> Pixels:
    for place, box in boxes.items():
        try:
            yield place, preprocess(read_bytes(files[place]), preprocessing, box=box)[0]
        except ImageError:
            continue
