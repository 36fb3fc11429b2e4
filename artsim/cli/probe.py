"""``artsim probe``."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import cloup

from artsim.cli.options.complete import complete_column
from artsim.cli.options.computing import device_option, seed_option
from artsim.cli.options.index import index_argument, index_option, open_store, tap_option
from artsim.cli.options.labels import group_option, label_option, split_options
from artsim.cli.options.outputs import format_option
from artsim.cli.options.values import numbers, split_names
from artsim.cli.output import print_json_lines, print_table, wants_json

if TYPE_CHECKING:
    from artsim.evaluation.probe import LabelProbe, ProbePlan
    from artsim.store import Store

_HEADINGS = {
    "top1": ("top-1", "majority"),
    "mAP": ("mean average precision over the classes", "chance"),
    "MAE": ("mean absolute error, less is better", "median"),
}
_COLUMNS = ("metadata", "1-NN", "kNN", "k", "probe", "95 %")


@cloup.command()
@index_argument
@cloup.option_group("Index", index_option, tap_option())
@cloup.option_group(
    "Labels and split",
    label_option,
    split_options(),
    group_option(
        "Keep pictures with the same value together: artist, to evaluate style. Without --split "
        "the ordinary split is evaluated too.",
    ),
)
@cloup.option_group(
    "Method",
    click.option(
        "--with",
        "metadata",
        multiple=True,
        metavar="COLUMN,...",
        callback=split_names,
        shell_complete=complete_column,
        help="Also give these columns to the probe: width, height, aspect_ratio or the catalog's.",
    ),
    click.option(
        "--shots",
        metavar="N,...",
        help="Also train on N pictures of each class: 1,5,10,20.",
    ),
    click.option(
        "--tries",
        type=click.IntRange(1),
        default=5,
        show_default=True,
        metavar="N",
        help="Random samples for each number of --shots.",
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
    labels: tuple[str, ...],
    split: str | None,
    no_leaks: bool,
    keep_copies: bool,
    group: str | None,
    metadata: tuple[str, ...],
    shots: str | None,
    tries: int,
    seed: int,
    head: str | None,
    no_save: bool,
    device: str,
    as_json: bool | None,
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
    from artsim.prediction import check_name, default_name, make_head, save_head

    plan = ProbePlan(
        tap=store.tap(tap).name,
        labels=labels,
        split=split,
        no_leaks=no_leaks,
        keep_copies=keep_copies,
        group=group,
        metadata=metadata,
        shots=numbers([shots], "--shots") if shots else (),
        tries=tries,
        seed=seed,
    )
    if head is not None:
        check_name(head)  # before the work, not after it
    probes = list(run_probe(store, plan, device=find_device(device)))
    ordinary = []
    if (other := ungrouped(store, plan)) is not None:
        ordinary = list(run_probe(store, other, device=find_device(device)))
    if wants_json(as_json):
        for some, apart in ((probes, group), (ordinary, None)):
            setting = {"index": str(store.path), "tap": plan.tap, "split": split, "group": apart}
            print_json_lines(each.to_json() | setting for each in some)
            print_json_lines({"mean_of": row["labels"]} | row | setting for row in means(some))
    else:
        _print_probes(store, plan, probes, ordinary)
    if not no_save:
        name = head or default_name(each.label.name for each in probes)
        save_head(store, make_head(store, plan, probes, name))
        click.echo(f"Head {name!r} saved; use it with 'artsim predict --head {name}'", err=True)


def _print_probes(
    store: Store, plan: ProbePlan, probes: Sequence[LabelProbe], ordinary: Sequence[LabelProbe]
) -> None:
    from artsim.evaluation.probe import means

    more = f" and {', '.join(plan.metadata)}" if plan.metadata else ""
    click.echo(f"Probes on {store.path} ({store.rows:,} pictures, by {plan.tap}{more})")
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
            click.echo(f"\n{heading}")
            right = [floor, *_COLUMNS]
            print_table(["label", *right], rows, right=right)
    for each, same in zip(probes, ordinary, strict=bool(ordinary)):
        click.echo(_difference(same, each, plan.group))
    if any(each.few for each in probes):
        _print_few(probes)
    for each in (*ordinary, *probes):
        sizes = " + ".join(f"{len(s):,}" for s in (each.split.train, each.split.validation))
        click.echo(f"{each.label.name}: {each.split.description}; {sizes} pictures, test on "
                   f"{len(each.split.test):,}")  # fmt: skip
        for note in each.split.notes:
            click.echo(f"  Note: {note}")
    names = dict.fromkeys(name for each in probes for name in each.metadata_names)
    click.echo(f"Metadata alone: {', '.join(names)}")


def _difference(ordinary: LabelProbe, apart: LabelProbe, group: str | None) -> str:
    """Explain the two scores of a label."""
    return (
        f"{ordinary.label.name}: {_show(ordinary, ordinary.probe.value)} if the {group} of a "
        f"test picture may be in the training set, {_show(apart, apart.probe.value)} if not:\n"
        f"  the difference is due to recognizing the {group}"
    )


def _row(each: LabelProbe, name: str) -> list[object]:
    low, high = each.probe.low, each.probe.high
    return [
        name,
        _show(each, each.baseline.value),
        "" if each.metadata is None else _show(each, each.metadata.value),
        _show(each, each.nearest.value),
        _show(each, each.knn.value),
        each.k,
        _show(each, each.probe.value),
        f"{_show(each, low)}-{_show(each, high)}",
    ]


def _show(each: LabelProbe, score: float) -> str:
    return f"{score:.1f}" if each.metric == "MAE" and score >= 10 else f"{score:.3f}"


def _mean_row(mean: dict[str, Any], name: str) -> list[object]:
    methods = ("baseline", "metadata", "knn1", "knn", "probe")
    *others, probe = ("" if mean[method] is None else f"{mean[method]:.3f}" for method in methods)
    return [name, *others, "", probe, ""]


def _print_few(probes: Sequence[LabelProbe]) -> None:
    click.echo(
        "\nProbe on a few pictures of each class: mean and deviation of top-1 over the samples"
    )
    rows = [
        [each.label.name, few.shots, f"{few.mean:.3f}", f"{few.std:.3f}", f"{few.n_train:,}"]
        for each in probes
        for few in each.few
    ]
    columns = ["shots", "top-1", "deviation", "pictures"]
    print_table(["label", *columns], rows, right=columns)
