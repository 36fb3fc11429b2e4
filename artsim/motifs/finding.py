"""Find repeated details: candidates by their tiles, decided by the places of their cells."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from artsim.datatypes import Box, Progress, no_progress
from artsim.errors import ImageError
from artsim.images import decode, read_bytes
from artsim.models import Extractor
from artsim.motifs.features import SIDES, Cells, FeatureMaps
from artsim.motifs.journal import Journal
from artsim.motifs.matching import Verified, verify
from artsim.search import locate
from artsim.store import Store

# Chosen by scripts/bench/motifs.py on pictures of seed 0.
MIN_SCORE = 6.0
_BLOCK = 1024  # works that are compared with as many others, so that cells are seldom made again
_SAVED = 64  # pairs that a journal keeps at a time: what a kill can lose
_KEPT = 2 * _BLOCK  # works whose cells are in memory
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

    def to_json(self) -> dict[str, Any]:
        """Return it as values of JSON, from which `from_json` makes an equal one."""
        verified = asdict(self.verified)
        return {
            "rows": [self.first, self.second],
            "boxes": [str(self.first_box), str(self.second_box)],
            "verified": verified | {key: verified[key].tolist() for key in ("first", "second")},
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """Make the one that `to_json` returned the values of."""
        verified = values["verified"]
        places = {key: np.array(verified[key]) for key in ("first", "second")}
        (first, second), boxes = values["rows"], map(Box.parse, values["boxes"])
        return cls(first, second, next(boxes), next(boxes), Verified(**verified | places))


class MotifFinder:
    """Compares pictures of an index by the places of their cells.

    Args:
        store: The index.
        extractor: Its network, computed by torch.
        layer: The layer whose feature map is compared; chosen by `FeatureMaps` if None.
        computing: Held while the network computes; see `FeatureMaps`.
        kept: Works whose cells are in memory, of half a MB each with their mirror image.

    Raises:
        ModelError: If the network has no such layer.
    """

    def __init__(
        self,
        store: Store,
        extractor: Extractor,
        layer: str | None = None,
        *,
        computing: AbstractContextManager[object] | None = None,
        kept: int = _KEPT,
    ) -> None:
        self._maps = FeatureMaps(extractor, layer, computing=computing)
        works = store.read(["id", "image"])
        ids, images = (works.column(name).to_pylist() for name in ("id", "image"))
        self._ids, self._files = ids, [locate(store, image) for image in images]
        self.device = str(extractor.network.mean.device)
        self.cells: Callable[[int], tuple[Cells, Cells] | None] = lru_cache(kept)(self._cells)
        # By their ids: the result does not depend on the order of the rows.
        by_id = sorted(range(len(ids)), key=ids.__getitem__)
        at = np.unique(np.linspace(0, len(ids) - 1, _SAMPLED).astype(int)) if ids else ()
        rows = [by_id[each] for each in at]
        known = [pixels for row in rows if (pixels := _pixels(self._files[row])) is not None]
        if known:
            self._maps.standardize(known)

    @property
    def layer(self) -> str:
        """The layer whose feature map is compared."""
        return self._maps.layer

    def compare(self, first: int, second: int) -> Motif | None:
        """Find the detail that two works share, plain or mirrored; None without one.

        The first of the motif is the work whose id sorts first. A picture that cannot be read
        shares none.
        """
        first, second = sorted((first, second), key=self._ids.__getitem__)
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

    def cells_of(self, picture: str | bytes | None, box: Box | None = None) -> Cells | None:
        """Compute the cells of a picture, or of a part of it; None if it cannot be read.

        ``picture`` is the path of a file, or what is in it.
        """
        pixels = _pixels(picture)
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
    finder: MotifFinder,
    candidates: NDArray[np.int64],
    *,
    min_score: float = MIN_SCORE,
    journal: Journal | None = None,
    progress: Progress = no_progress,
) -> list[Motif]:
    """Find the details that pairs of works share, those of most evidence first.

    Args:
        finder: Compares the pictures of an index.
        candidates: Pairs of its rows, (n, 2), from `candidate_pairs`.
        min_score: The least evidence.
        journal: Keeps what is done, and what an interrupted search with the same arguments has
            done; nothing is kept if None.
        progress: Called with the pairs that are compared, of those still to do.
    """
    journal = journal or Journal()
    pairs = _by_blocks(candidates)
    done = journal.compared()
    found = [Motif.from_json(values) for block in done for values in block]
    start = len(done) * _SAVED
    # Threads that share so small a product wait for each other longer than they compute.
    with threadpool_limits(1, user_api="blas"):
        for place in range(start, len(pairs), _SAVED):
            block: list[Motif] = []
            for at, (one, other) in enumerate(pairs[place : place + _SAVED].tolist(), place + 1):
                motif = finder.compare(one, other)
                if motif is not None and motif.score >= min_score:
                    block.append(motif)
                progress(at - start, len(pairs) - start, 0)
            journal.add_compared([motif.to_json() for motif in block])
            found += block
    return in_order(found)


def in_order(motifs: Iterable[Motif]) -> list[Motif]:
    """Sort by evidence, then by rows."""
    return sorted(motifs, key=lambda each: (-each.score, each.first, each.second))


def _by_blocks(pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Order pairs so that few cells are made again: every other row of blocks is read backward."""
    first, second = pairs.T
    one, other = first // _BLOCK, second // _BLOCK
    return pairs[np.lexsort((second, first, np.where(one % 2, -other, other), one))]


def _pixels(picture: str | bytes | None) -> NDArray[np.uint8] | None:
    if picture is None:
        return None
    if isinstance(picture, str) and picture.startswith(("http://", "https://")):
        return None
    try:
        data = picture if isinstance(picture, bytes) else read_bytes(Path(picture))
        return decode(data, at_least=_useful).pixels
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
