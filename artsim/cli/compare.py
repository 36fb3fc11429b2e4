"""``artsim compare``."""

from __future__ import annotations

from pathlib import Path

import click
import cloup

from artsim.cli.options.computing import seed_option
from artsim.cli.options.outputs import format_option
from artsim.cli.options.values import FOLDER
from artsim.cli.output import print_json_lines, print_table, wants_json


@cloup.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN RUN...", type=FOLDER)
@cloup.option_group("Method", seed_option)
@cloup.option_group("Output", format_option)
def compare(runs: tuple[Path, ...], seed: int, as_json: bool | None) -> None:
    """Compare trained networks on the same test pictures.

    Each run, a folder made by 'artsim train' or its name in runs/, is compared with the first:
    the difference, its 95 % interval and p-value by paired bootstrap over the pictures. Runs with
    different test pictures are refused.

    Example:

    \b
        artsim compare runs/finetune-20260102-030405 runs/wikiart-conv-recurrent-20260101-010203
    """
    from artsim.training import compare_runs, find_run

    if len(runs) < 2:
        raise click.UsageError("name two runs or more")
    found = compare_runs([find_run(run, Path("runs")) for run in runs], seed=seed)
    if wants_json(as_json):
        print_json_lines(each.to_json() for each in found)
        return
    rows = [
        [
            each.task,
            each.run,
            each.metric,
            f"{each.score.n:,}",
            f"{each.score.value:.3f}",
            f"{each.score.low:.3f}-{each.score.high:.3f}",
            "" if each.difference is None else f"{each.difference.value:+.3f}",
            ""
            if each.difference is None
            else f"{each.difference.low:+.3f} to {each.difference.high:+.3f}",
            "" if each.p is None else f"{each.p:.4f}",
        ]
        for each in found
    ]
    right = ["pictures", "test", "95 %", "difference", "95 % of it", "p"]
    print_table(["task", "run", "metric", *right], rows, right=right)
    click.echo("On the same test pictures; p by paired bootstrap")
