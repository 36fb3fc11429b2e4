"""The results of a training run: scores compared with baselines on the same images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray

from artsim.evaluation.probe import ProbePlan, probe_on
from artsim.labels import LabelKind
from artsim.metrics import (
    Ranking,
    average_precision,
    balanced_accuracy,
    estimate_map,
    macro_f1,
    share_estimate,
    top_accuracy,
)
from artsim.models import Body, TrainedModel, TrainedTask, find_device, model_files
from artsim.splits import TEST, TRAIN, VAL, store_split
from artsim.store import Store, write_whole
from artsim.training.data import SPLITS, TrainingData
from artsim.training.learner import Learner, probabilities
from artsim.training.outliers import OUTLIERS, outliers_csv
from artsim.training.run import METRICS, PREDICTIONS, Run
from artsim.training.tasks import TrainingTask

SINGLE = "single-task"  # the method in `Others` that trains a network for each task

_HALF = 0.5  # a class of a multilabel task is predicted from this probability on

Others = Mapping[str, Mapping[str, float | None]]  # test score by method and task

Probabilities = Mapping[str, tuple[NDArray[np.int64], NDArray[np.float32]]]  # by task: rows, (n, K)


def finish(
    store: Store,
    learner: Learner,
    data: TrainingData,
    run: Run,
    body: Body,
    *,
    others: Others | None = None,
    notes: Sequence[str] = (),
) -> dict[str, Any]:
    """Save the network and its predictions, and score it and its baselines.

    Args:
        store: The index.
        learner: Trained.
        data: Its training data.
        run: Whose folder gets all files.
        body: How to build the network's body again.
        others: Scores of other methods on the same test pictures.
        notes: What readers of the figures should know.

    Returns:
        The content of ``metrics.json``.
    """
    shapes = None if data.shapes is None else tuple((int(h), int(w)) for h, w in data.shapes)
    model = TrainedModel(
        recipe=run.plan.recipe,
        body=body,
        dim=learner.classifier.dim,
        preprocessing=data.preprocessing,
        tasks=tuple(
            TrainedTask(
                name=task.name,
                classes=task.label.classes,
                is_members=task.label.kind == LabelKind.MULTILABEL,
                head=learner.classifier.shapes[task.name],
            )
            for task in learner.tasks
        ),
        shapes=shapes,
    )
    for name, content in model_files(model, learner.classifier).items():
        run.write(name, content)
    predicted = {split: predict(learner, data, split, run) for split in SPLITS}
    _write_predictions(run, data.ids, learner.tasks, predicted)
    tasks = [
        {
            "task": task.name,
            "label": task.source,
            "kind": str(task.label.kind),
            "classes": len(task.label.classes),
            "split": task.split.description,
            "notes": list(task.split.notes),
            "copies_left_out": task.split.copies_left_out,
        }
        | {split: _score(task, predicted[split], run.seed) for split in SPLITS}
        | {"baselines": _baselines(store, task, run)}
        | {"others": {method: values[task.name] for method, values in (others or {}).items()}}
        for task in learner.tasks
    ]
    found = {
        "recipe": run.plan.recipe,
        "parameters": sum(each.numel() for each in learner.classifier.parameters()),
        "steps": data.state.step,
        "epochs": len(learner.curves),
        "notes": [*notes, *_sharing(tasks)],
        "skipped": [
            {"id": data.ids[row], "reason": reason}
            for row, reason in sorted(data.state.skipped.items())
        ],
        "tasks": tasks,
    }
    save_metrics(run, found)
    return found


def save_metrics(run: Run, found: Mapping[str, Any]) -> None:
    """Write scores into the run's folder, as JSON and as a report."""
    run.write("report.md", _report(run, found))
    run.write_json(METRICS, found)


def save_predictions(run: Run, table: pa.Table) -> None:
    """Write predictions into the run's folder, and the works whose label they contradict."""
    write_whole(
        run.path / PREDICTIONS,
        lambda stream: pq.write_table(table, stream, compression="zstd"),
    )
    run.write(OUTLIERS, outliers_csv(table))


