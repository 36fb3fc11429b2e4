"""Time what compares every work with every other, and how much memory it takes.

    python scripts/bench/quadratic.py                        100,000 x 128, all tasks
    python scripts/bench/quadratic.py --rows 1000000 dupes   a million works
    python scripts/bench/quadratic.py --hashes 0             without perceptual hashes

The vectors are in 1,000 clusters; one work in twenty is a near copy of another. Each task runs in a
process of its own: CPU seconds of all its threads, and its largest resident memory, also what of
that is no mapped file. recall is that of the candidates of dupes, for 4,096 works.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from index import PART, describe, made_store
from rows import own_memory

from artsim.datatypes import Field, FieldType
from artsim.duplicates import draw_threshold, find_groups, gather
from artsim.duplicates.candidates import Candidates
from artsim.duplicates.groups import NEIGHBORS
from artsim.evaluation.knn import KnnEvaluation, KnnPlan, knn_eval
from artsim.evaluation.probe import ProbePlan, probe
from artsim.index import build_index, make_layout
from artsim.metrics.neighbors import nearest_inner
from artsim.splits import picture_looks
from artsim.store import Manifest, Store, part_schema, round_to_half

COMPARED = 4096  # works that are compared with all others
Task = Callable[[Store, bool], None]

CLUSTERS, COPIES = 1000, 20  # one work in so many is a copy
FIELDS = (Field("class", FieldType.TEXT), Field("year", FieldType.NUMBER))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tasks", nargs="*", default=[], help=f"of {', '.join(TASKS)}")
    parser.add_argument("--rows", type=int, default=COMPARED)
    parser.add_argument("--dims", type=int, default=128)
    parser.add_argument("--hashes", type=int, default=1, help="1: every work has a random hash")
    parser.add_argument("--index", type=Path, help="made there, and used again")
    parser.add_argument("--task", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.task:
        TASKS[options.task](Store.open(options.index), bool(options.hashes))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        print(f"{options.task:>8}  {cpu_seconds():,.0f} CPU seconds, peak {peak:.2f} GB")
        return
    describe()
    with tempfile.TemporaryDirectory() as folder:
        path = options.index or Path(folder) / "made"
        if not path.exists():
            build_index(make(path, options.rows, options.dims), "v")
        print(f"{options.rows:,} x {options.dims}", flush=True)
        for task in options.tasks or TASKS:
            command = [sys.executable, __file__, "--task", task, "--index", str(path)]
            command += ["--hashes", str(options.hashes)]
            process, own = subprocess.Popen(command), 0
            while process.poll() is None:
                time.sleep(0.05)
                own = max(own, own_memory(process.pid))
            print(f"{own / 1e9:.2f} GB of it no mapped file", flush=True)
            if process.returncode:
                raise SystemExit(process.returncode)


def make(path: Path, rows: int, dims: int) -> Store:
    """Write an index of works in clusters, their class and a year that the vectors predict."""
    with tempfile.TemporaryDirectory() as folder:
        empty = made_store(Path(folder) / "empty", "clusters", 0, dims).manifest
    taps = empty.passport.taps
    store = Store.create(path, Manifest(**vars(replace(empty, fields=FIELDS))))
    schema = part_schema([pa.field("class", pa.string()), pa.field("year", pa.float64())], taps)
    rng = np.random.default_rng(0)
    centers = rng.standard_normal((CLUSTERS, dims), dtype=np.float32)
    for start in range(0, rows, PART):
        n = min(PART, rows - start)
        cluster = rng.integers(0, CLUSTERS, n)
        vectors = centers[cluster] + 0.7 * rng.standard_normal((n, dims), dtype=np.float32)
        copies = np.arange(0, n - 1, COPIES)
        vectors[copies] = vectors[copies + 1]
        vectors[copies] += 0.15 * rng.standard_normal((len(copies), dims), dtype=np.float32)
        names = pa.array([str(row) for row in range(start, start + n)])
        years = 1800 + 20 * vectors[:, 0] + rng.standard_normal(n)
        metadata = [pa.array([f"c{each % 50}" for each in cluster]), pa.array(years)]
        values = pa.array(round_to_half(vectors).ravel())
        column = pa.FixedSizeListArray.from_arrays(values, type=schema.field("v").type)
        own = [names, names, pa.array([""] * n), *([pa.array([1] * n)] * 4)]  # no pictures
        store.append(pa.table([*own, *metadata, column], schema=schema))
    store.finish()
    return store


def dupes(store: Store, hashes: bool) -> None:
    shown, _ = gather([store], [picture_looks(store)])
    if hashes:
        drawn = np.random.default_rng(1).integers(0, 1 << 63, store.rows, dtype=np.uint64)
        shown = replace(shown, hashes=drawn.tolist())
    groups, _ = find_groups(shown)
    print(f"dupes found {sum(len(group.pairs) for group in groups):,} pairs")


def recall(store: Store, hashes: bool) -> None:
    """Compare some works with all; of the pairs of one work, count those that are candidates."""
    shown, _ = gather([store], [picture_looks(store)])
    bank, _ = shown.comparable()
    threshold = draw_threshold(shown)
    assert threshold is not None
    drawn = np.sort(np.random.default_rng(2).permutation(len(bank))[:COMPARED])
    used = cpu_seconds()
    among = Candidates(bank)
    made, used = cpu_seconds() - used, cpu_seconds()
    _, found = among.nearest(drawn, NEIGHBORS)
    searched, used = cpu_seconds() - used, cpu_seconds()
    scores, rows = nearest_inner(bank[drawn], bank, NEIGHBORS, exclude=drawn)
    compared = cpu_seconds() - used
    is_pair = scores >= threshold.same_work
    is_found = (rows[:, :, None] == found[:, None, :]).any(axis=2)
    nearest = is_found[:, :10].mean()
    print(
        f"recall {is_found[is_pair].mean():.4f} of the {is_pair.sum():,} pairs of {len(drawn):,} "
        f"works from cosine {threshold.same_work:.3f} ({nearest:.4f} of all ten nearest)\n"
        f"cells {made:.0f}, search {searched:.1f}, exact search {compared:.1f} CPU seconds"
    )


def knn(store: Store, hashes: bool) -> None:
    for each in knn_eval(store, KnnPlan(tap="v", labels=("class",))):
        print(each.scores[0].estimate if isinstance(each, KnnEvaluation) else "")


def probe_of(name: str) -> Task:
    def task(store: Store, hashes: bool) -> None:
        for each in probe(store, ProbePlan(tap="v", labels=(name,))):
            print(f"{name}: probe {each.probe}, kNN {each.knn}, baseline {each.baseline}")

    return task


def map_(store: Store, hashes: bool) -> None:
    points = make_layout(store, "v")
    print(f"{len(points):,} points")


def cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


TASKS: dict[str, Task] = {
    "dupes": dupes,
    "recall": recall,
    "knn": knn,
    "year": probe_of("year"),
    "class": probe_of("class"),
    "map": map_,
}

if __name__ == "__main__":
    main()
