"""``artsim leaderboard``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import cloup

from artsim.cli.comparing import compared
from artsim.cli.options.collection import where_option
from artsim.cli.options.computing import device_option, seed_option
from artsim.cli.options.index import indexes_argument, indexes_option, open_stores, taps_option
from artsim.cli.options.labels import (
    count_among,
    group_option,
    label_option,
    qualified_option,
    read_among,
    split_options,
)
from artsim.cli.options.outputs import csv_option, format_option
from artsim.cli.output import (
    echo,
    fixed,
    print_json_lines,
    print_split,
    print_table,
    print_written,
    show_progress,
)
from artsim.cli.score_files import write_scores

if TYPE_CHECKING:
    from artsim.evaluation.probe import Best, Method, Standing

_METHODS: dict[Method, str] = {"probe": "probe", "knn": "kNN"}
_METRICS = {"top1": " (top-1)", "mAP": " (mAP)", "MAE": " (MAE, less is better)"}


@cloup.command()
@indexes_argument
@cloup.option_group(
    "Index",
    indexes_option,
    taps_option,
)
@cloup.option_group(
    "Labels and split",
    label_option,
    qualified_option,
    where_option,
    *split_options,
    group_option("Keep pictures with the same value together: artist, to evaluate style."),
    seed_option,
)
@cloup.option_group(
    "Compare",
    click.option(
        "--against",
        metavar="NAME",
        help="Also compare each with the index or tap of this name, on the same test pictures.",
    ),
)
@cloup.option_group("Compute", device_option)
@cloup.option_group(
    "Output", csv_option("every score, also macro F1 and the intervals,"), format_option
)
def leaderboard(
    indexes: tuple[Path, ...],
    against: str | None,
    where: str | None,
    csv: Path | None,
    device: str,
    as_json: bool,
    **choice: Any,
) -> None:
    """Rank taps and models by how well they predict the labels.

    Every tap of an index, or of several indexes of one catalog, is evaluated by a linear probe and
    by nearest neighbors, with the same split of each label. The best for a label is chosen on the
    validation set and marked *: on the test set, the best of many would partly be the luckiest. On
    the test set it is compared with the runner-up: the difference, its paired 95% interval and, for
    top-1, the p-value of McNemar's exact test, which does not hold where --group keeps pictures
    together. --against compares all others with the one you name. Once its settings are chosen, a
    probe is fitted again to training and validation pictures, which are also the neighbors. The
    mean weights every label equally and leaves out numbers.

    Example:

    \b
        artsim embed paintings/ -m lite0@blocks.1/gram+blocks.4/gem+embedding
        artsim leaderboard --label artist,style,genre
        artsim leaderboard indexes/lite0 indexes/clip --label style --group artist --csv taps.csv
        artsim leaderboard indexes/lite0 indexes/clip --label artist --against clip
    """
    stores = open_stores(indexes)
    from artsim.evaluation import probe
    from artsim.models import find_device

    plan = probe.LeaderboardPlan(among=read_among(stores[0], where), **choice)
    standings: list[Standing] = []
    every = [tap.name for store in stores for tap in store.manifest.passport.taps]
    total = sum(not plan.taps or tap in plan.taps for tap in every)
    with show_progress("Comparing") as update:
        for each in probe.leaderboard(stores, plan, device=find_device(device)):
            standings.append(each)
            update(len({(done.index, done.tap) for done in standings}), total, 0)
    top = {method: probe.best(standings, method) for method in _METHODS}
    named = (
        []
        if against is None
        else [each for method in _METHODS for each in probe.against(standings, against, method)]
    )
    rows = [_as_dict(each, top, named) for each in standings]
    write_scores(csv, rows)
    if as_json:
        setting = {"split": plan.split, "group": plan.group, "seed": plan.seed}
        print_json_lines(row | setting for row in rows)
        return
    of = ", ".join(map(str, stores))
    of += f" ({count_among(stores[0], plan.among)})" if where else ""
    echo(f"Leaderboard of {of}")
    for name in top["probe"]:
        some = [each for each in standings if each.label.name == name]
        several = len(stores) > 1
        own = [found for found in named if found.standing.label.name == name]
        _print_label(some, [bests[name] for bests in top.values()], own, several=several)
    _print_means(standings, several=len(stores) > 1)
    for name, split in {each.label.name: each.split for each in standings}.items():
        print_split(name, split)
    echo("*: best on validation (val). No picture: majority, chance or median.")
    if any(each.split.resampled is not None for each in standings):
        echo("No p-values: McNemar's test takes every picture for one on its own, not groups.")
    print_written(csv)


def _as_dict(
    each: Standing, top: Mapping[Method, Mapping[str, Best]], named: Sequence[Best]
) -> dict[str, Any]:
    """Return a row: every row of a file has the same columns, most of them only for the best."""
    row: dict[str, Any] = each.to_json()
    for method, bests in top.items():
        chosen = bests[each.label.name]
        is_best = chosen.standing is each
        row[f"best_{method}"] = is_best
        row |= {name: value if is_best else None for name, value in chosen.to_json().items()}
    for found in named:
        if found.standing is each and found.runner_up and found.difference:
            row["against"] = f"{found.runner_up.index} {found.runner_up.tap}"
            row |= found.difference.to_json(f"{found.method}_against")
    return row


def _print_label(
    standings: Sequence[Standing], bests: Sequence[Best], named: Sequence[Best], *, several: bool
) -> None:
    """Print a row for each tap, the best probe on validation first."""
    first = bests[0].standing
    sign = 1 if first.is_error else -1
    rows = []
    for each in sorted(standings, key=lambda each: sign * each.validation["probe"]):
        cells: list[object] = []
        for best in bests:
            cells.append(_shown(each, each.validation[best.method]))
            test = _shown(each, each.score(best.method))
            cells.append(_marked(test, best.standing is each))
        rows.append([*_names(each, several=several), *cells])
    floor = _marked(_shown(first, first.baseline.value), False)
    rows.append([*([""] if several else []), "no picture", "", "", floor, "", floor])
    echo(f"\n{first.label.name}{_METRICS[first.label.kind.metric]}")
    _print_table(rows, several=several)
    said = {_pair(best) for best in named}
    for best in bests:
        if best.difference is not None and _pair(best) not in said:
            echo(_compared(best, several=several))
    for best in named:
        echo(_compared(best, several=several, what=""))


def _pair(chosen: Best) -> tuple[Method, frozenset[int]]:
    """Return what is compared, whichever of the two comes first."""
    return chosen.method, frozenset(map(id, (chosen.standing, chosen.runner_up)))


def _print_means(standings: Sequence[Standing], *, several: bool) -> None:
    """Print each tap's mean over the labels, the best probe on validation first."""
    from artsim.evaluation.probe import mean_score

    by_tap: dict[tuple[str, str], list[Standing]] = {}
    for each in standings:
        by_tap.setdefault((each.index, each.tap), []).append(each)
    found = []
    for scores in by_tap.values():
        labels = sum(not each.is_error for each in scores)
        means = [
            mean_score(scores, how, validation=val) for how in _METHODS for val in (True, False)
        ]
        if labels > 1:
            found.append([*_names(scores[0], several=several), *means])
    if found:
        found.sort(key=lambda row: -row[-4])
        tops = [max(row[column] for row in found) for column in (-4, -2)]
        rows = []
        for row in found:
            *names, probe_val, probe, knn_val, knn = row
            cells = [fixed(probe_val), _marked(fixed(probe), probe_val == tops[0])]
            cells += [fixed(knn_val), _marked(fixed(knn), knn_val == tops[1])]
            rows.append([*names, *cells])
        echo(f"\nmean of {labels} labels")
        _print_table(rows, several=several)


