"""The results of a training run: scores compared with baselines on the same images."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray

from artsim.datatypes import plural, printable
from artsim.evaluation.probe import ProbePlan, probe_on
from artsim.labels import LIKELY, LabelKind
from artsim.metrics import Predictions, Ranking, score, scores_to_json
from artsim.models import Body, TrainedModel, TrainedTask, find_device, model_files
from artsim.splits import TEST, TRAIN, VAL, store_split
from artsim.store import Store, csv_text, write_whole
from artsim.training.confusion import save_confusion
from artsim.training.data import SPLITS, TrainingData
from artsim.training.learner import Learner, probabilities
from artsim.training.run import METRICS, PREDICTIONS, Run
from artsim.training.tasks import TrainingTask

SINGLE = "single-task"  # the method in `Others` that trains a network for each task

_CONFIDENT = 0.5  # the lowest probability of a predicted class that contradicts a label

TaskScores = Mapping[str, float | None]  # test score by task
Others = Mapping[str, TaskScores]  # by method

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
) -> None:
    """Save the trained network and its predictions, and score it and its baselines.

    Args:
        store: The index.
        learner: Trained.
        data: Its training data.
        run: Whose folder gets all files.
        body: How to build the network's body again.
        others: Scores of other methods on the same test images.
        notes: What readers of the figures should know.
    """
    classifier = learner.classifier
    tasks = tuple(
        TrainedTask(
            name=task.name,
            classes=task.label.classes,
            is_multilabel=task.label.kind == LabelKind.MULTILABEL,
            head=classifier.shapes[task.name],
        )
        for task in learner.tasks
    )
    model = TrainedModel(
        recipe=run.plan.recipe,
        body=body,
        dim=classifier.dim,
        preprocessing=data.preprocessing,
        tasks=tasks,
        shapes=None if data.shapes is None else tuple(map(tuple, data.shapes.tolist())),
    )
    for name, content in model_files(model, classifier).items():
        run.write(name, content)
    predicted = {split: predict(learner, data, split, run) for split in SPLITS}
    save_predictions(run, _predictions_table(data.ids, learner.tasks, predicted))
    scored = [
        {
            "task": task.name,
            "label": task.source,
            "kind": str(task.label.kind),
            "classes": len(task.label.classes),
            "split": task.split.description,
            "qualified_left_out": task.label.qualified,
            "notes": list(task.split.notes),
            **task.split.facts,
            **{split: _score(task, predicted[split], run.seed) for split in SPLITS},
            "confusion": save_confusion(run, task, predicted[TEST][task.name]),
            "baselines": _baselines(store, task, run),
            "others": {method: values[task.name] for method, values in (others or {}).items()},
        }
        for task in learner.tasks
    ]
    skipped = sorted(data.state.skipped.items())
    found = {
        "recipe": run.plan.recipe,
        "parameters": sum(each.numel() for each in classifier.parameters()),
        "steps": data.state.step,
        "epochs": len(learner.curves),
        "notes": [*notes, *_sharing(scored)],
        "skipped": [{"id": data.ids[row], "reason": reason} for row, reason in skipped],
        "tasks": scored,
    }
    save_metrics(run, found)


def save_metrics(run: Run, found: Mapping[str, Any]) -> None:
    """Write scores into the run's folder, as JSON and as a report."""
    save_report(run, _report(run, found))
    run.write_json(METRICS, found)


def save_report(run: Run, lines: Iterable[str]) -> None:
    """Write ``report.md``: the recipe, these lines, and the run's settings."""
    settings = ", ".join(f"{name}={value}" for name, value in run.plan.settings.items())
    text = [f"# {run.plan.recipe}", "", *lines, "", f"Settings: {settings}", ""]
    run.write("report.md", printable("\n".join(text)))


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Format a table whose first two columns are text, and the others numbers."""
    cells = [
        ["" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)
         for value in row]
        for row in rows
    ]  # fmt: skip
    rule = ["---", "---", *["--:"] * (len(columns) - 2)]
    return [f"| {' | '.join(each)} |" for each in (columns, rule, *cells)]


def save_predictions(run: Run, table: pa.Table) -> None:
    """Write predictions into the run's folder, and the works whose label they contradict."""
    write_whole(
        run.path / PREDICTIONS,
        lambda stream: pq.write_table(table, stream, compression="zstd"),
    )
    run.write("outliers.csv", outliers_csv(table))


