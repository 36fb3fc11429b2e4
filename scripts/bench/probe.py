"""Time the probe's sweep of 45 strengths and scikit-learn's LogisticRegression, in one run.

    python scripts/bench/probe.py                     20,000 x 512, 29 classes
    python scripts/bench/probe.py --rows 4000 --dims 128 --classes 10
    python scripts/bench/probe.py --index indexes/paintings --label artist --label style

With --index, both probe an index's labels instead: the same split and strengths, chosen on
validation by the same rule, then fitted again on training and validation rows.

scikit-learn runs its default solver (lbfgs, float32, max_iter 1000) with one thread and with all:
with its default tol of 1e-4, each strength from zero and from the optimum before it (warm_start),
and warm with tol 1e-6. Objectives are computed in float64 by one function for all; "above" is by
how much one exceeds the lowest that was found, at the strength where that is most. The accuracy is
the best at any strength on held-out rows.
"""

from __future__ import annotations

import argparse
import itertools
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_info, threadpool_limits

from artsim.evaluation.probe import ProbePlan, probe
from artsim.metrics import STRENGTHS, fit_multinomial, to_unit
from artsim.store import Store


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--dims", type=int, default=512)
    parser.add_argument("--classes", type=int, default=29)
    parser.add_argument(
        "--noise", type=float, default=5.0, help="the larger, the harder to classify"
    )
    parser.add_argument(
        "--every", type=int, default=1, metavar="N", help="scikit-learn fits every Nth"
    )
    parser.add_argument("--threads", type=int, action="append", help="default: 1 and all cores")
    parser.add_argument("--index", type=Path)
    parser.add_argument("--label", action="append", default=[])
    options = parser.parse_args()
    if options.index is not None:
        compare_labels(options.index, tuple(options.label))
        return
    x, y = made(2 * options.rows, options.dims, options.classes, options.noise)
    x, held_x, y, held_y = x[::2], x[1::2], y[::2], y[1::2]
    describe()
    print(f"{len(x):,} x {x.shape[1]}, {options.classes} classes, {len(STRENGTHS)} strengths")

    chosen = list(range(0, len(STRENGTHS), options.every))
    strengths = [STRENGTHS[i] for i in chosen]
    threads = options.threads or sorted({1, os.cpu_count() or 1})
    found = {}
    for n in threads:
        torch.set_num_threads(n)
        path, wall, cpu = timed(lambda: fit_multinomial(x, y, strengths))
        models = list(zip(path.weights.astype(np.float64), path.bias, strict=True))
        found[f"artsim, {n} threads"] = models, wall, cpu
    for n, (warm, tol) in itertools.product(threads, ((False, 1e-4), (True, 1e-4), (True, 1e-6))):
        name = f"scikit-learn, {n} threads, {'warm' if warm else 'cold'}, tol {tol:g}"
        with threadpool_limits(n):
            found[name] = timed(lambda warm=warm, tol=tol: sweep(x, y, strengths, warm, tol))
    objectives = {
        name: np.array(
            [objective(x, y, *model, c) for model, c in zip(models, strengths, strict=True)]
        )
        for name, (models, _, _) in found.items()
    }
    least = np.min(list(objectives.values()), axis=0)
    fastest = min(wall for name, (_, wall, _) in found.items() if name.startswith("artsim"))
    for name, (models, wall, cpu) in found.items():
        right = max(accuracy(held_x, held_y, *model) for model in models)
        above = (objectives[name] / least - 1).max()
        print(f"{name:40} {wall:8.2f} s ({cpu:.2f} s of CPU), {wall / fastest:.1f} x; "
              f"objective above by {above:.1e}, accuracy {right:.4f}")  # fmt: skip


