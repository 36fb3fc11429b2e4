"""Runs side by side on the test pictures that they share, picture by picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artsim.errors import TrainingError
from artsim.labels import LabelKind
from artsim.metrics.paired import paired_bootstrap
from artsim.metrics.scores import mean_interval
from artsim.splits.stored import TEST
from artsim.training.run import read_plan, read_predictions, read_scores

__all__ = ["Compared", "compare_runs"]


@dataclass(frozen=True, kw_only=True)
class Compared:
    """A run's score on a task, and how far it is from the first run's."""

    task: str
    run: str
    recipe: str
    metric: str  # top1; exact of several classes a picture: all of them, and no other
    n: int  # test pictures
    value: float
    interval: tuple[float, float]  # 95 %, bootstrap
    difference: float | None  # to the first run; None of the first
    difference_interval: tuple[float, float] | None
    p: float | None  # paired bootstrap, two-sided

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)


def compare_runs(paths: Sequence[Path], *, seed: int = 0) -> list[Compared]:
    """Compare each run with the first, task by task, on the same test pictures.

    Args:
        paths: Their folders, two or more.
        seed: Of the bootstrap.

    Raises:
        TrainingError: If one is no run, not done or trained no network, they have no task in
            common, or they were judged by other pictures.
    """
    recipes = [read_plan(path).recipe for path in paths]
    runs = [_Judged(path) for path in paths]
    tasks = [task for task in runs[0].right if all(task in run.right for run in runs)]
    if not tasks:
        each = "; ".join(f"{run.path.name}: {', '.join(run.right)}" for run in runs)
        raise TrainingError(f"the runs have no task in common ({each}); name runs of one task")
    rows = []
    for task in tasks:
        ids = list(runs[0].right[task])
        scores = [run.scores(task, ids, runs[0]) for run in runs]
        for run, recipe, mine in zip(runs, recipes, scores, strict=True):
            paired = None if run is runs[0] else paired_bootstrap(scores[0], mine, seed=seed)
            rows.append(
                Compared(
                    task=task,
                    run=run.path.name,
                    recipe=recipe,
                    metric=run.metrics[task],
                    n=len(ids),
                    value=float(mine.mean()),
                    interval=mean_interval(mine, seed=seed),
                    difference=paired.difference if paired else None,
                    difference_interval=paired.interval if paired else None,
                    p=paired.p if paired else None,
                )
            )
    return rows


class _Judged:
    """What a run said of each test picture of each task."""

    def __init__(self, path: Path) -> None:
        self.path = path
        kinds = {task["task"]: task["kind"] for task in read_scores(path)}
        self.metrics = {
            task: "top1" if LabelKind(kind) is LabelKind.MULTICLASS else "exact"
            for task, kind in kinds.items()
        }
        columns = ["id", "task", "split", "truth", "prediction"]
        self.right: dict[str, dict[str, bool]] = {}
        self.truth: dict[str, dict[str, frozenset[str]]] = {}
        for row in read_predictions(path, columns).to_pylist():
            if row["split"] == TEST:
                truth = frozenset(row["truth"])
                self.truth.setdefault(row["task"], {})[row["id"]] = truth
                is_right = truth == frozenset(row["prediction"])
                self.right.setdefault(row["task"], {})[row["id"]] = is_right

    def scores(self, task: str, ids: Sequence[str], first: _Judged) -> NDArray[np.float64]:
        """Return 1 for right and 0 for wrong by picture, shape (n,).

        Raises:
            TrainingError: If the pictures, or what they are, are not those of the first run.
        """
        mine, theirs = self.truth[task], first.truth[task]
        if mine.keys() != theirs.keys():
            raise TrainingError(
                f"{self.path.name!r} and {first.path.name!r} are judged by other pictures of "
                f"{task!r} ({len(mine.keys() & theirs.keys()):,} in common of {len(mine):,} and "
                f"{len(theirs):,}); train both with one --seed, or one --set split=NAME"
            )
        if mine != theirs:
            odd = next(id_ for id_ in ids if mine[id_] != theirs[id_])
            raise TrainingError(
                f"{odd!r} is {', '.join(sorted(mine[odd]))} in {self.path.name!r} and "
                f"{', '.join(sorted(theirs[odd]))} in {first.path.name!r}; train one of them again"
            )
        return np.array([self.right[task][id_] for id_ in ids], dtype=np.float64)
