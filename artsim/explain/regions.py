"""Which regions of the query images, and of each match, made the match.

Of several aspects the contributions are added up by their weights, on the finest of their grids.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from artsim.datatypes import Box as Detail
from artsim.datatypes import Preprocessing
from artsim.errors import ImageError, ModelError
from artsim.explain.contributions import Box, Explainer, seen_box
from artsim.images import read_bytes
from artsim.index import unit
from artsim.loader import preprocess
from artsim.models import Extractor
from artsim.search import Method, Query, SearchAnswer

_BATCH = 16  # pictures that are explained at a time: their gradients take memory


@dataclass(frozen=True)
class Regions:
    """What of a picture made a match."""

    name: str  # of the picture
    image: Path
    contributions: NDArray[np.float32]  # (H, W), row by row
    box: Box  # what of the picture they lie on


@dataclass(frozen=True)
class _Seen:
    """A picture as the network saw it."""

    name: str
    image: Path
    pixels: Tensor  # (3, H, W), uint8
    box: Box


def explain_answer(answer: SearchAnswer, extractor: Extractor) -> list[tuple[Regions, ...]]:
    """Find for each match what of the query images, then what of itself, made it.

    Where details were looked for, of a match it is the tile that was found. Pictures on the web,
    and those that can no longer be read, are left out.

    Args:
        answer: Of an index.
        extractor: The network of that index, computed by torch.

    Raises:
        ModelError: If it was compared by another index alone, the network cannot be looked into,
            or the tap has no positions.
    """
    methods = [
        (method, vectors)
        for method, vectors in zip(answer.methods, answer.vectors, strict=True)
        if method.joined is None
    ]
    if not methods:
        raise ModelError(
            "the matches were compared by other indexes only; search one of those to see why"
        )
    explainers = [Explainer(extractor, method.tap) for method, _ in methods]
    preprocessing = extractor.preprocessing
    # What is looked away from, and words, have no regions that made a match.
    seen_queries = [
        _see_query(query, preprocessing) for query in answer.queries if query.weight > 0
    ]
    queries = [each for each in seen_queries if each is not None]
    found: list[tuple[Regions, ...]] = [() for _ in answer.matches]
    seen = {
        place: _see(match.id, match.image, match.box, preprocessing)
        for place, match in enumerate(answer.matches)
    }
    there = [(place, each) for place, each in seen.items() if each is not None]
    for start in range(0, len(there), _BATCH):
        some = there[start : start + _BATCH]
        pixels = torch.stack([each.pixels for _, each in some])
        of_taps = extractor.embed_batch(pixels)
        own = [of_taps[method.tap] for method, _ in methods]
        wanted = _nearest(methods, own)
        maps = _explained(explainers, methods, pixels, wanted)
        of_queries = [
            _explained(explainers, methods, query.pixels.expand(len(some), -1, -1, -1), own)
            for query in queries
        ]
        for number, (place, each) in enumerate(some):
            found[place] = (
                *(
                    Regions(query.name, query.image, of_query[number], query.box)
                    for query, of_query in zip(queries, of_queries, strict=True)
                ),
                Regions(each.name, each.image, maps[number], each.box),
            )
    return found


def _see_query(query: Query, preprocessing: Preprocessing) -> _Seen | None:
    return _see(query.name, query.image, query.box, preprocessing)


def _see(
    name: str, image: str | None, detail: Detail | None, preprocessing: Preprocessing
) -> _Seen | None:
    if image is None or image.startswith(("http://", "https://")):
        return None
    try:
        pixels, picture = preprocess(read_bytes(Path(image)), preprocessing, box=detail)
    except ImageError:
        return None
    width, height = picture.width, picture.height
    if detail is None:
        return _Seen(name, Path(image), pixels, seen_box((width, height), preprocessing))
    x0, y0, x1, y1 = detail.edges(width, height)
    left, top, right, bottom = seen_box((x1 - x0, y1 - y0), preprocessing)
    across, down = x1 - x0, y1 - y0
    box = (
        (x0 + left * across) / width,
        (y0 + top * down) / height,
        (x0 + right * across) / width,
        (y0 + bottom * down) / height,
    )
    return _Seen(name, Path(image), pixels, box)


def _nearest(
    methods: Sequence[tuple[Method, NDArray[np.float32]]], own: Sequence[NDArray[np.float32]]
) -> list[NDArray[np.float32]]:
    """Choose for each match the query that it is most similar to: of each method, (B, D)."""
    scores = sum(
        method.share * (unit(vectors) @ terms.T)  # (B, T)
        for (method, terms), vectors in zip(methods, own, strict=True)
    )
    term = np.asarray(scores).argmax(axis=1)  # (B,)
    return [terms[term] for _, terms in methods]


def _explained(
    explainers: Sequence[Explainer],
    methods: Sequence[tuple[Method, NDArray[np.float32]]],
    pixels: Tensor,
    others: Sequence[NDArray[np.float32]],
) -> list[NDArray[np.float32]]:
    """Explain pictures by each method, and add up: a map each."""
    by_method = [
        [method.share * each.contributions for each in explainer.explain(pixels, vectors)]
        for explainer, (method, _), vectors in zip(explainers, methods, others, strict=True)
    ]
    return [_add(maps) for maps in zip(*by_method, strict=True)]


def _add(maps: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Add up maps on the finest of their grids; each keeps its sum."""
    rows, columns = max(map_.shape[0] for map_ in maps), max(map_.shape[1] for map_ in maps)
    total = np.zeros((rows, columns), dtype=np.float32)
    for map_ in maps:
        y = np.arange(rows) * map_.shape[0] // rows
        x = np.arange(columns) * map_.shape[1] // columns
        shared = np.outer(np.bincount(y)[y], np.bincount(x)[x])
        total += map_[np.ix_(y, x)] / shared
    return total