def _names(each: Standing, *, several: bool) -> list[Any]:
    return [*([each.index] if several else []), each.tap, each.dims]


def _print_table(rows: Sequence[Sequence[object]], *, several: bool) -> None:
    columns = [
        "dims",
        *(f"{name} {part}" for name in _METHODS.values() for part in ("val", "test")),
    ]
    names = [*(["index"] if several else []), "tap"]
    print_table([*names, *columns], rows, right=columns, names=names)


def _compared(chosen: Best, *, several: bool, what: str = "the runner-up ") -> str:
    """Say how much the best is above the runner-up on test, and whether that is noise."""
    taps = [chosen.standing, chosen.runner_up]
    best, other = (
        f"{each.index} {each.tap}" if several else each.tap for each in taps if each is not None
    )
    found = chosen.difference
    assert found is not None
    is_error = chosen.standing.is_error
    digits = 1 if is_error and found.estimate.high - found.estimate.low >= 10 else 3
    how = compared(found, best, other, is_error=is_error, digits=digits)
    return f"{_METHODS[chosen.method]}: {best} compared with {what}{other} on test: {how}"


def _shown(standing: Standing, score: float) -> str:
    return f"{score:.1f}" if standing.is_error and score >= 10 else f"{score:.3f}"


def _marked(text: str, is_best: bool) -> str:
    return text + ("*" if is_best else " ")
