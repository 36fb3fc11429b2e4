"""Predict for images of an index, a file or a collection, with any predictor."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from artsim import images
from artsim.datatypes import Catalog, Preprocessing, Progress, no_progress
from artsim.errors import EvaluationError, ImageError
from artsim.labels import SHAPE
from artsim.places import picture_file
from artsim.prediction.predictions import Prediction
from artsim.readers import is_picture, load_json, read_collection, with_files
from artsim.search import Works, locate
from artsim.store import Failure, Store

if TYPE_CHECKING:
    from artsim.loader import Loaded

_ROWS = 4096  # of the index, predicted at a time from stored vectors


@dataclass(frozen=True, kw_only=True)
class ImageInput:
    """An image to predict labels for."""

    id: str
    image: str | None  # a path that opens from here, or a URL
    row: int | None = None  # of the index, if the image is in it
    pixels: NDArray[np.uint8] | None = None  # (3, H, W); None: only its stored vectors are needed
    metadata: Mapping[str, Any] = field(default_factory=dict)  # of a new image, with its shape


class Predictor(Protocol):
    """What predicts labels for images: a head, or the networks of a run."""

    needs_pixels: bool  # or stored vectors are enough for images of the index
    needs: tuple[str, ...]  # metadata columns that every image must have

    @property
    def name(self) -> str:
        """Its name, for messages."""

    @property
    def store(self) -> Store:
        """The index that it was trained on."""

    @property
    def batch_size(self) -> int:
        """Images to predict for at a time."""

    def preprocessing(self, image: bytes | Path) -> Preprocessing:
        """Return the preprocessing of an image; called from several threads."""

    def find(self, content_hash: str) -> int | None:
        """Return the row of the index that has this file, if any."""

    def predict(self, inputs: Sequence[ImageInput]) -> Iterator[Prediction]:
        """Predict all labels of each image, image by image."""


def predict_ids(
    predictor: Predictor, ids: Sequence[str], *, workers: int = 2
) -> Iterator[Prediction]:
    """Predict for images of the index, by their ids.

    Raises:
        SearchError: If no image has an id.
        ImageError: If pixels are needed and an image cannot be decoded.
        StoreError: If the index does not exist any more.
    """
    works = Works(predictor.store)
    rows = [works.row(id_) for id_ in ids]
    inputs: Iterator[ImageInput] = itertools.chain.from_iterable(
        _indexed(predictor.store, rows[i : i + _ROWS]) for i in range(0, len(rows), _ROWS)
    )
    if predictor.needs_pixels:
        inputs = _with_pixels(predictor, list(inputs), workers)
    size = predictor.batch_size if predictor.needs_pixels else _ROWS
    while batch := list(itertools.islice(inputs, size)):
        yield from predictor.predict(batch)


def predict_picture(predictor: Predictor, file: Path) -> list[Prediction]:
    """Predict for an image file; one that the index contains is not embedded again.

    Raises:
        ImageError: If it is not an image.
        PassportError: If a head was trained on other vectors than the network's.
        EvaluationError: If a head needs metadata that a file does not have.
    """
    from artsim.loader import preprocess

    data = images.read_bytes(file)
    row = predictor.find(hashlib.sha256(data).hexdigest())
    if row is not None and not predictor.needs_pixels:
        return list(predictor.predict(_indexed(predictor.store, [row])))
    _check_metadata(predictor, SHAPE)
    try:
        pixels, picture = preprocess(data, predictor.preprocessing(data))
    except ImageError as error:
        raise ImageError(f"{str(file)!r}: {error}") from error
    shape = _shape(picture.width, picture.height)
    one = ImageInput(id=str(file), image=str(file), row=row, pixels=pixels, metadata=shape)
    return list(predictor.predict([one]))


def predict_collection(
    predictor: Predictor,
    catalog: Catalog,
    *,
    done: Collection[str] = (),
    workers: int = 2,
    max_pixels: int = images.MAX_PIXELS,
    progress: Progress = no_progress,
) -> Iterator[Prediction | Failure]:
    """Predict for every image of a collection; yield a failure for each that cannot be read.

    Args:
        predictor: A head or a run.
        catalog: The collection, read. Predictions are compared with its own values of a label.
        done: Ids to skip.
        workers: Threads that read and decode.
        max_pixels: Larger images are refused.
        progress: Called with the numbers of images done, of all images, and of failures.

    Raises:
        EvaluationError: If a head needs metadata that the collection does not have.
    """
    from artsim.loader import Loaded, are_many, load

    _check_metadata(predictor, (*SHAPE, *catalog.schema.names))
    batch_size = predictor.batch_size  # loads a network, before threads need it
    total = sum(batch.num_rows for batch in catalog.batches())
    passed = failed = 0
    progress(0, total, 0)
    for batch in catalog.batches():
        left = [row for row in batch.to_pylist() if row["id"] not in done]
        rows = [row for row in left if row["image"]]
        passed += batch.num_rows - len(rows)
        failed += len(left) - len(rows)
        for row in left:
            if not row["image"]:
                yield Failure(row["id"], None, "catalog", "it names no picture")
        files = [picture_file(catalog.root, row["image"]) for row in rows]
        inputs: list[ImageInput] = []
        for picture in load(
            enumerate(files),
            _by_file(predictor, files),
            workers=workers,
            max_pixels=max_pixels,
            by_torch=predictor.needs_pixels or are_many(total),  # which is a run, by torch
        ):
            row = rows[picture.key]
            if isinstance(picture, Loaded):
                inputs.append(_new(predictor, row, files[picture.key], picture))
            else:
                failed += 1
                yield Failure(row["id"], row["image"], picture.stage, picture.reason)
            if len(inputs) == batch_size:
                yield from predictor.predict(inputs)
                inputs = []
            passed += 1
            progress(passed, total, failed)
        if inputs:
            yield from predictor.predict(inputs)


def is_collection(source: Path) -> bool:
    """Return whether a path is a folder or table of images, not a single image."""
    return source.is_dir() or (source.is_file() and not is_picture(source.name))


def read_pictures(source: Path) -> Catalog:
    """Read a collection, or a JSON list of image paths relative to its folder.

    Raises:
        ReaderError: If it is neither.
    """
    paths = load_json(source) if source.suffix == ".json" and source.is_file() else None
    if not isinstance(paths, list) or not all(isinstance(each, str) for each in paths):
        return read_collection(source)
    source = source.resolve()
    table = pa.table({"id": pa.array(paths, pa.string()), "image": pa.array(paths, pa.string())})
    return with_files(
        Catalog.of_table(table, name=source.stem, reader="list", source=source, root=source.parent)
    )


def _indexed(store: Store, rows: Sequence[int]) -> list[ImageInput]:
    works = store.take(rows, ["id", "image"]).to_pylist()
    return [
        ImageInput(id=work["id"], image=_path(store, work["image"]), row=row)
        for row, work in zip(rows, works, strict=True)
    ]


def _path(store: Store, image: str) -> str:
    """Return where a picture is. It is read, not shown, so it may be anywhere."""
    return locate(store, image) or str(picture_file(store.manifest.root, image))


def _with_pixels(
    predictor: Predictor, inputs: Sequence[ImageInput], workers: int
) -> Iterator[ImageInput]:
    from artsim.loader import Loaded, load

    files = [Path(str(each.image)) for each in inputs]
    for picture in load(enumerate(files), _by_file(predictor, files), workers=workers):
        if not isinstance(picture, Loaded):
            raise ImageError(f"{str(files[picture.key])!r}: {picture.reason}")
        yield replace(inputs[picture.key], pixels=picture.pixels)


def _by_file(predictor: Predictor, files: Sequence[Path]) -> Callable[[int], Preprocessing]:
    return lambda place: predictor.preprocessing(files[place])


def _new(predictor: Predictor, row: Mapping[str, Any], file: Path, picture: Loaded) -> ImageInput:
    known = {name: _plain(value) for name, value in row.items() if name not in SHAPE}
    return ImageInput(
        id=str(row["id"]),
        image=str(file),
        row=predictor.find(picture.content_hash),
        pixels=picture.pixels,
        metadata=known | _shape(picture.width, picture.height),
    )


def _shape(width: int, height: int) -> dict[str, float]:
    return dict(zip(SHAPE, (width, height, width / height), strict=True))


def _plain(value: Any) -> Any:
    """Turn a range of years into its middle, as in an index's labels and features."""
    if not isinstance(value, dict):
        return value
    ends = [end for end in value.values() if end is not None]
    return sum(ends) / len(ends) if ends else None


def _check_metadata(predictor: Predictor, known: Sequence[str]) -> None:
    missing = [name for name in predictor.needs if name not in known]
    if missing:
        raise EvaluationError(
            f"{predictor.name} needs {', '.join(map(repr, missing))} of every picture, which a new "
            "one does not have; use --id, or train a head without it"
        )
