"""What a run reached and what its networks say of the test pictures, gathered for its page."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from artsim.errors import EvaluationError
from artsim.labels import LabelKind
from artsim.models.trained import read_model
from artsim.recipes import find_recipe
from artsim.recipes.begin import open_index
from artsim.recipes.heritage_two_stage import TREE, stage_folder
from artsim.splits.stored import TEST, TRAIN, VAL
from artsim.study.holdings import read_columns
from artsim.study.judge import Answers, estimate, judge
from artsim.study.material import Material, gather
from artsim.study.results import ClassScore, Estimate, RunStudy, TaskStudy, Way
from artsim.training.run import METRICS, Run, read_curves, read_json, read_predictions
from artsim.training.tree import read_tree

__all__ = ["NETWORK", "study_run"]

NETWORK = "the network"  # the way that was trained, among those it stands beside
_WAYS = {"metadata": "metadata only", "knn1": "1-NN", "knn": "kNN", "probe": "probe"}
_USUAL = {"top1": "majority", "mAP": "chance"}
_WORKS = 48  # mistakes shown on a page, of all tasks
_A_TASK = 12  # and at most of one

Row = Mapping[str, Any]  # of predictions.parquet
Columns = Mapping[str, Sequence[str | None]]


def study_run(run: Run) -> RunStudy:
    """Study a run: each task beside its baselines, judged by the run's own test pictures.

    Args:
        run: One that is done.

    Raises:
        TrainingError: If it is not done.
        EvaluationError: If its index has changed since.
    """
    found = read_json(run.path / METRICS)
    tasks = [task for task in found.get("tasks", []) if task[TEST].get("value") is not None]
    return RunStudy(
        name=run.path.name,
        recipe=run.plan.recipe,
        facts=_facts(found, run),
        notes=(*found["notes"], *_notes(found), find_recipe(run.plan.recipe).known),
        tasks=tuple(_tasks(run, tasks)) if tasks else (),
        curves={name: read_curves(folder) for name, folder in _networks(run.path).items()},
        retrieved=tuple(found.get("ways", ())),
        settings=dict(run.plan.settings),
        version=run.plan.version,
    )


def _tasks(run: Run, tasks: Sequence[Mapping[str, Any]]) -> list[TaskStudy]:
    store = open_index(run.path / run.plan.index)
    material = gather(store, store.tap(None).name, device=run.device, seed=run.seed)
    columns = read_columns(store)
    rows = read_predictions(run.path).to_pylist()
    known = set(material.ids)
    gone = next((row["id"] for row in rows if row["id"] not in known), None)
    if gone is not None:
        raise EvaluationError(
            f"{gone!r} is no longer in {str(store.path)!r}, which has changed since; train again"
        )
    models = (read_model(folder) for folder in _networks(run.path).values())
    classes = {task.name: task.classes for model in models for task in model.tasks}
    works = max(min(_A_TASK, _WORKS // len(tasks)), 1)
    return [
        _study(
            task,
            [row for row in rows if row["task"] == task["task"]],
            classes[task["task"]],
            material,
            {name: each for name, each in columns.items() if name != task["task"]},
            works,
        )
        for task in tasks
    ]


def _study(
    task: Mapping[str, Any],
    rows: Sequence[Row],
    classes: tuple[str, ...],
    material: Material,
    columns: Columns,
    works: int,
) -> TaskStudy:
    judgment = None
    if LabelKind(task["kind"]) is LabelKind.MULTICLASS:
        judgment = judge(_answers(rows, classes, material), material, columns, mistakes=works)
    base = task["baselines"]
    return TaskStudy(
        name=task["task"],
        metric=task[TEST]["metric"],
        sizes=(task[TRAIN]["n"], task[VAL]["n"], task[TEST]["n"]),
        split=task["split"],
        notes=tuple(task["notes"]),
        learned=task[TRAIN].get("value"),
        chosen=task[VAL].get("value"),
        ways=tuple(_ways(task)),
        metadata=tuple(base.get("metadata_columns", ())),
        k=base["k"],
        classes=tuple(_members(rows, classes)) if judgment is None else judgment.classes,
        judgment=judgment,
    )


def _ways(task: Mapping[str, Any]) -> list[Way]:
    """List the scores on the test pictures that are known, the network's first."""
    base = task["baselines"]
    low, high = task[TEST].get("interval", (math.nan, math.nan))
    scores: dict[str, Estimate | None] = {
        NETWORK: Estimate(task[TEST]["value"], low, high),
        _USUAL[task[TEST]["metric"]]: _estimate(base, "baseline"),
    }
    scores |= {name: _estimate(base, key) for key, name in _WAYS.items()}
    scores |= {name: _estimate(task["others"], name) for name in task["others"]}
    return [Way(name, score) for name, score in scores.items() if score is not None]


