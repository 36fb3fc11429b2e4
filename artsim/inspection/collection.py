"""Inspect a collection: match rows with files, read headers, and report faults."""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from artsim.datatypes import Catalog, FieldType, Progress, no_progress
from artsim.errors import ReaderError
from artsim.inspection import columns as _columns
from artsim.inspection.columns import ColumnSummary, LabelSummary
from artsim.inspection.doubles import find_duplicates
from artsim.inspection.faults import find_in_rows, find_other_files, look_at_pictures
from artsim.inspection.files import Files, list_files, match
from artsim.inspection.findings import Example, Finding, FindingKind, Findings
from artsim.inspection.mojibake import find_mojibake
from artsim.inspection.oddities import find_odd_values
from artsim.inspection.pictures import Rows, Sizes, sizes_by_row
from artsim.inspection.scans import DEFAULTS, InspectSettings
from artsim.labels import encode
from artsim.readers import is_url
from artsim.splits import sample_per_class
from artsim.store import large_text


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
    table = pa.Table.from_batches(catalog.batches(), schema=catalog.schema)
    if not table.num_rows:
        raise ReaderError(f"{str(catalog.source)!r} lists no pictures; nothing to inspect")
    table = large_text(table).combine_chunks()
    ids = table.column("id").to_pylist()
    images = table.column("image").to_pylist()
    # A table of web addresses may be anywhere: pictures next to it do not belong to it.
    has_files = any(image and not is_url(image) for image in images)
    files = list_files(catalog.root, catalog.exclude) if has_files else Files()
    matched = match(images, catalog.root, files)
    findings = Findings(settings.examples)
    rows = Rows(ids, images, matched, catalog.root)
    find_in_rows(rows, findings)
    pictures = look_at_pictures(rows, settings, findings, progress)
    find_duplicates(rows, pictures, table, settings, findings)

    find_mojibake(table, rows, findings)
    columns = [_with_odd_values(each, table, rows) for each in _columns.describe_columns(table)]
    if catalog.reader == "table":  # the other readers read them, or say that they do not
        find_other_files(files, catalog, findings)
    labels = tuple(_labels(table, columns, sizes_by_row(rows, pictures), settings.seed))
    for label in labels:
        counts = dict(label.classes)
        for names in _columns.spellings(counts):
            rows_of = " and ".join(f"{counts[name]:,}" for name in names)
            example = Example(names, f"{label.name}: {rows_of} rows")
            findings.add(FindingKind.LABEL_SPELLING, example, len(names) - 1)
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
        labels=labels,
        formats=_ranked(pictures.formats),
        modes=_ranked(pictures.modes),
        profiles=_ranked(pictures.profiles),
        sizes=pictures.sizes(files),
        samples=tuple(_samples(rows, table, labels, settings)) if settings.samples else (),
        settings=settings,
        seconds=time.perf_counter() - started,
    )


def _with_odd_values(column: ColumnSummary, table: pa.Table, rows: Rows) -> ColumnSummary:
    if column.type is not FieldType.TEXT:
        return column
    odd = find_odd_values(column.name, table.column(column.name), rows.name)
    return dataclasses.replace(column, odd=odd)


def _labels(
    table: pa.Table,
    columns: Sequence[ColumnSummary],
    sizes: Mapping[str, NDArray[np.float64]],
    seed: int,
) -> Iterator[LabelSummary]:
    known = _columns.predictors(table, columns, sizes)
    for column in columns:
        if column.not_a_label is not None:
            continue
        values = table.column(column.name)
        best = None
        if column.type is not FieldType.LIST and not column.is_split:
            own = known.get(column.name)  # a column of the same values predicts nothing
            others = {
                name: codes
                for name, codes in known.items()
                if name != column.name and (own is None or not np.array_equal(codes, own))
            }
            best = _columns.find_best_column(values, others, seed=seed)
        yield _columns.describe_label(column, values, best)


def _samples(
    rows: Rows, table: pa.Table, labels: Sequence[LabelSummary], settings: InspectSettings
) -> Iterator[Sample]:
    there = np.flatnonzero(rows.picture_of_row >= 0)
    for label in labels:
        if label.several:
            continue
        values = table.column(label.name).take(pa.array(there)).to_pylist()
        wanted = dict(label.classes[: settings.sampled_classes])
        codes, classes = encode([value if value in wanted else None for value in values])
        drawn = sample_per_class(codes, settings.samples, seed=settings.seed)
        for class_ in (name for name in wanted if name in classes):
            chosen = there[drawn[codes[drawn] == classes.index(class_)]].tolist()
            files = tuple(rows.path(int(rows.picture_of_row[row])) for row in chosen)
            yield Sample(label.name, class_, tuple(map(rows.name, chosen)), files)


def _ranked(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))
