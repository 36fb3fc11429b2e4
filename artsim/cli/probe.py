"""``artsim probe``."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import cloup

from artsim.cli.hierarchy import print_hierarchy
from artsim.cli.options.computing import device_option, seed_option
from artsim.cli.options.index import index_argument, index_option, open_store, tap_option
from artsim.cli.options.labels import (
    column_option,
    group_option,
    hierarchy_option,
    label_option,
    qualified_option,
    split_options,
)
from artsim.cli.options.outputs import format_option
from artsim.cli.options.values import count_option, numbers, split_names
from artsim.cli.output import (
    echo,
    fixed,
    interval,
    print_json_lines,
    print_split,
    print_table,
    show_progress,
    signed,
)
from artsim.datatypes import plural

if TYPE_CHECKING:
    import torch

    from artsim.evaluation.probe import LabelProbe, ProbePlan, RepeatedProbe
    from artsim.store import Store

_HEADINGS = {
    "top1": ("top-1", "majority"),
    "mAP": ("mean average precision over the classes", "chance"),
    "MAE": ("mean absolute error, less is better", "median"),
}
_LEARNED = "Fitted to the training and validation pictures once the settings are chosen"
_COLUMNS = ("metadata", "1-NN", "kNN", "k", "probe", "95%")


@cloup.command()
@index_argument
@cloup.option_group("Index", index_option, tap_option())
@cloup.option_group(
    "Labels and split",
    label_option,
    qualified_option,
    hierarchy_option,
    *split_options,
    group_option(
        "Keep pictures with the same value together: artist, to evaluate style. Without --split "
        "the ordinary split is evaluated too.",
    ),
)
@cloup.option_group(
    "Method",
    column_option(
        "--with",
        "metadata",
        multiple=True,
        metavar="COLUMN,...",
        callback=split_names,
        help="Also give these columns to the probe: width, height, aspect_ratio or the catalog's.",
    ),
    click.option(
        "--shots",
        metavar="N,...",
        help="Also train on N pictures of each class: 1,5,10,20.",
    ),
    count_option("--tries", default=5, help="Random samples for each number of --shots."),
    count_option(
        "--splits",
        default=1,
        help="Repeat on N random splits and show mean and standard deviation; saves no probe.",
    ),
    seed_option,
    device_option,
)
@cloup.option_group(
    "Output",
    click.option(
        "--head",
        metavar="NAME",
        help="Name of the saved probe, for 'artsim predict'.  [default: the labels, artist+style]",
    ),
    click.option("--no-save", is_flag=True, help="Do not save the probe."),
    format_option,
)
def probe(
    index: Path | None,
    tap: str | None,
    shots: str | None,
    splits: int,
    head: str | None,
    no_save: bool,
    device: str,
    as_json: bool,
    **choice: Any,
) -> None:
    """Train linear probes on the vectors and evaluate them.

    A linear model is trained for each label and compared with baselines: a constant prediction,
    metadata alone (width, height and aspect ratio, or --with), the nearest neighbor and k nearest
    neighbors. All settings are chosen on the validation set; then the probe is fitted again to the
    training and the validation pictures, which are also the neighbors, and the test set is used
    once. Classes are predicted by multinomial logistic regression, multilabels by one logistic
    regression per class, numbers by ridge regression. ECE (15 bins) and Brier score (0 to 2) show
    how far the probabilities of classes can be trusted.

    One split is one draw: --splits 5 repeats everything on five, drawn with the seeds that
    follow --seed. They share pictures, so the deviation is no standard error.

    With --hierarchy a wrong class counts by what it shares with the true one, as in 'artsim
    knn-eval', and the saved probe can predict the deepest level that is sure enough.

    Example:

    \b
        artsim probe --label artist,style,genre
        artsim probe --label style --group artist --shots 1,5,10,20
        artsim probe --label artist,style,genre --splits 5
        artsim probe --label medium --split honest --with height,width,aspect_ratio
        artsim probe --label medium --hierarchy media.csv
    """
    if head is not None and no_save:
        raise click.UsageError("use --head NAME or --no-save, not both")
    if splits > 1 and (head is not None or shots):
        option = "--head" if head is not None else "--shots"
        raise click.UsageError(f"{option} is for one split; leave it or --splits out")
    store = open_store(index)
    from artsim.evaluation.probe import ProbePlan, means, ungrouped
    from artsim.evaluation.probe import probe as run_probe
    from artsim.models import find_device
    from artsim.prediction import check_name, default_name, head_names, make_head, save_head

    ks = numbers([shots], "--shots") if shots else ()
    plan = ProbePlan(tap=store.tap(tap).name, shots=ks, **choice)
    if head is not None:
        check_name(head)  # before the work, not after it
    if splits > 1:
        _repeat(store, plan, splits, find_device(device), as_json=as_json)
        return
    probes = list(run_probe(store, plan, device=find_device(device)))
    ordinary = []
    if (other := ungrouped(store, plan)) is not None:
        ordinary = list(run_probe(store, other, device=find_device(device)))
    if as_json:
        for some, apart in ((probes, plan.group), (ordinary, None)):
            setting = {"tap": plan.tap, "split": plan.split, "group": apart}
            rows = [each.to_json() for each in some]
            rows += [{"mean_of": row["labels"]} | row for row in means(some)]
            print_json_lines((row | setting for row in rows), index=store)
    else:
        _print_probes(store, plan, probes, ordinary)
    if not no_save:
        name = head or default_name(each.label.name for each in probes)
        done = "replaced" if name in head_names(store) else "saved"
        save_head(store, make_head(store, plan, probes, name))
        echo(f"Head {name!r} {done}; use it with 'artsim predict --head {name}'", err=True)


def _repeat(
    store: Store, plan: ProbePlan, splits: int, device: torch.device, *, as_json: bool
) -> None:
    """Probe on several splits, and without the groups too."""
    from artsim.evaluation.probe import probe_splits, ungrouped

    ordinary = ungrouped(store, plan)
    seeds = range(plan.seed, plan.seed + splits)
    found = {}
    for each in filter(None, (ordinary, plan)):
        what = f"Probing by {each.group}" if each.group else "Probing"
        with show_progress(what) as progress:
            found[each.group] = probe_splits(store, each, seeds, device=device, progress=progress)
    if as_json:
        for group, probes in found.items():
            setting = {"tap": plan.tap, "group": group}
            print_json_lines((each.to_json() | setting for each in probes), index=store)
    else:
        _print_repeated(store, plan, splits, found)


def _print_repeated(
    store: Store,
    plan: ProbePlan,
    splits: int,
    found: Mapping[str | None, Sequence[RepeatedProbe]],
) -> None:
    pictures = plural(store.rows, "picture")
    echo(f"Probes on {store} ({pictures}, by {plan.tap}): mean of {splits} random splits")
    for metric, (heading, floor) in _HEADINGS.items():
        rows = []
        some = [(group, each) for group, probes in found.items() for each in probes]
        for group, each in some:
            if each.first.metric == metric:
                name = each.first.label.name + (f" by {group}" if group else "")
                rows += [_repeated_row(each, name), _repeated_row(each, "  \u00b1", std=True)]
        if rows:
            echo(f"\n{heading}")
            right = [floor, "metadata", "1-NN", "kNN", "probe"]
            right += ["ECE", "Brier"] if metric == "top1" else []
            print_table(["label", *right], rows, right=right, whole=["label"])
    for probes in found.values():
        for each in probes:
            print_split(each.first.label.name, each.split)
            if (f1 := each.scores.get("hierarchy_f1")) is not None:
                echo(f"{each.first.label.name}: hF {f1.mean:.3f} \u00b1 {f1.std:.3f}")
    echo(
        "\u00b1: standard deviation over the splits; the numbers of pictures and the notes are "
        f"those of the first, seed {plan.seed}"
    )
    echo(_LEARNED)


def _repeated_row(each: RepeatedProbe, name: str, *, std: bool = False) -> list[object]:
    scores = each.scores
    names = ["baseline", "metadata", "knn1", "knn", "probe"]
    names += ["ece", "brier"] if each.first.metric == "top1" else []
    found = [scores[name] for name in names]
    values = [None if score is None else score.std if std else score.mean for score in found]
    return [name, *(_show(each.first, value) for value in values)]


def _print_probes(
    store: Store, plan: ProbePlan, probes: Sequence[LabelProbe], ordinary: Sequence[LabelProbe]
) -> None:
    from artsim.evaluation.probe import means

    more = f" and {', '.join(plan.metadata)}" if plan.metadata else ""
    echo(f"Probes on {store} ({plural(store.rows, 'picture')}, by {plan.tap}{more})")
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
        echo(_difference(same, each, plan.group))
    if any(each.few for each in probes):
        _print_few(probes)
    by = f" by {plan.group}" if ordinary else ""
    _print_hierarchies([(each, "") for each in ordinary] + [(each, by) for each in probes])
    for each in (*ordinary, *probes):
        _print_calibration(each)
        print_split(each.label.name, each.split)
    names = dict.fromkeys(name for each in probes for name in each.metadata_names)
    if names:
        echo(f"Metadata alone: {', '.join(names)}")
    echo(_LEARNED)


def _print_hierarchies(probes: Sequence[tuple[LabelProbe, str]]) -> None:
    for each, by in probes:
        if each.hierarchy is not None:
            echo(f"\n{each.label.name}{by}, by the classes above")
            print_hierarchy([("probe", each.hierarchy)])


def _print_calibration(each: LabelProbe) -> None:
    metrics = each.result.metrics
    if "ece" in metrics:
        brier = metrics["brier"]
        echo(
            f"{each.label.name}: calibration of the probe: ECE {metrics['ece']:.3f}, "
            f"Brier score {brier}"
        )


def _difference(ordinary: LabelProbe, apart: LabelProbe, group: str | None) -> str:
    """Say how far apart the two scores of a label are, and what that shows."""
    from artsim.metrics import separate_difference

    found = separate_difference(ordinary.probe, apart.probe)
    change, group = found.estimate, str(group).replace("_", " ")
    size = signed(change, _digits(apart, abs(change.high - change.low)))
    if found.is_noise:
        shows = f"too uncertain to say how much recognizing the {group} helps"
    elif (change.value > 0) == (apart.metric == "MAE"):
        shows = f"more than chance explains: recognizing the {group} helps"
    else:
        shows = f"more than chance explains: the test sets differ in more than the {group}"
    return (
        f"{ordinary.label.name}: {_show(ordinary, ordinary.probe.value)} if the {group} of a "
        f"test picture may be in the training set, {_show(apart, apart.probe.value)} if not:\n"
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
