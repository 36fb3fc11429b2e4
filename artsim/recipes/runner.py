"""Train a recipe on a collection or an index: one call from data to a run's folder."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from artsim.datatypes import DEFAULT_MODEL, Progress, no_progress, parse_spec
from artsim.errors import TrainingError
from artsim.places import as_path, is_remote, real_path
from artsim.readers import ReaderOptions, read_collection
from artsim.recipes.registry import find_recipe, load_recipe
from artsim.store import Store, is_store, local_index
from artsim.training import (
    Precision,
    Run,
    RunPlan,
    logging_to,
    new_folder,
    only_process,
    read_metrics,
    read_plan,
    start_run,
    write_plan,
)

if TYPE_CHECKING:
    import pandas as pd

    from artsim.datatypes import Catalog

INDEX = "index"  # the folder in a run's folder where its collection is embedded

Stages = Callable[[str], AbstractContextManager[Progress]]

_NO_SETTINGS: Mapping[str, Any] = MappingProxyType({})


@contextmanager
def _silent(_stage: str) -> Iterator[Progress]:
    yield no_progress


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """How a run is computed and followed."""

    device: str = "auto"  # auto, cpu, cuda, cuda:1, mps
    devices: int = 1  # GPUs that share each batch
    # Of the forward pass; the weights are f32. None: bf16 on a GPU that is fast at it, else f32.
    precision: Precision | None = None
    workers: int = 2  # decoding threads
    show: Stages = _silent  # opens a progress display for a stage, by its name
    should_stop: Callable[[], bool] = lambda: False  # called after every step


@dataclass(frozen=True)
class TrainingResult:
    """A finished run."""

    path: Path  # its folder
    metrics: Mapping[str, Any]  # the content of metrics.json

    @property
    def report(self) -> Path:
        """The report in Markdown."""
        return self.path / "report.md"

    @property
    def model(self) -> str | None:
        """The spec of the trained network, to embed with; None if several or none were trained."""
        return f"run:{self.path}" if (self.path / "model.json").exists() else None

    def to_pandas(self) -> pd.DataFrame:
        """Return a row for each task: its scores by split, and those of its baselines on test."""
        import pandas as pd

        rows = []
        for task in self.metrics.get("tasks", []):
            metric = task["baselines"]["metric"]
            scores = {split: task[split].get(metric) for split in ("train", "val", "test")}
            baselines = {name: task["baselines"][name] for name in ("metadata", "knn", "probe")}
            row = {"task": task["task"], "metric": metric, **scores, **baselines, **task["others"]}
            rows.append(row)
        return pd.DataFrame(rows)


def train(
    source: str | Path | Store,
    recipe: str = "finetune",
    settings: Mapping[str, Any] = _NO_SETTINGS,
    *,
    folder: Path | None = None,
    images: Path | None = None,
    weights: Path | None = None,
    seed: int = 0,
    options: TrainingOptions = TrainingOptions(),
) -> TrainingResult:
    """Train a recipe, see `RECIPES`, on a collection or an index.

    A collection is first embedded by the default network, for the baselines on the same test
    images: kNN and a linear probe.

    Args:
        source: A collection, see `artsim.readers.read_collection`, or an index.
        recipe: Its name.
        settings: Fields of the recipe's config, such as ``{"label": "artist", "epochs": 5}``.
        folder: The run's folder; ``runs/RECIPE-TIME`` if None.
        images: The folder that image paths of the collection are relative to.
        weights: A file with the backbone's weights instead of its own.
        seed: Of splits, first weights and order.
        options: How it is computed.

    Raises:
        TrainingError: If the recipe, a setting or the data is of no use, or the loss is not
            finite; `Stopped` if ``options.should_stop`` returned true.
        ModelError: If a backbone's weights are not on this machine and cannot be downloaded.
        ReaderError: If the collection cannot be read.
        StoreError: If the index cannot be opened, or the folder not be written.
    """
    from artsim.models import find_device

    place = as_path(str(source))
    index = real_path(place) if _is_index(place) else None
    plan = RunPlan(
        recipe=recipe,
        settings=_texts(recipe, settings),
        seed=seed,
        index=INDEX if index is None else str(index),
        collection=str(source) if index is None else None,
        images=None if images is None else str(images),
        weights=None if weights is None else str(weights.resolve()),
    )
    device = str(find_device(options.device))
    # What cannot be read is refused before a folder is made.
    _ = _read_catalog(plan) if index is None else Store.open(local_index(index))
    folder = folder or new_folder(Path("runs"), recipe)
    plan = start_run(folder, plan, device=device)
    with only_process(folder):
        return _train(folder, plan, options)


def resume_training(
    folder: Path,
    settings: Mapping[str, Any] = _NO_SETTINGS,
    *,
    options: TrainingOptions = TrainingOptions(),
) -> TrainingResult:
    """Continue a run that was stopped; it ends like an uninterrupted one.

    Args:
        folder: The run's folder.
        settings: Fields of its config to change from now on.
        options: How it is computed.

    Raises:
        TrainingError: As of `train`, or if the folder is not a run.
        StoreError: As of `train`, or if another process trains in the folder.
    """
    plan = read_plan(folder)
    with only_process(folder):
        if settings:
            plan = replace(plan, settings=_texts(plan.recipe, {**plan.settings, **settings}))
            write_plan(folder, plan)
        return _train(folder, plan, options)


def train_run(run: Run) -> None:
    """Train by a run's plan on its index, from its last checkpoint if it has one.

    Raises:
        TrainingError: As of `train`.
    """
    recipe = load_recipe(run.plan.recipe)
    from artsim.training import configure

    config = configure(recipe.Config, run.plan.settings)
    store = open_run_index(run.path, run.plan)
    run = replace(run, published=find_recipe(run.plan.recipe).known)
    with logging_to(run.path) as logger:
        logger.info("%s with seed %d on %s", run.plan.recipe, run.seed, store)
        recipe.train(store, config, run)


def open_run_index(path: Path, plan: RunPlan) -> Store:
    """Open the index that a run is trained on.

    Raises:
        StoreError: If it does not exist.
        TrainingError: If it is empty.
    """
    place = as_path(plan.index)
    store = Store.open(local_index(place) if is_remote(place) else path / place)
    if not store.rows:
        raise TrainingError(f"{str(store)!r} has no pictures; see 'artsim info --failures'")
    return store


def run_command(plan: RunPlan) -> str:
    """Return the command that repeats a run, with every setting that is not the default."""
    words = ["artsim", "train", plan.recipe]
    words += ["--index", plan.index] if plan.collection is None else [plan.collection]
    for option, value in (("--images", plan.images), ("--weights", plan.weights)):
        words += [] if value is None else [option, value]
    defaults = _texts(plan.recipe, {})
    for name, setting in plan.settings.items():
        words += [] if defaults.get(name) == setting else ["--set", f"{name}={setting}"]
    return shlex.join([*words, "--seed", str(plan.seed)])


def _texts(recipe: str, settings: Mapping[str, Any]) -> dict[str, str]:
    """Check settings, and return all fields of the recipe's config as text."""
    config = load_recipe(recipe).Config  # which says if a package is missing
    from artsim.training import configure, to_json

    return to_json(configure(config, settings))


