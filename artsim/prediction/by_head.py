"""Ask a head: what is this, how sure is it, what speaks for it, and what the catalog says."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from artsim import images
from artsim.datatypes import Progress, no_progress
from artsim.errors import EvaluationError, ImageError
from artsim.index import open_index, unit
from artsim.labels import SHAPE, LabelKind, label_values, read_metadata
from artsim.prediction.heads import Head, HeadTask, check_passport, id_hashes
from artsim.search import Works, load_index_extractor, locate
from artsim.store import Failure, Store, floats

if TYPE_CHECKING:
    from artsim.datatypes import Catalog
    from artsim.loader import Loaded
    from artsim.models import Extractor

__all__ = [
    "Evidence",
    "Guess",
    "Prediction",
    "Predictor",
    "predict_collection",
    "predict_ids",
    "predict_picture",
]

_HALF = 0.5  # a class that is likelier than not is predicted, where there may be several
_ROWS = 4096  # of the index, asked about at a time

Value = str | float | list[str] | None


@dataclass(frozen=True)
class Guess:
    """A class and how likely it is."""

    name: str
    probability: float


@dataclass(frozen=True)
class Evidence:
    """A picture of the index that is near, and what the catalog says of it."""

    id: str
    score: float  # cosine
    value: Value


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What a head says of one picture and label."""

    id: str  # in the index or the collection; of a single file its path
    image: str | None  # a path that opens from here, or an URL
    label: str
    kind: LabelKind
    predicted: Value  # None: it abstains
    confidence: float | None  # probability of the likeliest class; None of a number
    guesses: tuple[Guess, ...]  # likeliest first; none of a number
    error: float | None  # of a number: the head's mean absolute error on test
    catalog: Value  # what it says already
    agrees: bool | None  # None where either says nothing, and of a number
    seen: bool  # the head was fitted on this picture: its answer is no evidence
    neighbors: tuple[Evidence, ...]  # nearest first, itself left out

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self) | {"kind": str(self.kind)}


@dataclass(frozen=True)
class _Asked:
    """Pictures to be told, n of them."""

    ids: list[str]
    images: list[str | None]
    vectors: NDArray[np.float32]  # (n, D)
    rows: list[int | None]  # of the index, where they are in it
    columns: dict[str, list[Any]]  # metadata that the head needs
    catalog: dict[str, list[Any]]  # values of the labels, as far as they are known


