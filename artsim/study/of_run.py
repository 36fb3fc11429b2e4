"""The study of a run: its scores compared with baselines, and what its networks predict."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from artsim.datatypes import Estimate, plural
from artsim.errors import EvaluationError
from artsim.labels import LabelKind, group_codes
from artsim.models import find_device, read_model
from artsim.recipes import TREE, find_recipe, open_run_index, read_tree
from artsim.splits import TEST, TRAIN, VAL
from artsim.store import Store
from artsim.study.data import Codes, StudyData, read_data
from artsim.study.errors import class_score, study_predictions
from artsim.study.findings import ClassScore
from artsim.study.overview import read_columns
from artsim.study.predictions import AlignedPredictions
from artsim.study.results import MethodScore, RunStudy, TaskStudy
from artsim.training import METRICS, RunPlan, read_curves, read_metrics, read_plan, read_predictions

NETWORK = "the network"  # the trained method, among its baselines
_METHODS = {"metadata": "metadata only", "knn1": "1-NN", "knn": "kNN", "probe": "probe"}
_WORKS = 48  # errors shown on a page, of all tasks
_A_TASK = 12  # and at most of one

Row = Mapping[str, Any]  # of predictions.parquet
Columns = Mapping[str, Sequence[str | None]]
Groups = Mapping[str, int]  # by id; -1 is no group


def study_run(path: Path, *, device: str = "cpu") -> RunStudy:
    """Study a finished run: each task compared with baselines, on the test pictures of the run.

    Raises:
        TrainingError: If the run is not finished.
        EvaluationError: If its index has changed since.
    """
    plan, found = read_plan(path), read_metrics(path)
    tasks = [task for task in found.get("tasks", []) if _score(task, TEST) is not None]
    return RunStudy(
        name=path.name,
        recipe=plan.recipe,
        facts=_facts(found, plan.seed),
        notes=(*found["notes"], *_notes(found), find_recipe(plan.recipe).known),
        tasks=tuple(_tasks(path, plan, tasks, device)) if tasks else (),
        curves={name: read_curves(folder) for name, folder in _networks(path).items()},
        retrieved=tuple(found.get("methods", ())),
        settings=dict(plan.settings),
        version=plan.version,
        sizes=_sizes(path, plan) if tasks else {},
    )


def _sizes(path: Path, plan: RunPlan) -> dict[str, NDArray[np.float64]]:
    """Measure the pictures that a run was trained and tested on, (N,) each."""
    used = pc.unique(read_predictions(path).column("id"))
    rows = open_run_index(path, plan).read(["id", "width", "height"])
    rows = rows.filter(pc.is_in(rows.column("id"), value_set=used))
    sides = (rows.column(name).to_numpy().astype(np.float64) for name in ("width", "height"))
    width, height = sides
    known = (width > 0) & (height > 0)  # a picture by its vector alone was not opened
    if not known.any():
        return {}
    return {
        "megapixels": width[known] * height[known] / 1e6,
        "aspect": width[known] / height[known],
    }


def _tasks(
    path: Path, plan: RunPlan, tasks: Sequence[Mapping[str, Any]], device: str
) -> list[TaskStudy]:
    store = open_run_index(path, plan)
    tap = store.tap(None).name
    data = read_data(store, tap, device=str(find_device(device)), seed=plan.seed)
    columns = read_columns(store)
    rows = read_predictions(path).to_pylist()
    known = set(data.ids)
    gone = next((row["id"] for row in rows if row["id"] not in known), None)
    if gone is not None:
        raise EvaluationError(
            f"{gone!r} is no longer in {str(store)!r}, which has changed since; train again"
        )
    models = (read_model(folder) for folder in _networks(path).values())
    classes = {task.name: task.classes for model in models for task in model.tasks}
    works = max(min(_A_TASK, _WORKS // len(tasks)), 1)
    return [
        _study(
            task,
            [row for row in rows if row["task"] == task["task"]],
            classes[task["task"]],
            data,
            {name: each for name, each in columns.items() if name != task["task"]},
            works,
            _groups(store, task.get("resampled")),
        )
        for task in tasks
    ]


def _study(
    task: Mapping[str, Any],
    rows: Sequence[Row],
    classes: tuple[str, ...],
    data: StudyData,
    columns: Columns,
    works: int,
    groups: Groups | None,
) -> TaskStudy:
    predictions = None
    if LabelKind(task["kind"]) is LabelKind.MULTICLASS:
        aligned = _aligned(rows, classes, data, groups)
        predictions = study_predictions(aligned, data, columns, errors=works)
    base = task["baselines"]
    return TaskStudy(
        name=task["task"],
        metric=task[TEST]["metric"],
        sizes=(task[TRAIN]["n"], task[VAL]["n"], task[TEST]["n"]),
        split=task["split"],
        notes=tuple(task["notes"]),
        train_score=_score(task, TRAIN),
        validation_score=_score(task, VAL),
        methods=tuple(_methods(task)),
        metadata=tuple(base.get("metadata_columns", ())),
        k=base["k"],
        classes=tuple(_members(rows, classes, groups))
        if predictions is None
        else predictions.classes,
        predictions=predictions,
    )


def _methods(task: Mapping[str, Any]) -> list[MethodScore]:
    """List the scores that are known on the test pictures, the network's first."""
    base, n = task["baselines"], task[TEST]["n"]
    scores: dict[str, Estimate | None] = {
        NETWORK: _estimate(task[TEST], task[TEST]["metric"], n),
        LabelKind(task["kind"]).baseline: _estimate(base, "baseline", n),
    }
    scores |= {name: _estimate(base, key, n) for key, name in _METHODS.items()}
    scores |= {name: _estimate(task["others"], name, n) for name in task["others"]}
    return [MethodScore(name, score) for name, score in scores.items() if score is not None]