def outliers_csv(predictions: pa.Table) -> str:
    """List works whose label the network contradicts, the most confident of each task first.

    They have a wrong label, are a copy, or are unusual: look at them. Training images are left
    out, as the network was fitted to their labels; so are labels of several classes.
    """
    found = [
        (row["task"], row["id"], row["split"], *row["truth"], *row["prediction"], likely)
        for row in predictions.to_pylist()
        if row["split"] != TRAIN
        and len(row["truth"]) == len(row["prediction"]) == 1
        and row["truth"] != row["prediction"]
        and (likely := max(row["probabilities"])) >= _CONFIDENT
    ]
    tasks = list(dict.fromkeys(task for task, *_ in found))
    found.sort(key=lambda row: (tasks.index(row[0]), -row[-1], row[1]))
    columns = ["task", "id", "split", "label", "looks_like", "probability"]
    return csv_text(columns, ((*row, f"{likely:.4f}") for *row, likely in found))


def single_task_scores(
    train: Callable[[Sequence[TrainingTask], Run], tuple[Learner, TrainingData, object]],
    tasks: Sequence[TrainingTask],
    run: Run,
) -> dict[str, float | None]:
    """Train a network for each task alone and return its score on the test images.

    It shows whether sharing one network helps. The checkpoints and curves of each network go into
    the folder ``separate-NUMBER`` of the run.
    """
    scores = {}
    for number, task in enumerate(tasks):
        learner, data, _ = train([task], run.part(f"separate-{number}"))
        found = _score(task, predict(learner, data, TEST, run), run.seed)
        scores[task.name] = found.get(task.label.kind.metric)
    return scores


def predict(learner: Learner, data: TrainingData, split: str, run: Run) -> Probabilities:
    """Return the class probabilities of each task for the images of a split that can be decoded."""
    device = find_device(run.device)
    learner.to(device).eval()
    found = {  # a split may be empty
        task.name: [(np.empty(0, "i8"), np.empty((0, len(task.label.classes)), "f4"))]
        for task in learner.tasks
    }
    with torch.inference_mode():
        for batch in data.of_split(split):
            logits = learner(batch.pixels.to(device))
            for task in learner.tasks:
                own = torch.isin(batch.rows, torch.from_numpy(task.rows(split)))
                each = probabilities(logits[task.name], task.label.kind).cpu()
                found[task.name].append((batch.rows[own].numpy(), each[own].numpy()))
    learner.cpu()
    return {
        name: (np.concatenate([rows for rows, _ in each]), np.concatenate([p for _, p in each]))
        for name, each in found.items()
    }


def _score(task: TrainingTask, predicted: Probabilities, seed: int) -> dict[str, Any]:
    """Compute every metric of the task's kind, under its name in `artsim.metrics.METRICS`."""
    rows, probable = predicted[task.name]
    if not len(rows):
        return {"n": 0}
    groups = task.split.resampled
    found = Predictions(
        truth=task.label.take(rows),
        learned=task.label.take(task.split.learned),
        groups=None if groups is None else groups[rows],
        seed=seed,
    )
    if task.label.kind == LabelKind.MULTILABEL:
        found = replace(found, ranking=Ranking.of(found.truth.matrix, probable))
    else:
        found = found.with_probabilities(probable, np.arange(probable.shape[1]))
    scores = scores_to_json(score(found))
    loss = task.mean_loss(rows, probable)
    return {"n": len(rows), "metric": task.label.kind.metric, "loss": loss, **scores}


def _baselines(store: Store, task: TrainingTask, run: Run) -> dict[str, Any]:
    """Score the index's frozen vectors on the same split.

    The split is stored with the index under the run's name, so that every other command can use
    it.
    """
    name = f"{run.name}.{task.name}"
    split = replace(task.split, train=task.rows(TRAIN), validation=task.rows(VAL))
    store_split(store, name, split)
    plan = ProbePlan(tap=store.tap(None).name, seed=run.seed)
    values = probe_on(store, task.label, task.split, plan, device=find_device(run.device)).to_json()
    methods = ("metadata", "knn1", "knn", "probe")
    ends = [f"{method}_{end}" for method in methods for end in ("low", "high")]
    wanted = ("metric", "baseline", *methods, "k", "metadata_columns", *ends)
    spec = f"{store.manifest.passport.spec}, tap {plan.tap}"
    return {"of": spec, "split": name, **{key: values[key] for key in wanted}}


