"""What a training reached, beside what is reached without it, on the same pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray

from artsim.evaluation.probe import ProbePlan, probe_on
from artsim.labels import LabelKind
from artsim.metrics import scores as metrics
from artsim.models import Body, TrainedModel, TrainedTask, find_device, model_files
from artsim.recipes import find_recipe
from artsim.splits.stored import TEST, TRAIN, VAL, keep_split
from artsim.store import Store, write_whole
from artsim.training.data import SIDES, Pictures
from artsim.training.learner import Learner, probabilities
from artsim.training.outliers import OUTLIERS, outliers_csv
from artsim.training.run import METRICS, PREDICTIONS, Run
from artsim.training.tasks import Task

__all__ = [
    "SINGLE",
    "Others",
    "finish",
    "save_metrics",
    "save_predictions",
    "test_values",
]

SINGLE = "single-task"  # the way of `Others` that is a network for each task alone

_HALF = 0.5  # the least probability of a class that a picture is said to have among others

Others = Mapping[str, Mapping[str, float | None]]  # by way and task: the score on test

Likely = Mapping[str, tuple[NDArray[np.int64], NDArray[np.float32]]]  # by task: rows, (n, K)


def finish(
    store: Store,
    learner: Learner,
    pictures: Pictures,
    run: Run,
    body: Body,
    dim: int,
    *,
    shapes: NDArray[np.int64] | None = None,
    others: Others | None = None,
    notes: Sequence[str] = (),
) -> dict[str, Any]:
    """Save the network and its predictions, and score them beside the baselines.

    Args:
        store: The index.
        learner: Trained.
        pictures: What it learned from.
        run: Whose folder gets it all.
        body: How the network's body is built again.
        dim: Numbers of its embedding.
        shapes: Heights and widths, (S, 2), of which each picture was brought to the nearest.
        others: What else was tried on the same test pictures.
        notes: What should be known of the figures.

    Returns:
        What ``metrics.json`` holds.
    """
    model = TrainedModel(
        recipe=run.plan.recipe,
        body=body,
        dim=dim,
        preprocessing=pictures.preprocessing,
        tasks=tuple(
            TrainedTask(
                name=task.name,
                classes=task.target.classes,
                is_members=task.target.kind == LabelKind.MULTILABEL,
                head=learner.classifier.shapes[task.name],
            )
            for task in learner.tasks
        ),
        shapes=None if shapes is None else tuple((int(h), int(w)) for h, w in shapes),
    )
    for name, data in model_files(model, learner.classifier).items():
        run.write(name, data)
    likely = {side: predict(learner, pictures, side, run) for side in SIDES}
    _write_predictions(run, pictures.ids, learner.tasks, likely)
    tasks = [
        {
            "task": task.name,
            "label": task.label,
            "kind": str(task.target.kind),
            "classes": len(task.target.classes),
            "split": task.sides.way,
            "notes": list(task.sides.notes),
        }
        | {side: _score(task, likely[side], run.seed) for side in SIDES}
        | {"baselines": _baselines(store, task, run)}
        | {"others": {way: values[task.name] for way, values in (others or {}).items()}}
        for task in learner.tasks
    ]
    found = {
        "recipe": run.plan.recipe,
        "parameters": sum(each.numel() for each in learner.classifier.parameters()),
        "steps": pictures.positions.step,
        "epochs": len(learner.curves),
        "notes": [*notes, *_sharing(tasks)],
        "skipped": [
            {"id": pictures.ids[row], "reason": reason}
            for row, reason in sorted(pictures.positions.skipped.items())
        ],
        "tasks": tasks,
    }
    save_metrics(run, found)
    return found


def save_metrics(run: Run, found: Mapping[str, Any]) -> None:
    """Write scores into the run's folder, and again for people."""
    run.write("report.md", _report(run, found))
    run.write_json(METRICS, found)


def save_predictions(run: Run, table: pa.Table) -> None:
    """Write predictions into the run's folder, and which works are unlike their label."""
    write_whole(
        run.path / PREDICTIONS,
        lambda stream: pq.write_table(table, stream, compression="zstd"),
    )
    run.write(OUTLIERS, outliers_csv(table))


