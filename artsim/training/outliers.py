"""Pictures that a network is sure are something else than their label says."""

from __future__ import annotations

import csv
import io

import pyarrow as pa

from artsim.splits.stored import TRAIN

__all__ = ["OUTLIERS", "outliers_csv"]

OUTLIERS = "outliers.csv"
_SURE = 0.5  # the least probability of the class that it takes the picture for


def outliers_csv(predictions: pa.Table) -> str:
    """List works that are confidently unlike their label, the surest of each task first.

    A wrong label, a copy or an unusual work: for people to look at. Pictures that were learned from
    are left out, for their labels were learned with them; so are labels of several classes.

    Args:
        predictions: A run's, of all its tasks and sides.
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
        and max(row["probabilities"]) >= _SURE
    ]
    tasks = list(dict.fromkeys(row["task"] for row in found))
    found.sort(key=lambda row: (tasks.index(row["task"]), -row["probability"], row["id"]))
    out = io.StringIO()
    columns = ["task", "id", "split", "label", "looks_like", "probability"]
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(row | {"probability": f"{row['probability']:.4f}"} for row in found)
    return out.getvalue()