def _sharing(tasks: Sequence[Mapping[str, Any]]) -> list[str]:
    """Note whether one network for all tasks beats a network for each task."""
    gains = {
        task["task"]: _main(task, TEST) - task["others"][SINGLE]
        for task in tasks
        if task["others"].get(SINGLE) is not None
    }
    if not gains:
        return []
    each = ", ".join(f"{name} {gain:+.3f}" for name, gain in gains.items())
    mean = sum(gains.values()) / len(gains)
    return [f"Compared with a network for each task, sharing gains {each}: {mean:+.3f} on average."]


def _main(task: Mapping[str, Any], split: str, end: str = "") -> Any:
    """Return a task's main score on a split, or the low or high end of its interval."""
    return task[split].get(f"{task['baselines']['metric']}{end}")


def _predictions_table(
    ids: Sequence[str], tasks: Sequence[TrainingTask], predicted: Mapping[str, Probabilities]
) -> pa.Table:
    """Make a row for every image, task and split; classes are in the order of model.json."""
    found = []
    for task in tasks:
        names = np.array(task.label.classes, dtype=object)
        several = task.label.kind == LabelKind.MULTILABEL
        truth = task.label.matrix if several else task.label.strata[:, None]  # (N, K) or (N, 1)
        for split in SPLITS:
            rows, probable = predicted[split][task.name]
            best = probable >= LIKELY if several else probable.argmax(axis=1)[:, None]
            found += [
                (ids[row], task.name, split, names[truth[row]], names[predicted_], each)
                for row, predicted_, each in zip(rows, best, probable, strict=True)
            ]
    texts, numbers = pa.list_(pa.string()), pa.list_(pa.float32())
    types = {"id": pa.string(), "task": pa.string(), "split": pa.string()}
    types |= {"truth": texts, "prediction": texts, "probabilities": numbers}
    columns = zip(*found, strict=True) if found else [()] * len(types)
    arrays = [
        pa.array(list(each), type_) for each, type_ in zip(columns, types.values(), strict=True)
    ]
    return pa.table(arrays, names=list(types))


def _report(run: Run, found: Mapping[str, Any]) -> list[str]:
    tasks, others = found["tasks"], list(found["tasks"][0]["others"])
    columns = [
        "test",
        "95%",
        "loss",
        "validation",
        "train",
        "majority",
        "metadata",
        "1-NN",
        "kNN",
        "probe",
    ]
    rows = []
    for task in tasks:
        low, high = (_main(task, TEST, end) for end in ("_low", "_high"))
        interval = "" if low is None else f"{low:.3f}-{high:.3f}"
        validation, train = (_main(task, split) for split in (VAL, TRAIN))
        baselines = [
            task["baselines"][name] for name in ("baseline", "metadata", "knn1", "knn", "probe")
        ]
        rows.append([
            task["task"], task[TEST].get("metric"), _main(task, TEST), interval,
            task[TEST].get("loss"), validation, train,
            *baselines, *(task["others"][method] for method in others),
        ])  # fmt: skip
    if len(rows) > 1:
        _, _, test, _, *values = zip(*rows, strict=True)
        rows.append(["unweighted mean", "", _mean(test), "", *map(_mean, values)])
    lines = [
        f"{found['parameters']:,} parameters, {plural(found['steps'], 'step')}, "
        f"{plural(found['epochs'], 'epoch')}, seed {run.seed}.",
        "",
        "Baselines and other methods are scored on the test pictures:",
        "",
        *markdown_table(["task", "metric", *columns, *others], rows),
        "",
    ]
    for task in tasks:
        sizes = " + ".join(f"{task[split]['n']:,}" for split in SPLITS)
        lines.append(f"- {task['task']}: {task['split']}; {sizes} pictures")
        lines += [f"  - {note}" for note in task["notes"]]
    lines.append(f"- kNN and probe use the frozen embeddings of {tasks[0]['baselines']['of']}.")
    lines += [f"- {note}" for note in (*found["notes"], run.published) if note]
    if found["skipped"]:
        skipped = plural(len(found["skipped"]), "picture")
        lines.append(f"- {skipped} could not be decoded and were skipped.")
    return lines


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if len(known) == len(values) else None
