#!/usr/bin/env python
"""Measure concepts that are taught with a few marks: how many of the first works are right.

    python scripts/bench/teach.py indexes/paintings genre

For each class of a label, marks are drawn at random from the catalog, several times. Printed is
the mean share of the first 50 works without a mark that have the class, and the processor time
from the marks to the ranking.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from artsim.labels import values_of
from artsim.prediction import Teacher
from artsim.search import Works
from artsim.store import Store

TOP = 50


def main() -> None:
    """Print a row per class: its share, and the precision for each number of marks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("index", type=Path)
    parser.add_argument("label")
    parser.add_argument("--draws", type=int, default=20)
    given = parser.parse_args()
    store = Store.open(given.index)
    works = Works(store)
    teacher = Teacher(works)
    ids = np.array(works.table.column("id").to_pylist(), dtype=object)
    values = np.array(values_of(store, given.label), dtype=object)
    known = np.flatnonzero(values != None)  # noqa: E711 - elementwise
    settings = ((10, 0), (5, 5), (20, 20))
    print("class", "share", *(f"{plus}+ {minus}-" for plus, minus in settings), "ms", sep="\t")
    for name in sorted(set(values[known])):
        members = np.flatnonzero(values == name)
        if len(members) < TOP + 20:
            continue
        others = np.setdiff1d(known, members)
        means, seconds = [], []
        for plus, minus in settings:
            hits = []
            for seed in range(given.draws):
                rng = np.random.default_rng(seed)
                positive = rng.choice(members, plus, replace=False)
                negative = rng.choice(others, minus, replace=False)
                started = time.process_time()
                concept = teacher.learn(
                    teacher.mark(ids[positive].tolist(), ids[negative].tolist())
                )
                top = concept.ranked(TOP, known)
                seconds.append(time.process_time() - started)
                hits.append(np.isin(top, members).mean())
            means.append(f"{np.mean(hits):.2f}")
        share = f"{len(members) / len(known):.2f}"
        print(name, share, *means, f"{1000 * np.median(seconds):.0f}", sep="\t")


if __name__ == "__main__":
    main()
