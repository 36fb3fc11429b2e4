"""Which regions of the query images, and of each match, made the match.

The contributions of several aspects are added by their weights, on the finest of their grids.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from artsim.datatypes import Box as Detail
from artsim.datatypes import Preprocessing
from artsim.errors import ImageError, ModelError
from artsim.explain.averages import AverageExplainer
from artsim.explain.explanation import Box, Explanation, seen_box
from artsim.images import read_bytes
from artsim.index import unit
from artsim.loader import preprocess
from artsim.models import Extractor
from artsim.search import IndexEncoder, Method, SearchAnswer

_BATCH = 16  # pictures that are explained at a time: their gradients take memory


class _Explains(Protocol):
    def explain(
        self, pixels: NDArray[np.uint8], others: NDArray[np.float32]
    ) -> list[Explanation]: ...


_Methods = Sequence[tuple[Method, NDArray[np.float32]]]  # each with its query vectors, (T, D)


@dataclass(frozen=True)
class Regions:
    """How much each region of a picture contributed to a match."""

    name: str  # of the picture
    image: Path
    contributions: NDArray[np.float32]  # (H, W), row by row
    box: Box  # the part of the picture that they cover


@dataclass(frozen=True)
class _Seen:
    """A picture as the network sees it."""

    name: str
    image: Path
    pixels: NDArray[np.uint8]  # (3, H, W)
    box: Box


def explain_answer(answer: SearchAnswer, encoder: IndexEncoder) -> list[tuple[Regions, ...]]:
    """Find for each match the regions of the query images, then those of the match itself.

    In a search for details, the match is the tile that was found. Pictures on the web, and those
    that can no longer be read, are left out.

    Args:
        answer: The answer of a search.
        encoder: It has the network of the searched index.

    Raises:
        ModelError: If only other indexes were compared by, or the tap has no positions.
    """
    methods = [
        (method, vectors)
        for method, vectors in zip(answer.methods, answer.vectors, strict=True)
        if method.joined is None and method.records is None
    ]
    if not methods:
        raise ModelError(
            "the matches were compared by other indexes only; search one of those to see why"
        )
    extractor = encoder.explaining([method.tap for method, _ in methods])
    explainers = [_explainer(extractor, method.tap) for method, _ in methods]
    preprocessing = extractor.preprocessing
    # Queries to avoid have no regions that made a match.
    wanted = [query for query in answer.queries if query.weight > 0]
    queries = [
        seen for each in wanted if (seen := _see(each.name, each.image, each.box, preprocessing))
    ]
    found: list[tuple[Regions, ...]] = [() for _ in answer.matches]
    matches = [
        (place, seen)
        for place, each in enumerate(answer.matches)
        if (seen := _see(each.id, each.image, each.box, preprocessing))
    ]
    for start in range(0, len(matches), _BATCH):
        places, some = zip(*matches[start : start + _BATCH], strict=True)
        pixels = np.stack([each.pixels for each in some])
        embedded = extractor.embed_batch(pixels)
        own = [embedded[method.tap] for method, _ in methods]
        of_matches = _explained(explainers, methods, pixels, _nearest(methods, own))
        of_queries = [
            _explained(explainers, methods, np.stack([query.pixels] * len(some)), own)
            for query in queries
        ]
        for place, match, *maps in zip(places, some, *of_queries, of_matches, strict=True):
            found[place] = tuple(
                Regions(each.name, each.image, map_, each.box)
                for each, map_ in zip((*queries, match), maps, strict=True)
            )
    return found


def _explainer(extractor: Extractor, tap: str) -> _Explains:
    maps = extractor.averaged_maps(tap)
    if maps is not None:
        (layer,) = [each.layer for each in extractor.passport.taps if each.name == tap]
        return AverageExplainer(maps, layer)
    from artsim.explain.contributions import Explainer  # loads torch

    return Explainer(extractor, tap)


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
    x0, y0, x1, y1 = (0, 0, width, height) if detail is None else detail.edges(width, height)
    across, down = x1 - x0, y1 - y0
    left, top, right, bottom = seen_box((across, down), preprocessing)
    box = (
        (x0 + left * across) / width,
        (y0 + top * down) / height,
        (x0 + right * across) / width,
        (y0 + bottom * down) / height,
    )
    return _Seen(name, Path(image), pixels, box)


def _nearest(methods: _Methods, own: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """Return the query that each match is most similar to, by method: (B, D)."""
    scores = sum(
        method.share * (unit(vectors) @ terms.T)  # (B, T)
        for (method, terms), vectors in zip(methods, own, strict=True)
    )
    term = np.asarray(scores).argmax(axis=1)  # (B,)
    return [terms[term] for _, terms in methods]


def _explained(
    explainers: Sequence[_Explains],
    methods: _Methods,
    pixels: NDArray[np.uint8],
    others: Sequence[NDArray[np.float32]],
) -> list[NDArray[np.float32]]:
    """Explain pictures by all methods together: one map per picture."""
    by_method = [
        [method.share * each.contributions for each in explainer.explain(pixels, vectors)]
        for explainer, (method, _), vectors in zip(explainers, methods, others, strict=True)
    ]
    return [_add(maps) for maps in zip(*by_method, strict=True)]


def _add(maps: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Add maps on the finest of their grids; each keeps its sum."""
    rows, columns = max(map_.shape[0] for map_ in maps), max(map_.shape[1] for map_ in maps)
    total = np.zeros((rows, columns), dtype=np.float32)
    for map_ in maps:
        y = np.arange(rows) * map_.shape[0] // rows
        x = np.arange(columns) * map_.shape[1] // columns
        shared = np.outer(np.bincount(y)[y], np.bincount(x)[x])
        total += map_[np.ix_(y, x)] / shared
    return total
