"""The rows of a collection, the files they name, and what looking at each file gave."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from artsim.inspection.files import Files, Matched
from artsim.inspection.findings import Example
from artsim.inspection.scans import Look
from artsim.inspection.stored import StoredTable

QUANTILES = (0.0, 0.05, 0.5, 0.95, 1.0)


@dataclass(frozen=True)
class Sizes:
    """Of the pictures whose header could be read, each of shape (files,)."""

    widths: NDArray[np.int64]  # upright, in pixels
    heights: NDArray[np.int64]
    file_bytes: NDArray[np.int64]

    @property
    def measures(self) -> dict[str, NDArray[np.float64]]:
        """The measures of each picture, by name."""
        return {
            "width": self.widths.astype(np.float64),  # pixels
            "height": self.heights.astype(np.float64),  # pixels
            "megapixels": self.widths * self.heights / 1e6,
            "aspect": self.widths / np.maximum(1, self.heights),  # width / height
            "file_bytes": self.file_bytes.astype(np.float64),
        }

    def quantiles(self) -> dict[str, tuple[float, ...]]:
        """Return the smallest, 5%, median, 95% and largest of each measure."""
        if not len(self.widths):
            return {}
        return {
            name: tuple(np.quantile(values, QUANTILES).tolist())
            for name, values in self.measures.items()
        }


class Rows:
    """The rows, their files, and for each file the first row that names it."""

    def __init__(self, table: StoredTable, matched: Matched, root: Path) -> None:
        self.ids = table.column("id")
        self.matched, self.root, self._table = matched, root, table
        identities = np.array(matched.files.identities, dtype=np.int64)
        with_file = np.flatnonzero(matched.file_of_row >= 0)
        # (N,): rows of one picture have one identity, whatever path they name it by
        self.picture_of_row = np.full(table.num_rows, -1, dtype=np.int64)
        self.picture_of_row[with_file] = identities[matched.file_of_row[with_file]]
        pictures, first = np.unique(self.picture_of_row[with_file], return_index=True)
        self.pictures = pictures[np.argsort(first)]  # in the order of the rows
        first_rows = with_file[np.sort(first)].tolist()
        self.first_row = dict(zip(self.pictures.tolist(), first_rows, strict=True))  # of a picture

    def name(self, row: int) -> str:
        """Name a row by its id, or by its number from 1."""
        id_: str | None = self.ids[row].as_py()
        return id_ or f"row {row + 1}"

    def image(self, row: int) -> str:
        """Read what a row names as its picture; '' if it names none."""
        return self._table.take([row], ["image"]).column(0)[0].as_py() or ""

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
class PictureScan:
    """What looking at every picture gave; the lists go with ``numbers``."""

    numbers: NDArray[np.int64]  # those of the files
    tails: list[bytes] = field(default_factory=list)
    contents: list[str] = field(default_factory=list)
    look_hashes: list[int | None] = field(default_factory=list)
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
        self.look_hashes.append(look.look_hash)
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


def sizes_by_row(rows: Rows, pictures: PictureScan) -> dict[str, NDArray[np.float64]]:
    """Return what is known of each row's file, NaN where nothing is."""
    file_bytes = [rows.matched.files.sizes[number] for number in rows.pictures]
    measured = np.array([pictures.widths, pictures.heights, file_bytes], dtype=np.float64)  # (3, P)
    measured[:, measured[0] == 0] = np.nan
    place = np.zeros(len(rows.matched.files.paths) + 1, dtype=np.int64)
    place[rows.pictures] = np.arange(len(rows.pictures))
    with_file = rows.picture_of_row >= 0
    values = np.full((3, len(with_file)), np.nan)
    values[:, with_file] = measured[:, place[rows.picture_of_row[with_file]]]
    width, height, size = values
    return {
        "picture width": width,
        "picture height": height,
        "picture aspect": width / np.maximum(height, 1),
        "file size": size,
    }
