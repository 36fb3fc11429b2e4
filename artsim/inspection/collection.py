"""Inspect a collection: match rows with files, read headers, and report faults."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from artsim.datatypes import Catalog, FieldType, Progress, no_progress, plural
from artsim.errors import ReaderError
from artsim.inspection.baselines import binned, find_best_column
from artsim.inspection.coding import StoredCodes
from artsim.inspection.columns import (
    Classes,
    ColumnSummary,
    LabelSummary,
    codes_of,
    count_classes,
    describe_columns,
    describe_label,
    no_values,
    spellings,
)
from artsim.inspection.doubles import find_duplicates
from artsim.inspection.faults import find_in_rows, find_other_files, find_series, look_at_pictures
from artsim.inspection.files import Files, list_files, match
from artsim.inspection.findings import Example, Finding, FindingKind, Findings
from artsim.inspection.mojibake import find_mojibake
from artsim.inspection.pictures import PictureScan, Rows, Sizes, sizes_by_row
from artsim.inspection.scans import DEFAULTS, InspectSettings
from artsim.inspection.stored import StoredTable
from artsim.readers import is_url
from artsim.splits import sample_per_class


@dataclass(frozen=True)
class Sample:
    """Some pictures of one class, drawn at random."""

    label: str
    class_: str
    ids: tuple[str, ...]
    files: tuple[Path, ...]


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What was seen of a collection."""

    name: str
    reader: str
    source: Path
    root: Path
    rows: int
    pictures: int  # files that rows name and that are there, each counted once
    listed: int  # pictures that the folder holds
    findings: tuple[Finding, ...]
    columns: tuple[ColumnSummary, ...]
    labels: tuple[LabelSummary, ...]
    formats: Mapping[str, int]  # pictures of each, by header
    modes: Mapping[str, int]
    profiles: Mapping[str, int]  # by their names, and by what they do where they have none
    sizes: Sizes
    samples: tuple[Sample, ...]
    settings: InspectSettings
    seconds: float = field(compare=False)


def inspect_collection(
    catalog: Catalog,
    *,
    settings: InspectSettings = DEFAULTS,
    progress: Progress = no_progress,
) -> Inspection:
    """Look a collection over before it is embedded.

    Every row and the header of every picture is read. Bytes are compared only of files of one size,
    and pixels are decoded only with ``settings.hashes``: that finds damaged pictures, black bars
    and pictures that look the same too.

    Raises:
        ReaderError: If it lists no row, or cannot be read.
    """
    started = time.perf_counter()
    table = StoredTable(catalog.batches(), catalog.schema)
    if not table.num_rows:
        raise ReaderError(f"{str(catalog.source)!r} lists no pictures; nothing to inspect")
    # A table of web addresses may be anywhere: pictures next to it do not belong to it.
    has_files = any(image and not is_url(image) for image in _images(table))
    files = list_files(catalog.root, catalog.exclude) if has_files else Files()
    matched = match(_images(table), catalog.root, files)
    findings = Findings(settings.examples)
    rows = Rows(table, matched, catalog.root)
    find_in_rows(rows, table, findings)
    pictures = look_at_pictures(rows, settings, findings, progress)
    find_duplicates(rows, pictures, table, settings, findings)

    find_mojibake(table, rows, findings)
    find_series(table, findings)
    if catalog.reader == "table":  # the other readers read them, or say that they do not
        find_other_files(files, catalog, findings)
    columns, labels = _describe(table, rows, pictures, settings.seed)
    for label in labels:
        counts = dict(label.classes)
        for names in spellings(counts):
            rows_of = " and ".join(f"{counts[name]:,}" for name in names)
            example = Example(names, f"{label.name}: {rows_of} rows")
            findings.add(FindingKind.LABEL_SPELLING, example, len(names) - 1)
        for name, count in no_values(label.classes):
            example = Example((name,), f"{label.name}: {plural(count, 'row')}")
            findings.add(FindingKind.NO_VALUE, example, count)
    return Inspection(
        name=catalog.name,
        reader=catalog.reader,
        source=catalog.source,
        root=catalog.root,
        rows=table.num_rows,
        pictures=len(pictures.numbers),
        listed=matched.listed,
        findings=findings.listed(),
        columns=tuple(columns),
        labels=tuple(labels),
        formats=_ranked(pictures.formats),
        modes=_ranked(pictures.modes),
        profiles=_ranked(pictures.profiles),
        sizes=pictures.sizes(files),
        samples=tuple(_samples(rows, table, labels, settings)) if settings.samples else (),
        settings=settings,
        seconds=time.perf_counter() - started,
    )


def _images(table: StoredTable) -> Iterator[str | None]:
    for part in table.parts("image"):
        yield from part.to_pylist()


def _describe(
    table: StoredTable, rows: Rows, pictures: PictureScan, seed: int
) -> tuple[list[ColumnSummary], list[LabelSummary]]:
    """Describe the columns, and those that can be labels with what predicts them."""
    columns: list[ColumnSummary] = []
    classes: dict[str, Classes] = {}
    codes, predictors = StoredCodes(), list[str]()
    for column, values in describe_columns(table, rows.name):
        columns.append(column)
        if column.not_a_label is None and values is not None:
            classes[column.name] = count_classes(table, column.name, values)
        predicts = not column.names_rows and not column.is_split
        if predicts or column.name in classes:
            codes.add(column.name, codes_of(table, column, values))
        if predicts:
            predictors.append(column.name)
    for name, sizes in sizes_by_row(rows, pictures).items() if len(rows.pictures) else ():
        if name not in codes:
            codes.add(name, binned(sizes))
            predictors.append(name)
    predictors = [name for name in predictors if np.ptp(codes[name])]  # not the same everywhere
    labels = []
    for column in columns:
        if column.name not in classes:
            continue
        best, same = None, list[str]()
        if column.type is not FieldType.LIST and not column.is_split:
            # a column of the same values predicts nothing
            same = [name for name in predictors if codes.are_same(name, column.name)]
            others = [name for name in predictors if name not in same]
            best = find_best_column(codes[column.name], codes, others, seed=seed)
        rows_with = table.num_rows - column.missing
        same_as = tuple(name for name in same if name != column.name)
        labels.append(describe_label(column, classes[column.name], rows_with, best, same_as))
    return columns, labels


def _samples(
    rows: Rows, table: StoredTable, labels: Sequence[LabelSummary], settings: InspectSettings
) -> Iterator[Sample]:
    there = np.flatnonzero(rows.picture_of_row >= 0)
    for label in labels:
        if label.several:
            continue
        wanted = [name for name, _ in label.classes[: settings.sampled_classes]]
        in_order = sorted(wanted)
        names = pa.array(in_order, pa.large_string())
        codes = np.concatenate(
            [pc.fill_null(pc.index_in(part, names), -1) for part in table.parts(label.name)]
        )[there]
        drawn = sample_per_class(codes, settings.samples, seed=settings.seed)
        for class_ in wanted:
            chosen = there[drawn[codes[drawn] == in_order.index(class_)]].tolist()
            if not chosen:
                continue
            files = tuple(rows.path(int(rows.picture_of_row[row])) for row in chosen)
            yield Sample(label.name, class_, tuple(map(rows.name, chosen)), files)


def _ranked(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))
