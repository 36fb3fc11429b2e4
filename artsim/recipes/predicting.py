"""What a trained run says of a picture: its network's tasks, or its tree's stages and a phrase."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from torch import Tensor

from artsim import images
from artsim.annotations import TEST
from artsim.datatypes import Catalogue, Preprocessing
from artsim.errors import EvaluationError, ImageError, StoreError
from artsim.loader import Loaded, Unloadable, load, preprocess
from artsim.models.architectures import Classifier
from artsim.models.extractor import find_device
from artsim.models.trained import TrainedModel, load_classifier
from artsim.probing import Prediction
from artsim.probing.predict import Guess
from artsim.readers import read_collection
from artsim.readers.records import load_json
from artsim.recipes.begin import open_index
from artsim.recipes.heritage_two_stage import TREE, stage_folder
from artsim.recipes.learner import probabilities
from artsim.recipes.run import PREDICTIONS, read_plan, read_scores
from artsim.recipes.shapes import in_shape, nearest_shapes
from artsim.recipes.tree import Tree, read_tree
from artsim.search import Works, locate
from artsim.store import Failure, Store
from artsim.targets import Kind, label_values

__all__ = [
    "PHRASE",
    "Teller",
    "read_pictures",
    "tell_collection",
    "tell_ids",
    "tell_picture",
]

PHRASE = "phrase"  # the label under which a tree's answers stand in words
_BATCH = 32  # pictures told at a time
_HALF = 0.5  # the least probability of a class that a picture is said to have among others

Progress = Callable[[int, int, int], None]


class _Answer(NamedTuple):
    """What one network, or all of a tree, says of one picture."""

    label: str
    kind: Kind
    predicted: str | list[str]
    confidence: float
    guesses: tuple[Guess, ...] = ()


class _Asked(NamedTuple):
    """A picture to be told."""

    id: str
    image: str
    pixels: Tensor  # (3, H, W) uint8
    row: int | None  # of the run's index, where it is in it
    known: dict[str, Any]  # what its own catalogue says, where it has one


class Teller:
    """A run's networks, loaded as they are needed.

    Args:
        path: The run's folder.
        device: Where they are computed.
        top: Classes listed.

    Raises:
        TrainingError: If it is no run, is not done, or trained no network.
    """

    def __init__(self, path: Path, *, device: str = "cpu", top: int = 5) -> None:
        plan = read_plan(path)
        self.path, self.top = path, top
        # What each answer was learnt from: 'lithograph' from "lithograph = medium ~ 'lithograph'".
        self.labels: dict[str, str] = {task["task"]: task["label"] for task in read_scores(path)}
        self._index = path / plan.index
        self._device = find_device(device)
        self._networks: dict[Path, tuple[TrainedModel, Classifier]] = {}

    @cached_property
    def tree(self) -> Tree | None:
        """What is asked in stages, if it is."""
        return read_tree(self.path / TREE) if (self.path / TREE).exists() else None

    @cached_property
    def store(self) -> Store:
        """The index that the run learnt from.

        Raises:
            StoreError: If it is gone.
        """
        return open_index(self._index)

    @cached_property
    def first(self) -> TrainedModel:
        """The only network, or the one of the first stage: how it takes pictures."""
        return self._network(self._folders[0])[0]

    def preprocessing(self, file: bytes | Path) -> Preprocessing:
        """Return what a picture is brought to: what pictures of its shape were in the training."""
        usual, shapes = self.first.preprocessing, self.first.shapes
        if shapes is None:
            return usual
        try:
            found = images.describe(file)
        except ImageError:
            return usual  # and whoever decodes it hears why it is no picture
        (shape,) = nearest_shapes([found.width], [found.height], np.array(shapes))
        return in_shape(usual, shape)

    def __call__(self, pixels: Tensor) -> list[list[_Answer]]:
        """Tell pictures, (B, 3, H, W) uint8: the answers about each, in the order of asking."""
        answers = self._ask(self._folders[0], pixels)
        if self.tree is None:
            return [[*each, *_whether(self.first, each)] for each in answers]
        classes = [str(each[0].predicted) for each in answers]
        for stage, folder in zip(self.tree.stages(), self._folders, strict=True):
            rows = [row for row, class_ in enumerate(classes) if class_ == stage.branch]
            if rows and stage.name in self.labels:
                for row, told in zip(rows, self._ask(folder, pixels[rows]), strict=True):
                    answers[row] += told
        return [[*each, _in_words(self.tree, each)] for each in answers]

    def learnt(self, row: int) -> bool:
        """Tell whether a picture of the run's index taught the networks or chose among them."""
        return self._ids[row] in self._seen

    def catalogue(self, label: str, row: int) -> Any:
        """Return what the run's catalogue says of a picture; None where it says nothing."""
        if label not in self._known:
            try:
                self._known[label] = label_values(self.store, self.labels[label])
            except (EvaluationError, KeyError):  # no such label any more; a phrase
                self._known[label] = [None] * self.store.rows
        return self._known[label][row]

    @cached_property
    def _known(self) -> dict[str, list[Any]]:
        return {}

    @cached_property
    def _ids(self) -> list[str]:
        ids: list[str] = self.store.read(["id"]).column("id").to_pylist()
        return ids

    @cached_property
    def _seen(self) -> Collection[str]:
        table = pq.read_table(self.path / PREDICTIONS, columns=["id", "split"])
        return {row["id"] for row in table.to_pylist() if row["split"] != TEST}

    @cached_property
    def _folders(self) -> list[Path]:
        if self.tree is None:
            return [self.path]
        return [self.path / stage_folder(self.tree, stage) for stage in self.tree.stages()]

    def _network(self, folder: Path) -> tuple[TrainedModel, Classifier]:
        if folder not in self._networks:
            model, classifier = load_classifier(folder)
            self._networks[folder] = model, classifier.to(self._device)
        return self._networks[folder]

    def _ask(self, folder: Path, pixels: Tensor) -> list[list[_Answer]]:
        model, classifier = self._network(folder)
        mean, std = (
            torch.tensor(each, device=self._device).view(1, 3, 1, 1) * 255
            for each in (model.preprocessing.mean, model.preprocessing.std)
        )
        with torch.inference_mode():
            logits = classifier((pixels.to(self._device) - mean) / std)
        answers: list[list[_Answer]] = [[] for _ in range(len(pixels))]
        for task in model.tasks:
            kind = Kind.MEMBERS if task.is_members else Kind.CLASSES
            likely = probabilities(logits[task.name], kind).cpu().numpy()
            for mine, each in zip(answers, likely, strict=True):
                mine.append(_answer(task.name, kind, task.classes, each, self.top))
        return answers


