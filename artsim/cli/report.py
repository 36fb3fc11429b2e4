"""``artsim report``."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click
import cloup

from artsim.cli.options.computing import device_option, seed_option, workers_option
from artsim.cli.options.index import index_argument, index_option, open_store, tap_option
from artsim.cli.options.labels import (
    group_option,
    keep_copies_option,
    label_option,
    split_option,
)
from artsim.cli.options.outputs import format_option, html_option
from artsim.cli.options.values import NEW_FILE, NEW_PATH
from artsim.cli.output import print_json_lines, print_table, show_progress, wants_json

if TYPE_CHECKING:
    from artsim.study import Study, StudyPlan

_METHODS = ("baseline", "metadata", "1-NN", "kNN", "probe")


@cloup.command()
@index_argument
@cloup.option_group("Index", index_option, tap_option())
@cloup.option_group(
    "Labels and split",
    label_option,
    split_option(),
    keep_copies_option,
    group_option(
        "Evaluate every label again with pictures of the same value kept together.  "
        "[default: the column with the artist, if there is one]"
    ),
    seed_option,
)
@cloup.option_group(
    "Output",
    html_option("The page.  [default: NAME-report.html]"),
    click.option(
        "--works",
        type=click.IntRange(1),
        default=12,
        show_default=True,
        metavar="N",
        help="Pictures in each gallery of a label; fewer if there are many labels.",
    ),
    click.option(
        "--markdown", metavar="FILE", type=NEW_FILE, help="Write the figures as Markdown tables."
    ),
    click.option(
        "--csv",
        "tables",
        metavar="FILE|DIR",
        type=NEW_PATH,
        help="Write the figures as CSV: to FILE.csv, or to a folder with a file per table.",
    ),
    format_option,
)
@cloup.option_group("Compute", device_option, workers_option)
def report(
    index: Path | None,
    tap: str | None,
    labels: tuple[str, ...],
    split: str | None,
    keep_copies: bool,
    group: str | None,
    works: int,
    seed: int,
    html: Path | None,
    markdown: Path | None,
    tables: Path | None,
    device: str,
    workers: int,
    as_json: bool | None,
) -> None:
    """Write an HTML report on how well the labels can be predicted.

    The report is one self-contained HTML file. It describes the data, compares majority, metadata,
    nearest neighbors and a linear probe for each label, and shows confusions, calibration, the most
    confident errors, pictures that do not fit their label, and weak slices of the data. Needs the
    extra 'report'.

    Example:

    \b
        artsim report
        artsim report paintings --label style,genre --group artist
        artsim report --split honest --html honest.html --markdown honest.md --csv honest/
    """
    store = open_store(index)
    from artsim.models import find_device
    from artsim.report import markdown as as_markdown
    from artsim.report import require_matplotlib, save_text, study_page, write_csv
    from artsim.study import StudyPlan, find_group, study

    require_matplotlib()  # before the work, not after it
    plan = StudyPlan(
        tap=store.tap(tap).name,
        labels=labels,
        split=split,
        keep_copies=keep_copies,
        group=group or find_group(store),
        works=works,
        workers=workers,
        seed=seed,
    )
    html = html or Path(f"{store.manifest.name}-report.html")
    command = _command(store.path, plan, html, markdown, tables)
    with show_progress(f"report on {store.manifest.name}") as progress:
        found = study(store, plan, device=find_device(device), progress=progress)
        page, pictures = study_page(found, command, workers=workers)
    save_text(page, html)
    written = [f"{html} ({len(page.encode()) / 1e6:.1f} MB, {pictures:,} pictures)"]
    if markdown is not None:
        save_text(as_markdown(found, command), markdown)
        written.append(str(markdown))
    if tables is not None:
        written.append(f"{tables} ({len(write_csv(found, tables)):,} CSV)")
    if wants_json(as_json):
        print_json_lines(found.records())
    else:
        _print(found)
    click.echo(f"Written: {', '.join(written)}", err=True)


def _command(
    path: Path, plan: StudyPlan, html: Path, markdown: Path | None, tables: Path | None
) -> str:
    """Return the command with everything that was chosen by default written out."""
    words = ["artsim", "report", "--index", str(path), "--tap", plan.tap]
    for label in plan.labels:
        words += ["--label", label]
    for option, value in (
        ("--split", plan.split),
        ("--group", plan.group),
        ("--works", plan.works),
        ("--seed", plan.seed),
        ("--html", html),
        ("--markdown", markdown),
        ("--csv", tables),
    ):
        if value is not None:
            words += [option, str(value)]
    words += ["--keep-copies"] if plan.keep_copies else []
    return shlex.join(words)


def _print(found: Study) -> None:
    click.echo(f"{found.name}: {found.rows:,} pictures by {found.spec}, {found.tap}")
    rows = []
    for label in found.labels:
        splits = [("ordinary", label.methods, label.split)]
        if label.grouped is not None and label.grouped.split is not None:
            splits.append(
                (f"grouped by {label.grouped.group}", label.grouped.methods, label.grouped.split)
            )
        for split, methods, facts in splits:
            scores = [
                "" if not each.estimate.n else f"{each.estimate.value:.3f}"
                for each in methods[: len(_METHODS)]
            ]
            rows.append([label.name, label.metric, split, *scores, f"{facts.test:,}"])
    right = ["split", *_METHODS, "test"]
    print_table(["label", "metric", *right], rows, right=right)
    for name, reason in found.skipped.items():
        click.echo(f"Skipped: {name} ({reason})")
