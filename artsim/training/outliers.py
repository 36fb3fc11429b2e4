"""Works whose label a network confidently contradicts."""

from __future__ import annotations

import csv
import io

import pyarrow as pa

from artsim.splits import TRAIN

OUTLIERS = "outliers.csv"
_CONFIDENT = 0.5  # the least probability of the predicted class


def outliers_csv(predictions: pa.Table) -> str:
    """List works whose label the network contradicts, the most confident of each task first.

    They have a wrong label, are a copy, or are unusual: look at them. Training images are left
    out, as the network was fitted to their labels; so are labels of several classes.

    Args:
        predictions: A run's, of all its tasks and splits.
    """
    found = [
        {
            "task": row["task"],
            "id": row["id"],
            "split": row["split"],
            "label": row["truth"][0],
            "looks_like": row["prediction"][0],
            "probability": max(row["probabilities"]),
        }
        for row in predictions.to_pylist()
        if row["split"] != TRAIN
        and len(row["truth"]) == len(row["prediction"]) == 1
        and row["truth"] != row["prediction"]
        and max(row["probabilities"]) >= _CONFIDENT
    ]
    tasks = list(dict.fromkeys(row["task"] for row in found))
    found.sort(key=lambda row: (tasks.index(row["task"]), -row["probability"], row["id"]))
    out = io.StringIO()
    columns = ["task", "id", "split", "label", "looks_like", "probability"]
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(row | {"probability": f"{row['probability']:.4f}"} for row in found)
    return out.getvalue()
