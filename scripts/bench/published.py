"""Compare searches of a published index with exact ones: recall@10 and time, with conditions.

    python scripts/bench/published.py lance:/tmp/db
    python scripts/bench/published.py milvus:http://127.0.0.1:19530 --rows 20000
    python scripts/bench/published.py lance:/tmp/db --approximate

The index has generated vectors in clusters; the queries are works of it. An index of this size is
compared exactly, unless --approximate makes the database index it nevertheless. The truth is a full
comparison in float32.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from index import describe, made_store

from artsim.index import unit
from artsim.search import Works
from artsim.search.published import lance, milvus, open_published, publish

K = 10
SAME = 1e-6  # cosines that differ by less tie
CONDITIONS = {
    "no condition": None,
    "50% of the works": "cast(id as int) % 2 = 0",
    "5%": "cast(id as int) % 20 = 0",
    "0.2%": "cast(id as int) % 500 = 0",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("address")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--dims", type=int, default=512)
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--approximate", action="store_true")
    options = parser.parse_args()
    if options.approximate:
        lance._EXACT = milvus._EXACT = 0
    describe()
    with tempfile.TemporaryDirectory() as folder:
        store = made_store(Path(folder) / "made", "clusters", options.rows, options.dims)
        start = time.perf_counter()
        summary = publish(store, options.address)
        seconds = time.perf_counter() - start
        print(f"{options.rows:,} x {options.dims} published in {seconds:.0f} s {summary.recall}")
        publication = open_published(options.address, [store.path])
        make = publication.backend(store)
        assert make is not None
        backend = make(Works(store))
        rows = np.random.default_rng(7).choice(store.rows, options.queries, replace=False)
        vectors = unit(store.vectors("v"))
        for name, where in CONDITIONS.items():
            keys = backend.keys(where, ())
            recall, times = [], []
            for row in rows:
                start = time.perf_counter()
                ((cosines, _),) = backend.nearest("v", vectors[row, None], K, where=where)
                times.append(time.perf_counter() - start)
                recall.append(share(vectors, row, keys, cosines))
            p50 = 1000 * np.median(times)
            print(f"{name:>20}  recall@10 {np.mean(recall):.4f}  p50 {p50:.0f} ms", flush=True)


def share(vectors: np.ndarray, row: int, keys: np.ndarray | None, cosines: np.ndarray) -> float:
    """Return how many of the ten nearest were found, by their cosines."""
    true = (vectors if keys is None else vectors[keys]) @ vectors[row]
    least = np.partition(true, len(true) - K)[len(true) - K]
    return min(K, int((cosines >= least - SAME).sum())) / K


if __name__ == "__main__":
    main()
