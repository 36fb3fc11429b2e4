"""What a trained run says of pictures: of its index, of a file, of a collection."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import torch
from torch import Tensor

from artsim import images
from artsim.datatypes import Catalog, Progress, no_progress
from artsim.errors import ImageError, StoreError
from artsim.loader import Loaded, Unloadable, load, preprocess
from artsim.prediction import Prediction
from artsim.prediction.run_networks import Answer, Teller
from artsim.readers import load_json, read_collection
from artsim.search import Works, locate
from artsim.store import Failure

__all__ = ["read_pictures", "tell_collection", "tell_ids", "tell_picture"]

_BATCH = 32  # pictures told at a time


class _Asked(NamedTuple):
    """A picture to be told."""

    id: str
    image: str
    pixels: Tensor  # (3, H, W) uint8
    row: int | None  # of the run's index, where it is in it
    known: dict[str, Any]  # what its own catalog says, where it has one


def tell_ids(teller: Teller, ids: Sequence[str], *, workers: int = 2) -> Iterator[Prediction]:
    """Tell pictures of the index that a run learned from, beside what the catalog says.

    Raises:
        SearchError: If no picture has an id.
        ImageError: If a picture cannot be decoded any more.
        StoreError: If that index is gone.
    """
    works = Works(teller.store)
    rows = [works.row(id_) for id_ in ids]
    located = teller.store.take(rows, ["image"]).column("image").to_pylist()
    files = [locate(teller.store, image) for image in located]
    asked = []
    for i, picture in enumerate(_load(teller, [Path(file) for file in files], workers)):
        if not isinstance(picture, Loaded):
            raise ImageError(f"{files[i]!r}: {picture.reason}")
        asked.append(_Asked(ids[i], files[i], picture.pixels, rows[i], {}))
    for start in range(0, len(asked), _BATCH):
        yield from _tell(teller, asked[start : start + _BATCH])


def tell_picture(teller: Teller, file: Path) -> list[Prediction]:
    """Tell a picture file.

    Raises:
        ImageError: If it is no picture.
    """
    data = images.read_bytes(file)
    try:
        pixels, _ = preprocess(data, teller.preprocessing(data))
    except ImageError as error:
        raise ImageError(f"{str(file)!r}: {error}") from error
    row = _find(teller, hashlib.sha256(data).hexdigest())
    return _tell(teller, [_Asked(str(file), str(file), pixels, row, {})])


def tell_collection(
    teller: Teller,
    catalog: Catalog,
    *,
    done: Collection[str] = (),
    workers: int = 2,
    progress: Progress = no_progress,
) -> Iterator[Prediction | Failure]:
    """Tell every picture of a collection but those done; what cannot be read is a failure.

    Args:
        teller: The run.
        catalog: The collection, read. Its own values stand beside what is told.
        done: Ids that are left out.
        workers: Threads that read and decode.
        progress: Called with how many are done, how many there are, and how many failed.
    """
    total = sum(batch.num_rows for batch in catalog.batches())
    passed = failed = 0
    for batch in catalog.batches():
        rows = [row for row in batch.to_pylist() if row["id"] not in done]
        passed += batch.num_rows - len(rows)
        for row in rows:
            if not row["image"]:
                passed, failed = passed + 1, failed + 1
                yield Failure(row["id"], None, "catalog", "it names no picture")
        rows = [row for row in rows if row["image"]]
        files = [catalog.root / row["image"] for row in rows]
        asked: list[_Asked] = []
        for picture in _load(teller, files, workers):
            row = rows[picture.key]
            if isinstance(picture, Loaded):
                image = str(catalog.root / row["image"])
                place = _find(teller, picture.content_hash)
                asked.append(_Asked(row["id"], image, picture.pixels, place, row))
            else:
                failed += 1
                yield Failure(row["id"], row["image"], picture.stage, picture.reason)
            if len(asked) == _BATCH:
                yield from _tell(teller, asked)
                asked = []
            passed += 1
            progress(passed, total, failed)
        if asked:
            yield from _tell(teller, asked)


def read_pictures(source: Path) -> Catalog:
    """Read a collection; besides what readers know, a JSON list of paths, relative to its folder.

    Raises:
        ReaderError: If it is neither.
    """
    paths = load_json(source) if source.suffix == ".json" and source.is_file() else None
    if not isinstance(paths, list) or not all(isinstance(each, str) for each in paths):
        return read_collection(source)
    source = source.resolve()
    table = pa.table({"id": pa.array(paths, pa.string()), "image": pa.array(paths, pa.string())})
    return Catalog(
        name=source.stem,
        reader="list",
        source=source,
        root=source.parent,
        schema=table.schema,
        batches=lambda: iter(table.to_batches()),
    )


def _load(teller: Teller, files: Sequence[Path], workers: int) -> Iterator[Loaded | Unloadable]:
    """Load pictures as the run's network takes them; the key of each is its place."""
    return load(enumerate(files), lambda i: teller.preprocessing(files[i]), workers=workers)


def _tell(teller: Teller, asked: Sequence[_Asked]) -> list[Prediction]:
    told: dict[int, list[Answer]] = {}
    for shape in {each.pixels.shape for each in asked}:
        places = [place for place, each in enumerate(asked) if each.pixels.shape == shape]
        pixels = torch.stack([asked[place].pixels for place in places])  # (B, 3, H, W)
        told |= zip(places, teller(pixels), strict=True)
    return [
        _prediction(teller, picture, answer)
        for place, picture in enumerate(asked)
        for answer in told[place]
    ]


def _prediction(teller: Teller, picture: _Asked, answer: Answer) -> Prediction:
    known = picture.known.get(teller.labels.get(answer.label, answer.label))
    if known is None and picture.row is not None:
        known = teller.catalog(answer.label, picture.row)
    predicted = answer.predicted
    agrees = None
    if known is not None:
        agrees = set(predicted) == set(known) if isinstance(known, list) else predicted == known
    return Prediction(
        id=picture.id,
        image=picture.image,
        label=answer.label,
        kind=answer.kind,
        predicted=predicted,
        confidence=answer.confidence,
        guesses=answer.guesses,
        error=None,
        catalog=known,
        agrees=agrees,
        seen=picture.row is not None and teller.learned(picture.row),
        neighbors=(),
    )


def _find(teller: Teller, content_hash: str) -> int | None:
    """Find a picture in the run's index, where that is still there."""
    try:
        return teller.store.find_content(content_hash)
    except StoreError:
        return None
