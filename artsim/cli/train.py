"""``artsim recipes``, ``artsim train`` and ``artsim compare``."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click
import cloup

from artsim.cli.options.collection import images_option, set_option
from artsim.cli.options.complete import complete_index
from artsim.cli.options.computing import device_option, weights_option, workers_option
from artsim.cli.options.index import find_index
from artsim.cli.options.labels import qualified_option
from artsim.cli.options.outputs import folder_option, format_option
from artsim.cli.options.values import FOLDER, INDEX, RUNS, count_option, pairs
from artsim.cli.output import echo, fixed, interval, print_json_lines, print_table, show_progress
from artsim.cli.stopping import stop_signals
from artsim.datatypes import shell_word

if TYPE_CHECKING:
    from artsim.metrics import Difference
    from artsim.recipes import TrainingResult


@cloup.command()
@cloup.option_group("Output", format_option)
def recipes(as_json: bool) -> None:
    """List the training recipes: data, published figures, caveats.

    Example:

    \b
        artsim recipes
    """
    from artsim.recipes import RECIPES

    if as_json:
        print_json_lines(asdict(recipe) for recipe in RECIPES.values())
        return
    for recipe in RECIPES.values():
        echo(f"{recipe.name}: {recipe.what}")
        for name in ("data", "published", "caveat"):
            echo(f"  {name:<9}  {getattr(recipe, name)}")


@cloup.command()
@click.argument("recipe", required=False)
@click.argument("collection", required=False)
@cloup.option_group(
    "Data",
    click.option(
        "--index",
        metavar="DIR",
        type=INDEX,
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
        "--preset",
        "preset",
        type=click.Choice(["type"]),
        help="rijks-single: the published data of its figure for five types, 972/15/72 pictures.",
    ),
    click.option(
        "--face",
        "settings",
        flag_value="face=true",
        multiple=True,
        help="nga-similarity: also compare portraits by the face alone.",
    ),
    qualified_option,
    weights_option,
    count_option("--seed", least=0, help="Random seed.  [default: 0]"),
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
    count_option("--gpus", "devices", default=1, help="GPUs that share each batch."),
    click.option(
        "--precision",
        type=click.Choice(["bf16", "f32"]),
        help="Precision of the forward pass; the weights stay f32.  [default: bf16 on a GPU, else "
        "f32]",
    ),
    workers_option,
)
def train(
    recipe: str | None,
    collection: str | None,
    settings: tuple[str, ...],
    index: Path | str | None,
    images: Path | None,
    seed: int | None,
    output: Path | None,
    resume: Path | None,
    weights: Path | None,
    keep_qualified: bool,
    preset: str | None,
    **computing: Any,
) -> None:
    """Train a network by a recipe on a collection or an index.

    'artsim recipes' lists the recipes. A collection is embedded first with the default model, for
    baselines on the same test pictures: nearest neighbors and a linear probe. The trained network
    can embed collections: 'artsim embed -m run:NAME'. A run stopped by Ctrl-C resumes with
    --resume and ends with the same result.

    Example:

    \b
        artsim train wikiart-conv-recurrent paintings/ --set tasks=artist,style
        artsim train moma-lithograph --index indexes/moma --set epochs=20
        artsim train --resume runs/moma-lithograph-20260102-030405
    """
    new = (recipe, collection, index, images, seed, output, weights)
    if resume is not None and any(each is not None for each in new):
        raise click.UsageError("--resume uses the run's own settings; add only --set")
    if resume is None and (recipe is None or (collection is None) == (index is None)):
        raise click.UsageError("name a RECIPE, see 'artsim recipes', and COLLECTION or --index")
    from artsim import recipes, training
    from artsim.store import Store

    stop = _StopRequest()
    options = recipes.TrainingOptions(show=show_progress, should_stop=stop, **computing)
    changes = pairs(settings, "--set") | ({"keep_qualified": "true"} if keep_qualified else {})
    changes |= {} if preset is None else {"preset": preset}
    folder = resume or output or training.new_folder(RUNS, str(recipe))
    try:
        with stop.on_signals():
            if resume is not None:
                result = recipes.resume_training(resume, changes, options=options)
            else:
                source = collection or Store.open(find_index(index))
                result = recipes.train(
                    source,
                    str(recipe),
                    changes,
                    folder=folder,
                    images=images,
                    weights=weights,
                    seed=seed or 0,
                    options=options,
                )
    except (KeyboardInterrupt, training.Stopped):
        if not folder.exists():
            raise
        echo(f"\nStopped; continue with 'artsim train --resume {shell_word(folder)}'", err=True)
        sys.exit(130)
    _write_pages(result, options.device, options.workers)
    _print_end(result)


@cloup.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN RUN...", type=FOLDER)
@cloup.option_group("Output", format_option)
def compare(runs: tuple[Path, ...], as_json: bool) -> None:
    """Compare trained networks on the same test pictures.

    Each run, a folder made by 'artsim train' or its name in runs/, is compared with the first:
    the difference with its paired 95% interval (Bonett and Price), and the p-value of McNemar's
    exact test, which counts the pictures that only one of the two has right. At p = .05 or more
    the difference may be noise. Runs with different test pictures are refused, and runs that were
    trained on copies of test pictures are noted. To compare two works, use the page of
    'artsim serve'.

    Example:

    \b
        artsim compare runs/finetune-20260102-030405 runs/wikiart-conv-recurrent-20260101-010203
    """
    from artsim.training import compare_runs, find_run

    if len(runs) < 2:
        raise click.UsageError("name two runs or more")
    found = compare_runs([find_run(run, RUNS) for run in runs])
    if as_json:
        print_json_lines(each.to_json() for each in found)
        return
    rows = [
        [
            each.task,
            each.run,
            each.metric,
            f"{each.score.n:,}",
            fixed(each.score.value),
            interval(each.score),
            *_difference(each.difference),
        ]
        for each in found
    ]
    right = ["pictures", "test", "95%", "difference", "95% of it", "p"]
    print_table(["task", "run", "metric", *right], rows, right=right, names=["task", "run"])
    echo("On the same test pictures; p of McNemar's exact test")
    kept = dict.fromkeys(each.run for each in found if each.keep_copies)
    if kept:
        echo(f"Trained on copies of test pictures, so the scores are too high: {', '.join(kept)}")
    for each in found:
        if each.difference is not None and each.difference.is_noise:
            echo(f"{each.task}: the difference of {each.run} from {found[0].run} may be noise")


def _difference(found: Difference | None) -> tuple[str, str, str]:
    if found is None:
        return "", "", ""
    low, high = found.estimate.low, found.estimate.high
    return f"{found.estimate.value:+.3f}", f"{low:+.3f} to {high:+.3f}", fixed(found.p, 4)


class _StopRequest:
    """Whether to stop: true after the first Ctrl-C or SIGTERM.

    A signal stops at once until someone has called this, and a second one always does.
    """

    def __init__(self) -> None:
        self._is_polled = self._is_requested = False

    def __call__(self) -> bool:
        self._is_polled = True
        return self._is_requested

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        before = {n: signal.signal(n, self._request) for n in stop_signals()}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _request(self, _signal: int, _frame: FrameType | None) -> None:
        if self._is_requested or not self._is_polled:
            raise KeyboardInterrupt
        self._is_requested = True


def _write_pages(result: TrainingResult, device: str, workers: int) -> None:
    """Draw the curves, and write a page with scores, curves and errors, if matplotlib is there."""
    from importlib.util import find_spec

    from artsim.errors import ArtsimError
    from artsim.recipes import run_command
    from artsim.report import run_page, save_confusion_figure, save_curves, save_text
    from artsim.study import study_run
    from artsim.training import confusion_file, read_curves, read_plan

    if find_spec("matplotlib") is None:
        return
    if curves := read_curves(result.path):
        save_curves(curves, result.path / "curves.png")
    for task in result.metrics.get("tasks", []):
        if (matrix := task.get("confusion")) is not None:
            file = result.path / confusion_file(task["task"], "png")
            title = f"{task['task']}: {task['test']['n']:,} test pictures"
            save_confusion_figure(matrix["classes"], matrix["counts"], title, file)
    try:
        study = study_run(result.path, device=device)
        page, _ = run_page(study, run_command(read_plan(result.path)), workers=workers)
        save_text(page, result.path / "report.html")
    except ArtsimError as error:
        echo(f"No report.html: {error}", err=True)  # report.md has the figures


def _print_end(result: TrainingResult) -> None:
    path = result.path
    echo(result.report.read_text(encoding="utf-8"))
    if (path / "predictions.parquet").exists():
        echo(f"{path}: predict labels with 'artsim predict --run {shell_word(path)} FOLDER'")
    if result.model is not None:
        echo(f"{path}: embed with 'artsim embed -m {shell_word(f'run:{path.name}')}'")
