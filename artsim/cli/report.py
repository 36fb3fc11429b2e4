"""``artsim report``."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import cloup

from artsim.cli.options.computing import device_option, seed_option, workers_option
from artsim.cli.options.index import (
    index_argument,
    index_option,
    note_hidden,
    open_store,
    root_option,
    tap_option,
)
from artsim.cli.options.labels import (
    group_option,
    hierarchy_option,
    keep_copies_option,
    label_option,
    qualified_option,
    split_option,
)
from artsim.cli.options.outputs import format_option
from artsim.cli.options.values import NEW_PATH, count_option, file_option
from artsim.cli.output import echo, fixed, print_json_lines, print_table, show_progress
from artsim.datatypes import plural

if TYPE_CHECKING:
    from artsim.store import Store
    from artsim.study import Study, StudyPlan

_METHODS = ("baseline", "metadata", "1-NN", "kNN", "probe")


@cloup.command()
@index_argument
@cloup.option_group("Index", index_option, tap_option(), root_option)
@cloup.option_group(
    "Labels and split",
    label_option,
    qualified_option,
    hierarchy_option,
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
    file_option("-o", "--output", help="The page to write.  [default: NAME-report.html]"),
    file_option("--html", hidden=True, help="The former name of --output."),
    count_option(
        "--works",
        default=12,
        help="Pictures in each gallery of a label; fewer if there are many labels.",
    ),
    file_option("--markdown", help="Write the figures as Markdown tables."),
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
    group: str | None,
    output: Path | None,
    html: Path | None,
    markdown: Path | None,
    tables: Path | None,
    device: str,
    workers: int,
    as_json: bool,
    **choice: Any,
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
        artsim report --label medium --hierarchy media.csv
        artsim report --split honest -o honest.html --markdown honest.md --csv honest/
    """
    store = open_store(index)
    note_hidden(store)
    from artsim.models import find_device
    from artsim.report import markdown as as_markdown
    from artsim.report import require_matplotlib, save_text, study_page, write_csv
    from artsim.study import StudyPlan, find_group, study

    require_matplotlib()  # before the work, not after it
    plan = StudyPlan(
        tap=store.tap(tap).name, group=group or find_group(store), workers=workers, **choice
    )
    file = output or html or Path(f"{store.manifest.name}-report.html")
    files = {"--output": file, "--markdown": markdown, "--csv": tables}
    command = _command(store, plan, files)
    with show_progress(f"report on {store.manifest.name}") as progress:
        found = study(store, plan, device=find_device(device), progress=progress)
        page, pictures = study_page(found, command, workers=workers)
    save_text(page, file)
    written = [f"{file} ({len(page.encode()) / 1e6:.1f} MB, {plural(pictures, 'picture')})"]
    if markdown is not None:
        save_text(as_markdown(found, command), markdown)
        written.append(str(markdown))
    if tables is not None:
        written.append(f"{tables} ({len(write_csv(found, tables)):,} CSV)")
    if as_json:
        print_json_lines(found.records(), index=store)
    else:
        _print(store, found)
    for each in written:
        echo(f"Written to {each}", err=True)


def _command(store: Store, plan: StudyPlan, files: dict[str, Path | None]) -> str:
    """Return the command with everything that was chosen by default written out."""
    words = ["artsim", "report", "--index", str(store), "--tap", plan.tap]
    for label in plan.labels:
        words += ["--label", label]
    if plan.hierarchy is not None:
        words += ["--hierarchy", plan.hierarchy.source]
    numbers = {"--works": plan.works, "--seed": plan.seed}
    for option, value in ({"--split": plan.split, "--group": plan.group} | numbers | files).items():
        words += [] if value is None else [option, str(value)]
    words += ["--qualified", "keep"] if plan.keep_qualified else []
    words += ["--keep-copies"] if plan.keep_copies else []
    return shlex.join(words)


def _print(store: Store, found: Study) -> None:
    echo(f"Report on {store} ({plural(found.rows, 'picture')}, by {found.spec}, {found.tap})")
    rows = []
    for label in found.labels:
        splits = [(label.split.name, label.methods, label.split)]
        if (apart := label.grouped) is not None and apart.split is not None:
            splits.append((f"grouped by {apart.group}", apart.methods, apart.split))
        for split, methods, facts in splits:
            estimates = [each.estimate for each in methods[: len(_METHODS)]]
            scores = [fixed(each.value if each.n else None) for each in estimates]
            rows.append([label.name, label.metric, split, *scores, f"{facts.test:,}"])
    right = ["split", *_METHODS, "test"]
    print_table(["label", "metric", *right], rows, right=right, whole=["label"])
    for name, reason in found.skipped.items():
        echo(f"Skipped: {name} ({reason})")
