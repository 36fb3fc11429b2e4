"""Fitted heads as files: ``heads/NAME.safetensors`` holds the numbers, ``NAME.json`` the rest.

Each is written whole. The JSON comes last and has the sha256 of the other, so that an interruption
between the two is noticed and halves of two fits are never read as one head.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray
from scipy.special import expit, softmax

from artsim import __version__
from artsim.datatypes import Passport, shell_word, shown_path
from artsim.errors import EvaluationError, PassportError, StoreError
from artsim.labels import LabelKind, Metadata
from artsim.prediction.marks import Marks
from artsim.store import Store, sealed, unsealed, write_whole

if TYPE_CHECKING:
    from artsim.evaluation.probe import LabelProbe, ProbePlan

FORMAT = 1
_FOLDER = "heads"
_PLAIN = ("name", "created", "index", "fingerprint", "tap", "split", "group", "seed", "version")
_TASK_PLAIN = ("label", "source", "kind", "classes", "temperature", "scores")
_TASK_ARRAYS = ("weights", "bias", "trained")
_MARKS = "marks"  # of a concept: their ids, and their vectors
_INVALID = re.compile(r"[^\w.+-]+")
_NAME = re.compile(r"[^\W_][\w.+-]{0,99}")


@dataclass(frozen=True, kw_only=True)
class HeadTask:
    """The linear model of one label."""

    label: str
    source: str  # the column, derived label or expression that the label was read from
    kind: LabelKind
    classes: tuple[str, ...]  # one a column, none of a number
    weights: NDArray[np.float32]  # (D + M, K): unit vectors, then metadata; K is 1 of a number
    bias: NDArray[np.float32]  # (K,)
    temperature: float
    metadata: Metadata  # columns it needs besides the vectors
    scores: dict[str, Any]  # on the test set, and how they were measured
    trained: NDArray[np.uint64]  # sorted hashes of the ids that it was fitted on

    def probabilities(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the probability of each class for features (n, D + M), shape (n, K).

        Those of a multiclass label add up to 1; those of a multilabel one are independent. For a
        number it is the number itself, shape (n, 1).
        """
        scores: NDArray[np.float64] = (features @ self.weights + self.bias).astype(np.float64)
        if self.kind != LabelKind.NUMBER:
            scores /= self.temperature
            scores = expit(scores) if self.kind == LabelKind.MULTILABEL else softmax(scores, axis=1)
        return scores


@dataclass(frozen=True, kw_only=True)
class SavedHead:
    """The linear models of a probe's labels, with what is needed to apply them correctly."""

    name: str
    index: str  # name of the index it was fitted on
    fingerprint: str  # of its rows and vectors
    passport: Passport
    tap: str
    split: str | None
    group: str | None
    seed: int
    version: str  # of artsim
    tasks: tuple[HeadTask, ...]
    marks: Marks | None = None  # of a concept, see `artsim.prediction.concepts`
    created: str = ""


def default_name(labels: Iterable[str]) -> str:
    """Name a head after its labels: 'artist+style'."""
    name = "+".join(re.sub(r"[^\w.-]+", "-", label).strip("-_.") for label in labels)
    return name[:100] if _NAME.fullmatch(name[:100]) else "probe"


def save_head(store: Store, head: SavedHead) -> Path:
    """Write a head to its index's folder; it replaces one of the same name.

    Returns:
        The JSON file.

    Raises:
        EvaluationError: If the name is not valid for a file.
        StoreError: If it cannot be written.
    """
    check_name(head.name)
    head = replace(head, created=datetime.now(UTC).isoformat(timespec="seconds"))
    tensors = {
        f"{number}.{name}": np.ascontiguousarray(getattr(task, name))
        for number, task in enumerate(head.tasks)
        for name in _TASK_ARRAYS
    }
    if head.marks is not None:
        tensors[_MARKS] = np.ascontiguousarray(head.marks.vectors)
    data = safetensors.numpy.save(tensors)
    values = {
        "format": FORMAT,
        **{name: getattr(head, name) for name in _PLAIN},
        "sha256": hashlib.sha256(data).hexdigest(),
        "tasks": [
            {name: getattr(task, name) for name in _TASK_PLAIN}
            | {"features": task.metadata.to_json()}
            for task in head.tasks
        ],
        "passport": head.passport.to_json(),
    }
    if head.marks is not None:
        values[_MARKS] = {
            "ids": list(head.marks.ids),
            "positive": head.marks.positive.tolist(),
        }
    file = store.path / _FOLDER / f"{head.name}.json"
    write_whole(file.with_suffix(".safetensors"), lambda stream: stream.write(data))
    write_whole(file, lambda stream: stream.write(sealed(values)))
    return file


def check_name(name: str) -> None:
    """Refuse a name that is not valid for a file, by an `EvaluationError`."""
    if not _NAME.fullmatch(name):
        raise EvaluationError(
            f"{name!r} is not a valid name here; use letters, digits, - and _, such as "
            f"{_INVALID.sub('-', name).strip('-') or 'name'!r}"
        )


