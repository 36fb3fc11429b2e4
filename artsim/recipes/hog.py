"""kNN on histograms of oriented gradients: a baseline without a network."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from skimage.color import rgb2gray
from skimage.feature import hog

from artsim.datatypes import picture_file
from artsim.evaluation.knn import knn_scores
from artsim.loader import Loaded, load
from artsim.metrics import to_unit
from artsim.store import Store
from artsim.training import Run, TrainingTask, squashed

HOG_KS = tuple(range(1, 21))  # candidates for validation to choose from, as in the original
_SIZE = 224  # pixels: 26 x 26 blocks of 3 x 3 cells of 9 orientations are 54,756 numbers


def hog_of(pixels: NDArray[np.uint8]) -> NDArray[np.float16]:
    """Return the unit-length HOG descriptor of an image, (H, W, 3), as skimage computes it.

    Every block that is not flat already has unit length, so that the Euclidean order of neighbors,
    which the original used, is nearly the order by cosine.
    """
    unit, _ = to_unit(hog(rgb2gray(pixels))[None], "a histogram")
    return np.asarray(unit[0], dtype=np.float16)


def hog_neighbors(store: Store, tasks: Sequence[TrainingTask], run: Run) -> dict[str, float]:
    """Score kNN on HOG for each task on test, with k chosen on validation.

    An image that cannot be decoded has an empty histogram. With two bytes a number, 15,261 images
    take 1.7 GB.
    """
    rows = np.unique(np.concatenate([[*task.split.learned, *task.split.test] for task in tasks]))
    images = store.take(rows.tolist(), ["image"]).column("image").to_pylist()
    files = [(i, picture_file(store.manifest.root, image)) for i, image in enumerate(images)]
    histograms = np.zeros((len(rows), len(hog_of(np.zeros((_SIZE, _SIZE, 3), np.uint8)))), "f2")
    histograms[:, 0] = 1
    with closing(load(files, squashed(_SIZE), workers=run.workers)) as loading:
        for each in loading:
            if isinstance(each, Loaded):
                histograms[each.key] = hog_of(each.pixels.transpose(1, 2, 0))
    scores = {}
    for task in tasks:
        parts = ("train", "validation", "test")
        places = {name: np.searchsorted(rows, getattr(task.split, name)) for name in parts}
        split, target = replace(task.split, **places), task.label.take(rows)
        knn = knn_scores(histograms, target, split, ks=HOG_KS, seed=run.seed)
        scores[task.name] = knn.best.estimate.value
    return scores
