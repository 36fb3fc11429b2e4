"""Train a network for each task alone, to measure whether sharing one network helps."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from artsim.training.data import TrainingData
from artsim.training.learner import Learner
from artsim.training.results import test_values
from artsim.training.run import Run
from artsim.training.tasks import TrainingTask

TrainNetwork = Callable[[Sequence[TrainingTask], Run], tuple[Learner, TrainingData]]


def single_task_values(
    train: TrainNetwork, tasks: Sequence[TrainingTask], run: Run
) -> dict[str, float | None]:
    """Train a network for each task alone and return its score on the test pictures.

    Args:
        train: Trains a network for the tasks it is given.
        tasks: With the splits that they have together.
        run: The checkpoints and curves of each network go into its folder ``separate-NUMBER``.
    """
    values: dict[str, float | None] = {}
    for number, task in enumerate(tasks):
        learner, data = train([task], run.part(f"separate-{number}"))
        values |= test_values(learner, data, run)
    return values
