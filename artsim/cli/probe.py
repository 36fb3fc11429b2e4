"""``artsim probe``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from artsim.cli.options import format_option, index_option, open_store, tap_option
from artsim.cli.output import print_json_lines, print_table, wants_json

if TYPE_CHECKING:
    from artsim.probing import LabelProbe, ProbePlan
    from artsim.store import Store

_HEADINGS = {
    "top1": ("top-1", "majority"),
    "mAP": ("mean average precision over the classes", "chance"),
    "MAE": ("mean absolute error, less is better", "median"),
}
_COLUMNS = ("metadata", "1-NN", "kNN", "k", "probe", "95 %")


@click.command()
@index_option
@tap_option
@click.option(
    "--label",
    "labels",
    multiple=True,
    metavar="A,B",
    help='Tell these columns or derived labels, or "NAME = EXPRESSION". Numbers are told by ridge '
    "regression, columns with several values one class against the rest.  "
    "[default: every column of one class a picture]",
)
@click.option(
    "--split",
    metavar="NAME",
    help="A split of 'artsim split', or a column that says train, val and test.  "
    "[default: 70/10/20, drawn alike from each class]",
)
@click.option(
    "--no-leaks",
    is_flag=True,
    help="Refuse a split whose sides share a file or a picture: see 'artsim leaks'.",
)
@click.option(
    "--group",
    metavar="COLUMN",
    help="Pictures that share its value stay on one side: artist, when judging style.",
)
@click.option(
    "--with",
    "metadata",
    multiple=True,
    metavar="A,B",
    help="Tell the probe these columns too: width, height, aspect_ratio, or the catalogue's.",
)
@click.option(
    "--shots", metavar="N,M", help="Learn from so few pictures of each class as well: 1,5,10,20."
)
@click.option(
    "--tries",
    type=click.IntRange(1),
    default=5,
    show_default=True,
    help="Draws of so few pictures.",
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Of the split, the draws and the intervals.",
)
@click.option(
    "--head",
    metavar="NAME",
    help="Save the fitted probe so, for 'artsim predict'.  [default: the labels, as artist+style]",
)
@click.option("--no-save", is_flag=True, help="Save no head.")
@click.option(
    "--device",
    default="auto",
    show_default=True,
    metavar="NAME",
    envvar="ARTSIM_DEVICE",
    help="auto, cpu, cuda, cuda:N or mps.",
)
@format_option
def probe(
    index: Path | None,
    tap: str | None,
    labels: tuple[str, ...],
    split: str | None,
    no_leaks: bool,
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
    """Measure how well a linear model tells each label from the vectors, and keep the model.

    Beside it stand always the same answer, the metadata alone (width, height and aspect ratio, or
    --with), the nearest neighbour, and k neighbours. Everything is chosen on validation pictures;
    the test pictures are asked once.

    Example:

    \b
        artsim probe --label artist,style,genre
        artsim probe --label style --group artist --shots 1,5,10,20
        artsim probe --label medium --split honest --with height,width,aspect_ratio
    """
    if no_leaks and split is None:
        raise click.UsageError("--no-leaks looks at a split; name one with --split")
    if head is not None and no_save:
        raise click.UsageError("give --head NAME or --no-save, not both")
    store = open_store(index)
    from artsim.models.extractor import find_device
    from artsim.probing import ProbePlan, check_name, default_name, make_head, means, save_head
    from artsim.probing import probe as run_probe

    plan = ProbePlan(
        tap=store.tap(tap).name,
        labels=_names(labels),
        split=split,
        no_leaks=no_leaks,
        group=group,
        metadata=_names(metadata),
        shots=_numbers(shots) if shots else (),
        tries=tries,
        seed=seed,
    )
    if head is not None:
        check_name(head)  # before the work, not after it
    probes = list(run_probe(store, plan, device=find_device(device)))
    if wants_json(as_json):
        setting = {"tap": plan.tap, "split": split, "group": group}
        print_json_lines(each.to_json() | setting for each in probes)
        print_json_lines({"mean_of": row["labels"]} | row for row in means(probes))
    else:
        _print_probes(store, plan, probes)
    if not no_save:
        name = head or default_name(each.target.name for each in probes)
        save_head(store, make_head(store, plan, probes, name))
        click.echo(f"Head {name!r} saved; ask it with 'artsim predict --head {name}'", err=True)


def _names(texts: Sequence[str]) -> tuple[str, ...]:
    """Split names at their commas; a derivation may have commas of its own."""
    from artsim.derive import is_derivation

    parts = [[text] if is_derivation(text) else text.split(",") for text in texts]
    return tuple(part.strip() for some in parts for part in some if part.strip())


def _numbers(text: str) -> tuple[int, ...]:
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        numbers = [0]
    if min(numbers) < 1:
        raise click.BadParameter(
            f"{text!r} is not a list of numbers from 1, such as 1,5,10,20", param_hint="--shots"
        )
    return tuple(sorted(set(numbers)))


def _print_probes(store: Store, plan: ProbePlan, probes: Sequence[LabelProbe]) -> None:
    from artsim.probing import means

    told = f" and {', '.join(plan.metadata)}" if plan.metadata else ""
    click.echo(f"Probes on {store.path} ({store.rows:,} pictures, by {plan.tap}{told})")
    mean_of = {row["metric"]: row for row in means(probes)}
    for metric, (heading, floor) in _HEADINGS.items():
        some = [each for each in probes if each.metric == metric]
        if not some:
            continue
        click.echo(f"\n{heading}")
        rows = [_row(each) for each in some]
        if metric in mean_of:
            rows.append(_mean_row(mean_of[metric]))
        right = [floor, *_COLUMNS]
        print_table(["label", floor, *_COLUMNS], rows, right=right)
    if any(each.few for each in probes):
        _print_few(probes)
    for each in probes:
        sizes = " + ".join(f"{len(s):,}" for s in (each.sides.train, each.sides.validation))
        click.echo(f"{each.target.name}: {each.sides.way}; {sizes} pictures, test on "
                   f"{len(each.sides.test):,}")  # fmt: skip
        for note in each.sides.notes:
            click.echo(f"  Note: {note}")
    names = dict.fromkeys(name for each in probes for name in each.metadata_names)
    click.echo(f"Metadata alone: {', '.join(names)}")


def _row(each: LabelProbe) -> list[object]:
    def show(value: float) -> str:
        return f"{value:.1f}" if each.metric == "MAE" and value >= 10 else f"{value:.3f}"

    low, high = each.probe.interval
    return [
        each.target.name,
        show(each.baseline),
        show(each.metadata.value),
        show(each.nearest.value),
        show(each.knn.value),
        each.k,
        show(each.probe.value),
        f"{show(low)}-{show(high)}",
    ]


def _mean_row(mean: dict[str, Any]) -> list[object]:
    names = ("baseline", "metadata", "knn1", "knn", "probe")
    *others, told = (f"{mean[name]:.3f}" for name in names)
    return ["mean", *others, "", told, ""]


def _print_few(probes: Sequence[LabelProbe]) -> None:
    click.echo("\nProbe on a few pictures of each class: top-1, mean and deviation of the draws")
    rows = [
        [each.target.name, few.shots, f"{few.mean:.3f}", f"{few.std:.3f}", f"{few.n_train:,}"]
        for each in probes
        for few in each.few
    ]
    columns = ["shots", "top-1", "deviation", "pictures"]
    print_table(["label", *columns], rows, right=columns)