def _estimate(values: Mapping[str, Any], name: str) -> Estimate | None:
    if values[name] is None:
        return None
    ends = (values.get(f"{name}_{end}") for end in ("low", "high"))
    low, high = (math.nan if end is None else end for end in ends)
    return Estimate(values[name], low, high)


def _answers(rows: Sequence[Row], classes: tuple[str, ...], material: Material) -> Answers:
    """Bring a task's predictions into the numbering of the index's rows."""
    row_of = {id_: row for row, id_ in enumerate(material.ids)}
    code_of = {name: code for code, name in enumerate(classes)}
    codes = np.full(len(material.ids), -1, dtype=np.int64)
    for row in rows:
        codes[row_of[row["id"]]] = code_of[row["truth"][0]]
    tested = [row for row in rows if row["split"] == TEST]
    learned = [row_of[row["id"]] for row in rows if row["split"] != TEST]
    return Answers(
        source=NETWORK,
        classes=classes,
        codes=codes,
        learned=np.array(learned, dtype=np.int64),
        tested=np.array([row_of[row["id"]] for row in tested], dtype=np.int64),
        probabilities=np.array([row["probabilities"] for row in tested], dtype=np.float64),
    )


def _members(rows: Sequence[Row], classes: Sequence[str]) -> Iterator[ClassScore]:
    """Score each of several classes a picture: whether it is said of those that have it."""
    tested = [row for row in rows if row["split"] == TEST]
    learned = Counter(name for row in rows if row["split"] != TEST for name in row["truth"])
    for name in classes:
        own = np.array([name in row["truth"] for row in tested])
        said = np.array([name in row["prediction"] for row in tested])
        yield ClassScore(
            class_=name,
            learned=learned[name],
            tested=int(own.sum()),
            right=int((own & said).sum()),
            recall=estimate(said[own]) if own.any() else None,
            precision=estimate(own[said]) if said.any() else None,
            taken_for=None,
            times=0,
        )


def _networks(path: Path) -> dict[str, Path]:
    """Find the folders of a run's networks by name: its own, or one for each question of a tree."""
    if (path / TREE).exists():
        tree = read_tree(path / TREE)
        folders = {stage.name: path / stage_folder(tree, stage) for stage in tree.stages()}
        return {name: folder for name, folder in folders.items() if (folder / METRICS).exists()}
    return {"": path}


def _facts(found: Mapping[str, Any], run: Run) -> str:
    if "works" in found:
        only = f" with {found['only']}" if found["only"] else ""
        return f"{found['works']:,} works{only}, seed {run.seed}."
    return (
        f"{found['parameters']:,} parameters, {found['steps']:,} steps, {found['epochs']} epochs, "
        f"seed {run.seed}."
    )


def _notes(found: Mapping[str, Any]) -> Iterator[str]:
    if found.get("tasks"):
        yield f"Neighbors and probe are of {found['tasks'][0]['baselines']['of']}, frozen."
    if found.get("skipped"):
        yield f"{len(found['skipped']):,} pictures could not be decoded and were skipped."
