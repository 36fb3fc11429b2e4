"""Time leave-one-out kNN evaluation, scikit-learn's and the DINO loop, in one run.

    python scripts/bench/knn.py                       100,000 x 512, 10,000 of them queries
    python scripts/bench/knn.py --rows 20000 --queries 2000
    python scripts/bench/knn.py --queries 100000      all of them queries: tens of minutes
    python scripts/bench/knn.py --vectors vectors.npy --labels labels.npy

What each does with the same rows, each left out of its own neighbors:

* artsim: one exact search for k = 10, 20, 100, 200; weighted votes, top-1, top-5, macro F1,
  balanced accuracy, kappa and an interval for each k.
* DINO loop (facebookresearch/dino, eval_knn.py): float32 products and topk in blocks of 256
  queries, votes by one-hot columns for each k, top-1 and top-5. The original searches again for
  each k; here one search serves them all, and the time of the original is estimated too.
* scikit-learn: KNeighborsClassifier(algorithm="brute"), predict_proba for each k: what top-1 and
  top-5 need. Its votes are unweighted. One such call, k = 200, is given too.

Blocks of queries go to the three in turn, so that a busy machine slows all equally; CPU time is
given next to wall-clock time. scikit-learn gets the best of its thread settings. Generated vectors
have a mean and eigenvalues that fall as 1 / i, as those of pictures do: independent coordinates
would make every search look easy. Peak memory is that of the process when artsim has finished,
vectors included.
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from sklearn.neighbors import KNeighborsClassifier
from threadpoolctl import threadpool_info, threadpool_limits

from artsim.metrics import (
    TEMPERATURE,
    balanced_accuracy,
    cohen_kappa,
    estimate_share,
    macro_f1,
    top_accuracy,
    vote,
)
from artsim.metrics.neighbors import nearest

KS = (10, 20, 100, 200)
PARTS = 3  # blocks of queries
SAMPLE = 256  # queries that choose scikit-learn's threads


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=10_000)
    parser.add_argument("--dims", type=int, default=512)
    parser.add_argument("--classes", type=int, default=100)
    parser.add_argument("--vectors", help="unit vectors (N, D), .npy, instead of generated ones")
    parser.add_argument("--labels", help="their class codes (N,), .npy")
    options = parser.parse_args()
    if options.vectors:
        bank, codes = np.load(options.vectors).astype(np.float32), np.load(options.labels)
    else:
        bank, codes = made(options.rows, options.dims, options.classes)
    chosen = np.random.default_rng(1).choice(len(bank), min(options.queries, len(bank)), False)
    describe()
    print(f"{len(chosen):,} queries, {len(bank):,} x {bank.shape[1]}, {codes.max() + 1} classes")

    parts = np.array_split(chosen, PARTS)
    artsim(bank, codes, parts[0])  # the first call warms up threads
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    limits = best_threads(lambda: scikit_learn(bank, codes, chosen[:SAMPLE], KS[-1:]))
    methods: dict[str, Callable[[np.ndarray], Any]] = {
        "artsim": lambda part: artsim(bank, codes, part),
        "DINO loop": lambda part: dino_loop(bank, codes, part),
        "scikit-learn": lambda part: scikit_learn(bank, codes, part, KS, limits),
    }
    seconds, worked, right = dict.fromkeys(methods, 0.0), dict.fromkeys(methods, 0.0), {}
    once = again = 0.0
    for number, part in enumerate(parts):
        # each goes first, second and third in turn
        for name in [*methods][number % len(methods) :] + [*methods][: number % len(methods)]:
            began = time.process_time()
            took, answers = timed(lambda method=methods[name], part=part: method(part))
            seconds[name] += took
            worked[name] += time.process_time() - began
            right[name] = right.get(name, 0) + answers[0]
            if name == "DINO loop":
                again += answers[1]
            if name == "scikit-learn":
                once += answers[1]
    ours = seconds["artsim"]
    report("artsim", ours, ours, f"peak {peak:,} MB")
    report("DINO loop, one search for all k", seconds["DINO loop"], ours)
    report("DINO loop, as published, a search for each k", again, ours, "estimated")
    report(f"scikit-learn, {len(KS)} x predict_proba", seconds["scikit-learn"], ours, str(limits))
    report(f"scikit-learn, the one at k = {KS[-1]}", once, ours)
    for name, count in right.items():
        ratio = worked[name] / worked["artsim"]
        print(f"CPU time {worked[name]:9.2f} s, {ratio:5.2f} x: {name}")
        print(f"top-1 at k = {KS[-1]}: {count / len(chosen):.4f} {name}")


def artsim(bank: np.ndarray, codes: np.ndarray, chosen: np.ndarray) -> tuple[int]:
    found = nearest(bank[chosen], bank, KS[-1], exclude=chosen)
    truth = codes[chosen]
    for k in KS:
        votes = vote(found, codes, k)
        predicted = votes.classes[:, 0]
        right = int((predicted == truth).sum())
        top_accuracy(truth, votes.classes)
        macro_f1(truth, predicted)
        balanced_accuracy(truth, predicted)
        cohen_kappa(truth, predicted)
        estimate_share(predicted == truth)
    return (right,)


def dino_loop(bank: np.ndarray, codes: np.ndarray, chosen: np.ndarray) -> tuple[int, float]:
    """Return how many are right at the largest k, and the time with a search for each k."""
    train, labels = torch.from_numpy(bank), torch.from_numpy(codes)
    n_classes = int(codes.max()) + 1
    right, searching, voting = 0, 0.0, 0.0
    for start in range(0, len(chosen), 256):
        itself = torch.from_numpy(chosen[start : start + 256])
        began = time.perf_counter()
        similarity = torch.mm(train[itself], train.T)
        similarity[torch.arange(len(itself)), itself] = -1  # leave-one-out
        distances, indices = similarity.topk(KS[-1], largest=True, sorted=True)
        searched = time.perf_counter()
        for k in KS:
            neighbors = labels[indices[:, :k]]  # (q, k)
            one_hot = torch.zeros(len(itself) * k, n_classes)
            one_hot.scatter_(1, neighbors.reshape(-1, 1), 1)
            weights = distances[:, :k].clone().div_(TEMPERATURE).exp_()
            votes = torch.mul(one_hot.view(len(itself), k, n_classes), weights[:, :, None]).sum(1)
            predictions = votes.sort(1, descending=True).indices
            correct = predictions.eq(labels[itself][:, None])
            top1, _ = int(correct[:, :1].sum()), int(correct[:, :5].sum())
        right += top1
        searching += searched - began
        voting += time.perf_counter() - searched
    return right, len(KS) * searching + voting


def scikit_learn(
    bank: np.ndarray,
    codes: np.ndarray,
    chosen: np.ndarray,
    ks: tuple[int, ...],
    limits: dict[str, int] | None = None,
) -> tuple[int, float]:
    """Return how many are right at the largest k, and the time of its one call.

    Each finds one neighbor more, and the query's own vote, always among them, is subtracted.
    """
    with threadpool_limits(limits):
        for k in ks:
            began = time.perf_counter()
            peer = KNeighborsClassifier(k + 1, algorithm="brute").fit(bank, codes)
            shares = peer.predict_proba(bank[chosen])
            shares[np.arange(len(chosen)), codes[chosen]] -= 1 / (k + 1)
            once = time.perf_counter() - began
    return int((shares.argmax(axis=1) == codes[chosen]).sum()), once


def best_threads(call: Callable[[], Any]) -> dict[str, int]:
    """Try one thread and all of them, for BLAS and for OpenMP."""
    every = torch.get_num_threads()
    tried = {}
    for blas in {1, every}:
        for openmp in {1, every}:
            with threadpool_limits({"blas": blas, "openmp": openmp}):
                tried[blas, openmp] = min(timed(call)[0] for _ in range(2))
    blas, openmp = min(tried, key=lambda each: tried[each])
    return {"blas": blas, "openmp": openmp}


def report(name: str, seconds: float, ours: float, remark: str = "") -> None:
    ratio = "" if name == "artsim" else f"{seconds / ours:5.2f} x artsim's"
    print(f"{name:46}{seconds:9.2f} s   {ratio:18} {remark}".rstrip())


def made(n: int, d: int, n_classes: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    codes = rng.integers(0, n_classes, n)
    x = rng.standard_normal((n_classes, d), dtype=np.float32)[codes] * 0.5
    x += rng.standard_normal((n, d), dtype=np.float32)
    x /= np.sqrt(np.arange(1, d + 1, dtype=np.float32))
    x[:, 0] += 2
    return x / np.linalg.norm(x, axis=1, keepdims=True), codes


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def describe() -> None:
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, "
          f"{torch.backends.cpu.get_cpu_capability()}, load {os.getloadavg()[0]:.1f}, "
          f"OPENBLAS_CORETYPE={os.environ.get('OPENBLAS_CORETYPE', '')}")  # fmt: skip
    for library in threadpool_info():
        print("  ", library["prefix"], library["version"], library.get("architecture", ""),
              library["num_threads"], "threads")  # fmt: skip


if __name__ == "__main__":
    main()
