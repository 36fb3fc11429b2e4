"""How many of the true neighbors an approximate table finds, with works of the index as queries."""

from __future__ import annotations

import numpy as np

from artsim.index import unit
from artsim.search.published.databases import VectorTable
from artsim.store import Store

_QUERIES = 100
_K = 10
_DEPTH = 36  # candidates: what a search for ten takes
_SAME = 1e-6  # cosines that differ by less tie


def recall_at_10(store: Store, tap: str, table: VectorTable) -> float:
    """Return the share of the ten nearest that a search without conditions finds."""
    rng = np.random.default_rng(0)
    rows = np.sort(rng.choice(store.rows, min(_QUERIES, store.rows), replace=False))
    picked, start = [], 0
    for block in store.iter_vectors(tap):
        inside = rows[(rows >= start) & (rows < start + len(block))]
        picked.append(unit(block[inside - start]))
        start += len(block)
    queries = np.concatenate(picked)
    best = np.full((len(queries), _K), -np.inf, dtype=np.float32)
    for block in store.iter_vectors(tap):
        scores = np.concatenate([best, queries @ unit(block).T], axis=1)
        best = np.partition(scores, scores.shape[1] - _K, axis=1)[:, -_K:]
    least = best.min(axis=1)  # the cosine of the tenth
    found = table.search(queries, min(_DEPTH, store.rows), exact=False)
    hits = [
        min(_K, int((np.vecdot(vectors, query) >= last - _SAME).sum()))
        for query, last, (_, vectors) in zip(queries, least, found, strict=True)
    ]
    return sum(hits) / (_K * len(queries))
