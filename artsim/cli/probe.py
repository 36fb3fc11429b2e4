"""``artsim probe``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import cloup

from artsim.cli.options.collection import where_option
from artsim.cli.options.computing import device_option, seed_option
from artsim.cli.options.index import index_argument, index_option, open_store, tap_option
from artsim.cli.options.labels import (
    column_option,
    group_option,
    hierarchy_option,
    label_option,
    qualified_option,
    read_among,
    split_options,
)
from artsim.cli.options.outputs import csv_option, format_option
from artsim.cli.options.values import count_option, numbers, split_names
from artsim.cli.output import (
    echo,
    print_json_lines,
    print_notes,
    print_written,
    show_progress,
)
from artsim.cli.probe_tables import print_probes, print_repeated
from artsim.cli.score_files import write_scores
from artsim.datatypes import shell_word

if TYPE_CHECKING:
    import torch

    from artsim.evaluation.probe import ProbePlan
    from artsim.store import Store


@cloup.command()
@index_argument
@cloup.option_group("Index", index_option, tap_option())
@cloup.option_group(
    "Labels and split",
    label_option,
    qualified_option,
    hierarchy_option,
    where_option,
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
        help="Name of the saved probe, for 'artsim predict'.  [default: the labels, artist+style; "
        "with --where it is not saved]",
    ),
    click.option("--no-save", is_flag=True, help="Do not save the probe."),
    csv_option("the scores, and those of each class,"),
    format_option,
)
def probe(
    index: Path | None,
    tap: str | None,
    shots: str | None,
    splits: int,
    where: str | None,
    head: str | None,
    no_save: bool,
    csv: Path | None,
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

    The probe is compared with k neighbors on the same test pictures: a line says whether they
    differ by more than noise. One split is one draw: --splits 5 repeats everything on five, drawn
    with the seeds that follow --seed. They share pictures, so the deviation is no standard error;
    the line then takes that into account.

    With --hierarchy a wrong class counts by what it shares with the true one, as in 'artsim
    knn-eval', and the saved probe can predict the deepest level that is sure enough.

    Example:

    \b
        artsim probe --label artist,style,genre
        artsim probe --label style --group artist --shots 1,5,10,20
        artsim probe --label artist,style,genre --splits 5
        artsim probe --label medium --split honest --with height,width,aspect_ratio
        artsim probe --label medium --hierarchy media.csv
        artsim probe --label style --where "year < 1800" --head old-styles
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
    plan = ProbePlan(tap=store.tap(tap).name, shots=ks, among=read_among(store, where), **choice)
    if head is not None:
        check_name(head)  # before the work, not after it
    if splits > 1:
        _repeat(store, plan, splits, find_device(device), as_json=as_json, csv=csv)
        return
    probes = list(run_probe(store, plan, device=find_device(device)))
    ordinary = []
    if (other := ungrouped(store, plan)) is not None:
        ordinary = list(run_probe(store, other, device=find_device(device)))
    rows, by_class = [], []
    for some, apart in ((probes, plan.group), (ordinary, None)):
        setting = {"tap": plan.tap, "split": plan.split, "group": apart}
        found = [each.to_json() for each in some]
        found += [{"mean_of": row["labels"]} | row for row in means(some)]
        rows += [row | setting for row in found]
        by_class += [row | setting for each in some for row in each.class_rows()]
    write_scores(csv, [*rows, *by_class], index=store)
    if as_json:
        print_json_lines(rows, index=store)
    else:
        print_probes(store, plan, probes, ordinary)
        print_written(csv)
    if where is not None and head is None and not no_save:
        print_notes("a probe of some of the works is saved only under a name: --head NAME")
    elif not no_save:
        name = head or default_name(each.label.name for each in probes)
        done = "replaced" if name in head_names(store) else "saved"
        save_head(store, make_head(store, plan, probes, name))
        command = f"'artsim predict --head {shell_word(name)}'"
        echo(f"Head {name!r} {done}; use it with {command}", err=True)


def _repeat(
    store: Store,
    plan: ProbePlan,
    splits: int,
    device: torch.device,
    *,
    as_json: bool,
    csv: Path | None,
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
    rows = [
        each.to_json() | {"tap": plan.tap, "group": group}
        for group, probes in found.items()
        for each in probes
    ]
    write_scores(csv, rows, index=store)
    if as_json:
        print_json_lines(rows, index=store)
    else:
        print_repeated(store, plan, splits, found)
        print_written(csv)
