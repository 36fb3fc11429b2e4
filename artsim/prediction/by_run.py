"""Predict with the networks of a run: its tasks, or the stages of its tree and a phrase."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from artsim import images
from artsim.datatypes import Preprocessing
from artsim.errors import EvaluationError, ImageError, StoreError
from artsim.labels import LabelKind, label_values
from artsim.models import TrainedModel, find_device, load_classifier
from artsim.models.architectures import Classifier
from artsim.prediction.loop import ImageInput
from artsim.prediction.predictions import Output, Prediction, compare, decide
from artsim.prediction.seen import LookAlikes, seen_by
from artsim.recipes import TREE, Tree, open_run_index, read_tree
from artsim.splits import TEST
from artsim.store import Store
from artsim.training import (
    in_shape,
    nearest_shapes,
    probabilities,
    read_plan,
    read_predictions,
    read_scores,
)

PHRASE = "phrase"  # the label of a tree's predictions in words


class RunPredictor:
    """A run's networks, loaded when they are needed.

    Args:
        path: The run's folder.
        device: Where they are computed.
        top: Classes to list.
        min_confidence: Abstain if no class is this probable.

    Raises:
        TrainingError: If it is not a run, is not finished, or trained no network.
    """

    needs_pixels = True
    needs: tuple[str, ...] = ()
    batch_size = 32

    def __init__(
        self, path: Path, *, device: str = "cpu", top: int = 5, min_confidence: float = 0.0
    ) -> None:
        self._plan = read_plan(path)
        self.path, self.min_confidence = path, min_confidence
        self._decide = partial(decide, top=top, min_confidence=min_confidence)
        self.name = f"run {path.name!r}"
        # The source of each label: 'lithograph' from "lithograph = medium ILIKE '%lithograph%'".
        self.labels: dict[str, str] = {task["task"]: task["label"] for task in read_scores(path)}
        self._device = find_device(device)
        self._networks: dict[Path, tuple[TrainedModel, Classifier]] = {}
        self._catalog: dict[str, list[Any]] = {}

    @cached_property
    def tree(self) -> Tree | None:
        """The tree of labels, if the run has one."""
        return read_tree(self.path / TREE) if (self.path / TREE).exists() else None

    @cached_property
    def store(self) -> Store:
        """The index that the run was trained on.

        Raises:
            StoreError: If it does not exist any more.
        """
        return open_run_index(self.path, self._plan)

    @cached_property
    def first(self) -> TrainedModel:
        """The only network, or that of the first stage: it defines the preprocessing."""
        return self._network(self._folders[0])[0]

    def preprocessing(self, image: bytes | Path) -> Preprocessing:
        """Return the preprocessing that images of this shape had in training."""
        usual, shapes = self.first.preprocessing, self.first.shapes
        if shapes is None:
            return usual
        try:
            found = images.describe(image)
        except ImageError:
            return usual  # decoding it raises the error
        (shape,) = nearest_shapes([found.width], [found.height], np.array(shapes))
        return in_shape(usual, shape)

    def find(self, content_hash: str) -> int | None:
        """Return the row of the index that has this file, if any, and if there is an index."""
        try:
            return self.store.find(content_hash, "content_hash")
        except StoreError:
            return None

    def predict(self, inputs: Sequence[ImageInput]) -> Iterator[Prediction]:
        """Predict all labels for images with pixels."""
        outputs: dict[int, list[Output]] = {}
        pixels = [each.pixels for each in inputs if each.pixels is not None]
        for shape in {each.shape for each in pixels}:
            places = [place for place, each in enumerate(pixels) if each.shape == shape]
            batch = torch.from_numpy(np.stack([pixels[place] for place in places]))  # (B, 3, H, W)
            outputs |= zip(places, self.outputs(batch), strict=True)
        similar = self._look_alikes.of(inputs)
        for place, one in enumerate(inputs):
            for output in outputs[place]:
                catalog = self._catalog_value(output.label, one)
                yield Prediction(
                    **vars(output),
                    id=one.id,
                    image=one.image,
                    catalog=catalog,
                    agrees=compare(output.kind, output.predicted, catalog),
                    seen_by=self._seen_by(one, similar[place]),
                )

    def outputs(self, pixels: Tensor) -> list[list[Output]]:
        """Predict for images, (B, 3, H, W) uint8: the outputs of each, stage by stage."""
        found = self._run(self._folders[0], pixels)
        if self.tree is None:
            return [[*each, *self._yes_or_no(each)] for each in found]
        classes = [each[0].classes[0].name for each in found]
        for stage, folder in zip(self.tree.stages(), self._folders, strict=True):
            rows = [row for row, class_ in enumerate(classes) if class_ == stage.branch]
            if rows and stage.name in self.labels:
                for row, outputs in zip(rows, self._run(folder, pixels[rows]), strict=True):
                    found[row] += outputs
        return [[*each, self._in_words(self.tree, each)] for each in found]

    def _catalog_value(self, label: str, one: ImageInput) -> Any:
        """Return what the catalog says of an image; in the words of a yes or no for its phrase."""
        if label == PHRASE and self.tree is None:
            value = self._value(self.first.tasks[0].name, one)
            return self._yes_and_no.get(value)
        if label in self._branches and self.tree is not None:
            first = next(self.tree.stages())
            if self._value(first.name, one) not in (None, self._branches[label]):
                return None  # its kind in the catalog has no such field
        return self._value(label, one)

    def _value(self, label: str, one: ImageInput) -> Any:
        """Return the catalog's value, of the image's own catalog or else of the run's index."""
        source = self.labels.get(label, label)
        if one.metadata.get(source) is not None or one.row is None:
            return one.metadata.get(source)
        if label not in self._catalog:
            try:
                self._catalog[label] = label_values(self.store, self.labels[label])
            except (EvaluationError, KeyError):  # a label that was removed; a phrase
                self._catalog[label] = [None] * self.store.rows
        return self._catalog[label][one.row]

    def _seen_by(self, one: ImageInput, similar: list[int]) -> str | None:
        return seen_by(one.row, similar, self._seen) if similar or one.row is not None else None

    @cached_property
    def _look_alikes(self) -> LookAlikes:
        return LookAlikes(lambda: self.store)

    @cached_property
    def _seen(self) -> Collection[int]:
        """Rows of the training and validation images."""
        ids = self.store.read(["id"]).column("id").to_pylist()
        table = read_predictions(self.path, ["id", "split"]).to_pylist()
        learned = {row["id"] for row in table if row["split"] != TEST}
        return {row for row, id_ in enumerate(ids) if id_ in learned}

    @cached_property
    def _folders(self) -> list[Path]:
        if self.tree is None:
            return [self.path]
        return [self.path / self.tree.folder(stage) for stage in self.tree.stages()]

    def _network(self, folder: Path) -> tuple[TrainedModel, Classifier]:
        if folder not in self._networks:
            model, classifier = load_classifier(folder)
            self._networks[folder] = model, classifier.to(self._device)
        return self._networks[folder]

    def _run(self, folder: Path, pixels: Tensor) -> list[list[Output]]:
        model, classifier = self._network(folder)
        mean, std = (
            torch.tensor(each, device=self._device).view(1, 3, 1, 1) * 255
            for each in (model.preprocessing.mean, model.preprocessing.std)
        )
        with torch.inference_mode():
            logits: Mapping[str, Tensor] = classifier((pixels.to(self._device) - mean) / std)
        outputs = []
        for task in model.tasks:
            kind = LabelKind.MULTILABEL if task.is_multilabel else LabelKind.MULTICLASS
            found = probabilities(logits[task.name], kind).cpu().numpy()
            outputs.append([self._decide(task.name, kind, task.classes, each) for each in found])
        return [list(each) for each in zip(*outputs, strict=True)]

    def _yes_or_no(self, outputs: Sequence[Output]) -> Iterator[Output]:
        """Describe an image by the only class of a label: 'Not a lithograph'."""
        if len(outputs) == 1 and self._yes_and_no:
            best = outputs[0].classes[0]
            yield self._phrase(self._yes_and_no[best.name], best.probability)

    @cached_property
    def _branches(self) -> Mapping[str, str]:
        """The class of the first stage whose works have a label, by label of a second stage."""
        stages = () if self.tree is None else self.tree.stages()
        return {stage.name: stage.branch for stage in stages if stage.branch is not None}

    @cached_property
    def _yes_and_no(self) -> Mapping[str, str]:
        """What is said of both classes of a label of one class: 'A lithograph!'; or nothing."""
        name = self.first.tasks[0].name
        if {*self.first.tasks[0].classes} != {name, f"not {name}"}:
            return {}
        noun = f"{'an' if name[0] in 'aeiou' else 'a'} {name}"
        return {name: f"{noun.capitalize()}!", f"not {name}": f"Not {noun}"}

    def _in_words(self, tree: Tree, outputs: Sequence[Output]) -> Output:
        """Describe an image by all its labels, with their joint probability."""
        best = [each.classes[0] for each in outputs]
        class_, *values = (each.name for each in best)
        joint = math.prod(each.probability for each in best)
        return self._phrase(tree.phrase(class_, values), joint)

    def _phrase(self, text: str, confidence: float) -> Output:
        return Output(
            label=PHRASE,
            kind=LabelKind.MULTICLASS,
            predicted=text if confidence >= self.min_confidence else None,
            confidence=confidence,
        )
