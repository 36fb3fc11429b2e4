"""The folder of a training, and how it is computed.

config.json           recipe, settings, seed, collection: all that is needed to do it again
environment.json      versions, threads, device
log.txt               a line an epoch, and what was odd
curves.csv, .png      losses and scores by epoch
checkpoints/          best.ckpt, and last.ckpt, from which it goes on
index/                the collection, embedded for the baselines, unless an index was given
model.json, model.safetensors   the trained network: the spec run:NAME loads it
predictions.parquet   id, task, split, truth, prediction, probabilities
outliers.csv          works that it is sure are unlike their label
metrics.json          its scores, beside the baselines on the same pictures
report.md, .html      the same for people; as a page also curves, confusions and mistakes
"""

from __future__ import annotations

import csv
import json
import logging
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from artsim.datatypes import Progress, no_progress
from artsim.errors import TrainingError
from artsim.store import write_whole

__all__ = [
    "Plan",
    "Precision",
    "Run",
    "Stopped",
    "keep_plan",
    "logging_to",
    "new_folder",
    "read_curves",
    "read_json",
    "read_plan",
    "read_predictions",
    "read_scores",
    "save_plan",
]

Precision = Literal["f32", "bf16"]

CURVES = "curves.csv"
METRICS = "metrics.json"
PREDICTIONS = "predictions.parquet"
_CONFIG = "config.json"
_PACKAGES = ("artsim", "lightning", "numpy", "pillow", "timm", "torch", "torchmetrics")


class Stopped(TrainingError):
    """It was asked to stop; what was learned is saved."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is trained on what: the content of ``config.json``."""

    recipe: str
    settings: Mapping[str, str]  # every field of the recipe's config, as text
    seed: int
    index: str  # whose pictures and labels it learns: a folder in the run's, or elsewhere
    collection: str | None = None  # what is embedded into that index, where none was given
    images: str | None = None  # the folder of its pictures, where one was given
    weights: str | None = None  # file of the backbone's weights
    created: str = ""
    version: str = ""  # of artsim


def _never() -> bool:
    return False


