"""The folder of a training run, and how the run is computed.

config.json           recipe, settings, seed, collection: all you need to repeat it
environment.json      versions, threads, device
log.txt               a line an epoch, and warnings
curves.csv, .png      losses and scores by epoch
checkpoints/          best.ckpt, and last.ckpt, from which it resumes
index/                the collection, embedded for the baselines, unless you gave an index
model.json, model.safetensors   the trained network: the spec run:NAME loads it
predictions.parquet   id, task, split, truth, prediction, probabilities
outliers.csv          works whose label the network confidently contradicts
confusion-TASK.csv, .png   test pictures by true and predicted class
metrics.json          scores, compared with baselines on the same images
report.md, .html      the same for people; the page also has curves, confusions and errors
.lock                 held while a process trains in the folder
"""

from __future__ import annotations

import json
import logging
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from artsim.datatypes import Progress, no_progress, printable, shell_word
from artsim.errors import TrainingError
from artsim.store import only_one, write_whole

Precision = Literal["f32", "bf16"]

CURVES = "curves.csv"
METRICS = "metrics.json"
PREDICTIONS = "predictions.parquet"
_CONFIG = "config.json"
_LOCK = ".lock"
_PACKAGES = ("artsim", "lightning", "numpy", "pillow", "timm", "torch", "torchmetrics")


class Stopped(TrainingError):
    """The run was stopped on request; its state is saved."""


@dataclass(frozen=True, kw_only=True)
class RunPlan:
    """What is trained on which data: the content of ``config.json``."""

    recipe: str
    settings: Mapping[str, str]  # every field of the recipe's config, as text
    seed: int
    index: str  # the index with images and labels: in the run's folder, or elsewhere
    collection: str | None = None  # embedded into that index, unless an index was given
    images: str | None = None  # the folder of its images, if given
    weights: str | None = None  # file of the backbone's weights
    created: str = ""
    version: str = ""  # of artsim


@dataclass(frozen=True, kw_only=True)
class Run:
    """A training run in progress."""

    path: Path
    plan: RunPlan
    device: str = "cpu"  # as `artsim.models.find_device` takes it
    devices: int = 1  # GPUs that share the work
    precision: Precision = "f32"  # bf16: mixed with f32
    workers: int = 2  # decoding threads
    progress: Progress = no_progress
    should_stop: Callable[[], bool] = (
        bool  # bool() is False; called after every step; not with several GPUs
    )
    parent: Path | None = None  # folder of the run that this is a part of
    published: str = ""  # the recipe's published figures and their caveats, for the report

    @property
    def name(self) -> str:
        """The folder's name, after its parent's."""
        return self.path.name if self.parent is None else f"{self.parent.name}.{self.path.name}"

    def part(self, folder: str) -> Run:
        """Return the training of one of several networks, in a subfolder of this run."""
        return replace(self, path=self.path / folder, parent=self.path)

    @property
    def seed(self) -> int:
        """The seed of everything random."""
        return self.plan.seed

    @property
    def weights(self) -> Path | None:
        """The file of weights for the backbone, if given."""
        return None if self.plan.weights is None else Path(self.plan.weights)

    @property
    def last(self) -> Path:
        """The checkpoint from which it resumes."""
        return self.path / "checkpoints" / "last.ckpt"

    @property
    def best(self) -> Path:
        """The checkpoint of the best epoch on validation."""
        return self.path / "checkpoints" / "best.ckpt"

    def remove_checkpoints(self) -> None:
        """Remove the checkpoints of a finished training, which is not resumed any more."""
        for file in (self.last, self.best):
            file.unlink(missing_ok=True)

    def write(self, name: str, content: bytes | str) -> None:
        """Write a file into the folder, whole."""
        data = content.encode() if isinstance(content, str) else content
        write_whole(self.path / name, lambda stream: stream.write(data))

    def write_json(self, name: str, values: object) -> None:
        """Write a JSON file into the folder, whole."""
        text = json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False)
        self.write(name, printable(text) + "\n")


def new_folder(parent: Path, recipe: str) -> Path:
    """Name a new folder for a run after its recipe and the time."""
    stem = f"{recipe}-{datetime.now():%Y%m%d-%H%M%S}"
    folders = (parent / f"{stem}{suffix}" for suffix in ("", *(f"-{n}" for n in range(2, 1000))))
    return next(folder for folder in folders if not folder.exists())


def only_process(path: Path) -> AbstractContextManager[None]:
    """Hold a run's folder, so that no other process trains in it.

    Raises:
        StoreError: If another process does, or the folder cannot be written.
    """
    return only_one(path / _LOCK, f"another 'artsim train' works in {str(path)!r}; stop it first")


