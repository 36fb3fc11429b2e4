"""The confusion matrix of a task on the test images: a CSV file, and what metrics.json has."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artsim.labels import LabelKind
from artsim.metrics import confusion
from artsim.store import csv_text
from artsim.training.run import Run
from artsim.training.tasks import TrainingTask

_CONFUSED = 10  # pairs that are named, at most


def confusion_file(task: str, suffix: str) -> str:
    """Name the file of a task's matrix in a run's folder."""
    name = re.sub(r"[^\w.-]+", "-", task)
    return f"confusion-{name}.{suffix}"


def save_confusion(
    run: Run, task: TrainingTask, predicted: tuple[NDArray[np.int64], NDArray[np.float32]]
) -> dict[str, Any] | None:
    """Write the matrix as CSV, and return it with its most confused pairs.

    A row is a true class with the counts of the classes that are predicted for it.

    Args:
        run: Whose folder gets the file.
        task: A label; one of several classes a picture has no matrix.
        predicted: Rows of the index, (n,), and their probabilities, (n, K).
    """
    rows, probable = predicted
    if task.label.kind != LabelKind.MULTICLASS or not len(rows):
        return None
    classes = task.label.classes
    pairs = confusion(task.label.strata[rows], probable.argmax(axis=1))
    counts = np.zeros((len(classes), len(classes)), dtype=np.int64)
    counts[pairs[:, 0], pairs[:, 1]] = pairs[:, 2]
    lines = ([name, *row] for name, row in zip(classes, counts.tolist(), strict=True))
    run.write(confusion_file(task.name, "csv"), csv_text(["true class", *classes], lines))
    of_class = counts.sum(axis=1)
    wrong = pairs[pairs[:, 0] != pairs[:, 1]]
    wrong = wrong[np.argsort(-wrong[:, 2], kind="stable")][:_CONFUSED]
    return {
        "classes": list(classes),
        "counts": counts.tolist(),
        "most_confused": [
            {
                "class": classes[true],
                "predicted": classes[other],
                "n": int(n),
                "share": int(n) / int(of_class[true]),
            }
            for true, other, n in wrong
        ],
    }