def test_values(learner: Learner, data: TrainingData, run: Run) -> dict[str, float | None]:
    """Return each task's score on the test pictures, as in `finish`."""
    predicted = predict(learner, data, TEST, run)
    return {task.name: _score(task, predicted, run.seed).get("value") for task in learner.tasks}


def predict(learner: Learner, data: TrainingData, split: str, run: Run) -> Probabilities:
    """Return the class probabilities of each task for the images of a split that can be decoded."""
    device = find_device(run.device)
    learner.to(device).eval()
    rows: dict[str, list[NDArray[np.int64]]] = {}
    found: dict[str, list[NDArray[np.float32]]] = {}
    for task in learner.tasks:  # a split may be empty
        rows[task.name] = [np.empty(0, dtype=np.int64)]
        found[task.name] = [np.empty((0, len(task.label.classes)), dtype=np.float32)]
    with torch.inference_mode():
        for batch in data.of_split(split):
            logits = learner(batch.pixels.to(device))
            for task in learner.tasks:
                own = torch.isin(batch.rows, torch.from_numpy(task.rows(split)))
                each = probabilities(logits[task.name], task.label.kind).cpu()
                rows[task.name].append(batch.rows[own].numpy())
                found[task.name].append(each[own].numpy())
    learner.cpu()
    return {name: (np.concatenate(rows[name]), np.concatenate(found[name])) for name in rows}


def _score(task: TrainingTask, predicted: Probabilities, seed: int) -> dict[str, Any]:
    rows, probable = predicted[task.name]
    if not len(rows):
        return {"n": 0}
    if task.label.kind == LabelKind.MULTILABEL:
        truth = task.label.matrix[rows]
        of_images = [
            average_precision(own, each) for own, each in zip(truth, probable, strict=True)
        ]
        return {
            "n": len(rows),
            "metric": "mAP",
            **estimate_map(Ranking.of(truth, probable), seed=seed).to_json("value"),
            "per_image": float(np.mean(of_images)),  # of the classes ranked for each image
        }
    codes = task.label.strata[rows]
    classes = probable.argmax(axis=1)
    right = int((codes == classes).sum())
    ranked = np.argsort(-probable, axis=1, kind="stable")[:, :5]
    return {
        "n": len(rows),
        "metric": "top1",
        **share_estimate(right, len(rows)).to_json("value"),
        "top5": top_accuracy(codes, ranked),
        "macro_f1": macro_f1(codes, classes),
        "balanced_accuracy": balanced_accuracy(codes, classes),
    }


def _baselines(store: Store, task: TrainingTask, run: Run) -> dict[str, Any]:
    """Score the index's frozen vectors on the same split.

    The split is stored with the index under the run's name, so that every other command can use
    it.
    """
    name = f"{run.name}.{task.name}"
    split = replace(task.split, train=task.rows(TRAIN), validation=task.rows(VAL))
    store_split(store, name, split)
    plan = ProbePlan(tap=store.tap(None).name, seed=run.seed)
    found = probe_on(store, task.label, task.split, plan, device=find_device(run.device))
    methods = ("metadata", "knn1", "knn", "probe")
    ends = [f"{method}_{end}" for method in methods for end in ("low", "high")]
    wanted = ("metric", "baseline", *methods, "k", "metadata_columns", *ends)
    values = found.to_json()
    spec = f"{store.manifest.passport.spec}, tap {plan.tap}"
    return {"of": spec, "split": name} | {key: values[key] for key in wanted}


def _sharing(tasks: Sequence[Mapping[str, Any]]) -> list[str]:
    """Note whether one network for all tasks beats a network for each task."""
    gains = {
        task["task"]: task[TEST]["value"] - task["others"][SINGLE]
        for task in tasks
        if task["others"].get(SINGLE) is not None
    }
    if not gains:
        return []
    each = ", ".join(f"{name} {gain:+.3f}" for name, gain in gains.items())
    mean = sum(gains.values()) / len(gains)
    return [f"Compared with a network for each task, sharing gains {each}: {mean:+.3f} on average."]


