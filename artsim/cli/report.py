"""``artsim report``."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from artsim.cli.options import (
    NEW_FILE,
    NEW_PATH,
    count_cores,
    device_option,
    format_option,
    index_argument,
    label_option,
    open_store,
    seed_option,
    tap_option,
)
from artsim.cli.output import print_json_lines, print_table, show_progress, wants_json

if TYPE_CHECKING:
    from artsim.study import Study, StudyPlan

_METHODS = ("baseline", "metadata", "1-NN", "kNN", "probe")


@click.command()
@index_argument
@tap_option
@label_option("Study")
@click.option(
    "--split",
    metavar="NAME",
    help="A split of 'artsim split', or a column of train, val and test.  "
    "[default: 70/10/20, stratified by class]",
)
@click.option(
    "--group",
    metavar="COLUMN",
    help="Evaluate each label a second time with each value of this column in one set only.  "
    "[default: the column with the makers of the works, if there is one]",
)
@click.option(
    "--works",
    type=click.IntRange(1),
    default=12,
    show_default=True,
    help="Images in each gallery of a label; fewer if there are many labels.",
)
@seed_option("the splits, the folds, the intervals and the pairs")
@click.option(
    "--html", metavar="FILE", type=NEW_FILE, help="The page.  [default: NAME-report.html]"
)
@click.option(
    "--markdown", metavar="FILE", type=NEW_FILE, help="Also write the figures as Markdown tables."
)
@click.option(
    "--csv",
    "tables",
    metavar="FILE|DIR",
    type=NEW_PATH,
    help="Also write the figures as CSV: a folder of one file a table, or FILE.csv.",
)
@device_option
@click.option(
    "--workers",
    type=click.IntRange(1),
    help="Threads that decode images.  [default: the cores]",
)
@format_option
def report(
    index: Path | None,
    tap: str | None,
    labels: tuple[str, ...],
    split: str | None,
    group: str | None,
    works: int,
    seed: int,
    html: Path | None,
    markdown: Path | None,
    tables: Path | None,
    device: str,
    workers: int | None,
    as_json: bool | None,
) -> None:
    """Write a report on how well the embeddings predict each label, where they fail, and why.

    The report is one self-contained HTML file. It describes the data, compares majority, metadata,
    nearest neighbors and a linear probe for each label, and shows confusions, calibration, the most
    confident errors, images that do not fit their label, and weak slices of the data. Needs the
    extra "report".

    Example:

    \b
        artsim report
        artsim report --index paintings --label style,genre --group artist
        artsim report --split honest --html honest.html --markdown honest.md --csv honest/
    """
    store = open_store(index)
    from artsim.models import find_device
    from artsim.report import markdown as as_markdown
    from artsim.report import require_matplotlib, save_text, study_page, write_csv
    from artsim.study import StudyPlan, find_group, study

    require_matplotlib()  # before the work, not after it
    workers = workers or count_cores()
    plan = StudyPlan(
        tap=store.tap(tap).name,
        labels=labels,
        split=split,
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
    written = [f"{html} ({len(page.encode()) / 1e6:.1f} MB, {pictures:,} images)"]
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
    return shlex.join(words)


def _print(found: Study) -> None:
    click.echo(f"{found.name}: {found.rows:,} images by {found.spec}, {found.tap}")
    rows = []
    for label in found.labels:
        splits = [("ordinary", label.methods, label.split)]
        if label.grouped is not None and label.grouped.split is not None:
            splits.append(
                (f"grouped by {label.grouped.group}", label.grouped.methods, label.grouped.split)
            )
        for split, methods, facts in splits:
            scores = [f"{each.estimate.value:.3f}" for each in methods[: len(_METHODS)]]
            rows.append([label.name, label.metric, split, *scores, f"{facts.test:,}"])
    right = ["split", *_METHODS, "test"]
    print_table(["label", "metric", *right], rows, right=right)
    for name, reason in found.skipped.items():
        click.echo(f"Skipped: {name} ({reason})")
