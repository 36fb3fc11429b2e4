"""A run's test predictions as a study of its labels: the pages of 'artsim report', of a run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from artsim.annotations import TEST
from artsim.models.trained import read_model
from artsim.recipes.begin import open_index
from artsim.recipes.run import METRICS, PREDICTIONS, Run, read_json
from artsim.study.judge import Predictions
from artsim.study.results import Study
from artsim.study.run import StudyPlan, study
from artsim.targets import Kind, short_name

__all__ = ["study_run"]


def study_run(run: Run, *, works: int = 12) -> Iterator[tuple[str, Study]]:
    """Study each label of one class a picture, beside majority, metadata, neighbours and probe.

    The split is the run's own, so that all are judged by the same pictures.

    Args:
        run: A run of one network that is done.
        works: Pictures shown in a gallery.

    Raises:
        EvaluationError: If the index has changed since.
    """
    store = open_index(run.path / run.plan.index)
    classes = {task.name: task.classes for task in read_model(run.path).tasks}
    for task in read_json(run.path / METRICS)["tasks"]:
        name, label = task["task"], task["label"]
        if task["kind"] != Kind.CLASSES or short_name(label) != name:
            continue
        plan = StudyPlan(
            tap=store.tap(None).name,
            labels=(label,),
            split=task["baselines"]["split"],
            works=works,
            workers=run.workers,
            seed=run.seed,
        )
        predictions = _predictions(run.path, name, classes[name], run.plan.recipe)
        yield name, study(store, plan, predictions=[predictions], device=run.device)


def _predictions(path: Path, task: str, classes: tuple[str, ...], source: str) -> Predictions:
    table = pq.read_table(path / PREDICTIONS, filters=[("task", "=", task)])
    rows = table.to_pylist()
    tested = [row for row in rows if row["split"] == TEST]
    return Predictions(
        label=task,
        source=source,
        learnt=tuple(row["id"] for row in rows if row["split"] != TEST),
        ids=tuple(row["id"] for row in tested),
        truth=tuple(row["truth"][0] for row in tested),
        classes=classes,
        probabilities=np.array([row["probabilities"] for row in tested], dtype=np.float64),
    )
