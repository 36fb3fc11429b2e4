"""Look a collection over: match rows with files, read headers, and say what is odd."""

from __future__ import annotations

import itertools
import math
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from artsim.datatypes import Catalogue, FieldType
from artsim.errors import ReaderError
from artsim.evaluation.labels import encode
from artsim.evaluation.leaks import WITHIN
from artsim.evaluation.splits import sample_per_class
from artsim.images import MAX_PIXELS, Description, Profile
from artsim.inspection import columns as _columns
from artsim.inspection.columns import Column, Label
from artsim.inspection.files import (
    NONE,
    UNNAMED,
    WEB,
    Files,
    Matched,
    closest,
    list_files,
    look_alike,
    match,
)
from artsim.inspection.findings import Example, Finding, Findings, Kind
from artsim.inspection.scans import Look, content_hash, look_at
from artsim.phash import groups_of, near_pairs
from artsim.readers.pictures import is_url, printable

__all__ = [
    "QUANTILES",
    "InspectSettings",
    "Inspection",
    "Progress",
    "Sample",
    "Sizes",
    "inspect_collection",
]

Progress = Callable[[int, int, int], None]  # files looked at, of how many, no pictures so far

QUANTILES = (0.0, 0.05, 0.5, 0.95, 1.0)

_REPORT_EVERY = 256  # files between two calls of progress
_ONE_SHAPE = math.log(1.1)  # how much the aspects of copies may differ
_DETAIL = 80  # characters of values that still are a label and no text


@dataclass(frozen=True, kw_only=True)
class InspectSettings:
    """What is looked at, and what counts as odd."""

    hashes: bool = False  # read and decode every picture
    max_pixels: int = MAX_PIXELS  # what embed will refuse to decode
    min_side: int = 64  # pixels of the shorter side; less is tiny
    workers: int = 2  # threads
    examples: int = 5  # of each kind of fault that are kept
    samples: int = 0  # pictures of each class that are drawn
    sampled_classes: int = 24  # of each label, the most common ones
    seed: int = 0  # of the baselines' folds and the samples


@dataclass(frozen=True)
class Sizes:
    """Of the pictures whose header could be read, each of shape (files,)."""

    widths: NDArray[np.int64]  # upright, in pixels
    heights: NDArray[np.int64]
    file_bytes: NDArray[np.int64]

    @property
    def measures(self) -> dict[str, NDArray[np.float64]]:
        """What is measured of each picture, by name."""
        return {
            "width": self.widths.astype(np.float64),  # pixels
            "height": self.heights.astype(np.float64),  # pixels
            "megapixels": self.widths * self.heights / 1e6,
            "aspect": self.widths / np.maximum(1, self.heights),  # width / height
            "file_bytes": self.file_bytes.astype(np.float64),
        }

    def quantiles(self) -> dict[str, tuple[float, ...]]:
        """Return the least, 5 %, median, 95 % and largest of each measure."""
        if not len(self.widths):
            return {}
        return {
            name: tuple(np.quantile(values, QUANTILES).tolist())
            for name, values in self.measures.items()
        }


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
    columns: tuple[Column, ...]
    labels: tuple[Label, ...]
    formats: Mapping[str, int]  # pictures of each, by header
    modes: Mapping[str, int]
    profiles: Mapping[str, int]  # by their names, and by what they do where they have none
    sizes: Sizes
    samples: tuple[Sample, ...]
    settings: InspectSettings
    seconds: float = field(compare=False)


