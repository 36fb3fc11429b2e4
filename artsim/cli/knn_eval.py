"""``artsim knn-eval``."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click
import cloup

from artsim.cli.knn_scores import print_evaluation
from artsim.cli.options.computing import device_option, seed_option
from artsim.cli.options.index import index_argument, index_option, open_store, tap_option
from artsim.cli.options.labels import group_option, k_option, label_option, split_options
from artsim.cli.options.outputs import format_option
from artsim.cli.options.values import NEW_FILE, count_cores
from artsim.cli.output import print_json_lines, show_progress, wants_json

if TYPE_CHECKING:
    from artsim.evaluation.knn import KnnPlan, KnnRun


@cloup.command("knn-eval")
@index_argument
@cloup.option_group("Index", index_option, tap_option())
@cloup.option_group(
    "Labels and split",
    label_option,
    split_options(default="leave-one-out"),
    group_option(
        "Pictures with the same value are never neighbors: artist, to evaluate style; "
        "near-duplicate, for copies of a picture.",
        several=True,
    ),
)
@cloup.option_group(
    "Method",
    k_option(
        "Numbers of neighbors",
        default="1,5,10,20,100,200; met 1 to 50",
    ),
    click.option(
        "--protocol",
        type=click.Choice(["plain", "dino", "met"]),
        default="dino",
        show_default=True,
        help="plain: equal votes; dino: votes weighted by exp(cosine / 0.07), as in DINO; met: the "
        "protocol of The Met dataset.",
    ),
    click.option(
        "--temperature",
        "temperatures",
        multiple=True,
        type=click.FloatRange(0, min_open=True),
        metavar="T",
        help="Weight the votes of dino by exp(cosine / T). Repeat for more.  [default: 0.07]",
    ),
    click.option(
        "--correct",
        type=click.Choice(["csls", "mutual-proximity"]),
        help="Correct for hubs, pictures that are among the neighbors of very many.",
    ),
    seed_option,
    device_option,
)
@cloup.option_group(
    "Output",
    click.option(
        "--predictions",
        metavar="FILE",
        type=NEW_FILE,
        help="Write every prediction and its neighbors to a CSV file.",
    ),
    format_option,
)
def knn_eval(
    index: Path | None,
    tap: str | None,
    labels: tuple[str, ...],
    split: str | None,
    no_leaks: bool,
    keep_copies: bool,
    groups: tuple[str, ...],
    ks: tuple[int, ...],
    protocol: str,
    temperatures: tuple[float, ...],
    correct: str | None,
    seed: int,
    predictions: Path | None,
    device: str,
    as_json: bool | None,
) -> None:
    """Measure how well nearest neighbors predict the labels.

    Each picture is predicted from its k nearest neighbors among all others (leave-one-out), or
    each test picture of a split from the training set. If the split has a validation set, k and
    temperature are chosen on it, else all are shown. This is the baseline to compare models with.

    Labels with one class per picture are scored by top-1 accuracy; multilabels by mean average
    precision over the classes (mAP) and over the pictures (iMAP); numbers and ranges of years by
    the mean absolute error (MAE), measured to the nearer end of a range.

    The protocol met whitens the vectors on the training set and predicts the class of the nearest
    neighbor, with a softmax over the K nearest classes as its confidence. K and temperature
    maximize GAP on the validation set. Pictures whose class is not in the training set are
    distractors: they count in GAP, but not in GAP- and accuracy (ACC).

    Example:

    \b
        artsim knn-eval
        artsim knn-eval --label style,year --group artist,near-duplicate -k 1,20
        artsim knn-eval --label artist --split honest --protocol met
    """
    store = open_store(index)
    from artsim.evaluation.knn import (
        Correction,
        KnnPlan,
        Protocol,
        predictions_writer,
        result_rows,
    )
    from artsim.evaluation.knn import knn_eval as evaluate
    from artsim.models import find_device

    plan = KnnPlan(
        tap=store.tap(tap).name,
        labels=labels,
        split=split,
        no_leaks=no_leaks,
        keep_copies=keep_copies,
        groups=groups,
        protocol=Protocol(protocol),
        ks=ks,
        temperatures=tuple(dict.fromkeys(temperatures)),
        correct=None if correct is None else Correction(correct),
        seed=seed,
    )
    with show_progress("hashing") as update:
        run = evaluate(
            store, plan, device=find_device(device), workers=count_cores(), progress=update
        )
    in_json = wants_json(as_json)
    _print_notes(run, split, store.rows, in_json=in_json)
    if not in_json:
        click.echo(f"kNN on {store.path} ({store.rows:,} pictures, by {plan.tap}), "
                   + _setting(plan, run))  # fmt: skip
    writer = predictions_writer(store, predictions) if predictions else nullcontext()
    with writer as write:
        for evaluation in run:
            if write is not None:
                write(evaluation)
            if in_json:
                print_json_lines(result_rows(evaluation, plan, run.split), index=store.path)
            else:
                print_evaluation(evaluation)
    if not in_json:
        for name, reason in run.not_labels.items():
            click.echo(f"Not a label: {name} ({reason})")
        if predictions is not None:
            click.echo(f"Predictions written to {predictions}")


def _print_notes(run: KnnRun, split: str | None, rows: int, *, in_json: bool) -> None:
    for note in () if in_json else run.split.notes:
        click.echo(f"Note: {note}", err=True)
    if run.unassigned:
        click.echo(
            f"Note: {run.unassigned:,} pictures were added after the split {split!r} and are in "
            "none of its sets",
            err=True,
        )
    if run.without_vector:
        click.echo(
            f"Note: {run.without_vector:,} of {rows:,} pictures are left out, as their vectors "
            "are all zeros",
            err=True,
        )


def _setting(plan: KnnPlan, run: KnnRun) -> str:
    """Return which pictures are compared, and how."""
    parts = [run.split.description, str(plan.protocol)]
    if plan.correct:
        parts.append(f"corrected by {plan.correct}")
    if plan.groups:
        parts.append(f"no neighbors of the same {' or '.join(plan.groups)}")
    return ", ".join(parts)
