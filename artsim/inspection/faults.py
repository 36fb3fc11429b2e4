"""What is wrong with rows, and odd about the files they name."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from artsim.datatypes import Catalog, FieldType, Progress, name_as_text, title_column
from artsim.images import Description, Profile
from artsim.inspection.coding import number_values
from artsim.inspection.files import NONE, UNNAMED, WEB, Files, closest, look_alike
from artsim.inspection.findings import Example, FindingKind, Findings
from artsim.inspection.pictures import PictureScan, Rows
from artsim.inspection.scans import InspectSettings, Look, look_at
from artsim.inspection.stored import StoredTable
from artsim.readers import find_table

_REPORT_EVERY = 256  # files between two calls of progress
_SERIES = 0.1  # of the rows share their title with another


def find_in_rows(rows: Rows, table: StoredTable, findings: Findings) -> None:
    """Find what is wrong with rows before any file is opened."""
    _find_without_file(rows, table, findings)
    is_nameless = pc.fill_null(pc.equal(rows.ids, ""), True).to_numpy()
    findings.add_each(
        FindingKind.NO_ID,
        np.flatnonzero(is_nameless),
        lambda row: Example((rows.name(row),), rows.image(row)),
    )
    again, before = _unless(is_nameless, *number_values(table, "id").repeats())
    findings.add_each(
        FindingKind.DUPLICATE_ID,
        np.arange(len(again)),
        lambda n: Example((rows.name(again[n]),), f"rows {before[n] + 1} and {again[n] + 1}"),
    )
    _find_shared(rows, findings)
    for number in rows.matched.orphans():
        path = name_as_text(rows.matched.files.paths[number])
        findings.add(FindingKind.ORPHAN_IMAGE, Example((path,), "", (rows.path(number),)))


def _find_shared(rows: Rows, findings: Findings) -> None:
    def example(row: int) -> Example:
        picture = int(rows.picture_of_row[row])
        names = (rows.name(rows.first_row[picture]), rows.name(row))
        return Example(names, rows.image(row), (rows.path(picture),))

    with_picture = np.flatnonzero(rows.picture_of_row >= 0)
    pictures = rows.picture_of_row[with_picture].tolist()
    first = np.array([rows.first_row[picture] for picture in pictures], dtype=np.int64)
    findings.add_each(FindingKind.SHARED_IMAGE, with_picture[first != with_picture], example)


def _find_without_file(rows: Rows, table: StoredTable, findings: Findings) -> None:
    places = rows.matched.file_of_row

    def example(row: int) -> Example:
        image = rows.image(row)
        return Example((rows.name(row),), image if image != rows.ids[row].as_py() else "")

    findings.add_each(FindingKind.NO_IMAGE, np.flatnonzero(places == UNNAMED), example)
    findings.add_each(FindingKind.WEB_IMAGE, np.flatnonzero(places == WEB), example)
    if (places == WEB).any():
        again, before = _unless(places != WEB, *number_values(table, "image").repeats())
        findings.add_each(
            FindingKind.SHARED_IMAGE,
            np.arange(len(again)),
            lambda n: Example((rows.name(before[n]), rows.name(again[n])), rows.image(again[n])),
        )
    if (missing := np.flatnonzero(places == NONE)).size:
        similar = look_alike(rows.matched.files)

        def with_hint(row: int) -> Example:
            near = closest(rows.image(row), similar)
            hint = f"{rows.image(row)}; there is {name_as_text(near)}" if near else None
            return Example((rows.name(row),), hint or example(row).detail)

        findings.add_each(FindingKind.ORPHAN_ROW, missing, with_hint)


def _unless(
    excluded: NDArray[np.bool_], again: NDArray[np.int32], before: NDArray[np.int32]
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Leave out repeats in rows that are excluded, shape (N,)."""
    kept = ~excluded[again]
    return again[kept], before[kept]