@dataclass(frozen=True, kw_only=True)
class Run:
    """A training under way."""

    path: Path
    plan: Plan
    device: str = "cpu"  # as `artsim.models.extractor.find_device` takes it
    devices: int = 1  # GPUs of that kind to share the work
    precision: Precision = "f32"  # bf16: mixed with f32
    workers: int = 2  # threads that decode
    progress: Progress = no_progress
    stops: Callable[[], bool] = _never  # asked after every step; of several GPUs by none
    whole: Path | None = None  # folder of the run that this is a part of

    @property
    def name(self) -> str:
        """Its folder's name, after that of the run that it is a part of."""
        return self.path.name if self.whole is None else f"{self.whole.name}.{self.path.name}"

    def part(self, folder: str) -> Run:
        """Return the training of one of several networks, in a folder of its own in this one's."""
        return replace(self, path=self.path / folder, whole=self.path)

    @property
    def seed(self) -> int:
        """Of all that is random."""
        return self.plan.seed

    @property
    def weights(self) -> Path | None:
        """The file of weights for the backbone, where one was given."""
        return None if self.plan.weights is None else Path(self.plan.weights)

    @property
    def last(self) -> Path:
        """The checkpoint from which it goes on."""
        return self.path / "checkpoints" / "last.ckpt"

    @property
    def best(self) -> Path:
        """The checkpoint of the best epoch on validation."""
        return self.path / "checkpoints" / "best.ckpt"

    def write(self, name: str, content: bytes | str) -> None:
        """Write a file into the folder, whole."""
        data = content.encode() if isinstance(content, str) else content
        write_whole(self.path / name, lambda stream: stream.write(data))

    def write_json(self, name: str, values: object) -> None:
        """Write a JSON file into the folder, whole."""
        self.write(name, json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def new_folder(parent: Path, recipe: str) -> Path:
    """Name a new folder for a run after its recipe and the time."""
    stem = f"{recipe}-{datetime.now():%Y%m%d-%H%M%S}"
    names = (stem if n == 1 else f"{stem}-{n}" for n in range(1, 1000))
    return next(parent / name for name in names if not (parent / name).exists())


def save_plan(path: Path, plan: Plan, *, device: str) -> Plan:
    """Begin a run's folder: its plan, and what it is computed by.

    Raises:
        TrainingError: If the folder holds something already.
        StoreError: If it cannot be written.
    """
    if path.is_dir() and any(path.iterdir()):
        raise TrainingError(
            f"{str(path)!r} is not empty; name another --out, or go on with "
            f"'artsim train --resume {path}'"
        )
    now = datetime.now().astimezone().isoformat(timespec="seconds")
    plan = replace(plan, created=now, version=version("artsim"))
    keep_plan(path, plan)
    Run(path=path, plan=plan).write_json("environment.json", _environment(device))
    return plan


def keep_plan(path: Path, plan: Plan) -> None:
    """Write a run's plan, also one whose settings changed as it went on.

    Raises:
        StoreError: If it cannot be written.
    """
    Run(path=path, plan=plan).write_json(_CONFIG, asdict(plan))


def read_plan(path: Path) -> Plan:
    """Read the plan of a run.

    Raises:
        TrainingError: If there is none.
    """
    try:
        return Plan(**json.loads((path / _CONFIG).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        problem = error.strerror if isinstance(error, OSError) else error
        raise TrainingError(
            f"{str(path)!r} is no run ({_CONFIG}: {problem}); begin one with "
            "'artsim train RECIPE COLLECTION'"
        ) from error


def read_json(file: Path) -> Any:
    """Read a JSON file of a run's folder.

    Raises:
        TrainingError: If it is not there yet, or damaged.
    """
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _not_whole(file) from error


def read_scores(path: Path) -> list[dict[str, Any]]:
    """Read what a run's networks tell and how well, a task each.

    Raises:
        TrainingError: If it is no run or not done, or one of a recipe that trains no network.
    """
    recipe = read_plan(path).recipe
    tasks: list[dict[str, Any]] = read_json(path / METRICS).get("tasks", [])
    if not tasks:
        raise TrainingError(
            f"{str(path)!r} is of {recipe}, which trains no network to tell pictures by; its "
            f"figures are in {str(path / 'report.md')!r}"
        )
    return tasks


def read_predictions(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read what a run's networks said of its pictures, all columns or some.

    Raises:
        TrainingError: If it is not there yet, or damaged.
    """
    try:
        return pq.read_table(path / PREDICTIONS, columns=columns)
    except (OSError, pa.ArrowException) as error:
        raise _not_whole(path / PREDICTIONS) from error


def read_curves(path: Path) -> list[dict[str, float]]:
    """Read a run's losses and scores, an epoch each; none where it was not trained."""
    try:
        with (path / CURVES).open(newline="", encoding="utf-8") as stream:
            rows = csv.DictReader(stream)
            return [{name: float(value) for name, value in row.items()} for row in rows]
    except FileNotFoundError:
        return []


@contextmanager
def logging_to(path: Path) -> Iterator[logging.Logger]:
    """Give the logger of a run, whose lines go to ``log.txt`` in its folder."""
    logger = logging.getLogger("artsim.recipes")
    handler = logging.FileHandler(path / "log.txt", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    level = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        yield logger
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        handler.close()


def _not_whole(file: Path) -> TrainingError:
    return TrainingError(
        f"the run {str(file.parent)!r} has no whole {file.name}; end it with "
        f"'artsim train --resume {file.parent}'"
    )


def _environment(device: str) -> dict[str, Any]:
    import torch

    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else None
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "device": device,
        "gpu": name,
        "threads": torch.get_num_threads(),
        "versions": {package: found for package in _PACKAGES if (found := _version(package))},
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