class Predictor:
    """A head, ready to tell pictures of an index and new ones.

    Args:
        store: The index whose pictures are the evidence.
        head: The head.
        extractor: Loads the network when a picture first needs it; the index's own if None.
        neighbors: Pictures shown as evidence.
        top: Classes listed.
        min_confidence: Where no class is this likely the head abstains.

    Raises:
        PassportError: If the head was fitted on other vectors than the index has.
    """

    def __init__(
        self,
        store: Store,
        head: Head,
        *,
        extractor: Callable[[], Extractor] | None = None,
        neighbors: int = 5,
        top: int = 5,
        min_confidence: float = 0.0,
    ) -> None:
        check_passport(head, store.manifest.passport, f"those of {str(store.path)!r}")
        if not 0 <= min_confidence <= 1:
            raise EvaluationError(f"a confidence is between 0 and 1, got {min_confidence:g}")
        self.store = store
        self.head = head
        self.neighbors = min(neighbors, store.rows)
        self.top = top
        self.min_confidence = min_confidence
        self._load = extractor or (lambda: load_index_extractor(store))
        self._extractor: Extractor | None = None
        self._index = open_index(store, head.tap)
        self._known = [_values_if_any(store, task.source) for task in head.tasks]

    @property
    def needs(self) -> tuple[str, ...]:
        """The metadata columns that the head must be told."""
        names = [name for task in self.head.tasks for name in task.metadata.names]
        return tuple(dict.fromkeys(names))

    @property
    def extractor(self) -> Extractor:
        """The network, loaded when it is first needed."""
        if self._extractor is None:
            self._extractor = self._load()
            whose = "those of the network that is to embed the pictures"
            check_passport(self.head, self._extractor.passport, whose)
        return self._extractor

    def predict(self, asked: _Asked) -> Iterator[Prediction]:
        """Tell every label of the head for every picture."""
        vectors = unit(asked.vectors)
        evidence = self._find_evidence(vectors, asked.rows)
        trained = self._find_trained(asked.rows)
        by_task = [self._ask(task, vectors, asked.columns) for task in self.head.tasks]
        for i, id_ in enumerate(asked.ids):
            row = asked.rows[i]
            for task, probabilities, known, fitted in zip(
                self.head.tasks, by_task, self._known, trained, strict=True
            ):
                said = asked.catalog.get(task.source, [None] * len(asked.ids))[i]
                if said is None and row is not None and known is not None:
                    said = known[row]
                yield self._tell(
                    task,
                    probabilities[i],
                    id_=id_,
                    image=asked.images[i],
                    catalog=said,
                    seen=row in fitted,
                    neighbors=tuple(
                        Evidence(near, score, known[near_row] if known is not None else None)
                        for near, score, near_row in evidence[i]
                    ),
                )

    def _ask(
        self, task: HeadTask, vectors: NDArray[np.float32], columns: dict[str, list[Any]]
    ) -> NDArray[np.float64]:
        beside = task.metadata.features(columns, len(vectors))
        return task.probabilities(np.concatenate([vectors, beside], axis=1))  # (n, K)

    def _tell(
        self,
        task: HeadTask,
        likely: NDArray[np.float64],
        *,
        id_: str,
        image: str | None,
        catalog: Value,
        seen: bool,
        neighbors: tuple[Evidence, ...],
    ) -> Prediction:
        guesses: tuple[Guess, ...] = ()
        predicted: Value
        if task.kind == LabelKind.NUMBER:
            predicted = float(likely[0])
        else:
            order = np.argsort(-likely, kind="stable")
            guesses = tuple(Guess(task.classes[i], float(likely[i])) for i in order[: self.top])
            if task.kind == LabelKind.MULTILABEL:
                least = self.min_confidence or _HALF
                predicted = [task.classes[i] for i in order if likely[i] >= least] or None
            else:
                sure = guesses[0].probability >= self.min_confidence
                predicted = guesses[0].name if sure else None
        return Prediction(
            id=id_,
            image=image,
            label=task.label,
            kind=task.kind,
            predicted=predicted,
            confidence=guesses[0].probability if guesses else None,
            guesses=guesses,
            error=task.scores["probe"] if task.kind == LabelKind.NUMBER else None,
            catalog=catalog,
            agrees=_agrees(task.kind, predicted, catalog),
            seen=seen,
            neighbors=neighbors,
        )

    def _find_trained(self, rows: Sequence[int | None]) -> list[set[int | None]]:
        """Find which of these rows of the index each task was fitted on."""
        known = [row for row in rows if row is not None]
        ids = self.store.take(known, ["id"]).column("id").to_pylist()
        hashes = [id_hashes([id_])[0] for id_ in ids]
        return [
            {row for row, seen in zip(known, np.isin(hashes, task.trained), strict=True) if seen}
            for task in self.head.tasks
        ]

    def _find_evidence(
        self, vectors: NDArray[np.float32], own: Sequence[int | None]
    ) -> list[list[tuple[str, float, int]]]:
        """Find the nearest pictures of each, as id, cosine and row."""
        if not self.neighbors or not len(vectors):
            return [[] for _ in own]
        wanted = min(self.neighbors + 1, self.store.rows)  # one may be the picture itself
        scores, rows = self._index.search(vectors, wanted)
        distinct, inverse = np.unique(rows, return_inverse=True)
        ids = self.store.take(distinct.tolist(), ["id"]).column("id").to_pylist()
        names = inverse.reshape(rows.shape)
        return [
            [
                (ids[names[i, j]], float(scores[i, j]), int(rows[i, j]))
                for j in range(wanted)
                if rows[i, j] != row
            ][: self.neighbors]
            for i, row in enumerate(own)
        ]


def predict_ids(predictor: Predictor, ids: Sequence[str]) -> Iterator[Prediction]:
    """Tell pictures of the index by their ids; no network is needed.

    Raises:
        SearchError: If no picture has an id.
    """
    store = predictor.store
    works = Works(store)
    rows = [works.row(id_) for id_ in ids]
    columns = read_metadata(store, predictor.needs)
    for start in range(0, len(rows), _ROWS):
        yield from predictor.predict(_of_rows(predictor, rows[start : start + _ROWS], columns))


def predict_picture(predictor: Predictor, file: Path) -> list[Prediction]:
    """Tell a picture file; one that the index holds, byte for byte, is not embedded again.

    Raises:
        ImageError: If it is no picture.
        PassportError: If the network's vectors are not those that the head was fitted on.
        EvaluationError: If the head needs metadata that a file does not have.
    """
    data = images.read_bytes(file)
    row = predictor.store.find_content(hashlib.sha256(data).hexdigest())
    if row is not None:
        columns = read_metadata(predictor.store, predictor.needs)
        return list(predictor.predict(_of_rows(predictor, [row], columns)))
    _refuse_unknown(predictor, SHAPE)
    from artsim.loader import preprocess

    try:
        pixels, picture = preprocess(data, predictor.extractor.preprocessing)
    except ImageError as error:
        raise ImageError(f"{str(file)!r}: {error}") from error
    vectors = predictor.extractor.embed_batch(pixels.unsqueeze(0))[predictor.head.tap]
    asked = _Asked(
        ids=[str(file)],
        images=[str(file)],
        vectors=vectors,
        rows=[None],
        columns=_shapes([(picture.width, picture.height)]),
        catalog={},
    )
    return list(predictor.predict(asked))


