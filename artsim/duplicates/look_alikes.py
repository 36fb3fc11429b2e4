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
    alone, same = _by_look(evidence)
    for works in same:
        yield from linked(evidence, sources, works)
    different = _different(evidence, alone, same)
    hashes = np.array([evidence.hashes[row] for row in different], dtype=np.uint64)
    grays = _grays(evidence)
    for places, others in _near(hashes, hashes, within):
        may = sources[different[places]] != sources[different[others]]
        places, others = places[may], others[may]
        a, b = different[places], different[others]
        copies = _same_edges(grays, grays, a, b)
        bits = np.bitwise_count(hashes[places] ^ hashes[others])
        few = np.flatnonzero(~copies & (bits <= ALONE))
        if evidence.vectors is None or confirming is None:
            known = [grays[each[few]].any(axis=(1, 2)) for each in (a, b)]
            copies[few] = ~(known[0] & known[1])
        else:
            one, other = (evidence.vectors[each[few]] for each in (a, b))
            copies[few] = np.vecdot(one, other) >= confirming
        yield from _first(a, b, copies)


def transformed(
    evidence: DuplicateEvidence, sources: Rows, within: int
) -> Iterator[tuple[int, int, str]]:
    """Yield links of pictures with their mirrored or turned copies, and what makes the second."""
    grays = _grays(evidence)
    works = _different(evidence, *_by_look(evidence))
    works = works[np.asarray(grays.any(axis=(1, 2)))[works]]
    hashes = _hashes(grays, works)
    for name, turn in TRANSFORMS.items():
        turned = turn(grays)
        for places, others in _near(_hashes(turned, works), hashes, within):
            may = sources[works[places]] != sources[works[others]]
            a, b = works[places[may]], works[others[may]]
            for first, second in _first(a, b, _same_edges(turned, grays, a, b)):
                yield first, second, name


def _by_look(evidence: DuplicateEvidence) -> tuple[Rows, list[list[int]]]:
    """Return the rows whose hash no other has, and those of each hash and gray of the others."""
    known = [(row, look) for row, look in enumerate(evidence.hashes) if look is not None]
    rows = np.fromiter((row for row, _ in known), np.int64, len(known))
    hashes = np.fromiter((look for _, look in known), np.uint64, len(known))
    del known
    order = np.argsort(hashes)
    is_next = np.diff(hashes[order]) == 0
    is_shared = np.zeros(len(rows), dtype=bool)
    is_shared[order[1:]] = is_next
    is_shared[order[:-1]] |= is_next
    same = defaultdict(list)
    for row in rows[is_shared].tolist():
        gray = b"" if evidence.grays is None else evidence.grays[row].tobytes()
        same[evidence.hashes[row], gray].append(row)
    return rows[~is_shared], list(same.values())


def _different(evidence: DuplicateEvidence, alone: Rows, same: list[list[int]]) -> Rows:
    """Return the first work of each look, see `_by_look`, in each index, in order."""
    heads = [row for works in same for row in _heads(evidence, works)]
    return np.sort(np.append(alone, np.array(heads, dtype=np.int64)))


def _grays(evidence: DuplicateEvidence) -> Grays:
    """Return the grays of all works, of zeros where they are not known."""
    nothing = np.zeros((GRAY_SIDE, GRAY_SIDE), dtype=np.uint8)
    shape = len(evidence.stores), GRAY_SIDE, GRAY_SIDE
    return np.broadcast_to(nothing, shape) if evidence.grays is None else evidence.grays


def _hashes(grays: Grays, works: Rows) -> NDArray[np.uint64]:
    """Hash the grays of some works."""
    parts = (works[start : start + _PAIRS] for start in range(0, len(works), _PAIRS))
    return np.concatenate([gray_hashes(grays[:0]), *(gray_hashes(grays[part]) for part in parts)])


def _heads(evidence: DuplicateEvidence, members: Sequence[int]) -> list[int]:
    """Return the first work of each index."""
    return list({int(evidence.stores[row]): row for row in reversed(members)}.values())


def _near(queries: NDArray[np.uint64], bank: NDArray[np.uint64], within: int) -> Iterator[Pairs]:
    """Yield the places of hashes at most so many bits apart, those of a query together.

    Each query is compared with the hashes that come after it.
    """
    for start in range(0, len(queries), _BLOCK):
        index = faiss.IndexBinaryFlat(64)
        index.add(bank[start:].view(np.uint8).reshape(-1, 8))
        block = queries[start : start + _BLOCK].view(np.uint8).reshape(-1, 8)
        ends, _, found = index.range_search(block, within + 1)  # it finds what is nearer
        query = np.searchsorted(ends, np.arange(len(found)), side="right") - 1
        order = np.lexsort([found, query])
        order = order[query[order] < found[order]]
        yield start + query[order], start + found[order]


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
