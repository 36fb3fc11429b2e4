"""``artsim leaderboard``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cloup

from artsim.cli.options.computing import device_option, seed_option
from artsim.cli.options.index import indexes_argument, indexes_option, open_stores, taps_option
from artsim.cli.options.labels import group_option, label_option, split_options
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

if TYPE_CHECKING:
    from artsim.evaluation.probe import Standing

_METHODS = {"probe": "Linear probe", "knn": "kNN, k chosen on validation"}
_METRICS = {"top1": "", "mAP": " (mAP)", "MAE": " (MAE, less is better)"}


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
    *split_options,
    group_option("Keep pictures with the same value together: artist, to evaluate style."),
    seed_option,
)
@cloup.option_group("Compute", device_option)
@cloup.option_group("Output", csv_option("every score"), format_option)
def leaderboard(
    indexes: tuple[Path, ...],
    csv: Path | None,
    device: str,
    as_json: bool,
    **choice: Any,
) -> None:
    """Rank taps and models by how well they predict the labels.

    Every tap of an index, or of several indexes of one catalog, is evaluated by a linear probe
    and by nearest neighbors, with the same split of each label. The best score of a label is
    marked *. The mean weights every label equally and leaves out numbers.

    Example:

    \b
        artsim embed paintings/ -m lite0@blocks.1/gram+blocks.4/gem+embedding
        artsim leaderboard --label artist,style,genre
        artsim leaderboard indexes/lite0 indexes/clip --label style --group artist --csv taps.csv
    """
    stores = open_stores(indexes)
    from artsim.evaluation.probe import LeaderboardPlan, best
    from artsim.evaluation.probe import leaderboard as compare
    from artsim.models import find_device

    plan = LeaderboardPlan(**choice)
    standings: list[Standing] = []
    every = [tap.name for store in stores for tap in store.manifest.passport.taps]
    total = sum(not plan.taps or tap in plan.taps for tap in every)
    with show_progress("Comparing") as update:
        for each in compare(stores, plan, device=find_device(device)):
            standings.append(each)
            update(len({(done.index, done.tap) for done in standings}), total, 0)
    top = {method: best(standings, method) for method in _METHODS}
    rows = [
        each.to_json()
        | {
            f"best_{method}": each.score(method) == top[method][each.label.name]
            for method in _METHODS
        }
        for each in standings
    ]
    if csv is not None:
        from artsim.store import csv_text, write_whole

        text = csv_text(list(rows[0]), (row.values() for row in rows))
        write_whole(csv, lambda stream: stream.write(text.encode()))
    if as_json:
        setting = {"split": plan.split, "group": plan.group, "seed": plan.seed}
        print_json_lines(row | setting for row in rows)
        return
    echo(f"Leaderboard of {', '.join(str(store.path) for store in stores)}")
    for method in _METHODS:
        _print_method(standings, method, top[method], several=len(stores) > 1)
    for name, split in {each.label.name: each.split for each in standings}.items():
        print_split(name, split)
    echo("*: best of the label. No picture: majority, chance or median.")
    print_written(csv)


def _print_method(
    standings: Sequence[Standing], method: str, top: dict[str, float], *, several: bool
) -> None:
    """Print a row for each tap, the best mean first."""
    from artsim.evaluation.probe import mean_score

    by_tap: dict[tuple[str, str], list[Standing]] = {}
    for each in standings:
        by_tap.setdefault((each.index, each.tap), []).append(each)
    means = {tap: mean_score(scores, method) for tap, scores in by_tap.items()}
    order = sorted(by_tap, key=lambda tap: -(means[tap] or 0.0))
    highest = means[order[0]]
    rows = [
        [
            *([tap[0]] if several else []),
            tap[1],
            by_tap[tap][0].dims,
            *(_shown(each, each.score(method), top[each.label.name]) for each in by_tap[tap]),
            _marked(fixed(means[tap]), means[tap] == highest) if highest is not None else "",
        ]
        for tap in order
    ]
    firsts = by_tap[order[0]]
    floor = [_shown(each, each.baseline.value, None) for each in firsts]
    rows.append([*([""] if several else []), "no picture", "", *floor, ""])
    labels = [each.label.name + _METRICS[str(each.to_json()["metric"])] for each in firsts]
    columns = ["dims", *labels, "mean"]
    echo(f"\n{_METHODS[method]}")
    print_table([*(["index"] if several else []), "tap", *columns], rows, right=columns)


def _shown(standing: Standing, score: float, top: float | None) -> str:
    text = f"{score:.1f}" if standing.is_error and score >= 10 else f"{score:.3f}"
    return _marked(text, score == top)


def _marked(text: str, is_best: bool) -> str:
    return text + ("*" if is_best else " ")
