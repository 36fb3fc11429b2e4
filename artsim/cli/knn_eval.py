"""``artsim knn-eval``."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import cloup

from artsim.cli.knn_tables import print_evaluation
from artsim.cli.options.collection import where_option
from artsim.cli.options.computing import device_option, seed_option
from artsim.cli.options.index import index_argument, index_option, tap_option
from artsim.cli.options.labels import (
    column_option,
    count_among,
    hierarchy_option,
    k_option,
    keep_copies_option,
    label_option,
    no_leaks_option,
    qualified_option,
    queries_option,
    read_among,
    split_option,
)
from artsim.cli.options.outputs import csv_option, format_option
from artsim.cli.options.published import open_publication
from artsim.cli.options.values import count_cores, file_option, split_names
from artsim.cli.output import (
    echo,
    note_left_out,
    print_json_lines,
    print_notes,
    print_written,
    show_progress,
)
from artsim.cli.score_files import write_scores
from artsim.datatypes import plural

if TYPE_CHECKING:
    from artsim.evaluation.knn import KnnPlan, KnnRun
    from artsim.metrics.neighbors import Neighbors
    from artsim.search.published import Publication
    from artsim.store import Store

_VOTES = {"plain": "equal votes", "dino": "votes weighted by similarity", "met": "as The Met's"}


@cloup.command("knn-eval")
@index_argument
@cloup.option_group("Index", index_option, tap_option())
@cloup.option_group(
    "Labels and split",
    label_option,
    qualified_option,
    hierarchy_option,
    where_option,
    split_option("leave-one-out"),
    keep_copies_option,
    no_leaks_option,
    column_option(
        "--group",
        "groups",
        multiple=True,
        metavar="COLUMN,...",
        callback=split_names,
        help="Pictures with the same value are never neighbors: artist, to evaluate style; "
        "near-duplicate, to hash the pictures first, so that copies by look are known, too.",
    ),
)
@cloup.option_group(
    "Method",
    k_option("Numbers of neighbors", default="1,5,10,20,100,200; met 1 to 50"),
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
    click.option(
        "--unlabeled",
        type=click.Choice(["leave-out", "count"]),
        default="leave-out",
        show_default=True,
        help="Pictures without the label: leave them out, or count them as wrong neighbors.",
    ),
    queries_option,
    seed_option,
    device_option,
)
@cloup.option_group(
    "Output",
    csv_option("the scores, and those of each class,"),
    file_option("--predictions", help="Write every prediction and its neighbors to a CSV file."),
    format_option,
)
def knn_eval(
    index: Path | None,
    tap: str | None,
    protocol: str,
    temperatures: tuple[float, ...],
    correct: str | None,
    unlabeled: str,
    where: str | None,
    csv: Path | None,
    predictions: Path | None,
    device: str,
    as_json: bool,
    **choice: Any,
) -> None:
    """Measure how well nearest neighbors predict the labels.

    Each picture is predicted from its k nearest neighbors among all others (leave-one-out), or each
    test picture of a split from the training set. If the split has a validation set, k and
    temperature are chosen on it, else all are shown, and from which the best differs by more than
    noise. This is the baseline to compare models with. A tie goes to the class of the nearest;
    classes without a vote never count in the top-5.

    Labels with one class per picture are scored by top-1 accuracy; multilabels by mean average
    precision over the classes (mAP) and over the pictures (iMAP); numbers and ranges of years by
    the mean absolute error (MAE), measured to the nearer end of a range.

    The protocol met whitens the vectors on the training set and predicts the class of the nearest
    neighbor, with a softmax over the K nearest classes as its confidence. K and temperature
    maximize GAP on the validation set. Pictures whose class is not in the training set are
    distractors: they count in GAP, but not in GAP- and accuracy (ACC).

    With --hierarchy a wrong class counts by what it shares with the true one: hierarchical
    precision, recall and F (hP, hR, hF) compare the classes with all that are above them. "On
    path" is the share of predictions that are right as far as they go, "near" the share of wrong
    ones that are right but for the last level, as red chalk for black chalk.

    Example:

    \b
        artsim knn-eval
        artsim knn-eval --label style,year --group artist,near-duplicate -k 1,20
        artsim knn-eval --label artist --split honest --protocol met
        artsim knn-eval --label style --where "year < 1800"
        artsim knn-eval --label medium --hierarchy media.csv
    """
    store, publication = open_publication(index)
    from artsim.evaluation import knn
    from artsim.models import find_device

    plan = knn.KnnPlan(
        tap=store.tap(tap).name,
        protocol=knn.Protocol(protocol),
        temperatures=tuple(dict.fromkeys(temperatures)),
        correct=None if correct is None else knn.Correction(correct),
        unlabeled=knn.Unlabeled(unlabeled),
        among=read_among(store, where),
        **choice,
    )
    with show_progress("Reading pictures") as update:
        run = knn.knn_eval(
            store,
            plan,
            device=find_device(device),
            workers=count_cores(),
            progress=update,
            find=_finder(store, plan, publication),
        )
    print_notes(*(() if as_json else run.split.notes))
    if run.unassigned:
        new = plural(run.unassigned, "picture was", "pictures were")
        print_notes(f"{new} added after the split {plan.split!r} and took no part")
    note_left_out(zeros=run.without_vector)
    if not as_json:
        setting = f"({count_among(store, plan.among)}, by {plan.tap}), {_setting(plan, run)}"
        echo(f"kNN on {store} {setting}")
    writer = knn.predictions_writer(store, predictions) if predictions else nullcontext()
    scores: list[dict[str, Any]] = []
    with writer as write:
        for evaluation in run:
            rows = list(knn.result_rows(evaluation, plan))
            scores += [*rows, *knn.class_rows(evaluation)]
            if write is not None:
                write(evaluation)
            if as_json:
                print_json_lines(rows, index=store)
            else:
                print_evaluation(evaluation)
    write_scores(csv, scores, index=store)
    if not as_json:
        for name, reason in run.not_labels.items():
            echo(f"Not a label: {name} ({reason})")
        print_written(csv, predictions)


def _finder(
    store: Store, plan: KnnPlan, publication: Publication | None
) -> Callable[..., Neighbors] | None:
    """Return what finds neighbors where the index is published; None: exact search of the folder.

    Prints a note if they are approximate.
    """
    make = publication.backend(store) if publication else None
    if publication is None or make is None:
        return None
    from artsim.evaluation.knn import Protocol
    from artsim.search import Works
    from artsim.search.published import published_neighbors

    if plan.correct or plan.protocol == Protocol.MET:
        option = "--correct" if plan.correct else "--protocol met"
        raise click.UsageError(
            f"{option} compares all vectors with each other; name the folder: --index {store}"
        )
    if publication.recall:
        print_notes(f"neighbors are approximate ({publication.recall})")
    return published_neighbors(make(Works(store)), plan.tap)


def _setting(plan: KnnPlan, run: KnnRun) -> str:
    """Return which pictures are compared, and how."""
    parts = [run.split.description, _VOTES[plan.protocol]]
    parts += [f"corrected by {plan.correct}"] if plan.correct else []
    names = (name.replace("near-duplicate", "picture") for name in plan.groups)
    same = " or ".join(name.removeprefix("same_").replace("_", " ") for name in names)
    return ", ".join([*parts, f"no neighbors of the same {same}"] if same else parts)
