"""The tables of ``artsim knn-eval``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from artsim.cli.hierarchy import print_hierarchy
from artsim.cli.output import echo, fixed, interval, print_table
from artsim.datatypes import plural

if TYPE_CHECKING:
    from artsim.evaluation.knn import AnyEvaluation, KnnEvaluation, KnnScore, MetEvaluation

_COLUMNS = {
    "top1": "top-1",
    "top5": "top-5",
    "macro_f1": "macro F1",
    "balanced_accuracy": "balanced",
    "kappa": "kappa",
    "mAP": "mAP",
    "iMAP": "iMAP",
    "MAE": "MAE",
    "inside": "inside",
}
_TOP = 5


def print_evaluation(evaluation: AnyEvaluation) -> None:
    """Print a table with a line for each k and temperature, and what should be known of it."""
    from artsim.evaluation.knn import MetEvaluation
    from artsim.labels import LabelKind

    label = evaluation.label
    head = f"\n{label.name}: {plural(len(label.classes), 'class', 'classes')}, "
    pictures = plural(len(label), "picture")
    if isinstance(evaluation, MetEvaluation):
        distractors = f"{evaluation.score.n_distractors:,} of them distractors"
        echo(f"{head}{pictures}, {distractors}")
        _print_met(evaluation)
        _print_label_notes(evaluation)
        return
    scores, baseline = evaluation.scores, evaluation.baseline.value
    if label.kind == LabelKind.MULTICLASS:
        f1 = evaluation.baseline_macro_f1
        echo(f"{head}{pictures}, majority {baseline:.3f} (macro F1 {f1:.3f})")
    elif label.kind == LabelKind.MULTILABEL:
        echo(f"{head}several a picture, {pictures}, chance {baseline:.3f}")
    else:
        off = f"the median is off by {baseline:.1f}"
        echo(f"\n{label.name}: a number, {pictures}, {off}")
    names = [name for name in scores[0].metrics if name in _COLUMNS]
    if label.kind == LabelKind.NUMBER and not label.are_ranges:
        names.remove("inside")
    if label.kind == LabelKind.MULTICLASS and len(label.classes) <= _TOP:
        names.remove("top5")  # nearly always right
    columns = [_COLUMNS[name] for name in names]
    columns.insert(1, "95%")
    width = 2 if len({each.temperature for each in scores}) > 1 else 1
    rows = [[*(each.k, each.temperature)[:width], *_cells(each, names)] for each in scores]
    columns = [*("k", "T")[:width], *columns]
    print_table(columns, rows, right=columns)
    _print_remarks(evaluation)
    if scored := [(f"k = {each.k}", each.hierarchy) for each in scores if each.hierarchy]:
        print_hierarchy(scored)
    for note in label.notes:
        echo(f"  {note}")
    if n := evaluation.unreachable:
        have, count = ("has", "it counts") if n == 1 else ("have", "they count")
        echo(
            f"  {plural(n, 'picture')} {have} a class that no possible neighbor has: {count} as "
            "wrong"
        )


def _cells(score: KnnScore, names: Sequence[str]) -> Iterator[str]:
    for name in names:
        value = score.metrics[name]
        if isinstance(value, float):
            yield fixed(value)
            continue
        digits = 1 if name == "MAE" else 3
        yield fixed(value.value, digits)
        if name == names[0]:
            yield interval(value, digits)


def _print_met(evaluation: MetEvaluation) -> None:
    score = evaluation.score
    columns = ["k", "t", "GAP", "GAP-", "ACC", "95%"]
    values = map(fixed, (score.gap, score.gap_minus, score.accuracy.value))
    row = [score.k, f"{score.t:g}", *values, interval(score.accuracy)]
    print_table(columns, [row], right=columns)
    echo(
        f"  k and t chosen on {evaluation.chosen_on:,} validation pictures (GAP "
        f"{score.validation_gap:.3f}), vectors whitened to {score.dimensions:,} dimensions"
    )


def _print_remarks(evaluation: KnnEvaluation) -> None:
    hubs = evaluation.hubness
    if evaluation.chosen_on:
        (score,) = evaluation.scores
        what = f"k = {score.k}" + (f", T = {score.temperature:g}" if score.temperature else "")
        echo(f"  {what} chosen on {evaluation.chosen_on:,} validation pictures")
    elif len({score.k for score in evaluation.scores}) > 1:
        _print_best(evaluation)
        echo(
            "  Quote one k, fixed before you look (such as 10), or let a validation set choose it: "
            "see 'artsim split'"
        )
    echo(
        f"  Hubs at k = {hubs.k}: one picture is a neighbor of {hubs.largest:,} others, "
        f"{hubs.antihubs:.1%} are a neighbor of none (skew {hubs.skew:.2f})"
    )
    if evaluation.left_out:
        ks = ", ".join(map(str, evaluation.left_out))
        echo(f"  k = {ks} left out: no picture has that many neighbors")
    for score in evaluation.scores:
        if n := evaluation.short(score.k):
            few = plural(n, "picture has fewer neighbors", "pictures have fewer neighbors")
            echo(f"  k = {score.k}: {few}; those they have vote")
    _print_label_notes(evaluation)


def _print_best(evaluation: KnnEvaluation) -> None:
    """Say from which others the best k differs by more than noise, where that is known."""
    from artsim.metrics import SIGNIFICANT

    if evaluation.best is None:
        return
    best, chances = evaluation.best
    temperatures = len({score.temperature for score in evaluation.scores}) > 1
    names = [
        f"{score.k}" + (f" at T = {score.temperature:g}" if temperatures else "")
        for score in evaluation.scores
    ]
    same = [
        name
        for place, (name, p) in enumerate(zip(names, chances, strict=True))
        if place != best and p >= SIGNIFICANT
    ]
    said = "all others differ by more than noise"
    if same:
        said = f"noise alone may explain its difference from k = {', '.join(same)}"
    echo(f"  Best here is k = {names[best]}; {said} (McNemar's test of all pairs)")


def _print_label_notes(evaluation: AnyEvaluation) -> None:
    from artsim.evaluation.knn import KnnEvaluation

    name, split = evaluation.label.name, evaluation.split
    if isinstance(evaluation, KnnEvaluation) and (n := evaluation.unlabeled_neighbors):
        echo(f"  Pictures without a usable {name} take places among the neighbors: {n:,}")
        split = replace(split, unlabeled=0)
    for note in split.label_notes(name):
        echo(f"  {note[0].upper()}{note[1:]}")
