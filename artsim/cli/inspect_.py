"""``artsim inspect``."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import cloup

from artsim.cli.options.collection import max_pixels_option, open_collection, reader_options
from artsim.cli.options.computing import seed_option, workers_option
from artsim.cli.options.outputs import format_option, strict_option
from artsim.cli.options.values import count_option, file_option
from artsim.cli.output import (
    echo,
    echo_wrapped,
    fixed,
    print_json_lines,
    print_table,
    print_written,
    shortened,
    show_progress,
)
from artsim.datatypes import FieldType, plural

if TYPE_CHECKING:
    from artsim.inspection import Example, Inspection, LabelSummary, OddValue, Weight

_CLASSES = 12  # of a label that are listed
_LABELS = 20  # whose classes are listed
_NAME = 19  # letters of a column's name in tables
_ODD_VALUES = 3  # of a column that are listed
_ON_PAGE = 6  # instances of each fault, and pictures of each class, on the page


@cloup.command("inspect")
@click.argument("collection")
@cloup.option_group("Collection", *reader_options)
@cloup.option_group(
    "Checks",
    click.option(
        "--hashes",
        is_flag=True,
        help="Decode every picture to find damaged files, near-duplicates and black borders.",
    ),
    count_option(
        "--min-side",
        default=64,
        metavar="PIXELS",
        help="Report pictures with a shorter side as tiny.",
    ),
    max_pixels_option,
    seed_option,
    workers_option,
)
@cloup.option_group(
    "Output",
    count_option("--examples", least=0, default=3, help="Examples shown of each fault."),
    file_option("--html", help="Write a page with charts and pictures."),
    click.option(
        "--draft-map",
        is_flag=True,
        help="Print a first mapping of the records' keys instead, in TOML.",
    ),
    strict_option("a fault costs rows or a row of the table is bad"),
    format_option,
)
def inspect(
    collection: str,
    html: Path | None,
    draft_map: bool,
    examples: int,
    strict: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Check a collection before embedding: faults, labels, sizes.

    Rows are matched with files, and image headers are read. Each possible label is listed with
    its classes and two baselines that need no picture: the most common class, and the best
    prediction from another column, cross-validated.

    Example:

    \b
        artsim inspect paintings/
        artsim inspect paintings/ --hashes --html paintings.html
        artsim inspect artworks/ --draft-map > artworks/museum.toml
    """
    if draft_map:
        _print_draft(collection)
        return
    from artsim.inspection import InspectSettings, Weight, inspect_collection

    catalog = open_collection(collection, options, strict=strict)
    on_page = _ON_PAGE if html else 0
    settings = InspectSettings(examples=max(examples, on_page), samples=on_page, **options)
    with show_progress(catalog.name) as progress:
        inspection = inspect_collection(catalog, settings=settings, progress=progress)
    if html is not None:
        from artsim.report import inspection_page, save_text

        save_text(inspection_page(inspection), html)
    if as_json:
        print_json_lines(_json(inspection, examples))
    else:
        _print(inspection, examples)
        print_written(html)
    lost = any(f.kind.weight is Weight.LOST for f in inspection.findings)
    if strict and lost:
        sys.exit(1)


def _print_draft(collection: str) -> None:
    from artsim.readers import draft_map

    for line in draft_map(collection).splitlines():
        echo(line)
    echo("Save it in the folder of the records, and read them with map:FILE.toml.", err=True)


def _json(inspection: Inspection, examples: int) -> Iterator[dict[str, Any]]:
    from dataclasses import asdict

    names = ("name", "reader", "source", "root", "rows", "pictures", "listed")
    counts = ("formats", "modes", "profiles")
    yield (
        {"kind": "collection"}
        | {name: getattr(inspection, name) for name in (*names, *counts)}
        | {"source": str(inspection.source), "root": str(inspection.root)}
        | {"hashes": inspection.settings.hashes, "seed": inspection.settings.seed}
    )
    for finding in inspection.findings:
        yield {
            "kind": "finding",
            "fault": finding.kind,
            "weight": finding.kind.weight,
            "title": finding.kind.summary,
            "count": finding.count,
            "examples": [
                {"names": each.names, "detail": each.detail} for each in finding.examples[:examples]
            ],
        }
    for column in inspection.columns:
        yield {"kind": "column", **asdict(column)}
    for label in inspection.labels:
        yield {"kind": "label", **asdict(label), "classes": dict(label.classes)}
    for name, values in inspection.sizes.quantiles().items():
        quantiles = zip(("least", "p5", "median", "p95", "most"), values, strict=True)
        yield {"kind": "size", "measure": name, **dict(quantiles)}


def _print(inspection: Inspection, examples: int) -> None:
    echo(
        f"{inspection.name}: {plural(inspection.rows, 'row')}, "
        f"{plural(inspection.pictures, 'picture')} ({inspection.reader} reader, "
        f"{inspection.source})"
    )
    for name, counts in (
        ("files", inspection.formats),
        ("colors", inspection.modes),
        ("profiles", inspection.profiles),
    ):
        if counts:
            echo(f"  {name:<9} " + ", ".join(f"{k} {n:,}" for k, n in counts.items()))
    _print_findings(inspection, examples)
    _print_labels(inspection.labels)
    _print_columns(inspection)
    _print_sizes(inspection)


