"""Predictions that are backed off: the deepest class of a hierarchy that is probable enough."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from artsim.errors import EvaluationError
from artsim.labels import LabelKind
from artsim.labels.trees import Hierarchy, PlacedClasses, place
from artsim.metrics import LEAST_SURE, back_off, sum_up
from artsim.prediction.heads import HeadTask, SavedHead
from artsim.prediction.predictions import Output, Value


@dataclass(frozen=True, kw_only=True, eq=False)
class TaskHierarchy:
    """The hierarchy of the classes of a head's label."""

    hierarchy: Hierarchy
    placed: PlacedClasses
    least: float  # probability that is sure enough

    def back_off(self, output: Output, probabilities: NDArray[np.float64]) -> Output:
        """Predict the deepest class that is sure enough from those of the K classes, (K,)."""
        sure = sum_up(probabilities[None], self.placed.codes, self.placed.above)
        nodes, sums = back_off(sure, self.placed.depths, self.least)
        if nodes[0] < 0:
            return replace(output, predicted=None)
        path = self.placed.path(int(nodes[0]))
        return replace(output, predicted=path[-1], path=path, confidence=float(sums[0]))

    def shared(self, path: tuple[str, ...], catalog: Value) -> str | None:
        """Return the deepest class of a path that is the catalog's, or above it."""
        key = self.hierarchy.find(catalog) if isinstance(catalog, str) else None
        above = set()
        waiting = [] if key is None else [key]
        while waiting:
            node = waiting.pop()
            above.add(self.hierarchy.name(node))
            waiting += self.hierarchy.parents(node)
        above |= {catalog} if isinstance(catalog, str) else set()
        return next((name for name in reversed(path) if name in above), None)


def place_task(
    head: SavedHead, task: HeadTask, hierarchy: Hierarchy | None, min_confidence: float
) -> TaskHierarchy | None:
    """Place the classes of a task; None if the hierarchy does not have any, or it has no classes.

    ``min_confidence`` is sure enough; if 0, what the probe chose on validation.

    Raises:
        EvaluationError: If it is neither given nor was it chosen, or is below one half.
    """
    if hierarchy is None or task.kind != LabelKind.MULTICLASS:
        return None
    placed = place(hierarchy, task.classes)
    if placed is None:
        return None
    if 0 < min_confidence < LEAST_SURE:
        raise EvaluationError(
            f"with a hierarchy the least confidence is {LEAST_SURE}, got {min_confidence:g}: below "
            "it two branches could both be confident enough"
        )
    chosen = (task.scores.get("hierarchy") or {}).get("back_off") or {}
    least = min_confidence or chosen.get("least")
    if least is None:
        raise EvaluationError(
            f"head {head.name!r} was trained without a hierarchy, so no probability of "
            f"{task.label!r} was chosen that is sure enough; train it with 'artsim probe "
            "--hierarchy', or give one with --min-confidence"
        )
    return TaskHierarchy(hierarchy=hierarchy, placed=placed, least=float(least))


def check_tasks(head: SavedHead, hierarchy: Hierarchy, tasks: list[TaskHierarchy | None]) -> None:
    """Refuse a hierarchy that has no class of a head, by an `EvaluationError`."""
    if not any(tasks):
        names = ", ".join(task.label for task in head.tasks)
        raise EvaluationError(
            f"{hierarchy.source!r} has no class of {names}, which head {head.name!r} predicts; "
            "name another head or hierarchy"
        )