def find_other_files(files: Files, catalog: Catalog, findings: Findings) -> None:
    """Find files beside a table that are neither pictures nor the table: a line for each suffix."""
    table = find_table(catalog.source)
    stems = {path.rpartition(".")[0] for path in files.paths}
    by_suffix: dict[str, list[str]] = {}
    for path in files.others:
        if catalog.root / path != table:
            suffix = name_as_text(os.path.splitext(path)[1].lower())  # noqa: PTH122
            by_suffix.setdefault(suffix, []).append(path)
    for suffix, paths in sorted(by_suffix.items(), key=lambda pair: -len(pair[1])):
        # a.json and a.jpg.json go with a.jpg
        beside = sum(
            stem in stems or stem in files.number
            for stem in (path.rpartition(".")[0] for path in paths)
        )
        detail = f"{len(paths):,} {suffix or 'without a suffix'}"
        if beside:
            detail += f", {beside:,} of them named as a picture beside it"
        findings.add(FindingKind.OTHER_FILE, Example((name_as_text(paths[0]),), detail), len(paths))


def find_series(table: StoredTable, findings: Findings) -> None:
    """Find titles that several rows have, if they are a tenth of all rows or more."""
    texts = [f.name for f in table.schema if FieldType.of(f.type) is FieldType.TEXT]
    name = title_column(texts)
    if name is None:
        return
    counted = pc.value_counts(table.column(name).drop_null()).to_pylist()
    shared = [(each["values"], each["counts"]) for each in counted if each["counts"] > 1]
    if sum(count for _, count in shared) < _SERIES * table.num_rows:
        return
    for title, count in sorted(shared, key=lambda pair: (-pair[1], pair[0])):
        findings.add(FindingKind.SERIES, Example((title,), f"{name}: {count:,} rows"), count)


def look_at_pictures(
    rows: Rows, settings: InspectSettings, findings: Findings, progress: Progress
) -> PictureScan:
    """Look at every picture that a row names."""
    pictures = PictureScan(rows.pictures)
    sizes = np.array([rows.matched.files.sizes[number] for number in rows.pictures], np.int64)
    _, size, count = np.unique(sizes, return_inverse=True, return_counts=True)
    root, paths = str(rows.root), rows.matched.files.paths  # no Path, as there can be millions
    looks = look_at(
        [os.path.join(root, paths[number]) for number in rows.pictures],  # noqa: PTH118
        tails=(count[size] > 1).tolist(),
        settings=settings,
    )
    failures = 0
    for done, (number, look) in enumerate(zip(rows.pictures.tolist(), looks, strict=True), 1):
        pictures.add(look)
        for kind, detail in _oddities(look, settings):
            findings.add(kind, rows.example((number,), detail))
        failures += isinstance(look.header, str) or bool(look.damage)
        if done % _REPORT_EVERY == 0 or done == len(sizes):
            progress(done, len(sizes), failures)
    return pictures


def _oddities(look: Look, settings: InspectSettings) -> Iterator[tuple[FindingKind, str]]:
    """Yield what is odd about one file, with its detail."""
    header = look.header
    unsupported = FindingKind.UNSUPPORTED if look.is_unsupported else None
    if isinstance(header, str):
        yield unsupported or FindingKind.NOT_A_PICTURE, header
        return
    size = f"{header.width:,} x {header.height:,}"
    if look.shortage:
        yield FindingKind.SHORTAGE, look.shortage
    if look.damage:
        yield unsupported or FindingKind.DAMAGED, look.damage
    if look.fault:
        yield FindingKind.MENDED, look.fault
    if look.is_transparent:
        yield FindingKind.TRANSPARENT, size
    if header.width * header.height > settings.max_pixels:
        yield FindingKind.HUGE, size
    if min(header.width, header.height) < settings.min_side:
        yield FindingKind.TINY, size
    if look.bars is not None:
        yield FindingKind.BLACK_BARS, f"{look.bars.where}, {look.bars.share:.0%} of the picture"
    yield from _header_oddities(header)


def _header_oddities(header: Description) -> Iterator[tuple[FindingKind, str]]:
    if header.orientation != 1:
        yield FindingKind.ORIENTATION, f"orientation {header.orientation}"
    if header.mode == "CMYK":  # whose profile defines the inks, and belongs to it
        yield FindingKind.CMYK, header.profile_name or "no profile"
    elif header.profile is Profile.OTHER:
        yield FindingKind.PROFILE, header.profile_name
    if header.profile is Profile.UNUSABLE:
        yield FindingKind.BROKEN_PROFILE, header.profile_name
    if header.bits > 8:
        yield FindingKind.DEEP, f"{header.bits} bits"
    if header.has_pages:
        yield FindingKind.PAGES, header.format
