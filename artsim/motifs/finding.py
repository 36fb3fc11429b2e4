"""Find repeated details: candidates by their tiles, decided by the places of their cells."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from artsim.datatypes import Box, Progress, no_progress
from artsim.errors import ImageError
from artsim.images import decode, read_bytes
from artsim.models import Extractor
from artsim.motifs.candidates import candidate_pairs
from artsim.motifs.features import SIDES, Cells, FeatureMaps
from artsim.motifs.matching import Verified, verify
from artsim.search import locate
from artsim.store import Store

# Chosen by scripts/bench/motifs.py on pictures of seed 0.
MIN_SCORE = 6.0
_BLOCK = 512  # works that are compared with as many others, so that cells are seldom made again
_KEPT = 2 * _BLOCK  # works whose cells are in memory, of half a MB each with their mirror image
_SAMPLED = 48  # pictures that channels are standardized by
_MARGIN = 0.5  # cells around the matched centers that belong to the detail


@dataclass(frozen=True)
class Motif:
    """A detail that two works share."""

    first: int  # row of the index
    second: int
    first_box: Box  # in percent
    second_box: Box
    verified: Verified

    @property
    def score(self) -> float:
        """The evidence: the similarity of the distinct cells that correspond, summed."""
        return self.verified.score


class MotifFinder:
    """Compares pictures of an index by the places of their cells.

    Args:
        store: The index.
        extractor: Its network, computed by torch.
        layer: The layer whose feature map is compared; chosen by `FeatureMaps` if None.

    Raises:
        ModelError: If the network has no such layer.
    """

    def __init__(self, store: Store, extractor: Extractor, layer: str | None = None) -> None:
        self._maps = FeatureMaps(extractor, layer)
        images = store.read(["image"]).column(0).to_pylist()
        self._files = [locate(store, image) for image in images]
        self.cells: Callable[[int], tuple[Cells, Cells] | None] = lru_cache(_KEPT)(self._cells)
        rows = np.unique(np.linspace(0, len(images) - 1, _SAMPLED).astype(int)) if images else ()
        known = [pixels for row in rows if (pixels := _pixels(self._files[row])) is not None]
        if known:
            self._maps.standardize(known)

    @property
    def layer(self) -> str:
        """The layer whose feature map is compared."""
        return self._maps.layer

    def compare(self, first: int, second: int) -> Motif | None:
        """Find the detail that two works share, plain or mirrored; None without one.

        A picture that cannot be read shares none.
        """
        one = self.cells(first)
        found = None if one is None else self.find(one[0], second)
        if one is None or found is None:
            return None
        verified, box = found
        return Motif(first, second, _box(verified.first, one[0]), box, verified)

    def find(self, cells: Cells, row: int) -> tuple[Verified, Box] | None:
        """Find what a work shares with a picture, plain or mirrored, and where; None if nothing."""
        other = self.cells(row)
        if other is None:
            return None
        found = [
            verified
            for theirs, mirrored in zip(other, (False, True), strict=True)
            if (verified := verify(cells, theirs, mirrored=mirrored)) is not None
        ]
        if not found:
            return None
        best = max(found, key=lambda each: each.score)
        return best, _box(best.second, other[0])

    def cells_of(self, file: str | None, box: Box | None = None) -> Cells | None:
        """Compute the cells of a picture, or of a part of it; None if it cannot be read."""
        pixels = _pixels(file)
        if pixels is None:
            return None
        if box is not None:
            x0, y0, x1, y1 = box.edges(pixels.shape[1], pixels.shape[0])
            pixels = np.ascontiguousarray(pixels[y0:y1, x0:x1])
        return self._maps.cells(pixels)

    def _cells(self, row: int) -> tuple[Cells, Cells] | None:
        pixels = _pixels(self._files[row])
        if pixels is None:
            return None
        mirrored = np.ascontiguousarray(pixels[:, ::-1])
        return self._maps.cells(pixels), self._maps.cells(mirrored)


def find_motifs(
    store: Store,
    finder: MotifFinder,
    tap: str,
    *,
    each: int = 5,
    min_score: float = MIN_SCORE,
    device: str = "cpu",
    progress: Progress = no_progress,
) -> list[Motif]:
    """Find the details that works of an index share, those of most evidence first.

    Args:
        store: The index; made with tiles, it shows smaller details.
        finder: Compares its pictures.
        tap: Whose vectors propose pairs.
        each: Nearest tiles of each tile whose works are compared.
        min_score: The least evidence.
        device: Where neighbors are computed.
        progress: Called with the pairs that are done.
    """
    pairs = candidate_pairs(store, tap, each=each, device=device)
    pairs.sort(key=lambda pair: (pair[0] // _BLOCK, pair[1] // _BLOCK, pair))
    found = _compared(finder, pairs, progress)
    return in_order(motif for motif in found if motif.score >= min_score)


def in_order(motifs: Iterable[Motif]) -> list[Motif]:
    """Sort by evidence, then by rows."""
    return sorted(motifs, key=lambda each: (-each.score, each.first, each.second))


def _compared(
    finder: MotifFinder, pairs: list[tuple[int, int]], progress: Progress
) -> Iterator[Motif]:
    for done, (first, second) in enumerate(pairs, 1):
        motif = finder.compare(first, second)
        if motif is not None:
            yield motif
        progress(done, len(pairs), 0)


def _pixels(file: str | None) -> NDArray[np.uint8] | None:
    if file is None or file.startswith(("http://", "https://")):
        return None
    try:
        return decode(read_bytes(Path(file)), at_least=_useful).pixels
    except ImageError:
        return None


def _useful(width: int, height: int) -> tuple[int, int]:
    part = min(SIDES[-1] / max(width, height), 1)
    return round(width * part), round(height * part)


def _box(places: NDArray[np.float64], cells: Cells) -> Box:
    """Return the box around places in fractions of a picture, a cell's half wider, in percent."""
    margin = _MARGIN * cells.finest / np.array(cells.extent)
    low = np.clip(places.min(axis=0) - margin, 0, 1) * 100
    high = np.clip(places.max(axis=0) + margin, 0, 1) * 100
    (x, y), (width, height) = low.round(2).tolist(), (high - low).round(2).tolist()
    return Box(x, y, width, height, percent=True)