def head_names(store: Store) -> list[str]:
    """List the names of an index's heads, newest first."""
    files = (store.path / _FOLDER).glob("[!.]*.json")
    newest = sorted(files, key=lambda file: file.stat().st_mtime_ns, reverse=True)
    return [file.stem for file in newest]


def find_head(store: Store, name: str | None) -> Path:
    """Find a head by its name, the newest by None, or one anywhere by the path of its JSON file.

    Raises:
        EvaluationError: If it does not exist.
    """
    names = head_names(store)
    if name is None and not names:
        raise EvaluationError(
            f"{str(store)!r} has no head; train one with 'artsim probe --label LABEL'"
        )
    name = names[0] if name is None else name
    if name in names:
        return store.path / _FOLDER / f"{name}.json"
    if name.endswith(".json") and Path(name).is_file():
        return Path(name)
    known = f"choose from {', '.join(names)}" if names else "train one with 'artsim probe'"
    raise EvaluationError(f"{str(store)!r} has no head {name!r}; {known}")


def remove_head(store: Store, name: str) -> None:
    """Remove a head from its index's folder."""
    file = store.path / _FOLDER / f"{name}.json"
    file.unlink(missing_ok=True)  # first: without it the other is no head
    file.with_suffix(".safetensors").unlink(missing_ok=True)


def load_head(file: Path) -> SavedHead:
    """Read a head by its JSON file.

    Raises:
        StoreError: If one of its files is missing, damaged, from another fit, or from another
            artsim.
    """
    other = file.with_suffix(".safetensors")
    try:
        values = unsealed(file.read_text(encoding="utf-8"))
        data = other.read_bytes()
    except (OSError, ValueError) as error:
        raise _damaged(file, error) from error
    version = values.get("format")
    if version != FORMAT:
        raise StoreError(
            f"head {shown_path(file)!r} has format {version}, this artsim reads {FORMAT}; "
            "train it again with 'artsim probe'"
        )
    if hashlib.sha256(data).hexdigest() != values.get("sha256"):
        raise _damaged(file, f"{other.name} does not belong to it")
    try:
        tensors = safetensors.numpy.load(data)
        tasks = tuple(
            HeadTask(
                **{name: task[name] for name in _TASK_PLAIN}
                | {name: tensors[f"{number}.{name}"] for name in _TASK_ARRAYS}
                | {"kind": LabelKind(task["kind"]), "classes": tuple(task["classes"])},
                metadata=Metadata.from_json(task["features"]),
            )
            for number, task in enumerate(values["tasks"])
        )
        return SavedHead(
            **{name: values[name] for name in _PLAIN},
            passport=Passport.from_json(values["passport"]),
            tasks=tasks,
            marks=_read_marks(values[_MARKS], tensors) if _MARKS in values else None,
        )
    except (safetensors.SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(file, error) from error


def check_passport(head: SavedHead, passport: Passport, whose: str) -> None:
    """Refuse vectors of another kind than a head was fitted on.

    Raises:
        PassportError: With what differs.
    """
    if differences := head.passport.differences(passport):
        again = "train one with 'artsim probe'"
        if head.marks is not None:
            command = f"'artsim teach {shell_word(head.name)} --positive ID'"
            again = f"teach it with marks there: {command}"
        raise PassportError(
            f"head {head.name!r} was trained on vectors other than {whose}: "
            f"{'; '.join(differences)}; {again}"
        )


def id_hashes(ids: Iterable[str]) -> NDArray[np.uint64]:
    """Hash ids to eight bytes each, sorted: a million of them are eight megabytes."""
    texts = (id_.encode("utf-8", "surrogateescape") for id_ in ids)
    digests = b"".join(hashlib.blake2b(text, digest_size=8).digest() for text in texts)
    return np.sort(np.frombuffer(digests, dtype="<u8").astype(np.uint64))


def _read_marks(values: dict[str, Any], tensors: dict[str, NDArray[Any]]) -> Marks:
    positive = np.array(values["positive"], dtype=bool)
    return Marks(ids=tuple(values["ids"]), positive=positive, vectors=tensors[_MARKS])


def _damaged(file: Path, problem: object) -> StoreError:
    line = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
    return StoreError(
        f"head {shown_path(file)!r} is damaged ({line}); train it again with 'artsim probe'"
    )


def make_head(store: Store, plan: ProbePlan, probes: Sequence[LabelProbe], name: str) -> SavedHead:
    """Make a head of fitted probes, to save it and to predict with it."""
    from artsim.evaluation.probe import label_names

    ids = store.read(["id"]).column("id").to_pylist()
    return SavedHead(
        name=name,
        index=store.manifest.name,
        fingerprint=store.fingerprint,
        passport=store.manifest.passport,
        tap=plan.tap,
        split=plan.split,
        group=plan.group,
        seed=plan.seed,
        version=__version__,
        tasks=tuple(
            HeadTask(
                label=each.label.name,
                source=source,
                kind=each.label.kind,
                classes=each.classes,
                weights=each.result.head.weights,
                bias=each.result.head.bias,
                temperature=each.result.head.temperature,
                metadata=each.features,
                scores=each.to_json(),
                trained=id_hashes(ids[row] for row in each.split.learned),
            )
            for source, each in zip(label_names(store, plan, plan.metadata), probes, strict=True)
        ),
    )
