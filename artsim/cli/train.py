"""``artsim train``."""

from __future__ import annotations

import shlex
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click
import cloup

from artsim.cli.options.collection import images_option, set_option
from artsim.cli.options.complete import complete_index
from artsim.cli.options.computing import device_option, weights_option, workers_option
from artsim.cli.options.outputs import folder_option
from artsim.cli.options.values import FOLDER, INDEXES, pairs
from artsim.cli.output import show_progress

if TYPE_CHECKING:
    from artsim.training.run import Plan, Run

RUNS = Path("runs")


@cloup.command()
@click.argument("recipe", required=False)
@click.argument("collection", required=False)
@cloup.option_group(
    "Data",
    click.option(
        "--index",
        metavar="DIR",
        type=FOLDER,
        shell_complete=complete_index,
        help="Train on the pictures, labels and splits of an index instead of a COLLECTION.",
    ),
    images_option,
)
@cloup.option_group(
    "Recipe",
    set_option("the recipe: lr=1e-4, epochs=5, tasks=artist,style"),
    click.option(
        "--original-sampling",
        "settings",
        flag_value="original_sampling=true",
        multiple=True,
        help="moma-lithograph: the first works of each class, as in the original.",
    ),
    click.option(
        "--face",
        "settings",
        flag_value="face=true",
        multiple=True,
        help="nga-similarity: also compare portraits by the face alone.",
    ),
    weights_option,
    click.option("--seed", type=click.IntRange(0), metavar="N", help="Random seed.  [default: 0]"),
)
@cloup.option_group(
    "Run",
    folder_option("Folder of the run", default="runs/RECIPE-TIME"),
    click.option(
        "--resume", metavar="DIR", type=FOLDER, help="Resume an interrupted run in this folder."
    ),
)
@cloup.option_group(
    "Compute",
    device_option,
    click.option(
        "--devices",
        type=click.IntRange(1),
        default=1,
        show_default=True,
        metavar="N",
        help="GPUs that share each batch.",
    ),
    click.option(
        "--precision",
        type=click.Choice(["bf16", "f32"]),
        default="f32",
        show_default=True,
        help="Precision of the forward pass; the weights stay f32.",
    ),
    workers_option,
)
def train(
    recipe: str | None,
    collection: str | None,
    settings: tuple[str, ...],
    index: Path | None,
    images: Path | None,
    seed: int | None,
    output: Path | None,
    resume: Path | None,
    weights: Path | None,
    device: str,
    devices: int,
    precision: str,
    workers: int,
) -> None:
    """Train a network by a recipe on a collection or an index.

    See 'artsim recipes' for the recipes. A collection is embedded with the default model first,
    for baselines on the same test pictures: nearest neighbors and a linear probe. The trained
    network is a model, run:NAME, for 'artsim embed'. A run stopped by Ctrl-C resumes with --resume
    and ends with the same result.

    Example:

    \b
        artsim train wikiart-conv-recurrent paintings/ --set tasks=artist,style
        artsim train moma-lithograph --index indexes/moma --set epochs=20
        artsim train --resume runs/moma-lithograph-20260102-030405
    """
    from artsim.models import find_device
    from artsim.recipes.begin import train as run_training
    from artsim.training.run import Run, Stopped

    changes = pairs(settings, "--set")
    if resume is not None:
        if any(each is not None for each in (recipe, index, images, seed, output, weights)):
            raise click.UsageError("--resume takes the run's own settings; add --set at most")
        path, plan = resume, _resumed(resume, changes)
    else:
        if recipe is None or (collection is None) == (index is None):
            raise click.UsageError("name a RECIPE, see 'artsim recipes', and COLLECTION or --index")
        path, plan = _planned(recipe, collection, index, images, changes, seed, output, weights)
    run = Run(
        path=path,
        plan=plan,
        device=str(find_device(device)),
        devices=devices,
        precision="bf16" if precision == "bf16" else "f32",
        workers=workers,
    )
    if resume is None:
        run = _begun(run)
    try:
        _embed(run)
        with show_progress(plan.recipe) as progress, _stopping() as stops:
            run_training(replace(run, progress=progress, stops=stops))
    except (KeyboardInterrupt, Stopped):
        click.echo(f"\nStopped; go on with 'artsim train --resume {path}'", err=True)
        sys.exit(130)
    _print_end(run)


