"""A network trained by artsim, as two files: its structure and its weights.

``model.json`` also has its preprocessing. It is written last and names the sha256 of
``model.safetensors``, so that halves of two trainings are never joined.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import nn

from artsim.datatypes import RANDOM, Preprocessing, parse_spec, read_preprocessing
from artsim.errors import ModelError
from artsim.models.architectures import ARCHITECTURES, Classifier, HeadShape
from artsim.models.network import frozen, untrained_alike
from artsim.models.sources import open_clip, timm

FORMAT = 1
BACKBONE = "backbone"  # the architecture of a network of timm or open_clip
KEPT = "keep_classifier"  # an argument of it: its embedding is the output of ImageNet's classifier
MODEL_FILES = _JSON, _WEIGHTS = "model.json", "model.safetensors"


@dataclass(frozen=True, kw_only=True)
class Body:
    """How to build a body again: an architecture, its arguments, its backbone."""

    architecture: str  # one of ARCHITECTURES, or BACKBONE with the argument 'spec' (and KEPT)
    arguments: Mapping[str, Any] = field(default_factory=dict)
    backbone: Body | None = None


@dataclass(frozen=True, kw_only=True)
class TrainedTask:
    """A label that a trained network predicts."""

    name: str
    classes: tuple[str, ...]
    is_multilabel: bool  # a picture may have several of the classes
    head: HeadShape


@dataclass(frozen=True, kw_only=True)
class TrainedModel:
    """What ``model.json`` holds."""

    recipe: str
    body: Body
    dim: int  # of the embedding
    preprocessing: Preprocessing
    tasks: tuple[TrainedTask, ...]
    # Heights and widths: in training each picture was resized to the nearest to its own aspect
    # ratio. As an extractor the network gets all of one size, by the preprocessing; None: in
    # training too.
    shapes: tuple[tuple[int, int], ...] | None = None


def build_body(body: Body) -> nn.Module:
    """Build a body, its weights drawn at random.

    Raises:
        ModelError: If this artsim knows no such architecture.
    """
    if body.architecture == BACKBONE:
        spec = replace(parse_spec(body.arguments["spec"]), tag=RANDOM)
        build = timm.build if spec.source == "timm" else open_clip.build
        kept = body.arguments.get(KEPT, False)
        with untrained_alike(), torch.device("cpu"):
            network = build(spec, weights=None, meta=False, keep_classifier=kept)
        return frozen(network.module).requires_grad_(True)
    if body.architecture not in ARCHITECTURES:
        known = ", ".join([BACKBONE, *ARCHITECTURES])
        raise ModelError(
            f"no architecture {body.architecture!r}, this artsim knows {known}; "
            "pip install -U artsim"
        )
    arguments = dict(body.arguments)
    if body.backbone is not None:
        arguments["backbone"] = build_body(body.backbone)
    return ARCHITECTURES[body.architecture](**arguments)


def model_files(model: TrainedModel, classifier: Classifier) -> dict[str, bytes]:
    """Return the files of a trained network by name, in the order to write them."""
    tensors = {name: each.contiguous().cpu() for name, each in classifier.state_dict().items()}
    data = safetensors.torch.save(tensors)
    sha256 = hashlib.sha256(data).hexdigest()
    values = {"format": FORMAT, **asdict(model), "sha256": sha256}
    text = json.dumps(values, indent=1, ensure_ascii=False) + "\n"
    return {_WEIGHTS: data, _JSON: text.encode()}


def read_model(folder: Path) -> TrainedModel:
    """Read the structure of a trained network.

    Raises:
        ModelError: If there is none, or it is damaged or of another artsim.
    """
    return _read(folder)[0]


def load_classifier(folder: Path) -> tuple[TrainedModel, Classifier]:
    """Load a trained network with its heads, in eval mode.

    On the device ``meta`` only shapes are built.

    Raises:
        ModelError: If there is none, or it is damaged or of another artsim.
    """
    model, sha256 = _read(folder)
    heads = {task.name: task.head for task in model.tasks}
    classifier = Classifier(build_body(model.body), model.dim, heads)
    if torch.get_default_device() != torch.device("meta"):
        try:
            data = (folder / _WEIGHTS).read_bytes()
        except OSError as error:
            raise _damaged(folder, error.strerror or error) from error
        if hashlib.sha256(data).hexdigest() != sha256:
            raise _damaged(folder, f"{_WEIGHTS} does not match {_JSON}")
        try:
            classifier.load_state_dict(safetensors.torch.load(data))
        except (safetensors.SafetensorError, RuntimeError) as error:
            raise _damaged(folder, str(error).splitlines()[0]) from error
    return model, classifier.eval()


def _read(folder: Path) -> tuple[TrainedModel, str]:
    file = folder / _JSON
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        if values["format"] != FORMAT:
            raise ModelError(
                f"{str(file)!r} has format {values['format']}, this artsim reads {FORMAT}; "
                "pip install -U artsim, or train again"
            )
        return _model(values), values["sha256"]
    except FileNotFoundError as error:
        raise ModelError(
            f"no trained network in {str(folder)!r}; train one with 'artsim train', see "
            "'artsim recipes'"
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(folder, error) from error


def _model(values: Mapping[str, Any]) -> TrainedModel:
    return TrainedModel(
        recipe=values["recipe"],
        body=_body(values["body"]),
        dim=values["dim"],
        preprocessing=read_preprocessing(values["preprocessing"]),
        tasks=tuple(map(_task, values["tasks"])),
        shapes=tuple(map(tuple, values["shapes"])) if values.get("shapes") else None,
    )


def _body(values: Mapping[str, Any]) -> Body:
    backbone = values["backbone"]
    return Body(**{**values, "backbone": None if backbone is None else _body(backbone)})


def _task(values: Mapping[str, Any]) -> TrainedTask:
    return TrainedTask(
        name=values["name"],
        classes=tuple(values["classes"]),
        is_multilabel=values["is_multilabel" if "is_multilabel" in values else "is_members"],  # 0.1
        head=HeadShape(**values["head"]),
    )


def _damaged(folder: Path, problem: object) -> ModelError:
    return ModelError(f"the network in {str(folder)!r} is damaged ({problem}); train it again")
