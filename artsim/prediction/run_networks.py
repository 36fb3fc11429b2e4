"""A trained run's networks, asked about pictures: its tasks, or its tree's stages and a phrase."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from artsim import images
from artsim.datatypes import Preprocessing
from artsim.errors import EvaluationError, ImageError
from artsim.labels import LabelKind, label_values
from artsim.models import TrainedModel, find_device, load_classifier
from artsim.models.architectures import Classifier
from artsim.prediction.by_head import Guess
from artsim.recipes.begin import open_index
from artsim.recipes.heritage_two_stage import TREE, stage_folder
from artsim.splits.stored import TEST
from artsim.store import Store
from artsim.training.learner import probabilities
from artsim.training.run import read_plan, read_predictions, read_scores
from artsim.training.shapes import in_shape, nearest_shapes
from artsim.training.tree import Tree, read_tree

__all__ = ["PHRASE", "Answer", "Teller"]

PHRASE = "phrase"  # the label under which a tree's answers stand in words

_HALF = 0.5  # the least probability of a class that a picture is said to have among others


class Answer(NamedTuple):
    """What one network, or all of a tree, says of one picture."""

    label: str
    kind: LabelKind
    predicted: str | list[str]
    confidence: float
    guesses: tuple[Guess, ...] = ()


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
        # The label of each task: 'lithograph' is "lithograph = medium ILIKE '%lithograph%'".
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
        """The index that the run learned from.

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
            return usual  # and decoding it says why it is no picture
        (shape,) = nearest_shapes([found.width], [found.height], np.array(shapes))
        return in_shape(usual, shape)

    def __call__(self, pixels: Tensor) -> list[list[Answer]]:
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

    def learned(self, row: int) -> bool:
        """Tell whether a picture of the run's index taught the networks or chose among them."""
        return self._ids[row] in self._seen

    def catalog(self, label: str, row: int) -> Any:
        """Return what the run's catalog says of a picture; None where it says nothing."""
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
        table = read_predictions(self.path, ["id", "split"])
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

    def _ask(self, folder: Path, pixels: Tensor) -> list[list[Answer]]:
        model, classifier = self._network(folder)
        mean, std = (
            torch.tensor(each, device=self._device).view(1, 3, 1, 1) * 255
            for each in (model.preprocessing.mean, model.preprocessing.std)
        )
        with torch.inference_mode():
            logits = classifier((pixels.to(self._device) - mean) / std)
        answers: list[list[Answer]] = [[] for _ in range(len(pixels))]
        for task in model.tasks:
            kind = LabelKind.MULTILABEL if task.is_members else LabelKind.MULTICLASS
            likely = probabilities(logits[task.name], kind).cpu().numpy()
            for mine, each in zip(answers, likely, strict=True):
                mine.append(_answer(task.name, kind, task.classes, each, self.top))
        return answers


def _answer(
    label: str, kind: LabelKind, classes: Sequence[str], likely: NDArray[np.float32], top: int
) -> Answer:
    order = np.argsort(-likely, kind="stable")
    guesses = tuple(Guess(classes[k], float(likely[k])) for k in order[:top])
    best = classes[order[0]]
    several = [name for name, p in zip(classes, likely, strict=True) if p >= _HALF]
    predicted = several if kind == LabelKind.MULTILABEL else best
    return Answer(label, kind, predicted, float(likely[order[0]]), guesses)


def _whether(model: TrainedModel, answers: Sequence[Answer]) -> Iterator[Answer]:
    """Say in words whether a picture is what the only label is named after: 'not a lithograph'."""
    name, answer = model.tasks[0].name, answers[0]
    if len(answers) == 1 and model.tasks[0].classes == (name, f"not {name}"):
        noun = f"{'an' if name[0] in 'aeiou' else 'a'} {name}"
        said = noun if answer.predicted == name else f"not {noun}"
        yield Answer(PHRASE, LabelKind.MULTICLASS, said, answer.confidence)


def _in_words(tree: Tree, answers: Sequence[Answer]) -> Answer:
    """Say all answers about a picture in a phrase, as likely as all of them together."""
    class_, *values = (str(each.predicted) for each in answers)
    likely = float(np.prod([each.confidence for each in answers]))
    return Answer(PHRASE, LabelKind.MULTICLASS, tree.phrase(class_, values), likely)