def predict_collection(
    predictor: Predictor,
    catalog: Catalog,
    *,
    workers: int = 2,
    max_pixels: int = images.MAX_PIXELS,
    progress: Progress = no_progress,
) -> Iterator[Prediction | Failure]:
    """Tell every picture of a collection; what cannot be read comes back as a failure.

    Args:
        predictor: The head.
        catalog: The collection, read. Its own values of a label stand beside the predictions.
        workers: Threads that read and decode.
        max_pixels: A larger picture is refused.
        progress: Called with how many are done, how many there are, and how many failed.

    Raises:
        EvaluationError: If the head needs metadata that the collection does not have.
    """
    _refuse_unknown(predictor, (*SHAPE, *catalog.schema.names))
    from artsim.loader import Loaded, load

    extractor = predictor.extractor
    total = sum(batch.num_rows for batch in catalog.batches())
    done = failed = 0
    progress(0, total, 0)
    for batch in catalog.batches():
        rows = batch.to_pylist()
        there = [i for i, row in enumerate(rows) if row["image"]]
        for row in rows:
            if not row["image"]:
                failed += 1
                yield Failure(row["id"], None, "catalog", "it names no picture")
        pictures = load(
            ((i, catalog.root / rows[i]["image"]) for i in there),
            extractor.preprocessing,
            workers=workers,
            max_pixels=max_pixels,
        )
        loaded: list[Loaded] = []
        for place, picture in enumerate(pictures, start=1):
            if isinstance(picture, Loaded):
                loaded.append(picture)
            else:
                failed += 1
                row = rows[picture.key]
                yield Failure(row["id"], row["image"], picture.stage, picture.reason)
            if len(loaded) == extractor.batch_size or (place == len(there) and loaded):
                yield from predictor.predict(_of_pictures(predictor, catalog, rows, loaded))
                loaded = []
            progress(done + place, total, failed)
        done += len(rows)


def _of_rows(predictor: Predictor, rows: Sequence[int], columns: dict[str, list[Any]]) -> _Asked:
    store, tap = predictor.store, predictor.head.tap
    table = store.take(rows, ["id", "image", tap])
    numbers = floats(table.column(tap).combine_chunks().flatten())
    return _Asked(
        ids=table.column("id").to_pylist(),
        images=[locate(store, image) for image in table.column("image").to_pylist()],
        vectors=numbers.reshape(len(rows), -1),
        rows=list(rows),
        columns={name: [column[row] for row in rows] for name, column in columns.items()},
        catalog={},
    )


def _of_pictures(
    predictor: Predictor,
    catalog: Catalog,
    rows: Sequence[dict[str, Any]],
    loaded: Sequence[Loaded],
) -> _Asked:
    import torch

    pixels = torch.stack([picture.pixels for picture in loaded])
    vectors = predictor.extractor.embed_batch(pixels)[predictor.head.tap]
    mine = [rows[picture.key] for picture in loaded]
    known = [name for name in catalog.schema.names if name not in SHAPE]
    columns = {name: [_plain(row[name]) for row in mine] for name in known}
    return _Asked(
        ids=[str(row["id"]) for row in mine],
        images=[str(catalog.root / row["image"]) for row in mine],
        vectors=vectors,
        rows=[predictor.store.find_content(picture.content_hash) for picture in loaded],
        columns=columns | _shapes([(picture.width, picture.height) for picture in loaded]),
        catalog=columns,
    )


def _shapes(sizes: Sequence[tuple[int, int]]) -> dict[str, list[Any]]:
    columns = [(width, height, width / height) for width, height in sizes]
    return {
        name: list(column) for name, column in zip(SHAPE, zip(*columns, strict=True), strict=True)
    }


def _plain(value: Any) -> Any:
    """Turn a year range into its middle, as an index's labels and features have it."""
    if not isinstance(value, dict):
        return value
    ends = [end for end in value.values() if end is not None]
    return sum(ends) / len(ends) if ends else None


def _values_if_any(store: Store, source: str) -> list[Any] | None:
    """Return the label's values in an index, or None where it has no such label."""
    try:
        return label_values(store, source)
    except EvaluationError:
        return None


def _refuse_unknown(predictor: Predictor, known: Sequence[str]) -> None:
    missing = [name for name in predictor.needs if name not in known]
    if missing:
        raise EvaluationError(
            f"head {predictor.head.name!r} needs {', '.join(map(repr, missing))} of every picture, "
            "which is not known of a new one; ask by --id, or probe without"
        )


def _agrees(kind: LabelKind, predicted: Value, catalog: Value) -> bool | None:
    if kind == LabelKind.NUMBER or predicted is None or catalog is None:
        return None
    if isinstance(predicted, list) and isinstance(catalog, list):
        return set(predicted) == set(catalog)
    return predicted == catalog
