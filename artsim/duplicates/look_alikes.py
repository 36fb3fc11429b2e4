"""Pairs of pictures that look the same: by their hashes, and by their edges where known."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import faiss
import numpy as np
from numpy.typing import NDArray

from artsim.duplicates.evidence import DuplicateEvidence, Rows
from artsim.images import COPY_EDGES, GRAY_SIDE, TRANSFORMS, Grays, edges_of, gray_hashes
from artsim.splits import WITHIN as ALONE  # bits, where hashes are all there is

# Of 2,250 copies in gray, of a third of the size or as JPEGs of quality 25, the hashes of one are
# more bits apart; with 4 bits, as many as one in six would be missed.
WITHIN = 12
PARTNERS = 16  # of a work, at most
_BLOCK = 1024  # works compared at a time
_PAIRS = 1 << 13  # pairs whose edges are compared at a time

Pairs = tuple[Rows, Rows]


def linked(
    evidence: DuplicateEvidence, sources: Rows, members: Sequence[int]
) -> Iterator[tuple[int, int]]:
    """Link each work with the first that it may be linked with."""
    first = [*members[:2], *_heads(evidence, members)]
    for row in members:
        partner = next((head for head in first if sources[head] != sources[row]), None)
        if partner is not None:
            yield row, partner


def look_alikes(
    evidence: DuplicateEvidence, sources: Rows, within: int, confirming: float | None
) -> Iterator[tuple[int, int]]:
    """Yield enough links to join the copies of a picture.

    Copies have the same edges; or hashes a few bits apart and a cosine that confirms it, as another
    photograph has. Where neither edges nor a cosine are known, the few bits are enough.
    """
    for same in _by_look(evidence):
        yield from linked(evidence, sources, same)
    works, grays = _different(evidence)
    hashes = np.array([evidence.hashes[row] for row in works], dtype=np.uint64)
    known = np.asarray(grays.any(axis=(1, 2)))
    for places, others in _near(hashes, hashes, within):
        may = (places < others) & (sources[works[places]] != sources[works[others]])
        a, b = places[may], others[may]
        copies = _same_edges(grays, grays, a, b)
        few = np.flatnonzero(~copies & (np.bitwise_count(hashes[a] ^ hashes[b]) <= ALONE))
        if evidence.vectors is None or confirming is None:
            copies[few] = ~(known[a[few]] & known[b[few]])
        else:
            one, other = (evidence.vectors[works[each[few]]] for each in (a, b))
            copies[few] = np.vecdot(one, other) >= confirming
        for first, second in _first(a, b, copies):
            yield int(works[first]), int(works[second])


def transformed(
    evidence: DuplicateEvidence, sources: Rows, within: int
) -> Iterator[tuple[int, int, str]]:
    """Yield links of pictures with their mirrored or turned copies, and what makes the second."""
    works, grays = _different(evidence)
    known = np.asarray(grays.any(axis=(1, 2)))
    works, grays = works[known], grays[known]
    hashes = gray_hashes(grays)
    for name, turn in TRANSFORMS.items():
        turned = turn(grays)
        for places, others in _near(gray_hashes(turned), hashes, within):
            may = (places < others) & (sources[works[places]] != sources[works[others]])
            a, b = places[may], others[may]
            for first, second in _first(a, b, _same_edges(turned, grays, a, b)):
                yield int(works[first]), int(works[second]), name


def _by_look(evidence: DuplicateEvidence) -> list[list[int]]:
    """Return the rows whose hash and gray are the same."""
    rows = defaultdict(list)
    for row, look in enumerate(evidence.hashes):
        if look is not None:
            gray = b"" if evidence.grays is None else evidence.grays[row].tobytes()
            rows[look, gray].append(row)
    return list(rows.values())


def _different(evidence: DuplicateEvidence) -> tuple[Rows, Grays]:
    """Return the first work of each look in each index, in order, and their grays."""
    works = [row for works in _by_look(evidence) for row in _heads(evidence, works)]
    rows = np.array(sorted(works), dtype=np.int64)
    if evidence.grays is None:
        return rows, np.zeros((len(rows), GRAY_SIDE, GRAY_SIDE), dtype=np.uint8)
    return rows, evidence.grays[rows]


def _heads(evidence: DuplicateEvidence, members: Sequence[int]) -> list[int]:
    """Return the first work of each index."""
    return list({int(evidence.stores[row]): row for row in reversed(members)}.values())


def _near(queries: NDArray[np.uint64], bank: NDArray[np.uint64], within: int) -> Iterator[Pairs]:
    """Yield the places of hashes at most so many bits apart, those of a query together."""
    index = faiss.IndexBinaryFlat(64)
    index.add(bank.view(np.uint8).reshape(-1, 8))
    for start in range(0, len(queries), _BLOCK):
        block = queries[start : start + _BLOCK].view(np.uint8).reshape(-1, 8)
        ends, _, found = index.range_search(block, within + 1)  # it finds what is nearer
        query = start + np.searchsorted(ends, np.arange(len(found)), side="right") - 1
        order = np.lexsort([found, query])
        yield query[order], found[order]


def _same_edges(grays: Grays, others: Grays, a: Rows, b: Rows) -> NDArray[np.bool_]:
    """Compare the edges of pairs of pictures, shape (P,)."""
    same = np.zeros(len(a), dtype=bool)
    for start in range(0, len(a), _PAIRS):
        part = slice(start, start + _PAIRS)
        (first, at), (second, there) = (
            np.unique(rows[part], return_inverse=True) for rows in (a, b)
        )
        edges, other_edges = edges_of(grays[first]), edges_of(others[second])
        same[part] = np.vecdot(edges[at], other_edges[there]) >= COPY_EDGES
    return same


def _first(a: Rows, b: Rows, chosen: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """Yield the chosen pairs, of each work in a, which is sorted, only some."""
    a, b = a[chosen], b[chosen]
    place = np.arange(len(a)) - np.searchsorted(a, a)
    few = place < PARTNERS
    yield from zip(a[few].tolist(), b[few].tolist(), strict=True)