def _write_predictions(
    run: Run,
    ids: Sequence[str],
    tasks: Sequence[TrainingTask],
    predicted: Mapping[str, Probabilities],
) -> None:
    """Write a row for every image, task and split; classes are in the order of model.json."""
    columns: dict[str, list[Any]] = {
        name: [] for name in ("id", "task", "split", "truth", "prediction", "probabilities")
    }
    for task in tasks:
        classes = np.array(task.label.classes, dtype=object)
        for split in SPLITS:
            rows, probable = predicted[split][task.name]
            columns["id"] += [ids[row] for row in rows]
            columns["task"] += [task.name] * len(rows)
            columns["split"] += [split] * len(rows)
            columns["truth"] += [_truth(task, row, classes) for row in rows]
            columns["prediction"] += [_predicted(task, each, classes) for each in probable]
            columns["probabilities"] += probable.tolist()
    texts, numbers = pa.list_(pa.string()), pa.list_(pa.float32())
    types = {"truth": texts, "prediction": texts, "probabilities": numbers}
    table = pa.table({n: pa.array(v, types.get(n, pa.string())) for n, v in columns.items()})
    save_predictions(run, table)


def _truth(task: TrainingTask, row: int, classes: NDArray[np.object_]) -> list[str]:
    if task.label.kind == LabelKind.MULTILABEL:
        return list(classes[task.label.matrix[row]])
    return [classes[task.label.strata[row]]]


def _predicted(
    task: TrainingTask, probable: NDArray[np.float32], classes: NDArray[np.object_]
) -> list[str]:
    if task.label.kind == LabelKind.MULTILABEL:
        return list(classes[probable >= _HALF])
    return [classes[int(probable.argmax())]]


# --- for people ---------------------------------------------------------------------------


def _report(run: Run, found: Mapping[str, Any]) -> str:
    plan = run.plan
    others = list(found["tasks"][0]["others"])
    lines = [
        f"# {plan.recipe}",
        "",
        f"{found['parameters']:,} parameters, {found['steps']:,} steps, "
        f"{found['epochs']} epochs, seed {plan.seed}.",
        "",
        "Baselines and other methods are scored on the test pictures:",
        "",
        "| task | metric | test | 95 % | validation | train | majority | metadata | 1-NN | kNN "
        f"| probe |{''.join(f' {method} |' for method in others)}",
        f"|---|---|--:|---|--:|--:|--:|--:|--:|--:|--:|{'--:|' * len(others)}",
    ]
    rows = []
    for task in found["tasks"]:
        base = task["baselines"]
        low, high = (task[TEST].get(f"value_{end}") for end in ("low", "high"))
        interval = "" if low is None else f"{low:.3f}-{high:.3f}"
        values = [task[split].get("value") for split in (TEST, VAL, TRAIN)]
        values += [base[name] for name in ("baseline", "metadata", "knn1", "knn", "probe")]
        values += [task["others"][method] for method in others]
        rows.append(values)
        lines.append(_row(task["task"], task[TEST].get("metric"), interval, values))
    if len(rows) > 1:
        lines.append(
            _row("unweighted mean", "", "", [_mean(each) for each in zip(*rows, strict=True)])
        )
    lines.append("")
    for task in found["tasks"]:
        sizes = " + ".join(f"{task[split]['n']:,}" for split in SPLITS)
        lines.append(f"- {task['task']}: {task['split']}; {sizes} pictures")
        lines += [f"  - {note}" for note in task["notes"]]
    embeddings = found["tasks"][0]["baselines"]["of"]
    lines.append(f"- kNN and probe use the frozen embeddings of {embeddings}.")
    lines += [f"- {note}" for note in (*found["notes"], run.published) if note]
    if found["skipped"]:
        lines.append(f"- {len(found['skipped']):,} pictures could not be decoded and were skipped.")
    settings = ", ".join(f"{name}={value}" for name, value in plan.settings.items())
    return "\n".join([*lines, "", f"Settings: {settings}", ""])


def _row(task: str, metric: str | None, interval: str, values: Sequence[float | None]) -> str:
    cells = [task, metric, values[0], interval, *values[1:]]
    return f"| {' | '.join(map(_cell, cells))} |"


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if len(known) == len(values) else None


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.3f}" if isinstance(value, float) else str(value)
