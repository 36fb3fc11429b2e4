"""What a search for motifs has done, kept in a folder, so that it can be resumed.

    candidates-START.npy   the candidates of a block of tiles
    compared.jsonl         one line for each block of pairs: the motifs found in it

A file is written whole and then named, and a line counts once it has its end. So a kill at any
moment loses no more than the block at work.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artsim.errors import StoreError
from artsim.store import only_one, write_whole

_COMPARED = "compared.jsonl"


class Journal:
    """The journal in a folder, or one that keeps nothing if that is None."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder

    def candidates(self) -> dict[int, NDArray[np.int64]]:
        """Read the candidates of each block of tiles that is done, by its first tile."""
        files = [] if self.folder is None else self.folder.glob("candidates-*.npy")
        return {int(file.stem.split("-")[1]): np.load(file) for file in files}

    def add_candidates(self, start: int, pairs: NDArray[np.int64]) -> None:
        """Keep the candidates of a block of tiles."""
        if self.folder is not None:
            file = self.folder / f"candidates-{start}.npy"
            write_whole(file, lambda stream: np.save(stream, pairs), clear=False)

    def compared(self) -> list[list[dict[str, Any]]]:
        """Read what was found in each block of pairs that is done, and cut off a torn line."""
        if self.folder is None or not (self.folder / _COMPARED).exists():
            return []
        with (self.folder / _COMPARED).open("rb+") as stream:
            text = stream.read()
            whole = text.rfind(b"\n") + 1
            stream.truncate(whole)
        return [json.loads(line) for line in text[:whole].splitlines()]

    def add_compared(self, found: list[dict[str, Any]]) -> None:
        """Keep what was found in the next block of pairs."""
        if self.folder is not None:
            file = self.folder / _COMPARED
            with _write_errors(file), file.open("ab") as stream:
                stream.write(json.dumps(found).encode() + b"\n")


@contextmanager
def journal_in(folder: Path, settings: Mapping[str, object]) -> Iterator[Journal]:
    """Open the journal of a search with these settings; it is removed if the search is done.

    Args:
        folder: Of the journals of all searches.
        settings: All that its result depends on.

    Raises:
        StoreError: If the same search is under way, or the folder cannot be written.
    """
    key = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:24]
    own = folder / key
    busy = "the same search for motifs is under way in another process; wait until it is done"
    with _write_errors(own):
        own.mkdir(parents=True, exist_ok=True)
    with only_one(folder / f"{key}.lock", busy):
        yield Journal(own)
        shutil.rmtree(own, ignore_errors=True)


@contextmanager
def _write_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"cannot write {str(path)!r}: {error.strerror or error}; what is finished is safe: "
            "make room, then run the same command again"
        ) from error
