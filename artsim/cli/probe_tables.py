"""The tables of ``artsim probe``."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from artsim.cli.comparing import compared, signed
from artsim.cli.hierarchy import print_hierarchy
from artsim.cli.options.labels import count_among
from artsim.cli.output import echo, fixed, interval, print_split, print_table

if TYPE_CHECKING:
    from artsim.evaluation.probe import LabelProbe, ProbePlan, RepeatedProbe
    from artsim.metrics import Difference
    from artsim.store import Store

_HEADINGS = {
    "top1": ("top-1", "majority"),
    "mAP": ("mean average precision over the classes", "chance"),
    "MAE": ("mean absolute error, less is better", "median"),
}
_LEARNED = "Fitted to the training and validation pictures once the settings are chosen"
_ONE_DRAW = "One random split is one draw; the mean of several is surer: --splits 5"
_METHODS = {
    "baseline": "majority",
    "metadata": "metadata",
    "knn1": "1-NN",
    "knn": "kNN",
    "probe": "probe",
}
_COLUMNS = ("metadata", "1-NN", "kNN", "k", "probe", "95%")


def print_repeated(
    store: Store,
    plan: ProbePlan,
    splits: int,
    found: Mapping[str | None, Sequence[RepeatedProbe]],
) -> None:
    """Print the means over the splits, and below each its deviation."""
    pictures = count_among(store, plan.among)
    echo(f"Probes on {store} ({pictures}, by {plan.tap}): mean of {splits} random splits")
    some = [(group, each) for group, probes in found.items() for each in probes]
    for metric, (heading, floor) in _HEADINGS.items():
        rows = []
        for group, each in some:
            if each.first.metric == metric:
                name = _name(each.first, group)
                rows += [_repeated_row(each, name), _repeated_row(each, "  \u00b1", std=True)]
        if rows:
            echo(f"\n{heading}")
            right = [floor, "metadata", "1-NN", "kNN", "probe"]
            right += ["F1", "ECE", "Brier"] if metric == "top1" else []
            print_table(["label", *right], rows, right=right, whole=["label"])
    _print_apart(found)
    for group, each in some:
        name = _name(each.first, group)
        print_split(name, each.split)
        _print_repeated_comparison(each, name)
    echo(
        "\u00b1: standard deviation over the splits; the numbers of pictures and the notes are "
        f"those of the first, seed {plan.seed}. F1 (macro), ECE and Brier score are the probe's"
    )
    echo(_LEARNED)


def _print_apart(found: Mapping[str | None, Sequence[RepeatedProbe]]) -> None:
    """Compare the probes that keep groups whole with those that do not."""
    for group in found if None in found else ():
        for same, each in zip(found[None], found[group], strict=True) if group else ():
            means = same.scores["probe"], each.scores["probe"]
            shown = tuple(None if mean is None else mean.mean for mean in means)
            echo(_difference(each.first, shown, group, each.over(same)))


def _name(each: LabelProbe, group: str | None) -> str:
    """Name the probe of a label on an ordinary split, or on one that keeps groups whole."""
    return each.label.name + (f" by {group}" if group else "")


def _print_repeated_comparison(each: RepeatedProbe, name: str) -> None:
    over = _over_knn(each.first, each.over_knn)
    echo(f"{name}: probe compared with kNN on the same splits: {over}")
    if f1 := {method: score.mean for method in _METHODS if (score := each.macro_f1(method))}:
        echo(f"{name}: macro F1: {_macro_f1(f1)}")
    if (f1_above := each.scores.get("hierarchy_f1")) is not None:
        echo(f"{name}: hF {fixed(f1_above.mean)} \u00b1 {fixed(f1_above.std)}")


def _repeated_row(each: RepeatedProbe, name: str, *, std: bool = False) -> list[object]:
    scores = each.scores
    names = ["baseline", "metadata", "knn1", "knn", "probe"]
    names += ["macro_f1", "ece", "brier"] if each.first.metric == "top1" else []
    found = [scores[name] for name in names]
    values = [None if score is None else score.std if std else score.mean for score in found]
    return [name, *(_show(each.first, value) for value in values)]


def print_probes(
    store: Store, plan: ProbePlan, probes: Sequence[LabelProbe], ordinary: Sequence[LabelProbe]
) -> None:
    """Print a table for each metric, and what should be known of the scores."""
    from artsim.evaluation.probe import means
    from artsim.metrics import separate_difference

    more = f" and {', '.join(plan.metadata)}" if plan.metadata else ""
    echo(f"Probes on {store} ({count_among(store, plan.among)}, by {plan.tap}{more})")
    below = f"  by {plan.group}" if ordinary else ""  # a row under that of the ordinary split
    for metric, (heading, floor) in _HEADINGS.items():
        rows = []
        for each, same in itertools.zip_longest(probes, ordinary):
            if each.metric == metric:
                rows += [_row(same, same.label.name)] if same else []
                rows.append(_row(each, below or each.label.name))
        for some, name in ((ordinary, "mean"), (probes, below or "mean")):
            rows += [_mean_row(mean, name) for mean in means(some) if mean["metric"] == metric]
        if rows:
            echo(f"\n{heading}")
            right = [floor, *_COLUMNS]
            print_table(["label", *right], rows, right=right, whole=["label"])
    for each, same in zip(probes, ordinary, strict=bool(ordinary)):
        scores = same.probe.value, each.probe.value
        echo(_difference(each, scores, plan.group, separate_difference(same.probe, each.probe)))
    if any(each.few for each in probes):
        _print_few(probes)
    named = [(each, _name(each, None)) for each in ordinary]
    named += [(each, _name(each, plan.group if ordinary else None)) for each in probes]
    _print_hierarchies(named)
    for each, name in named:
        _print_comparison(each, name)
        print_split(name, each.split)
    names = dict.fromkeys(name for each in probes for name in each.metadata_names)
    if names:
        echo(f"Metadata alone: {', '.join(names)}")
    echo(f"{_LEARNED}\n{_ONE_DRAW}" if plan.split is None else _LEARNED)


def _print_hierarchies(probes: Sequence[tuple[LabelProbe, str]]) -> None:
    for each, name in probes:
        if each.hierarchy is not None:
            echo(f"\n{name}, by the classes above")
            print_hierarchy([("probe", each.hierarchy)])


def _print_comparison(each: LabelProbe, name: str) -> None:
    """Compare the probe with kNN; print macro F1 of every method, and the probe's calibration."""
    if each.over_knn is not None:
        over = _over_knn(each, each.over_knn)
        echo(f"{name}: probe compared with kNN on the same test pictures: {over}")
    metrics = each.result.metrics
    if "ece" in metrics:
        calibration = f"ECE {metrics['ece']:.3f}, Brier score {metrics['brier']}"
        f1 = _macro_f1(each.macro_f1)
        echo(f"{name}: macro F1: {f1}; calibration of the probe: {calibration}")


