"""The kinds of fault that a collection can have, and the faults found in one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray


class Weight(StrEnum):
    """How much a fault matters."""

    LOST = "lost"  # embed leaves the row out
    LOOK = "look"  # the row is embedded, and may spoil what is measured with it
    NOTE = "note"  # artsim deals with it; other programs may not


class FindingKind(StrEnum):
    """A kind of fault: what is counted, what artsim does about it, and what you can do."""

    weight: Weight
    summary: str
    advice: str

    def __new__(cls, value: str, weight: Weight, summary: str, advice: str) -> Self:
        """Make a text, as JSON has it, with what people are shown."""
        kind = str.__new__(cls, value)
        kind._value_ = value
        kind.weight, kind.summary, kind.advice = weight, summary, advice
        return kind

    # fmt: off
    NO_ID = ("no_id", Weight.LOST, "rows without an id",
        "They are left out; give each row its own id.")
    DUPLICATE_ID = ("duplicate_id", Weight.LOST, "rows with an id that an earlier row has",
        "Only the first row of an id is embedded; give each row its own, or name another column "
        "with --id-column.")
    NO_IMAGE = ("no_image", Weight.LOST, "rows that name no picture",
        "They are left out; fill in the image column.")
    WEB_IMAGE = ("web_image", Weight.LOST, "rows whose picture is on the web",
        "They are left out; get the pictures with 'artsim fetch' first.")
    ORPHAN_ROW = ("orphan_row", Weight.LOST, "rows whose picture is missing",
        "They are left out; find the files, or name their folder with --images.")
    NOT_A_PICTURE = ("not_a_picture", Weight.LOST,
        "files that are not pictures, or have a damaged header",
        "Their rows are left out; get the files again.")
    UNSUPPORTED = ("unsupported", Weight.LOST, "pictures of a kind that artsim does not decode",
        "Their rows are left out; convert the files, or install the package that is named.")
    DAMAGED = ("damaged", Weight.LOST, "pictures that are cut off or damaged",
        "Their rows are left out; get the files again.")
    SHORTAGE = ("shortage", Weight.LOST,
        "pictures for which memory, threads or open files did not suffice",
        "Nothing is known about their pixels; try again with fewer --workers.")
    HUGE = ("huge", Weight.LOST, "pictures of more pixels than the limit",
        "Their rows are left out; raise the limit with --max-pixels if you trust the files.")
    ORPHAN_IMAGE = ("orphan_image", Weight.LOOK, "pictures in the folder that no row names",
        "They are not embedded; add rows for them, or read the folder alone with folder:PATH.")
    SHARED_IMAGE = ("shared_image", Weight.LOOK,
        "rows that name a picture which an earlier row names",
        "Each row is embedded: the copies are each other's nearest neighbors, and can be in both "
        "the training and the test set.")
    DUPLICATE_BYTES = ("duplicate_bytes", Weight.LOOK,
        "files with the same bytes as an earlier one",
        "They are each other's nearest neighbors, and can be in both the training and the test "
        "set; keep one of each.")
    NEAR_DUPLICATE = ("near_duplicate", Weight.LOOK,
        "pictures that look nearly the same as an earlier one",
        "They are each other's nearest neighbors, and can be in both the training and the test "
        "set; keep one of each, or keep them in one set of a split.")
    TINY = ("tiny", Weight.LOOK, "pictures with few pixels",
        "They are blurred when enlarged to the network's input size; get larger files.")
    BLACK_BARS = ("black_bars", Weight.LOOK, "pictures between black bars",
        "A network finds pictures with such bars similar to each other; crop them.")
    TRANSPARENT = ("transparent", Weight.LOOK, "pictures that are transparent everywhere",
        "artsim embeds the pixels behind, as if they were opaque; programs show an empty page.")
    MENDED = ("mended", Weight.NOTE, "files with a fault that costs no pixel",
        "artsim reads them whole; other programs may refuse them.")
    ORIENTATION = ("orientation", Weight.NOTE,
        "pictures stored turned or mirrored, according to EXIF",
        "artsim turns them upright; programs that ignore EXIF show them as they are stored.")
    PROFILE = ("profile", Weight.NOTE, "pictures in a color space other than sRGB",
        "artsim converts them by their profile; programs that ignore it show other colors.")
    BROKEN_PROFILE = ("broken_profile", Weight.LOOK, "pictures whose color profile cannot be used",
        "It is broken, or made for another kind of pixels, and is ignored: the colors may be "
        "wrong.")
    CMYK = ("cmyk", Weight.NOTE, "pictures for print, in CMYK",
        "artsim converts them by their profile, or approximately where they have none.")
    DEEP = ("deep", Weight.NOTE, "pictures with more than 8 bits a channel",
        "artsim scales them to 8 bits; programs that cut them off show them white or black.")
    PAGES = ("pages", Weight.NOTE, "files of several pages or frames",
        "Only the first page is embedded; save each page that is a separate work as a file.")
    OTHER_FILE = ("other_file", Weight.NOTE,
        "files in the folder that are neither pictures nor the table",
        "They are not read. If they hold metadata of the pictures, add it to the table, or read "
        "them with records:FOLDER.")
    MOJIBAKE = ("mojibake", Weight.LOOK, "values with broken characters",
        "A program read UTF-8 as another encoding, or lost letters; export the table again as "
        "UTF-8.")
    LABEL_SPELLING = ("label_spelling", Weight.LOOK,
        "classes that differ from another only in case, spaces or the encoding of accents",
        "They count as different classes; give them one spelling.")
    NO_VALUE = ("no_value", Weight.LOOK, "values that may say that there is none",
        "They count as classes; make such a word missing with --null WORD.")
    SERIES = ("series", Weight.LOOK, "rows that share their title with another",
        "They may be a series or one work, so that a test picture is known from training: "
        "compare the scores with those of --group TITLE, which keeps them in one set.")
    # fmt: on


@dataclass(frozen=True)
class Example:
    """One instance of a fault."""

    names: tuple[str, ...]  # ids of rows, or paths of files that no row names; classes of a label
    detail: str = ""
    files: tuple[Path, ...] = ()  # pictures that show it


@dataclass(frozen=True)
class Finding:
    """All that was found of one kind of fault."""

    kind: FindingKind
    count: int  # of what the kind's summary says
    examples: tuple[Example, ...]  # the first ones


@dataclass
class Findings:
    """Counts faults as they are met, and keeps the first ones of each kind."""

    keep: int  # examples of a kind
    _counts: dict[FindingKind, int] = field(default_factory=dict)
    _examples: dict[FindingKind, list[Example]] = field(default_factory=dict)

    def add(
        self, kind: FindingKind, example: Example | Callable[[], Example], count: int = 1
    ) -> None:
        """Note an instance, which counts for ``count`` rows or files.

        An example that takes time may be a function: it is called only for one that is kept.
        """
        self._counts[kind] = self._counts.get(kind, 0) + count
        examples = self._examples.setdefault(kind, [])
        if len(examples) < self.keep:
            examples.append(example() if callable(example) else example)

    def add_each(
        self, kind: FindingKind, places: NDArray[np.int64], example: Callable[[int], Example]
    ) -> None:
        """Note an instance at each place, of which there may be millions."""
        for place in places[: self.keep].tolist():
            self.add(kind, example(place))
        if rest := len(places[self.keep :]):
            self._counts[kind] += rest

    def listed(self) -> tuple[Finding, ...]:
        """Return what was found, in the order of the kinds."""
        return tuple(
            Finding(kind, self._counts[kind], tuple(self._examples[kind]))
            for kind in FindingKind
            if kind in self._counts
        )
