"""Time the commits of an embed of millions of works, and count the bytes that they write.

    python scripts/bench/commits.py                      10,000,000 works, parts of 1,024 and 16,384
    python scripts/bench/commits.py --failures 0         every picture can be decoded

A commit writes the list of parts again, and the list of failures if it has grown. Commits are made
at eleven points of a run, five at each, with the lists as they are there; the total is what all
commits of the run take, one for each part.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import mean

from index import made_store

from artsim.store import FAILURES, MANIFEST, Failure, Part, Store

POINTS, TIMES = 10, 5
REASON = "the picture is truncated or damaged; get another copy of it"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--failures", type=float, default=0.01, help="share of the pictures")
    parser.add_argument("--part-rows", type=int, nargs="+", default=[1024, 16_384])
    options = parser.parse_args()
    for size in options.part_rows:
        with tempfile.TemporaryDirectory() as folder:
            store = made_store(Path(folder) / "index", "hard", 0, 8)
            commits = -(-options.rows // size)
            found = [
                measured(store, commits * point // POINTS, size, options.failures)
                for point in range(POINTS + 1)
            ]
        seconds, written = zip(*found, strict=True)
        print(
            f"parts of {size:,}: {commits:,} commits, the first {1000 * seconds[0]:.0f} ms, "
            f"the last {1000 * seconds[-1]:.0f} ms, all {commits * mean(seconds):,.0f} s and "
            f"{commits * mean(written) / 1e9:.2f} GB",
            flush=True,
        )


def measured(store: Store, parts: int, size: int, share: float) -> tuple[float, float]:
    """Return the seconds and the bytes of a commit to an index with so many parts."""
    known = tuple(Part(f"{number:06}.parquet", size, f"{number:064x}") for number in range(parts))
    failed = failures(0, round(parts * size * share))
    store.manifest = replace(store.manifest, parts=known, next_part=parts)
    store.rewrite([], failures=failed, manifest=store.manifest)
    started = time.perf_counter()
    for number in range(parts, parts + TIMES):
        part = Part(f"{number:06}.parquet", size, f"{number:064x}")
        store.append_many([(part, failures(number * size, round(size * share)))])
    seconds = (time.perf_counter() - started) / TIMES
    names = (MANIFEST, FAILURES) if share else (MANIFEST,)
    written = sum((store.path / name).stat().st_size for name in names)
    return seconds, written


def failures(first: int, count: int) -> list[Failure]:
    """Return what could not be decoded of some works."""
    return [
        Failure(f"w{n:08}", f"images/{n:08}.jpg", "decode", REASON, 100_000 + n * 7919 % 99_991, n)
        for n in range(first, first + count)
    ]


if __name__ == "__main__":
    main()
