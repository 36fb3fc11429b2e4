"""Time searches of a large open index: by id, and under narrow and broad conditions.

    python scripts/bench/search.py                    1,000,000 x 512, generated clusters
    python scripts/bench/search.py --rows 100000

Every query is another work of the index, itself left out. Answers are compared with a full search
in float32: recall is the share of its k works that were found. The first search under a condition
finds the rows that meet it, with DuckDB; the others reuse them.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from functools import cache
from pathlib import Path

import numpy as np
from index import describe, made_store, timed

from artsim.index import build_index, unit
from artsim.search import Searcher, SearchRequest, Term

K = 10
CONDITIONS = {
    "no condition": None,
    "0.1% of the rows": "id like '%007'",
    "1%": "id like '%07'",
    "10%": "id like '%7'",
    "90%": "id not like '%7'",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--dims", type=int, default=512)
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument(
        "--folder", type=Path, help="for temporary files of several GB; it must exist"
    )
    options = parser.parse_args()
    describe()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        store = made_store(Path(folder) / "index", "clusters", options.rows, options.dims)
        seconds, info = timed(lambda: build_index(store, "v"))
        print(f"{options.rows:,} x {options.dims}, {info.kind}, built in {seconds:.0f} s")
        chosen = np.random.default_rng(7).choice(store.rows, options.queries, replace=False)
        searcher = Searcher(store)
        first, _ = timed(lambda: searcher.search(request(chosen[0], None)))
        print(f"opened, metadata read, percentiles drawn: {first:.2f} s")
        for name, where in CONDITIONS.items():
            report(searcher, name, where, chosen)
        many, answers = timed(
            lambda: searcher.search_many([request(row, None) for row in chosen.tolist()])
        )
        print(f"{len(answers)} searches by id at once: {60 * len(answers) / many:,.0f} a minute")


def report(searcher: Searcher, name: str, where: str | None, chosen: np.ndarray) -> None:
    """Search for each work alone, and print the times and the recall."""
    first, _ = timed(lambda: searcher.search(request(chosen[0], where)))
    times, recalls = [], []
    for place, row in enumerate(chosen.tolist()):
        clock, cpu = time.perf_counter(), time.process_time()
        answer = searcher.search(request(row, where))
        times.append((time.perf_counter() - clock, time.process_time() - cpu))
        if place < 10:  # a full comparison is slow
            recalls.append(recall(searcher, where, row, [match.score for match in answer.matches]))
    clock, cpu = 1e3 * np.array(times).T
    print(
        f"{name:20} first {1e3 * first:7.1f} ms, then p50 {np.percentile(clock, 50):6.1f}, "
        f"p99 {np.percentile(clock, 99):6.1f} ms, cpu {np.median(cpu):6.1f} ms, "
        f"recall@{K} {np.mean(recalls):.4f}"
    )


def request(row: int, where: str | None) -> SearchRequest:
    return SearchRequest(terms=(Term(id=str(row)),), k=K, where=where)


def recall(searcher: Searcher, where: str | None, row: int, scores: list[float]) -> float:
    """Compare the scores found with those of all rows that meet the condition."""
    vectors = all_vectors(searcher)
    cosines = vectors @ vectors[row]
    cosines[row] = -np.inf
    rows = searcher.works.filter.rows(where, ())
    kept = cosines if rows is None else cosines[rows]
    least = np.sort(kept)[-K:].min()
    return float(np.mean(np.array(scores) >= least - 1e-4))


@cache
def all_vectors(searcher: Searcher) -> np.ndarray:
    """Read the vectors as unit vectors in float32."""
    return unit(searcher.store.vectors("v"))


if __name__ == "__main__":
    main()
