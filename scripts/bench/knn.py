"""Time kNN evaluation beside scikit-learn's KNeighborsClassifier and the DINO loop, in one run.

    python scripts/bench/knn.py                       100,000 x 512, 10,000 of them ask
    python scripts/bench/knn.py --rows 20000 --queries 2000
    python scripts/bench/knn.py --vectors vectors.npy --labels labels.npy

Made vectors have a mean and eigenvalues that fall as 1 / i, as those of pictures do: independent
coordinates would make every search look easy. All three find the same neighbours, of which the
first is compared. Peak memory is of the process, vectors included.
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from collections.abc import Callable

import numpy as np
import torch
from sklearn.neighbors import KNeighborsClassifier
from threadpoolctl import threadpool_info

from artsim.evaluation import knn

KS = knn.KS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=10_000)
    parser.add_argument("--dims", type=int, default=512)
    parser.add_argument("--classes", type=int, default=100)
    parser.add_argument("--vectors", help="unit vectors (N, D), .npy, instead of made ones")
    parser.add_argument("--labels", help="their class codes (N,), .npy")
    options = parser.parse_args()
    if options.vectors:
        bank, codes = np.load(options.vectors).astype(np.float32), np.load(options.labels)
    else:
        bank, codes = made(options.rows, options.dims, options.classes)
    asking = np.random.default_rng(1).choice(len(bank), min(options.queries, len(bank)), False)
    queries = bank[asking]
    describe()
    print(f"{len(queries):,} queries, {len(bank):,} x {bank.shape[1]}, {codes.max() + 1} classes")

    ours, found = timed(lambda: artsim(queries, bank, codes, asking))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(f"artsim, k = {KS}, two protocols, exact    {ours:8.2f} s   peak {peak} MB")
    dino, top1 = timed(lambda: dino_loop(queries, bank, codes, asking))
    print(f"DINO loop, the same ks, one protocol      {dino:8.2f} s   {dino / ours:.2f} x artsim's")
    same = (np.array(found) == np.array(top1)).mean()
    print(f"  the same predictions at k = {KS[-1]}: {same:.2%}")
    peer = KNeighborsClassifier(KS[-1], algorithm="brute").fit(bank, codes)
    once, _ = timed(lambda: peer.predict(queries))
    print(f"scikit-learn, one predict at k = {KS[-1]}      {once:8.2f} s   {once / ours:.2f} x")
    print(f"  a predict for each k would be about     {once * len(KS):8.2f} s   "
          f"{once * len(KS) / ours:.2f} x")  # fmt: skip


def artsim(
    queries: np.ndarray, bank: np.ndarray, codes: np.ndarray, asking: np.ndarray
) -> list[int]:
    neighbours = knn.nearest(queries, bank, KS[-1], exclude=asking)
    for protocol in knn.Protocol:
        for k in KS:
            votes = knn.vote(neighbours, codes, k, protocol=protocol)
            if (protocol, k) == (knn.Protocol.WEIGHTED, KS[-1]):
                found = votes.classes[:, 0].tolist()
    return found


def dino_loop(
    queries: np.ndarray, bank: np.ndarray, codes: np.ndarray, asking: np.ndarray
) -> list[int]:
    """https://github.com/facebookresearch/dino/blob/main/eval_knn.py, with one search for all k."""
    train, labels = torch.from_numpy(bank), torch.from_numpy(codes)
    n_classes = int(codes.max()) + 1
    found = []
    for start in range(0, len(queries), 256):
        features = torch.from_numpy(queries[start : start + 256])
        similarity = torch.mm(features, train.T)
        itself = torch.from_numpy(asking[start : start + 256])
        similarity[torch.arange(len(features)), itself] = -1  # leave-one-out
        distances, indices = similarity.topk(KS[-1], largest=True, sorted=True)
        neighbours = labels[indices]  # (q, k)
        for k in KS:
            one_hot = torch.zeros(len(features) * k, n_classes)
            one_hot.scatter_(1, neighbours[:, :k].reshape(-1, 1), 1)
            weights = distances[:, :k].clone().div_(0.07).exp_()
            votes = torch.mul(one_hot.view(len(features), k, n_classes), weights[:, :, None]).sum(1)
            _, predictions = votes.sort(1, descending=True)
        found.extend(predictions[:, 0].tolist())
    return found


def made(n: int, d: int, n_classes: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    codes = rng.integers(0, n_classes, n)
    x = rng.standard_normal((n_classes, d), dtype=np.float32)[codes] * 0.5
    x += rng.standard_normal((n, d), dtype=np.float32)
    x /= np.sqrt(np.arange(1, d + 1, dtype=np.float32))
    x[:, 0] += 2
    return x / np.linalg.norm(x, axis=1, keepdims=True), codes


def timed(call: Callable[[], list[int]]) -> tuple[float, list[int]]:
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def describe() -> None:
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, "
          f"{torch.backends.cpu.get_cpu_capability()}, "
          f"OPENBLAS_CORETYPE={os.environ.get('OPENBLAS_CORETYPE', '')}")  # fmt: skip
    for library in threadpool_info():
        print("  ", library["prefix"], library["version"], library.get("architecture", ""),
              library["num_threads"], "threads")  # fmt: skip


if __name__ == "__main__":
    main()