def _score(task: Mapping[str, Any], split: str) -> float | None:
    """Return the network's score on a split; None if no image of it could be decoded."""
    score: float | None = task[split].get(task[split].get("metric"))
    return score


def _estimate(values: Mapping[str, Any], name: str, n: int) -> Estimate | None:
    if values[name] is None:
        return None
    ends = (values.get(f"{name}_{end}") for end in ("low", "high"))
    low, high = (math.nan if end is None else end for end in ends)
    return Estimate(values[name], low, high, n=n)


def _groups(store: Store, name: str | None) -> Groups | None:
    """Return the group of each picture by its id, if intervals resample groups still known."""
    if name is None or name not in {field.name for field in store.fields}:
        return None
    ids = store.read(["id"]).column("id").to_pylist()
    return dict(zip(ids, group_codes(store, name).tolist(), strict=True))


def _groups_among(rows: Sequence[Row], groups: Groups | None) -> Codes | None:
    return None if groups is None else np.array([groups[row["id"]] for row in rows], dtype=np.int64)


def _aligned(
    rows: Sequence[Row], classes: tuple[str, ...], data: StudyData, groups: Groups | None
) -> AlignedPredictions:
    """Match a task's predictions with the rows of the index."""
    row_of = {id_: row for row, id_ in enumerate(data.ids)}
    code_of = {name: code for code, name in enumerate(classes)}
    codes = np.full(len(data.ids), -1, dtype=np.int64)
    for row in rows:
        codes[row_of[row["id"]]] = code_of[row["truth"][0]]
    test = [row for row in rows if row["split"] == TEST]
    train, validation = (
        np.array([row_of[row["id"]] for row in rows if row["split"] == part], dtype=np.int64)
        for part in (TRAIN, VAL)
    )
    return AlignedPredictions(
        source=NETWORK,
        classes=classes,
        codes=codes,
        train=train,
        validation=validation,
        test=np.array([row_of[row["id"]] for row in test], dtype=np.int64),
        probabilities=np.array([row["probabilities"] for row in test], dtype=np.float64),
        groups=_groups_among(test, groups),
    )


def _members(
    rows: Sequence[Row], classes: Sequence[str], groups: Groups | None
) -> Iterator[ClassScore]:
    test = [row for row in rows if row["split"] == TEST]
    train = Counter(name for row in rows if row["split"] == TRAIN for name in row["truth"])
    for name in classes:
        own = np.array([name in row["truth"] for row in test])
        positive = np.array([name in row["prediction"] for row in test])
        among = _groups_among(test, groups)
        yield class_score(name, own, positive, train[name], groups=among)


def _networks(path: Path) -> dict[str, Path]:
    """Find the folders of a run's networks by name: its own, or one for each stage of a tree."""
    if (path / TREE).exists():
        tree = read_tree(path / TREE)
        folders = {stage.name: path / tree.folder(stage) for stage in tree.stages()}
        return {name: folder for name, folder in folders.items() if (folder / METRICS).exists()}
    return {"": path}


def _facts(found: Mapping[str, Any], seed: int) -> str:
    if "works" in found:
        only = f" with {found['only']}" if found["only"] else ""
        return f"{found['works']:,} works{only}, seed {seed}."
    return (
        f"{found['parameters']:,} parameters, {found['steps']:,} steps, {found['epochs']} epochs, "
        f"seed {seed}."
    )


def _notes(found: Mapping[str, Any]) -> Iterator[str]:
    if found.get("tasks"):
        yield f"kNN and probe use the frozen embeddings of {found['tasks'][0]['baselines']['of']}."
    if found.get("skipped"):
        yield f"{plural(len(found['skipped']), 'picture')} could not be decoded and were skipped."