def start_run(path: Path, plan: RunPlan, *, device: str) -> RunPlan:
    """Create a run's folder with its plan and its environment.

    Raises:
        TrainingError: If the folder is not empty.
        StoreError: If it cannot be written.
    """
    if path.is_dir() and any(path.iterdir()):
        raise TrainingError(
            f"{str(path)!r} is not empty; name another --output, or continue with "
            f"'artsim train --resume {shell_word(path)}'"
        )
    now = datetime.now().astimezone().isoformat(timespec="seconds")
    plan = replace(plan, created=now, version=version("artsim"))
    write_plan(path, plan)
    Run(path=path, plan=plan).write_json("environment.json", _environment(device))
    return plan


def write_plan(path: Path, plan: RunPlan) -> None:
    """Write a run's plan, also when a resumed run has new settings.

    Raises:
        StoreError: If it cannot be written.
    """
    Run(path=path, plan=plan).write_json(_CONFIG, asdict(plan))


def find_run(name: str | Path, runs: Path) -> Path:
    """Return the folder of a run: the name of a folder in ``runs``, or else a path."""
    return runs / name if (runs / name).is_dir() else Path(name)


def read_plan(path: Path) -> RunPlan:
    """Read the plan of a run.

    Raises:
        TrainingError: If there is none.
    """
    try:
        return RunPlan(**json.loads((path / _CONFIG).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        problem = error.strerror if isinstance(error, OSError) else error
        problem = "missing" if isinstance(error, FileNotFoundError) else problem
        raise TrainingError(
            f"{str(path)!r} is not a training run ({_CONFIG}: {problem}); start one with "
            "'artsim train RECIPE COLLECTION'"
        ) from error


def read_metrics(path: Path) -> dict[str, Any]:
    """Read a run's ``metrics.json``; older files are read with today's names.

    Raises:
        TrainingError: If it is missing or damaged.
    """
    try:
        found: dict[str, Any] = json.loads((path / METRICS).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _incomplete(path / METRICS) from error
    if "ways" in found:
        found["methods"] = found.pop("ways")
    for task in found.get("tasks", []):
        for split in ("train", "val", "test"):
            task[split] = _today(task[split])
    return found


def _today(scores: dict[str, Any]) -> dict[str, Any]:
    """Name scores as in `artsim.metrics.METRICS`; artsim 0.1 called the main one "value"."""
    if "value" not in scores:
        return scores
    main = scores["metric"]
    ends = dict(zip((f"{main}_low", f"{main}_high"), scores.pop("interval", ()), strict=False))
    names = {"value": main, "value_low": f"{main}_low", "value_high": f"{main}_high"}
    names |= {"per_image": "iMAP"}
    return {names.get(name, name): value for name, value in scores.items()} | ends


def read_scores(path: Path) -> list[dict[str, Any]]:
    """Read the scores of a run's networks, one entry a task.

    Raises:
        TrainingError: If it is not a run, is not finished, or its recipe trains no network.
    """
    recipe = read_plan(path).recipe
    tasks: list[dict[str, Any]] = read_metrics(path).get("tasks", [])
    if not tasks:
        raise TrainingError(
            f"{str(path)!r} is a run of {recipe}, which trains no network; its results are in "
            f"{str(path / 'report.md')!r}"
        )
    return tasks


def read_predictions(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a run's predictions for its images, all columns or some.

    Raises:
        TrainingError: If the file is missing or damaged.
    """
    try:
        return pq.read_table((path / PREDICTIONS).absolute(), columns=columns)
    except (OSError, pa.ArrowException) as error:
        raise _incomplete(path / PREDICTIONS) from error


def read_curves(path: Path) -> list[dict[str, float]]:
    """Read a run's losses and scores by epoch; none if nothing was trained."""
    import pandas as pd

    file = path / CURVES
    table = pd.read_csv(file, dtype=float) if file.exists() else pd.DataFrame()
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


@contextmanager
def logging_to(path: Path) -> Iterator[logging.Logger]:
    """Yield the logger of a run, which writes to ``log.txt`` in its folder."""
    logger = logging.getLogger("artsim.training")
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


def _incomplete(file: Path) -> TrainingError:
    return TrainingError(
        f"the run {str(file.parent)!r} has no complete {file.name}; finish it with "
        f"'artsim train --resume {shell_word(file.parent)}'"
    )


def _environment(device: str) -> dict[str, Any]:
    import torch

    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "device": device,
        "gpu": torch.cuda.get_device_name(device) if device.startswith("cuda") else None,
        "threads": torch.get_num_threads(),
        "versions": {package: version(package) for package in _PACKAGES},
    }