def _resumed(path: Path, changes: dict[str, str]) -> Plan:
    from artsim.recipes import load_recipe
    from artsim.training.run import keep_plan, read_plan
    from artsim.training.settings import configure, to_json

    plan = read_plan(path)
    if changes:
        config = configure(load_recipe(plan.recipe).Config, {**plan.settings, **changes})
        plan = replace(plan, settings=to_json(config))
        keep_plan(path, plan)
    return plan


def _planned(
    recipe: str,
    collection: str | None,
    index: Path | None,
    images: Path | None,
    changes: dict[str, str],
    seed: int | None,
    out: Path | None,
    weights: Path | None,
) -> tuple[Path, Plan]:
    from artsim.recipes import load_recipe
    from artsim.recipes.begin import INDEX
    from artsim.store import is_store
    from artsim.training.run import Plan, new_folder
    from artsim.training.settings import configure, to_json

    config = configure(load_recipe(recipe).Config, changes)
    if index is not None and not is_store(index) and is_store(INDEXES / index):
        index = INDEXES / index
    plan = Plan(
        recipe=recipe,
        settings=to_json(config),
        seed=seed or 0,
        index=INDEX if index is None else str(index.resolve()),
        collection=collection,
        images=None if images is None else str(images),
        weights=None if weights is None else str(weights.resolve()),
    )
    return out or new_folder(RUNS, recipe), plan


def _begun(run: Run) -> Run:
    """Look at what can be wrong first, then make the folder."""
    from artsim.store import Store
    from artsim.training.run import save_plan

    if run.plan.collection is None:
        Store.open(Path(run.plan.index))
    else:
        _read(run)
    return replace(run, plan=save_plan(run.path, run.plan, device=run.device))


def _read(run: Run) -> Any:
    from artsim.readers import ReaderOptions, read_collection

    images = None if run.plan.images is None else Path(run.plan.images)
    return read_collection(run.plan.collection or "", options=ReaderOptions(images=images))


def _embed(run: Run) -> None:
    """Embed the collection, unless an index was given or it is done."""
    from artsim.recipes.begin import INDEX, embed_for
    from artsim.store import Store, is_store

    if run.plan.collection is None:
        return
    index = run.path / INDEX
    if is_store(index) and Store.open(index).manifest.complete:
        return
    with show_progress("embedding for the baselines") as progress:
        embed_for(run, _read(run), progress)


@contextmanager
def _stopping() -> Iterator[Callable[[], bool]]:
    """Give what tells whether to stop: after the first Ctrl-C or SIGTERM; a second ends it now."""
    asked = False

    def ask(_signal: int, _frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _print_end(run: Run) -> None:
    from importlib.util import find_spec

    from artsim.report import save_curves
    from artsim.training.run import read_curves

    curves = read_curves(run.path)
    if curves and find_spec("matplotlib") is not None:
        save_curves(curves, run.path / "curves.png")
    if find_spec("matplotlib") is not None:
        _write_page(run)
    report = (run.path / "report.md").read_text(encoding="utf-8")
    click.echo(report)
    if (run.path / "predictions.parquet").exists():
        click.echo(f"{run.path}: tell pictures by it with 'artsim predict --run {run.path} FOLDER'")
    if (run.path / "model.json").exists():
        click.echo(f"{run.path}: embed by it with 'artsim embed -m run:{run.path.name}'")


def _write_page(run: Run) -> None:
    """Write the page of the run: its scores and curves, and what its networks get wrong."""
    from artsim.errors import ArtsimError
    from artsim.report import run_page, save_text
    from artsim.study import study_run

    try:
        page, _ = run_page(study_run(run), _command(run), workers=run.workers)
        save_text(page, run.path / "report.html")
    except ArtsimError as error:
        click.echo(f"No report.html: {error}", err=True)  # report.md has the figures


def _command(run: Run) -> str:
    """Return the command that does the run again, its settings written out where chosen."""
    from artsim.recipes import load_recipe
    from artsim.training.settings import to_json

    plan = run.plan
    words = ["artsim", "train", plan.recipe]
    words += ["--index", plan.index] if plan.collection is None else [plan.collection]
    for option, value in (("--images", plan.images), ("--weights", plan.weights)):
        words += [] if value is None else [option, value]
    usual = to_json(load_recipe(plan.recipe).Config())
    for name, setting in plan.settings.items():
        words += [] if usual.get(name) == setting else ["--set", f"{name}={setting}"]
    return shlex.join([*words, "--seed", str(plan.seed)])