def _print_findings(inspection: Inspection, examples: int) -> None:
    from artsim.inspection import FindingKind, Weight

    headings: dict[Weight, str] = {
        Weight.LOST: "Will not be embedded",
        Weight.LOOK: "Worth a look",
        Weight.NOTE: "Good to know",
    }
    for weight, heading in headings.items():
        found = [f for f in inspection.findings if f.kind.weight is weight]
        if found:
            echo(f"\n{heading}")
        for finding in found:
            echo(f"{finding.count:>9,}  {finding.kind.summary}")
            for example in finding.examples[:examples]:
                echo(shortened(f"{'':>11}{_line(example)}"))
    if any(f.kind is FindingKind.WEB_IMAGE for f in inspection.findings):
        source = shlex.quote(f"{inspection.reader}:{inspection.source}")
        echo(f"\nGet the pictures first: artsim fetch {source} {inspection.name}-pictures/")
    if not inspection.findings:
        echo("\nNo faults found in rows and files.")
    if not inspection.settings.hashes:
        echo("\nNot checked: damaged pictures, near-duplicates, black borders (use --hashes)")


def _line(example: Example) -> str:
    shown = " = ".join(example.names[:4])
    more = len(example.names) - 4
    names = f"{shown} and {more:,} more" if more > 0 else shown
    return f"{names}: {example.detail}" if example.detail else names


def _print_labels(labels: tuple[LabelSummary, ...]) -> None:
    if not labels:
        echo("\nNo column is usable as a label.")
        return
    echo()
    numbers = ["classes", "rows", "majority", "best column"]
    rows = [
        [
            _path_end(label.name),
            f"{len(label.classes):,}",
            f"{label.rows:,}",
            fixed(label.majority),
            "" if label.best_column is None else fixed(label.best_column.accuracy),
            _path_end(_predicted_from(label)),
        ]
        for label in labels
    ]
    print_table(["label", *numbers, "predicted from"], rows, right=numbers, whole=["label"])
    baselines = [label.best_column for label in labels if label.best_column is not None]
    if baselines:
        echo_wrapped(
            "best column: predict the most common class among rows with the same value of one "
            f"other column or size; {baselines[0].folds}-fold cross-validated "
            f"(seed {baselines[0].seed})"
        )
    for same in dict.fromkeys(tuple(sorted((each.name, *each.same_as))) for each in labels):
        if len(same) > 1:
            echo_wrapped(f"the same classes, one for one: {', '.join(same)}")
    for label in labels[:_LABELS]:
        more = len(label.classes) - _CLASSES
        listed = ", ".join(f"{name} {count:,}" for name, count in label.classes[:_CLASSES])
        echo()
        echo_wrapped(f"{label.name}: {listed}" + (f", and {more:,} more" if more > 0 else ""))
    if len(labels) > _LABELS:
        echo(f"\nThe classes of {len(labels) - _LABELS:,} more labels: --json")


def _predicted_from(label: LabelSummary) -> str:
    if label.best_column is None:
        return ""
    return label.best_column.column or "no column is better"


def _print_columns(inspection: Inspection) -> None:
    if not inspection.columns:
        return
    rows = [
        [
            _path_end(column.name),
            column.type,
            f"{column.distinct:,}",
            f"{column.missing:,}",
            _percent(column.missing, inspection.rows),
            " · ".join(column.examples),
        ]
        for column in inspection.columns
    ]
    right = ["distinct", "missing", "%"]
    names = ["column", "type", "distinct", "missing", "%", "examples"]
    print_table(names, rows, right=right, whole=["column", "type"])
    for reason, names in _no_labels(inspection).items():
        echo_wrapped(f"{reason}: {', '.join(names)}")
    odd = [(column.name, column.odd) for column in inspection.columns if column.odd]
    if odd:
        echo("\nValues that read otherwise than most of their column")
    for name, found in odd:
        listed = ", ".join(
            f"{each.value!r} ({_rows_of(each)})" for each in found.values[:_ODD_VALUES]
        )
        more = found.distinct - _ODD_VALUES
        kind = plural(
            found.rows, f"value is no {found.expected}", f"values are no {found.expected}"
        )
        echo_wrapped(
            f"  {name}: {kind}: {listed}" + (f", and {more:,} more" if more > 0 else ""), indent=4
        )


def _percent(count: int, rows: int) -> str:
    """Write a share of the rows; all but a few are not 100%."""
    return ">99%" if count < rows and count / rows >= 0.995 else f"{count / rows:.0%}"


def _rows_of(value: OddValue) -> str:
    return value.id if value.rows == 1 else f"{value.rows:,} rows, first {value.id}"


def _no_labels(inspection: Inspection) -> dict[str, list[str]]:
    """Group the columns that are no labels by the reason."""
    found: dict[str, list[str]] = {}
    for column in inspection.columns:
        if column.not_a_label is None:
            continue
        if column.missing == inspection.rows:
            reason = "No values"
        elif column.type in (FieldType.NUMBER, FieldType.YEARS):
            reason = "Numbers and years (name one with --label to predict it)"
        else:
            reason = "One value only" if column.distinct == 1 else "No labels, nearly all different"
        found.setdefault(reason, []).append(column.name)
    return found


def _path_end(name: str) -> str:
    """Shorten a path of keys from its start: its end says what it is."""
    return name if len(name) <= _NAME else f"…{name[1 - _NAME :]}"


def _print_sizes(inspection: Inspection) -> None:
    quantiles = inspection.sizes.quantiles()
    if not quantiles:
        return
    right = ["least", "5%", "median", "95%", "most"]
    rows = [[name, *(_number(value) for value in values)] for name, values in quantiles.items()]
    print_table(["size", *right], rows, right=right)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"
