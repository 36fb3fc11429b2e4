"""Measure a search index: recall with its own rows as queries, and time."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import faiss
import numpy as np
from numpy.typing import NDArray

from artsim.index.vector_index import NEIGHBORS, VectorIndex, candidates, compares_all
from artsim.index.vectors import Vectors

_QUERIES = 256
_BLOCK = 1 << 14  # rows compared at a time
_MOST = 2000  # candidates; more take longer than longer codes
_SAME = 1e-6  # cosines that differ by less tie
_TIMED = 64  # queries, one after another


@dataclass(frozen=True)
class Queries:
    """Rows of an index used as queries, and the similarity of their last true neighbor."""

    rows: NDArray[np.int64]  # (Q,)
    vectors: NDArray[np.float32]  # (Q, D)
    last: NDArray[np.float32]  # (Q,) cosine of the tenth nearest, without the row itself
    neighbors: int  # ten, or all other rows if there are fewer


@dataclass(frozen=True)
class Reach:
    """The share of the true neighbors among a number of candidates."""

    k_factor: int  # candidates for each neighbor requested
    recall: float
    enough: bool  # it meets the required recall by two standard errors


def draw(vectors: Vectors, seed: int = 0) -> Queries:
    """Draw rows as queries and find their true neighbors by exact search."""
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.choice(len(vectors), min(_QUERIES, len(vectors)), replace=False))
    queries = vectors[rows]
    neighbors = min(NEIGHBORS, len(vectors) - 1)
    best = np.full((len(rows), neighbors + 1), -np.inf, dtype=np.float32)  # itself too
    for start in range(0, len(vectors), _BLOCK):
        block = vectors[start : start + _BLOCK]
        scores, _ = faiss.knn(
            queries, block, min(len(block), neighbors + 1), faiss.METRIC_INNER_PRODUCT
        )
        both = np.concatenate([best, scores], axis=1)
        best = -np.sort(-both, axis=1)[:, : neighbors + 1]
    return Queries(rows, queries, best[:, -1], neighbors)


def reach_of(index: faiss.Index, vectors: Vectors, queries: Queries, recall: float) -> Reach:
    """Find how many candidates have the true neighbors among them; the most tried if none do."""
    count = min(_MOST, len(vectors))
    hits = np.zeros((len(queries.rows), count), dtype=bool)
    found = candidates(index, queries.vectors, count)
    for hit, row, query, last, rows in zip(
        hits, queries.rows, queries.vectors, queries.last, found, strict=True
    ):
        others = rows[(rows >= 0) & (rows != row)]
        hit[: len(others)] = vectors.cosines(query, others) >= last - _SAME
    missing = np.maximum(queries.neighbors - hits.cumsum(axis=1), 0)
    held = 1 - missing / max(1, queries.neighbors)  # (Q, count)
    means = held.mean(axis=0)  # (count,)
    errors = held.std(axis=0) / math.sqrt(len(held))
    enough = np.flatnonzero(means - 2 * errors >= recall)
    wanted = int(enough[0]) + 1 if len(enough) else count
    k_factor = max(1, math.ceil(wanted / NEIGHBORS))
    if compares_all(k_factor * NEIGHBORS, len(vectors)):
        return Reach(k_factor, 1.0, len(enough) > 0)
    place = min(k_factor * NEIGHBORS, count) - 1
    return Reach(k_factor, float(means[place]), len(enough) > 0)


def median_latency(index: VectorIndex, queries: Queries) -> float:
    """Time queries one after another, in processor seconds, which other processes do not affect."""
    k = min(NEIGHBORS, index.info.rows)
    seconds = []
    for query in queries.vectors[:_TIMED]:
        clock = time.process_time()
        index.search(query[None], k)
        seconds.append(time.process_time() - clock)
    return float(np.median(seconds))