def inspect_collection(
    catalogue: Catalogue,
    *,
    settings: InspectSettings = InspectSettings(),
    progress: Progress = lambda done, total, failures: None,
) -> Inspection:
    """Look a collection over before it is embedded.

    Every row and the header of every picture is read. Bytes are compared only of files of one
    size, and pixels are decoded only with ``settings.hashes``: that finds damaged pictures, black
    bars and pictures that look the same too.

    Args:
        catalogue: The collection, read.
        settings: What is looked at.
        progress: Called as files are looked at.

    Raises:
        ReaderError: If it lists no row, or cannot be read.
    """
    started = time.perf_counter()
    table = pa.Table.from_batches(catalogue.batches(), schema=catalogue.schema)
    if not table.num_rows:
        raise ReaderError(f"{str(catalogue.source)!r} lists no picture; nothing to inspect")
    table = table.combine_chunks()
    ids = table.column("id").to_pylist()
    images = table.column("image").to_pylist()
    # A table of addresses may lie anywhere: pictures beside it are none of its own.
    has_files = any(image and not is_url(image) for image in images)
    files = list_files(catalogue.root) if has_files else Files()
    matched = match(images, catalogue.root, files)
    findings = Findings(settings.examples)
    rows = _Rows(ids, images, matched, catalogue.root)
    _find_in_rows(rows, findings)
    pictures = _look(rows, settings, findings, progress)
    _find_duplicates(rows, pictures, table, settings, findings)

    columns = _columns.describe_columns(table)
    labels = _labels(table, columns, _sizes_by_row(rows, pictures), settings.seed)
    for label in labels:
        for names in _columns.spellings(dict(label.classes)):
            counts = " and ".join(f"{dict(label.classes)[name]:,}" for name in names)
            example = Example(names, f"{label.name}: {counts} rows")
            findings.add(Kind.LABEL_SPELLING, example, len(names) - 1)
    return Inspection(
        name=catalogue.name,
        reader=catalogue.reader,
        source=catalogue.source,
        root=catalogue.root,
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


class _Rows:
    """The rows, their files, and the way back from a file to the first row that names it."""

    def __init__(
        self,
        ids: Sequence[str | None],
        images: Sequence[str | None],
        matched: Matched,
        root: Path,
    ) -> None:
        self.ids, self.images, self.matched, self.root = ids, images, matched, root
        identities = np.array(matched.files.identities, dtype=np.int64)
        with_file = np.flatnonzero(matched.file_of_row >= 0)
        # (N,): rows of one picture have one identity, whatever path they name it by
        self.picture_of_row = np.full(len(ids), -1, dtype=np.int64)
        self.picture_of_row[with_file] = identities[matched.file_of_row[with_file]]
        pictures, first = np.unique(self.picture_of_row[with_file], return_index=True)
        self.pictures = pictures[np.argsort(first)]  # in the order of the rows
        first_rows = with_file[np.sort(first)].tolist()
        self.first_row = dict(zip(self.pictures.tolist(), first_rows, strict=True))  # of a picture

    def name(self, row: int) -> str:
        """Name a row by its id, or by its number from 1."""
        return self.ids[row] or f"row {row + 1}"

    def path(self, picture: int) -> Path:
        """Return the path of a picture's file."""
        return self.root / self.matched.files.paths[picture]

    def example(self, pictures: Sequence[int], detail: str = "") -> Example:
        """Show pictures by the ids of the rows that name them first."""
        return Example(
            tuple(self.name(self.first_row[picture]) for picture in pictures),
            detail,
            tuple(self.path(picture) for picture in pictures),
        )


@dataclass
class _Pictures:
    """What looking at every picture gave; the lists go with ``numbers``."""

    numbers: NDArray[np.int64]  # those of the files
    tails: list[bytes] = field(default_factory=list)
    contents: list[str] = field(default_factory=list)
    likenesses: list[int | None] = field(default_factory=list)
    aspects: list[float] = field(default_factory=list)  # bars left out
    widths: list[int] = field(default_factory=list)  # 0 where there is no header
    heights: list[int] = field(default_factory=list)
    formats: Counter[str] = field(default_factory=Counter)
    modes: Counter[str] = field(default_factory=Counter)
    profiles: Counter[str] = field(default_factory=Counter)

    def add(self, look: Look) -> None:
        """Note what one file showed."""
        self.tails.append(look.tail)
        self.contents.append(look.content)
        self.likenesses.append(look.likeness)
        self.aspects.append(look.aspect)
        if isinstance(look.header, str):
            self.widths.append(0)
            self.heights.append(0)
            return
        self.widths.append(look.header.width)
        self.heights.append(look.header.height)
        self.formats[look.header.format] += 1
        self.modes[look.header.mode] += 1
        self.profiles[look.header.profile_name or str(look.header.profile)] += 1

    def sizes(self, files: Files) -> Sizes:
        """Return the sizes of those that have a header."""
        widths, heights = np.array(self.widths, dtype=np.int64), np.array(self.heights, np.int64)
        is_picture = widths > 0
        file_bytes = np.array([files.sizes[number] for number in self.numbers], dtype=np.int64)
        return Sizes(widths[is_picture], heights[is_picture], file_bytes[is_picture])


def _find_in_rows(rows: _Rows, findings: Findings) -> None:
    """Find what is wrong with rows before any file is opened."""
    matched = rows.matched
    alike = look_alike(matched.files) if (matched.file_of_row == NONE).any() else {}
    for row in np.flatnonzero(matched.file_of_row < 0).tolist():
        image, place = rows.images[row] or "", matched.file_of_row[row]
        example = Example((rows.name(row),), image if image != rows.ids[row] else "")
        if place == UNNAMED:
            findings.add(Kind.NO_IMAGE, example)
        elif place == WEB:
            findings.add(Kind.WEB_IMAGE, example)
        else:
            near = closest(image, alike)
            hint = f"{image}; there is {printable(near)}" if near else example.detail
            findings.add(Kind.ORPHAN_ROW, Example(example.names, hint))
    first: dict[str, int] = {}
    for row, id_ in enumerate(rows.ids):
        if not id_:
            findings.add(Kind.NO_ID, Example((rows.name(row),), rows.images[row] or ""))
        elif (before := first.setdefault(id_, row)) != row:
            detail = f"rows {before + 1} and {row + 1}"
            findings.add(Kind.DUPLICATE_ID, Example((id_,), detail))
    for row in np.flatnonzero(rows.picture_of_row >= 0).tolist():
        picture = int(rows.picture_of_row[row])
        if (before := rows.first_row[picture]) != row:
            names = (rows.name(before), rows.name(row))
            detail = rows.images[row] or ""
            findings.add(Kind.SHARED_IMAGE, Example(names, detail, (rows.path(picture),)))
    for number in matched.orphans():
        path = printable(matched.files.paths[number])
        findings.add(Kind.ORPHAN_IMAGE, Example((path,), "", (rows.path(number),)))


def _look(
    rows: _Rows, settings: InspectSettings, findings: Findings, progress: Progress
) -> _Pictures:
    """Look at every picture that a row names."""
    pictures = _Pictures(rows.pictures)
    sizes = np.array([rows.matched.files.sizes[number] for number in rows.pictures], np.int64)
    _, size, count = np.unique(sizes, return_inverse=True, return_counts=True)
    root, paths = str(rows.root), rows.matched.files.paths  # no Path, as there can be millions
    looks = look_at(
        [os.path.join(root, paths[number]) for number in rows.pictures],  # noqa: PTH118
        tails=(count[size] > 1).tolist(),
        whole=settings.hashes,
        max_pixels=settings.max_pixels,
        workers=settings.workers,
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


def _oddities(look: Look, settings: InspectSettings) -> Iterator[tuple[Kind, str]]:
    """Yield what is odd about one file, with its detail."""
    header = look.header
    if isinstance(header, str):
        yield Kind.NOT_A_PICTURE, header
        return
    size = f"{header.width:,} x {header.height:,}"
    if look.damage:
        yield Kind.DAMAGED, look.damage
    if header.width * header.height > settings.max_pixels:
        yield Kind.HUGE, size
    if min(header.width, header.height) < settings.min_side:
        yield Kind.TINY, size
    if look.bars is not None:
        yield Kind.BLACK_BARS, f"{look.bars.where}, {look.bars.share:.0%} of the picture"
    yield from _header_oddities(header)


def _header_oddities(header: Description) -> Iterator[tuple[Kind, str]]:
    if header.orientation != 1:
        yield Kind.ORIENTATION, f"orientation {header.orientation}"
    if header.mode == "CMYK":  # whose profile says which ink, and belongs to it
        yield Kind.CMYK, header.profile_name or "no profile"
    elif header.profile is Profile.OTHER:
        yield Kind.PROFILE, header.profile_name
    if header.profile is Profile.UNUSABLE:
        yield Kind.BROKEN_PROFILE, header.profile_name
    if header.bits > 8:
        yield Kind.DEEP, f"{header.bits} bits"
    if header.has_pages:
        yield Kind.PAGES, header.format


def _find_duplicates(
    rows: _Rows, pictures: _Pictures, table: pa.Table, settings: InspectSettings, into: Findings
) -> None:
    """Find pictures of the same bytes, and of those that differ the ones that look the same."""
    same = _same_bytes(rows, pictures)
    for group in same:
        detail = _disagreements(rows, group, table)
        into.add(Kind.DUPLICATE_BYTES, rows.example(group, detail), len(group) - 1)
    again = {picture for group in same for picture in group[1:]}
    for places in groups_of(_look_alikes(pictures, again)) if settings.hashes else ():
        group = [int(pictures.numbers[place]) for place in places]
        detail = _disagreements(rows, group, table)
        into.add(Kind.NEAR_DUPLICATE, rows.example(group, detail), len(group) - 1)


def _look_alikes(pictures: _Pictures, again: set[int]) -> Iterator[tuple[int, int]]:
    """Yield places of pictures of nearly one hash and one shape, so that copies are connected."""
    with_hash: dict[int, list[int]] = {}
    for place, likeness in enumerate(pictures.likenesses):
        if likeness is not None and int(pictures.numbers[place]) not in again:
            with_hash.setdefault(likeness, []).append(place)
    members = list(with_hash.values())
    near = near_pairs(np.array(list(with_hash), dtype=np.uint64), WITHIN)
    for a, b in itertools.chain(((i, i) for i in range(len(members))), near):
        alike = sorted({*members[a], *members[b]}, key=pictures.aspects.__getitem__)
        for one, other in itertools.pairwise(alike):
            if math.log(pictures.aspects[other] / pictures.aspects[one]) <= _ONE_SHAPE:
                yield one, other


def _same_bytes(rows: _Rows, pictures: _Pictures) -> list[list[int]]:
    """Group the files of the same bytes: by size, then by their ends, then by all of them."""
    groups: dict[tuple[int, bytes], list[int]] = {}
    content = dict(zip(rows.pictures.tolist(), pictures.contents, strict=True))
    tail = dict(zip(rows.pictures.tolist(), pictures.tails, strict=True))
    for number in rows.pictures.tolist():
        size = rows.matched.files.sizes[number]
        if size:
            key = content[number].encode() or tail[number]
            groups.setdefault((size, key), []).append(number)
    same: dict[str, list[int]] = {}
    for members in groups.values():
        for number in members if len(members) > 1 else ():
            digest = content[number] or content_hash(rows.path(number))
            if digest is not None:
                same.setdefault(digest, []).append(number)
    return [members for members in same.values() if len(members) > 1]


def _disagreements(rows: _Rows, pictures: Sequence[int], table: pa.Table) -> str:
    """Say in which columns the rows of some pictures differ: one picture, two truths."""
    some = table.take(pa.array([rows.first_row[picture] for picture in pictures]))
    parts = []
    for column in some.schema:
        if column.name in ("id", "image") or FieldType.of(column.type) is not FieldType.TEXT:
            continue
        values = pc.unique(some.column(column.name).drop_null()).to_pylist()
        if len(values) > 1 and len(" / ".join(values)) <= _DETAIL:
            parts.append(f"{column.name}: {' / '.join(values)}")
    return "; ".join(parts)


def _sizes_by_row(rows: _Rows, pictures: _Pictures) -> dict[str, NDArray[np.float64]]:
    """Return what is known of each row's file, NaN where nothing is."""
    place_of = np.zeros(len(rows.matched.files.paths) + 1, dtype=np.int64)
    place_of[rows.pictures] = np.arange(len(rows.pictures))
    place = place_of[rows.picture_of_row]  # (N,), of no meaning without a file
    with_file = rows.picture_of_row >= 0

    def spread(values: Sequence[float]) -> NDArray[np.float64]:
        out = np.full(len(place), np.nan)
        out[with_file] = np.array(values, dtype=np.float64)[place[with_file]]
        return out

    widths, heights = spread(pictures.widths), spread(pictures.heights)
    known = widths > 0
    with np.errstate(invalid="ignore"):
        aspects = np.where(known, widths / np.maximum(heights, 1), np.nan)
    file_bytes = spread([rows.matched.files.sizes[number] for number in rows.pictures])
    return {
        "picture width": np.where(known, widths, np.nan),
        "picture height": np.where(known, heights, np.nan),
        "picture aspect": aspects,
        "file size": np.where(known, file_bytes, np.nan),
    }


def _labels(
    table: pa.Table,
    columns: Sequence[Column],
    sizes: Mapping[str, NDArray[np.float64]],
    seed: int,
) -> list[Label]:
    known = _columns.predictors(table, columns, sizes)
    labels = []
    for column in columns:
        if column.not_a_label is not None:
            continue
        values = table.column(column.name)
        others = {name: codes for name, codes in known.items() if name != column.name}
        metadata = (
            None
            if column.type is FieldType.LIST or column.is_split
            else _columns.metadata_baseline(values, others, seed=seed)
        )
        labels.append(_columns.describe_label(column, values, metadata))
    return labels


def _samples(
    rows: _Rows, table: pa.Table, labels: Sequence[Label], settings: InspectSettings
) -> Iterator[Sample]:
    """Draw pictures of the most common classes of each label."""
    there = np.flatnonzero(rows.picture_of_row >= 0)
    for label in labels:
        if label.several:
            continue
        values = table.column(label.name).take(pa.array(there)).to_pylist()
        wanted = dict(label.classes[: settings.sampled_classes])
        coded = encode([value if value in wanted else None for value in values])
        drawn = sample_per_class(coded.codes, settings.samples, seed=settings.seed)
        for class_ in wanted:
            if class_ in coded.classes:
                of_class = drawn[coded.codes[drawn] == coded.classes.index(class_)]
                chosen = there[of_class].tolist()
                yield Sample(
                    label.name,
                    class_,
                    tuple(map(rows.name, chosen)),
                    tuple(rows.path(int(rows.picture_of_row[row])) for row in chosen),
                )


def _ranked(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))
