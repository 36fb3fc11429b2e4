"""The same training for each task alone: whether it helps that tasks share a network."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from artsim.training.data import Pictures
from artsim.training.learner import Learner
from artsim.training.results import test_values
from artsim.training.run import Run
from artsim.training.tasks import Task

__all__ = ["Learn", "single_task_values"]

Learn = Callable[[Sequence[Task], Run], tuple[Learner, Pictures]]


def single_task_values(learn: Learn, tasks: Sequence[Task], run: Run) -> dict[str, float | None]:
    """Train a network for each task alone and score it on the test.

    Args:
        learn: Trains a network for tasks, as it does for all of them.
        tasks: On the sides that they have together.
        run: Each network's checkpoints and curves go into a folder ``alone-NUMBER`` of it.
    """
    values: dict[str, float | None] = {}
    for number, task in enumerate(tasks):
        learner, pictures = learn([task], run.part(f"alone-{number}"))
        values |= test_values(learner, pictures, run)
    return values