def tell_ids(teller: Teller, ids: Sequence[str], *, workers: int = 2) -> Iterator[Prediction]:
    """Tell pictures of the index that a run learnt from, beside what the catalogue says.

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
    catalogue: Catalogue,
    *,
    done: Collection[str] = (),
    workers: int = 2,
    progress: Progress = lambda done, total, failures: None,
) -> Iterator[Prediction | Failure]:
    """Tell every picture of a collection but those done; what cannot be read is a failure.

    Args:
        teller: The run.
        catalogue: The collection, read. Its own values stand beside what is told.
        done: Ids that are left out.
        workers: Threads that read and decode.
        progress: Called with how many are done, how many there are, and how many failed.
    """
    total = sum(batch.num_rows for batch in catalogue.batches())
    passed = failed = 0
    for batch in catalogue.batches():
        rows = [row for row in batch.to_pylist() if row["id"] not in done]
        passed += batch.num_rows - len(rows)
        for row in rows:
            if not row["image"]:
                passed, failed = passed + 1, failed + 1
                yield Failure(row["id"], None, "catalogue", "it names no picture")
        rows = [row for row in rows if row["image"]]
        files = [catalogue.root / row["image"] for row in rows]
        asked: list[_Asked] = []
        for picture in _load(teller, files, workers):
            row = rows[picture.key]
            if isinstance(picture, Loaded):
                image = str(catalogue.root / row["image"])
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


def read_pictures(source: Path) -> Catalogue:
    """Read a collection; besides what readers know, a JSON list of paths, relative to its folder.

    Raises:
        ReaderError: If it is neither.
    """
    paths = load_json(source) if source.suffix == ".json" and source.is_file() else None
    if not isinstance(paths, list) or not all(isinstance(each, str) for each in paths):
        return read_collection(source)
    source = source.resolve()
    table = pa.table({"id": pa.array(paths, pa.string()), "image": pa.array(paths, pa.string())})
    return Catalogue(
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
    told: dict[int, list[_Answer]] = {}
    for shape in {each.pixels.shape for each in asked}:
        places = [place for place, each in enumerate(asked) if each.pixels.shape == shape]
        pixels = torch.stack([asked[place].pixels for place in places])  # (B, 3, H, W)
        told |= zip(places, teller(pixels), strict=True)
    return [
        _prediction(teller, picture, answer)
        for place, picture in enumerate(asked)
        for answer in told[place]
    ]


def _prediction(teller: Teller, picture: _Asked, answer: _Answer) -> Prediction:
    known = picture.known.get(answer.label)
    if known is None and picture.row is not None:
        known = teller.catalogue(answer.label, picture.row)
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
        catalogue=known,
        agrees=agrees,
        seen=picture.row is not None and teller.learnt(picture.row),
        neighbours=(),
    )


def _find(teller: Teller, content_hash: str) -> int | None:
    """Find a picture in the run's index, where that is still there."""
    try:
        return teller.store.find_content(content_hash)
    except StoreError:
        return None


def _answer(
    label: str, kind: Kind, classes: Sequence[str], likely: NDArray[np.float32], top: int
) -> _Answer:
    order = np.argsort(-likely, kind="stable")
    guesses = tuple(Guess(classes[k], float(likely[k])) for k in order[:top])
    best = classes[order[0]]
    several = [name for name, p in zip(classes, likely, strict=True) if p >= _HALF]
    predicted = several if kind == Kind.MEMBERS else best
    return _Answer(label, kind, predicted, float(likely[order[0]]), guesses)


def _whether(model: TrainedModel, answers: Sequence[_Answer]) -> Iterator[_Answer]:
    """Say in words whether a picture is what the only label is named after: 'not a lithograph'."""
    name, answer = model.tasks[0].name, answers[0]
    if len(answers) == 1 and model.tasks[0].classes == (name, f"not {name}"):
        noun = f"{'an' if name[0] in 'aeiou' else 'a'} {name}"
        said = noun if answer.predicted == name else f"not {noun}"
        yield _Answer(PHRASE, Kind.CLASSES, said, answer.confidence)


def _in_words(tree: Tree, answers: Sequence[_Answer]) -> _Answer:
    """Say all answers about a picture in a phrase, as likely as all of them together."""
    class_, *values = (str(each.predicted) for each in answers)
    likely = float(np.prod([each.confidence for each in answers]))
    return _Answer(PHRASE, Kind.CLASSES, tree.phrase(class_, values), likely)
