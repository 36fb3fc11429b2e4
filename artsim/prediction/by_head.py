"""Predict with a head: from the vectors of an index, or from new images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from artsim.errors import EvaluationError
from artsim.index import open_index, unit
from artsim.labels import LabelKind, label_values, read_metadata
from artsim.prediction.heads import HeadTask, SavedHead, check_passport, id_hashes
from artsim.prediction.hierarchy import check_tasks, place_task
from artsim.prediction.loop import ImageInput
from artsim.prediction.predictions import LabeledNeighbor, Output, Prediction, compare, decide
from artsim.prediction.seen import LookAlikes, seen_by
from artsim.search import load_index_extractor
from artsim.store import Store, floats

if TYPE_CHECKING:
    from artsim.datatypes import Preprocessing
    from artsim.labels.trees import Hierarchy
    from artsim.models import Extractor

Vectors = NDArray[np.float32]


class HeadPredictor:
    """A head, ready to predict for images of an index and new ones.

    Args:
        store: The index, whose similar images are shown with a prediction.
        head: The head.
        extractor: Loads the network when a new image needs it; the index's own if None.
        neighbors: Similar images to show.
        top: Classes to list.
        min_confidence: Abstain if no class is this probable.
        hierarchy: Predict the deepest class of it that is sure enough: ``min_confidence``, or what
            the probe chose on validation.

    Raises:
        PassportError: If the head was trained on other vectors than the index has.
        EvaluationError: If the hierarchy has no class of the head, or nothing says what is sure.
    """

    needs_pixels = False

    def __init__(
        self,
        store: Store,
        head: SavedHead,
        *,
        extractor: Callable[[], Extractor] | None = None,
        neighbors: int = 5,
        top: int = 5,
        min_confidence: float = 0.0,
        hierarchy: Hierarchy | None = None,
    ) -> None:
        check_passport(head, store.manifest.passport, f"those of {str(store)!r}")
        if not 0 <= min_confidence <= 1:
            raise EvaluationError(f"a confidence is between 0 and 1, got {min_confidence:g}")
        self.store, self.head = store, head
        self.name = f"head {head.name!r}"
        self.neighbors = min(neighbors, store.rows)
        self._decide = partial(decide, top=top, min_confidence=min_confidence)
        self._trees = [place_task(head, task, hierarchy, min_confidence) for task in head.tasks]
        if hierarchy is not None:
            check_tasks(head, hierarchy, self._trees)
        names = [name for task in head.tasks for name in task.metadata.names]
        self.needs = tuple(dict.fromkeys(names))
        self._load = extractor or (lambda: load_index_extractor(store))
        self._index = open_index(store, head.tap)
        self._look_alikes = LookAlikes(lambda: store)
        self._catalog = [_values_if_any(store, task.source) for task in head.tasks]

    @cached_property
    def extractor(self) -> Extractor:
        """The network, loaded when it is first needed."""
        extractor = self._load()
        whose = "those of the network that is to embed the pictures"
        check_passport(self.head, extractor.passport, whose)
        return extractor

    @property
    def batch_size(self) -> int:
        """Images that the network embeds at a time."""
        return self.extractor.batch_size

    def preprocessing(self, image: bytes | Path) -> Preprocessing:
        """Return the network's preprocessing."""
        return self.extractor.preprocessing

    def find(self, content_hash: str) -> int | None:
        """Return the row of the index that has this file, if any."""
        return self.store.find(content_hash, "content_hash")

    def predict(self, inputs: Sequence[ImageInput]) -> Iterator[Prediction]:
        """Predict all labels for images that all have pixels, or are all in the index."""
        vectors = unit(self._vectors(inputs))
        columns = self._columns(inputs)
        rows = [each.row for each in inputs]
        neighbors, similar = self._find_neighbors(vectors, rows), self._look_alikes.of(inputs)
        trained = self._find_trained([*rows, *chain.from_iterable(similar)])
        probabilities = []
        for task in self.head.tasks:
            features = task.metadata.features(columns, len(vectors))
            probabilities.append(task.probabilities(np.concatenate([vectors, features], axis=1)))
        for i, (one, row) in enumerate(zip(inputs, rows, strict=True)):
            for task, tree, of_task, values, in_training in zip(
                self.head.tasks, self._trees, probabilities, self._catalog, trained, strict=True
            ):
                catalog = one.metadata.get(task.source)
                if catalog is None and row is not None and values is not None:
                    catalog = values[row]
                output = self._output(task, of_task[i])
                agrees, shared = compare(task.kind, output.predicted, catalog), None
                if tree is not None:
                    output = tree.back_off(output, of_task[i])
                    shared = tree.shared(output.path, catalog)
                    known = output.predicted is not None and catalog is not None
                    agrees = output.predicted == shared if known else None
                yield Prediction(
                    **vars(output),
                    id=one.id,
                    image=one.image,
                    catalog=catalog,
                    agrees=agrees,
                    shared=shared,
                    seen_by=seen_by(row, similar[i], in_training),
                    neighbors=tuple(
                        LabeledNeighbor(id_, score, None if values is None else values[near])
                        for id_, score, near in neighbors[i]
                    ),
                )

    def _output(self, task: HeadTask, values: NDArray[np.float64]) -> Output:
        label, kind = task.label, task.kind
        if kind == LabelKind.NUMBER:
            number, error = float(values[0]), task.scores["probe"]
            return Output(label=label, kind=kind, predicted=number, error=error)
        return self._decide(label, kind, task.classes, values)

    def _vectors(self, inputs: Sequence[ImageInput]) -> Vectors:
        tap = self.head.tap
        if any(each.pixels is None for each in inputs):
            table = self.store.take([each.row for each in inputs if each.row is not None], [tap])
            numbers = floats(table.column(tap).combine_chunks().flatten())
            stored: Vectors = numbers.reshape(len(inputs), -1)
            return stored
        pixels = np.stack([each.pixels for each in inputs if each.pixels is not None])
        return self.extractor.embed_batch(pixels)[tap]

    @cached_property
    def _metadata(self) -> dict[str, list[Any]]:
        return read_metadata(self.store, self.needs)

    def _columns(self, inputs: Sequence[ImageInput]) -> dict[str, list[Any]]:
        """Return the metadata columns that the head needs."""
        return {
            name: [
                self._metadata[name][each.row]
                if each.pixels is None and each.row is not None
                else each.metadata[name]
                for each in inputs
            ]
            for name in self.needs
        }

    def _find_trained(self, rows: Sequence[int | None]) -> list[set[int | None]]:
        """Find which of these rows of the index each task was fitted on."""
        known = list({row for row in rows if row is not None})
        ids = self.store.take(known, ["id"]).column("id").to_pylist()
        hashes = [id_hashes([id_])[0] for id_ in ids]
        return [
            {row for row, seen in zip(known, np.isin(hashes, task.trained), strict=True) if seen}
            for task in self.head.tasks
        ]

    def _find_neighbors(
        self, vectors: Vectors, own: Sequence[int | None]
    ) -> list[list[tuple[str, float, int]]]:
        """Find the most similar images of each, as id, cosine and row."""
        if not self.neighbors or not len(vectors):
            return [[] for _ in own]
        wanted = min(self.neighbors + 1, self.store.rows)  # one may be the image itself
        scores, rows = self._index.search(vectors, wanted)
        distinct = np.unique(rows).tolist()
        ids = self.store.take(distinct, ["id"]).column("id").to_pylist()
        id_of = dict(zip(distinct, ids, strict=True))
        return [
            [(id_of[near], score, near) for near, score in zip(*pair, strict=True) if near != row][
                : self.neighbors
            ]
            for row, *pair in zip(own, rows.tolist(), scores.tolist(), strict=True)
        ]


def _values_if_any(store: Store, source: str) -> list[Any] | None:
    """Return the label's values in an index, or None if it has no such label."""
    try:
        return label_values(store, source)
    except EvaluationError:
        return None
