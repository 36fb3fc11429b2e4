"""Time the probe's sweep of 45 strengths beside scikit-learn's LogisticRegression, in one run.

    python scripts/bench/probe.py                     20,000 x 512, 29 classes
    python scripts/bench/probe.py --rows 4000 --dims 128 --classes 10

scikit-learn is run with one thread and with as many as there are, and the faster counts. The
objectives are computed in float64 by one function for both; "worse" is how much higher artsim's is
than scikit-learn's at the strength where it compares worst. Accuracies are of rows held out.
"""

from __future__ import annotations

import argparse
import os
import time

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_info, threadpool_limits

from artsim.evaluation.logistic import STRENGTHS, fit_multinomial


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--dims", type=int, default=512)
    parser.add_argument("--classes", type=int, default=29)
    parser.add_argument("--noise", type=float, default=5.0, help="the larger, the harder to tell")
    parser.add_argument("--every", type=int, default=1, help="scikit-learn fits every so many")
    options = parser.parse_args()
    x, y = made(2 * options.rows, options.dims, options.classes, options.noise)
    x, held_x, y, held_y = x[::2], x[1::2], y[::2], y[1::2]
    describe()
    print(f"{len(x):,} x {x.shape[1]}, {options.classes} classes, {len(STRENGTHS)} strengths")

    start = time.perf_counter()
    path = fit_multinomial(x, y)
    ours = time.perf_counter() - start
    print(f"artsim                     {ours:8.2f} s   {path.iterations.sum()} iterations in all")
    chosen = list(range(0, len(STRENGTHS), options.every))
    seconds = {}
    for threads in sorted({1, os.cpu_count() or 1}):
        with threadpool_limits(threads):
            peers, seconds[threads] = sweep(x, y, [STRENGTHS[i] for i in chosen])
        scaled = seconds[threads] * len(STRENGTHS) / len(chosen)
        print(
            f"scikit-learn, {threads} threads    {scaled:8.2f} s   {scaled / ours:.1f} x artsim's"
        )

    worse, accuracies = [], []
    for i, peer in zip(chosen, peers, strict=True):
        mine = (path.weights[i].astype(np.float64), path.bias[i].astype(np.float64))
        theirs = (peer.coef_.T, peer.intercept_)
        a, b = (objective(x, y, *model, STRENGTHS[i]) for model in (mine, theirs))
        worse.append(a / b - 1)
        accuracies.append([accuracy(held_x, held_y, *model) for model in (mine, theirs)])
    best = np.max(accuracies, axis=0)
    print(f"objective: worse by at most {max(worse):.1e}, better by at most {-min(worse):.1e}")
    print(f"best accuracy: artsim {best[0]:.4f}, scikit-learn {best[1]:.4f}; largest difference "
          f"at one strength {abs(np.diff(accuracies, axis=1)).max():.4f}")  # fmt: skip


def sweep(
    x: np.ndarray, y: np.ndarray, strengths: list[float]
) -> tuple[list[LogisticRegression], float]:
    start = time.perf_counter()
    peers = [LogisticRegression(C=c, max_iter=1000).fit(x, y) for c in strengths]
    return peers, time.perf_counter() - start


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
