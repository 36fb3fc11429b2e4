"""Recipes trained in a few steps, and what their runs leave, for the tests of each."""

import csv
import json
from pathlib import Path

import pyarrow.parquet as pq
import torch
from conftest import MeanColor, toy_passport

from artsim.embedding import embed_collection
from artsim.models import Extractor
from artsim.recipes import load_recipe, train_run
from artsim.report import run_page
from artsim.study import study_run
from artsim.training import Run, RunPlan, configure, read_curves, read_plan, start_run, to_json

TINY = "timm:test_resnet.random"


def real_paintings(museum_data, artists, each):
    """The first paintings that have a genre, of the first artists by name."""
    with (museum_data / "paintings" / "objects.csv").open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["genre"]]
    names = sorted({row["artist"] for row in rows})[:artists]
    return [row for name in names for row in [r for r in rows if r["artist"] == name][:each]]


def embedded(catalog, path):
    embed_collection(catalog, path, Extractor(MeanColor(), toy_passport()))
    return path


def run(path, recipe, index, *, seed=0, device="cpu", should_stop=lambda: False, **settings):
    """Train, or go on where it was stopped."""
    if path.exists():
        plan = read_plan(path)
    else:
        config = configure(load_recipe(recipe).Config, settings)
        plan = RunPlan(recipe=recipe, settings=to_json(config), seed=seed, index=str(index))
        plan = start_run(path, plan, device=device)
    train_run(Run(path=path, plan=plan, device=device, workers=1, should_stop=should_stop))
    return path


def toy_run(seed=0, workers=1):
    """A run that is only a seed and threads, for data without a folder."""
    plan = RunPlan(recipe="", settings={}, seed=seed, index="")
    return Run(path=Path("nowhere"), plan=plan, workers=workers)


def page_of(path):
    """The study of a run that is done, and its page."""
    found = study_run(path)
    return found, run_page(found, "artsim train ...", workers=1)[0]


def metrics(path):
    return json.loads((path / "metrics.json").read_text())


def losses(path):
    return [row["train_loss"] for row in read_curves(path)]


def predictions(path):
    return pq.read_table(path / "predictions.parquet").to_pylist()


def predicted_again(classifier, model, pictures):
    """Probabilities of the test pictures by a network as it was read back, by id and task."""
    mean, std = (
        torch.tensor(each).view(1, 3, 1, 1) * 255
        for each in (model.preprocessing.mean, model.preprocessing.std)
    )
    several = {task.name: task.is_multilabel for task in model.tasks}
    found = {}
    with torch.inference_mode():
        for batch in pictures.of_split("test"):
            for task, logits in classifier((batch.pixels - mean) / std).items():
                likely = logits.sigmoid() if several[task] else logits.softmax(1)
                for row, each in zip(batch.rows.tolist(), likely, strict=True):
                    found[pictures.ids[row], task] = each.tolist()
    return found
