"""From a collection to a trained network in a run's folder: the door to the recipes."""

from __future__ import annotations

from pathlib import Path

from artsim.datatypes import DEFAULT_MODEL, Catalog, Progress, parse_spec
from artsim.embedding import EmbedSettings, embed_collection
from artsim.errors import TrainingError
from artsim.models import Compute, load_extractor
from artsim.recipes import load_recipe
from artsim.store import Store
from artsim.training.run import Run, logging_to
from artsim.training.settings import configure

__all__ = ["INDEX", "embed_for", "open_index", "train"]

INDEX = "index"  # the folder in a run's where its collection is embedded


def embed_for(run: Run, catalog: Catalog, progress: Progress) -> Store:
    """Embed a run's collection by the default network, for its labels and its baselines.

    Raises:
        StoreError: If it cannot be written.
        TrainingError: If no picture of it can be embedded.
    """
    extractor = load_extractor(parse_spec(DEFAULT_MODEL), compute=Compute(device=run.device))
    settings = EmbedSettings(batch_size=extractor.batch_size, workers=run.workers)
    path = run.path / INDEX
    embed_collection(catalog, path, extractor, settings=settings, progress=progress)
    return open_index(path)


def train(run: Run) -> None:
    """Train what a run's plan says, from its last checkpoint where it has one.

    Raises:
        TrainingError: If a setting or the data are of no use, or the loss is no finite number;
            `artsim.training.fit.Stopped` if it was asked to stop.
        ModelError: If a backbone's weights are not on this machine and cannot be had.
    """
    recipe = load_recipe(run.plan.recipe)
    config = configure(recipe.Config, run.plan.settings)
    store = open_index(run.path / run.plan.index)  # an absolute path stays itself
    with logging_to(run.path) as logger:
        logger.info("%s with seed %d on %s", run.plan.recipe, run.seed, store.path)
        recipe.train(store, config, run)


def open_index(path: Path) -> Store:
    """Open the index that a run learns from.

    Raises:
        StoreError: If there is none.
        TrainingError: If it holds no picture.
    """
    store = Store.open(path)
    if not store.rows:
        raise TrainingError(f"{str(path)!r} holds no picture; see 'artsim info --failures'")
    return store