def _train(path: Path, plan: RunPlan, options: TrainingOptions) -> TrainingResult:
    from artsim.models import find_device, prefers_bfloat16

    device = find_device(options.device)
    run = Run(
        path=path,
        plan=plan,
        device=str(device),
        devices=options.devices,
        precision=options.precision or ("bf16" if prefers_bfloat16(device) else "f32"),
        workers=options.workers,
        should_stop=options.should_stop,
    )
    index = path / INDEX
    is_embedded = is_store(index) and Store.open(index).manifest.complete
    if plan.collection is not None and not is_embedded:
        with options.show("embedding for the baselines") as progress:
            _embed(_read_catalog(plan), index, run, progress)
    with options.show(plan.recipe) as progress:
        train_run(replace(run, progress=progress))
    return TrainingResult(path, read_metrics(path))


def _embed(catalog: Catalog, index: Path, run: Run, progress: Progress) -> None:
    """Embed a collection with the default network."""
    from artsim.embedding import EmbedSettings, embed_collection
    from artsim.models import Compute, load_extractor

    extractor = load_extractor(parse_spec(DEFAULT_MODEL), compute=Compute(device=run.device))
    settings = EmbedSettings(batch_size=extractor.batch_size, workers=run.workers)
    embed_collection(catalog, index, extractor, settings=settings, progress=progress)


def _is_index(place: Path) -> bool:
    try:
        return is_store(place)
    except OSError:  # of an object store; the collection's reader says it
        return False


def _read_catalog(plan: RunPlan) -> Catalog:
    images = None if plan.images is None else Path(plan.images)
    return read_collection(plan.collection or "", options=ReaderOptions(images=images))
