"""The baseline before networks: histograms of oriented gradients and their nearest neighbors."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from skimage.color import rgb2gray
from skimage.feature import hog

from artsim.evaluation.probe.neighbors import score_neighbors
from artsim.loader import Loaded, load
from artsim.metrics.vectors import to_unit
from artsim.store import Store
from artsim.training.data import squashed
from artsim.training.run import Run
from artsim.training.tasks import Task

__all__ = ["HOG_KS", "hog_neighbors", "hog_of"]

HOG_KS = tuple(range(1, 21))  # to choose from on validation, as the original did
_SIZE = 224  # pixels: 26 x 26 blocks of 3 x 3 cells of 9 orientations are 54,756 numbers


def hog_of(pixels: NDArray[np.uint8]) -> NDArray[np.float16]:
    """Describe a picture, (H, W, 3), by skimage's histograms of oriented gradients, unit length.

    Every block that is not flat is of unit length already, so that Euclid's order of neighbors,
    which the original took, is nearly the cosine's.
    """
    found: NDArray[np.float64] = hog(rgb2gray(pixels))
    unit, _ = to_unit(found[None], "a histogram")
    halves: NDArray[np.float16] = unit[0].astype(np.float16)
    return halves


def hog_neighbors(store: Store, tasks: Sequence[Task], run: Run) -> dict[str, float]:
    """Tell each task by the k nearest histograms, the k chosen on validation, and score it on test.

    A picture of the test that cannot be decoded counts by an empty histogram. Two bytes a number:
    15,261 pictures take 1.7 GB.
    """
    rows = np.unique(np.concatenate([[*task.sides.seen, *task.sides.test] for task in tasks]))
    images = store.take(rows.tolist(), ["image"]).column("image").to_pylist()
    files = [(i, Path(store.manifest.root) / image) for i, image in enumerate(images)]
    histograms = np.zeros((len(rows), len(hog_of(np.zeros((_SIZE, _SIZE, 3), np.uint8)))), "f2")
    histograms[:, 0] = 1
    with closing(load(files, squashed(_SIZE), workers=run.workers)) as loading:
        for each in loading:
            if isinstance(each, Loaded):
                histograms[each.key] = hog_of(each.pixels.permute(1, 2, 0).numpy())
    scores = {}
    for task in tasks:
        sides = replace(
            task.sides,
            train=np.searchsorted(rows, task.sides.train),
            validation=np.searchsorted(rows, task.sides.validation),
            test=np.searchsorted(rows, task.sides.test),
        )
        target = task.target.take(rows)
        _, knn, _ = score_neighbors(histograms, target, sides, ks=HOG_KS, seed=run.seed)
        scores[task.name] = knn.value
    return scores