def test_values(learner: Learner, pictures: Pictures, run: Run) -> dict[str, float | None]:
    """Score a network on the test pictures: each task's value, as `finish` gives it."""
    likely = predict(learner, pictures, TEST, run)
    return {task.name: _score(task, likely, run.seed).get("value") for task in learner.tasks}


def predict(learner: Learner, pictures: Pictures, side: str, run: Run) -> Likely:
    """Say how likely each class of each task is for the pictures of a side that can be decoded."""
    device = find_device(run.device)
    learner.to(device).eval()
    rows: dict[str, list[NDArray[np.int64]]] = {}
    likely: dict[str, list[NDArray[np.float32]]] = {}
    for task in learner.tasks:  # a side may be empty
        rows[task.name] = [np.empty(0, dtype=np.int64)]
        likely[task.name] = [np.empty((0, len(task.target.classes)), dtype=np.float32)]
    with torch.inference_mode():
        for batch in pictures.of_side(side):
            logits = learner(batch.pixels.to(device))
            for task in learner.tasks:
                mine = torch.isin(batch.rows, torch.from_numpy(task.rows(side)))
                each = probabilities(logits[task.name], task.target.kind).cpu()
                rows[task.name].append(batch.rows[mine].numpy())
                likely[task.name].append(each[mine].numpy())
    learner.cpu()
    return {name: (np.concatenate(rows[name]), np.concatenate(likely[name])) for name in rows}


def _score(task: Task, likely: Likely, seed: int) -> dict[str, Any]:
    rows, probable = likely[task.name]
    if not len(rows):
        return {"n": 0}
    if task.target.kind == LabelKind.MULTILABEL:
        truth = task.target.matrix[rows]
        each = [
            metrics.average_precision(truth[:, k], probable[:, k]) for k in range(truth.shape[1])
        ]
        known = [value for value in each if not np.isnan(value)]
        mean = float(np.mean(known)) if known else None
        of_images = [
            metrics.average_precision(mine, likely)
            for mine, likely in zip(truth, probable, strict=True)
        ]
        return {
            "n": len(rows),
            "metric": "mAP",
            "value": mean,
            "per_image": float(np.mean(of_images)),  # each picture's classes ranked, not each class
        }
    codes = task.target.strata[rows]
    predicted = probable.argmax(axis=1)
    right = int((codes == predicted).sum())
    ranked = np.argsort(-probable, axis=1, kind="stable")[:, :5]
    return {
        "n": len(rows),
        "metric": "top1",
        "value": metrics.accuracy(codes, predicted),
        "interval": list(metrics.accuracy_interval(right, len(rows), seed=seed)),
        "top5": metrics.top_accuracy(codes, ranked),
        "macro_f1": metrics.macro_f1(codes, predicted),
        "balanced_accuracy": metrics.balanced_accuracy(codes, predicted),
    }


def _baselines(store: Store, task: Task, run: Run) -> dict[str, Any]:
    """Ask an index's frozen vectors about the very pictures that judge the training.

    The split is kept with the index, under the run's name, so that every other question can be
    asked of the same sides.
    """
    name = f"{run.name}.{task.name}"
    sides: list[str | None] = [None] * store.rows
    for side in SIDES:
        for row in task.rows(side):
            sides[row] = side
    keep_split(store, name, sides)
    plan = ProbePlan(tap=store.tap(None).name, seed=run.seed)
    found = probe_on(store, task.target, task.sides, plan, device=find_device(run.device))
    ways = ("metadata", "knn1", "knn", "probe")
    ends = [f"{way}_{end}" for way in ways for end in ("low", "high")]
    wanted = ("metric", "baseline", *ways, "k", "metadata_columns", *ends)
    values = found.to_json()
    spec = f"{store.manifest.passport.spec}, tap {plan.tap}"
    return {"of": spec, "split": name} | {key: values[key] for key in wanted}