def _macro_f1(found: Mapping[str, float]) -> str:
    return ", ".join(f"{_METHODS[name]} {value:.3f}" for name, value in found.items())


def _over_knn(each: LabelProbe, found: Difference) -> str:
    is_error = each.metric == "MAE"
    digits = _digits(each, abs(found.estimate.high - found.estimate.low))
    return compared(found, "the probe", "kNN", is_error=is_error, digits=digits)


def _difference(
    apart: LabelProbe, scores: tuple[float | None, ...], group: str | None, found: Difference
) -> str:
    """Say how far apart two scores of a label are, ordinary and by group, and what that shows."""
    change, group = found.estimate, str(group).replace("_", " ")
    size = signed(change, _digits(apart, abs(change.high - change.low)))
    if found.is_noise:
        shows = f"too uncertain to say how much recognizing the {group} helps"
    elif (change.value > 0) == (apart.metric == "MAE"):
        shows = f"more than chance explains: recognizing the {group} helps"
    else:
        shows = f"more than chance explains: the test sets differ in more than the {group}"
    first, second = (_show(apart, score) for score in scores)
    return (
        f"{apart.label.name}: {first} if the {group} of a test picture may be in the training "
        f"set, {second} if not:\n"
        f"  {size}, {shows}"
    )


def _row(each: LabelProbe, name: str) -> list[object]:
    metadata = None if each.metadata is None else each.metadata.value
    others = (each.baseline.value, metadata, each.nearest.value, each.knn.value)
    ends = interval(each.probe, _digits(each, each.probe.high))
    scores = (_show(each, score) for score in (*others, each.probe.value))
    *shown, probe = scores
    return [name, *shown, each.k, probe, ends]


def _show(each: LabelProbe, score: float | None) -> str:
    return fixed(score, _digits(each, score))


def _digits(each: LabelProbe, score: float | None) -> int:
    return 1 if each.metric == "MAE" and score and score >= 10 else 3


def _mean_row(mean: dict[str, Any], name: str) -> list[object]:
    methods = ("baseline", "metadata", "knn1", "knn", "probe")
    *others, probe = (fixed(mean[method]) for method in methods)
    return [name, *others, "", probe, ""]


def _print_few(probes: Sequence[LabelProbe]) -> None:
    echo("\nProbe on a few pictures of each class: mean and deviation of top-1 over the samples")
    rows = [
        [
            *(each.label.name, few.shots, fixed(few.mean), interval(few.estimate)),
            *(fixed(few.std), f"{few.n_train:,}"),
        ]
        for each in probes
        for few in each.few
    ]
    columns = ["shots", "top-1", "95%", "deviation", "pictures"]
    print_table(["label", *columns], rows, right=columns, whole=["label"])
