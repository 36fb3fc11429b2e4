"""``artsim probe``."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import cloup

from artsim.cli.options.computing import device_option, seed_option
from artsim.cli.options.index import index_argument, index_option, open_store, tap_option
from artsim.cli.options.labels import column_option, group_option, label_option, split_options
from artsim.cli.options.outputs import format_option
from artsim.cli.options.values import count_option, numbers, split_names
from artsim.cli.output import (
    echo,
    fixed,
    interval,
    plural,
    print_json_lines,
    print_split,
    print_table,
)

if TYPE_CHECKING:
    from artsim.evaluation.probe import LabelProbe, ProbePlan
    from artsim.store import Store

_HEADINGS = {
    "top1": ("top-1", "majority"),
    "mAP": ("mean average precision over the classes", "chance"),
    "MAE": ("mean absolute error, less is better", "median"),
}
_COLUMNS = ("metadata", "1-NN", "kNN", "k", "probe", "95%")


@cloup.command()
@index_argument
@cloup.option_group("Index", index_option, tap_option())
@cloup.option_group(
    "Labels and split",
    label_option,
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
    head: str | None,
    no_save: bool,
    device: str,
    as_json: bool,
    **choice: Any,
) -> None:
    """Train linear probes on the vectors and evaluate them.

    A linear model is trained for each label and compared with baselines: a constant prediction,
    metadata alone (width, height and aspect ratio, or --with), the nearest neighbor and k nearest
    neighbors. All settings are chosen on the validation set; the test set is used once. Classes
    are predicted by multinomial logistic regression, multilabels by one logistic regression per
    class, numbers by ridge regression.

    Example:

    \b
        artsim probe --label artist,style,genre
        artsim probe --label style --group artist --shots 1,5,10,20
        artsim probe --label medium --split honest --with height,width,aspect_ratio
    """
    if head is not None and no_save:
        raise click.UsageError("use --head NAME or --no-save, not both")
    store = open_store(index)
    from artsim.evaluation.probe import ProbePlan, means, ungrouped
    from artsim.evaluation.probe import probe as run_probe
    from artsim.models import find_device
    from artsim.prediction import check_name, default_name, head_names, make_head, save_head

    ks = numbers([shots], "--shots") if shots else ()
    plan = ProbePlan(tap=store.tap(tap).name, shots=ks, **choice)
    if head is not None:
        check_name(head)  # before the work, not after it
    probes = list(run_probe(store, plan, device=find_device(device)))
    ordinary = []
    if (other := ungrouped(store, plan)) is not None:
        ordinary = list(run_probe(store, other, device=find_device(device)))
    if as_json:
        for some, apart in ((probes, plan.group), (ordinary, None)):
            setting = {"tap": plan.tap, "split": plan.split, "group": apart}
            rows = [each.to_json() for each in some]
            rows += [{"mean_of": row["labels"]} | row for row in means(some)]
            print_json_lines((row | setting for row in rows), index=store.path)
    else:
        _print_probes(store, plan, probes, ordinary)
    if not no_save:
        name = head or default_name(each.label.name for each in probes)
        done = "replaced" if name in head_names(store) else "saved"
        save_head(store, make_head(store, plan, probes, name))
        echo(f"Head {name!r} {done}; use it with 'artsim predict --head {name}'", err=True)


def _print_probes(
    store: Store, plan: ProbePlan, probes: Sequence[LabelProbe], ordinary: Sequence[LabelProbe]
) -> None:
    from artsim.evaluation.probe import means

    more = f" and {', '.join(plan.metadata)}" if plan.metadata else ""
    echo(f"Probes on {store.path} ({plural(store.rows, 'picture')}, by {plan.tap}{more})")
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
            print_table(["label", *right], rows, right=right)
    for each, same in zip(probes, ordinary, strict=bool(ordinary)):
        echo(_difference(same, each, plan.group))
    if any(each.few for each in probes):
        _print_few(probes)
    for each in (*ordinary, *probes):
        print_split(each.label.name, each.split)
    names = dict.fromkeys(name for each in probes for name in each.metadata_names)
    if names:
        echo(f"Metadata alone: {', '.join(names)}")


def _difference(ordinary: LabelProbe, apart: LabelProbe, group: str | None) -> str:
    """Explain the two scores of a label."""
    return (
        f"{ordinary.label.name}: {_show(ordinary, ordinary.probe.value)} if the {group} of a "
        f"test picture may be in the training set, {_show(apart, apart.probe.value)} if not:\n"
        f"  the difference is due to recognizing the {group}"
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
    print_table(["label", *columns], rows, right=columns)
