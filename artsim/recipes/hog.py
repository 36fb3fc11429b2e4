"""kNN on histograms of oriented gradients: a baseline without a network."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.color import rgb2gray
from skimage.feature import hog

from artsim.evaluation.knn import KnnEvaluator
from artsim.loader import Loaded, load
from artsim.metrics.neighbors import NO_ROW, Neighbors
from artsim.places import picture_file
from artsim.store import Store
from artsim.training import Run, TrainingTask, squashed

HOG_KS = tuple(range(1, 21))  # candidates for validation to choose from, as in the original
_SIZE = 224  # pixels: 26 x 26 blocks of 3 x 3 cells of 9 orientations are 54,756 numbers
_QUERIES, _BANK = 256, 1024  # vectors that are compared at a time


def hog_of(pixels: NDArray[np.uint8]) -> NDArray[np.float16]:
    """Return the HOG descriptor of an image, (H, W, 3), as skimage computes it."""
    return np.asarray(hog(rgb2gray(pixels)), dtype=np.float16)


def hog_neighbors(store: Store, tasks: Sequence[TrainingTask], run: Run) -> dict[str, float]:
    """Score kNN on HOG for each task on test, with k chosen on validation.

    As in the original by Euclidean distance, each neighbor with one vote. An image that cannot be
    decoded has an empty histogram. With two bytes a number, 15,261 images take 1.7 GB.
    """
    rows = np.unique(np.concatenate([[*task.split.learned, *task.split.test] for task in tasks]))
    images = store.take(rows.tolist(), ["image"]).column("image").to_pylist()
    files = [(i, picture_file(store.manifest.root, image)) for i, image in enumerate(images)]
    histograms = np.zeros((len(rows), len(hog_of(np.zeros((_SIZE, _SIZE, 3), np.uint8)))), "f2")
    with closing(load(files, squashed(_SIZE), workers=run.workers)) as loading:
        for each in loading:
            if isinstance(each, Loaded):
                histograms[each.key] = hog_of(each.pixels.transpose(1, 2, 0))
    scores = {}
    for task in tasks:
        parts = ("train", "validation", "test")
        places = {name: np.searchsorted(rows, getattr(task.split, name)) for name in parts}
        evaluator = KnnEvaluator(
            vectors=histograms,
            split=replace(task.split, groups=None, resampled=None, **places),
            ks=HOG_KS,
            temperatures=(None,),
            find=nearest_euclidean,
            seed=run.seed,
        )
        scores[task.name] = evaluator.evaluate(task.label.take(rows)).scores[0].estimate.value
    return scores


def nearest_euclidean(
    vectors: NDArray[np.floating],
    queries: NDArray[np.int64],
    bank: NDArray[np.int64],
    k: int,
    **_options: Any,
) -> Neighbors:
    """Find the rows of the bank that are nearest to each query by Euclidean distance.

    Args:
        vectors: Shape (N, D).
        queries: Rows of them, (Q,).
        bank: Rows of them without the queries, (B,).
        k: Neighbors of each.
        _options: Of other searches, which do not apply.
    """
    k_found = min(k, len(bank))
    scores = np.full((len(queries), k), -np.inf, dtype=np.float32)
    rows = np.full((len(queries), k), NO_ROW, dtype=np.int64)
    for start in range(0, len(queries), _QUERIES):
        some = vectors[queries[start : start + _QUERIES]].astype(np.float32)
        squared = np.concatenate(
            [
                ((block := vectors[bank[first : first + _BANK]].astype(np.float32)) ** 2).sum(
                    axis=1
                )
                - 2 * some @ block.T
                for first in range(0, len(bank), _BANK)
            ],
            axis=1,
        )  # (q, B), without the query's own square
        order = np.argsort(squared, axis=1, kind="stable")[:, :k_found]
        found = np.take_along_axis(squared, order, axis=1) + (some**2).sum(axis=1, keepdims=True)
        at = slice(start, start + len(some))
        scores[at, :k_found] = -np.sqrt(np.maximum(found, 0))
        rows[at, :k_found] = bank[order]
    return Neighbors(scores, rows)
