"""Chunks of a collection, and the receipts of what became of them; both can be sent."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import PIL
import pyarrow as pa

from artsim import images
from artsim.embedding.loaders import LoadSettings, load_in_processes
from artsim.errors import ModelError
from artsim.loader import Loaded, Unloadable
from artsim.models import Extractor
from artsim.places import picture_file
from artsim.store import Failure, Part

_LARGE = 1_000_000  # works
_PART, _LARGE_PART = 1024, 16_384  # pictures
_PART_BYTES, _PART_TEXT = 64 << 20, 16 << 20  # of the vectors in memory, of the catalog's rows

Advance = Callable[[int, int], None]  # pictures tried, failures, both since the last call


@dataclass(frozen=True, kw_only=True)
class EmbedSettings:
    """How a collection is embedded; none of it changes what the network computes."""

    batch_size: int = 32  # pictures per forward pass
    workers: int = 2  # threads that read, decode and resize
    part_rows: int | None = None  # pictures per part; see `rows_of_part`
    max_pixels: int = images.MAX_PIXELS  # larger pictures are refused
    rehash: bool = False  # read every file, even where its size and time have not changed
    allow_loss: bool = False  # update the index even if most of its rows are gone
    tiles: int | None = None  # per side, embedded too; None: as many as the index has
    half_precision: bool = True  # store the vectors rounded to 11 significant bits
    engine: str | None = None  # see `open_engine`

    def rows_of_part(self, works: int, numbers: int, text: int = 0) -> int:
        """Return the pictures of a part: the work lost if the run is interrupted.

        A catalog of a million works has larger parts, since the list of parts is written again with
        each, but no part has vectors of more than 64 MB, nor text of much more than 16: it is held
        several times while a part is made. The number depends on nothing that another run of the
        same catalog has otherwise.

        Args:
            works: Rows of the catalog.
            numbers: In the vectors of a picture and its tiles, by all taps.
            text: Bytes of all rows of the catalog.
        """
        if self.part_rows is not None:
            return self.part_rows
        most = _LARGE_PART if works >= _LARGE else _PART
        of_text = _PART_TEXT * works // max(text, 1)
        return max(min(most, _PART_BYTES // (4 * numbers), of_text), 1)

    @property
    def decoding(self) -> str:
        """What determines, besides the file itself, whether a picture can be decoded."""
        decoders = ", ".join(filter(None, (f"pillow {PIL.__version__}", images.versions())))
        return f"{decoders}, at most {self.max_pixels} pixels"


@dataclass(frozen=True, kw_only=True)
class EmbedJob:
    """What all chunks of a run share; it can be sent to another process."""

    root: Path  # image paths are relative to it
    metadata: pa.Schema  # of the catalog, without id and image
    staging: Path  # where parts are written
    settings: EmbedSettings
    tiles: int = 0  # per side
    chunks: int = 1  # of the run
    part_rows: int = 1024  # pictures of a chunk, at most
    by_torch: bool = False  # pictures are resized by torch; see `are_many`
    in_processes: bool = False  # pictures are loaded in processes; see `is_worth_processes`


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """Consecutive rows of the catalog; it can be sent to another process."""

    number: int  # of its part
    rows: pa.Table  # id, image, the metadata, file_bytes and file_mtime_ns
    refused: Mapping[int, str] = field(default_factory=dict)  # rows not to be read, and why


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """The result of a chunk: its part is written whole, and not yet in the index."""

    number: int
    part: Part | None  # None: no picture of the chunk could be embedded
    failures: tuple[Failure, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)  # by stage
    mended: int = 0  # pictures of files with a fault that costs no pixel
    transparent: int = 0  # pictures that are transparent everywhere, taken as opaque
    place: str = ""  # the node or device that embedded it, if it was another process
    worker: str = ""  # which of the processes there


def load_chunks(
    chunks: Iterator[Chunk], job: EmbedJob, extractor: Extractor
) -> Generator[Loaded | Unloadable]:
    """Load the pictures of chunks, in order and ahead of their use.

    Each picture's key is its row in its chunk. Rows that a chunk refuses are left out.
    """
    files = (
        (row, picture_file(job.root, name or ""))
        for chunk in chunks
        for row, name in enumerate(chunk.rows.column("image").to_pylist())
        if row not in chunk.refused
    )
    on_card = bool(extractor.passport.decoder)
    if on_card and job.tiles:
        raise ModelError("tiles are cut from pictures that a CPU decodes; leave out --decoder gpu")
    settings = LoadSettings(
        preprocessing=extractor.preprocessing,
        workers=job.settings.workers,
        max_pixels=job.settings.max_pixels,
        tiles=job.tiles,
        leave_jpegs=on_card,
        by_torch=job.by_torch,
    )
    pictures = load_in_processes(files, settings) if job.in_processes else settings.load(files)
    if on_card:
        from artsim.embedding.card import decode_on  # torchvision

        device, most = extractor.device, job.settings.max_pixels
        pictures = decode_on(device, pictures, extractor.preprocessing, max_pixels=most)
    yield from pictures