def compare_labels(index: Path, labels: tuple[str, ...]) -> None:
    store = Store.open(index)
    plan = ProbePlan(tap=store.tap(None).name, labels=labels)
    vectors, _ = to_unit(store.vectors(plan.tap), "the vectors")
    for each in probe(store, plan):
        y, split = each.label.strata, each.split
        train, learned, held, test = (
            (vectors[rows], y[rows])
            for rows in (split.train, split.learned, split.validation, split.test)
        )
        classes = np.unique(train[1])
        peers = sweep(*train, list(STRENGTHS), warm=True, tol=1e-6)
        best = chosen([score(*held, classes, *peer) for peer in peers], len(held[0]))
        mine = each.result.head.strength
        theirs, same = (
            LogisticRegression(C=c, tol=1e-6, max_iter=1000).fit(*learned)
            for c in (STRENGTHS[best], mine)
        )
        print(
            f"{each.label.name}, {len(split.test)} test pictures: artsim {each.probe.value:.4f} "
            f"at C = {mine:.3g}; scikit-learn {theirs.score(*test):.4f} at C = "
            f"{STRENGTHS[best]:.3g}, {same.score(*test):.4f} at artsim's C"
        )


def chosen(scores: list[tuple[float, float]], n: int) -> int:
    """Choose as artsim does: by log loss among those within a standard error of the best."""
    top = max(right for right, _ in scores)
    least = top - (top * (1 - top) / n) ** 0.5
    return max(range(len(scores)), key=lambda i: (scores[i][0] >= least) * 1e9 + scores[i][1])


def score(
    x: np.ndarray, y: np.ndarray, classes: np.ndarray, w: np.ndarray, b: np.ndarray
) -> tuple[float, float]:
    """Return the accuracy, and the log loss of the known classes, negated."""
    if len(classes) == 2:
        w, b = np.column_stack([0 * w, w]), np.append(0, b)
    right = (classes[(x @ w + b).argmax(axis=1)] == y).mean()
    known = np.isin(y, classes)
    columns = np.searchsorted(classes, y[known])
    return float(right), -objective(x[known], columns, w, b, np.inf)


def timed(call: Callable[[], Any]) -> tuple[Any, float, float]:
    """Call; return the result, the wall-clock seconds and the CPU seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    found = call()
    return found, time.perf_counter() - wall, time.process_time() - cpu


def sweep(
    x: np.ndarray, y: np.ndarray, strengths: list[float], warm: bool, tol: float
) -> list[tuple[np.ndarray, np.ndarray]]:
    model = LogisticRegression(max_iter=1000, warm_start=warm, tol=tol)
    peers = []
    for c in strengths:
        model.set_params(C=c).fit(x, y)
        peers.append((model.coef_.T.copy(), model.intercept_.copy()))
    return peers


def objective(x: np.ndarray, y: np.ndarray, w: np.ndarray, b: np.ndarray, c: float) -> float:
    scores = x.astype(np.float64) @ w + b
    top = scores.max(axis=1)
    losses = top + np.log(np.exp(scores - top[:, None]).sum(axis=1)) - scores[np.arange(len(x)), y]
    return float(losses.mean() + (w**2).sum() / (2 * c * len(x)))


def accuracy(x: np.ndarray, y: np.ndarray, w: np.ndarray, b: np.ndarray) -> float:
    return float(((x @ w + b).argmax(axis=1) == y).mean())


def made(n: int, d: int, n_classes: int, noise: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    y = rng.integers(0, n_classes, n)
    x = rng.standard_normal((n_classes, d))[y] + noise * rng.standard_normal((n, d))
    x /= np.sqrt(np.arange(1, d + 1))
    x[:, 0] += 1
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32), y


def describe() -> None:
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, "
          f"OPENBLAS_CORETYPE={os.environ.get('OPENBLAS_CORETYPE', '')}")  # fmt: skip
    for library in threadpool_info():
        print("  ", library["prefix"], library["version"], library.get("architecture", ""),
              library["num_threads"], "threads")  # fmt: skip


if __name__ == "__main__":
    main()