def _sharing(tasks: Sequence[Mapping[str, Any]]) -> list[str]:
    """Say whether a network for all tasks tells each better than one for it alone."""
    gains = {
        task["task"]: task[TEST]["value"] - task["others"][SINGLE]
        for task in tasks
        if task["others"].get(SINGLE) is not None
    }
    if not gains:
        return []
    each = ", ".join(f"{name} {gain:+.3f}" for name, gain in gains.items())
    mean = sum(gains.values()) / len(gains)
    return [f"Against a network for each task alone, sharing gives {each}: {mean:+.3f} on average."]


def _write_predictions(
    run: Run, ids: Sequence[str], tasks: Sequence[Task], likely: Mapping[str, Likely]
) -> None:
    """Write a row for every picture, task and side; classes are in the order of model.json's."""
    columns: dict[str, list[Any]] = {
        name: [] for name in ("id", "task", "split", "truth", "prediction", "probabilities")
    }
    for task in tasks:
        classes = np.array(task.target.classes, dtype=object)
        for side in SIDES:
            rows, probable = likely[side][task.name]
            columns["id"] += [ids[row] for row in rows]
            columns["task"] += [task.name] * len(rows)
            columns["split"] += [side] * len(rows)
            columns["truth"] += [_truth(task, row, classes) for row in rows]
            columns["prediction"] += [_predicted(task, each, classes) for each in probable]
            columns["probabilities"] += probable.tolist()
    texts, numbers = pa.list_(pa.string()), pa.list_(pa.float32())
    types = {"truth": texts, "prediction": texts, "probabilities": numbers}
    table = pa.table({n: pa.array(v, types.get(n, pa.string())) for n, v in columns.items()})
    save_predictions(run, table)


def _truth(task: Task, row: int, classes: NDArray[np.object_]) -> list[str]:
    if task.target.kind == LabelKind.MULTILABEL:
        return list(classes[task.target.matrix[row]])
    return [classes[task.target.strata[row]]]


def _predicted(
    task: Task, probable: NDArray[np.float32], classes: NDArray[np.object_]
) -> list[str]:
    if task.target.kind == LabelKind.MULTILABEL:
        return list(classes[probable >= _HALF])
    return [classes[int(probable.argmax())]]


# --- for people ---------------------------------------------------------------------------


def _report(run: Run, found: Mapping[str, Any]) -> str:
    plan = run.plan
    ways = list(found["tasks"][0]["others"])
    lines = [
        f"# {plan.recipe}",
        "",
        f"{found['parameters']:,} parameters, {found['steps']:,} steps, "
        f"{found['epochs']} epochs, seed {plan.seed}.",
        "",
        "On the test pictures, train and validation beside them:",
        "",
        "| task | metric | test | 95 % | validation | train | majority | metadata | 1-NN | kNN "
        f"| probe |{''.join(f' {way} |' for way in ways)}",
        f"|---|---|--:|---|--:|--:|--:|--:|--:|--:|--:|{'--:|' * len(ways)}",
    ]
    rows = []
    for task in found["tasks"]:
        base = task["baselines"]
        low_high = task[TEST].get("interval")
        interval = f"{low_high[0]:.3f}-{low_high[1]:.3f}" if low_high else ""
        values = [task[side].get("value") for side in (TEST, VAL, TRAIN)]
        values += [base[name] for name in ("baseline", "metadata", "knn1", "knn", "probe")]
        values += [task["others"][way] for way in ways]
        rows.append(values)
        lines.append(_row(task["task"], task[TEST].get("metric"), interval, values))
    if len(rows) > 1:
        lines.append(
            _row("unweighted mean", "", "", [_mean(each) for each in zip(*rows, strict=True)])
        )
    lines.append("")
    for task in found["tasks"]:
        sizes = " + ".join(f"{task[side]['n']:,}" for side in SIDES)
        lines.append(f"- {task['task']}: {task['split']}; {sizes} pictures")
        lines += [f"  - {note}" for note in task["notes"]]
    lines.append(f"- Neighbors and probe are of {found['tasks'][0]['baselines']['of']}, frozen.")
    lines += [f"- {note}" for note in (*found["notes"], find_recipe(plan.recipe).known)]
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
