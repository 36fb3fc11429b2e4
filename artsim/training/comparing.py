"""Compare runs on the test pictures that they share, picture by picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artsim.datatypes import Estimate
from artsim.errors import TrainingError
from artsim.labels import LabelKind
from artsim.metrics import Difference, estimate_share, paired_share
from artsim.splits import TEST
from artsim.training.run import read_plan, read_predictions, read_scores


@dataclass(frozen=True, kw_only=True)
class RunComparison:
    """A run's score on a task, and its difference from the first run's."""

    task: str
    run: str
    recipe: str
    metric: str  # top1; exact for a multilabel task: all classes right, and no other
    score: Estimate  # the share of correct test pictures
    difference: Difference | None  # from the first run; None for the first
    keep_copies: bool  # it was trained on copies of test pictures as well

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        found = self.difference or Difference(Estimate(nan, nan, nan, 0), None)
        return {
            "task": self.task,
            "run": self.run,
            "recipe": self.recipe,
            "metric": self.metric,
            "n": self.score.n,
            "keep_copies": self.keep_copies,
            **self.score.to_json("score"),
            **found.estimate.to_json("difference"),
            "p": found.p,
        }


def compare_runs(paths: Sequence[Path]) -> list[RunComparison]:
    """Compare each run with the first, task by task, on the same test pictures.

    Args:
        paths: Folders of two or more runs.

    Raises:
        TrainingError: If one is not a run, is not finished or trained no network, or the runs
            have no task in common or other test pictures.
    """
    plans = [read_plan(path) for path in paths]
    runs = [_TestResults(path) for path in paths]
    tasks = [task for task in runs[0].correct if all(task in run.correct for run in runs)]
    if not tasks:
        each = "; ".join(f"{run.path.name}: {', '.join(run.correct)}" for run in runs)
        raise TrainingError(f"the runs have no task in common ({each}); name runs of one task")
    rows = []
    for task in tasks:
        ids = list(runs[0].correct[task])
        scores = [run.scores(task, ids, runs[0]) for run in runs]
        for run, plan, own in zip(runs, plans, scores, strict=True):
            rows.append(
                RunComparison(
                    task=task,
                    run=run.path.name,
                    recipe=plan.recipe,
                    metric=run.metrics[task],
                    keep_copies=plan.settings.get("keep_copies", "").lower() == "true",
                    score=estimate_share(own),
                    difference=None if run is runs[0] else paired_share(scores[0], own),
                )
            )
    return rows


class _TestResults:
    """A run's truth and correctness for each test image of each task."""

    def __init__(self, path: Path) -> None:
        self.path = path
        kinds = {task["task"]: task["kind"] for task in read_scores(path)}
        self.metrics = {
            task: "top1" if LabelKind(kind) is LabelKind.MULTICLASS else "exact"
            for task, kind in kinds.items()
        }
        columns = ["id", "task", "split", "truth", "prediction"]
        self.correct: dict[str, dict[str, bool]] = {}
        self.truth: dict[str, dict[str, frozenset[str]]] = {}
        for row in read_predictions(path, columns).to_pylist():
            if row["split"] == TEST:
                truth = frozenset(row["truth"])
                self.truth.setdefault(row["task"], {})[row["id"]] = truth
                is_correct = truth == frozenset(row["prediction"])
                self.correct.setdefault(row["task"], {})[row["id"]] = is_correct

    def scores(self, task: str, ids: Sequence[str], first: _TestResults) -> NDArray[np.bool_]:
        """Return whether each image is correct, shape (n,).

        Raises:
            TrainingError: If the images, or their labels, are not those of the first run.
        """
        own, others = self.truth[task], first.truth[task]
        if own.keys() != others.keys():
            raise TrainingError(
                f"{self.path.name!r} and {first.path.name!r} have different test pictures of "
                f"{task!r} ({len(own.keys() & others.keys()):,} in common of {len(own):,} and "
                f"{len(others):,}); train both with one --seed, or one --set split=NAME"
            )
        if own != others:
            odd = next(id_ for id_ in ids if own[id_] != others[id_])
            raise TrainingError(
                f"{odd!r} is {', '.join(sorted(own[odd]))} in {self.path.name!r} and "
                f"{', '.join(sorted(others[odd]))} in {first.path.name!r}; train one of them again"
            )
        return np.array([self.correct[task][id_] for id_ in ids], dtype=bool)
