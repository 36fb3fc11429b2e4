"""Concepts that people teach: works are marked, a linear model ranks all others.

A saved concept is a head, so it predicts new pictures like any other; the head keeps the marks,
so that teaching goes on later. In its index it is two columns of predictions: ``NAME``, yes or no,
and ``NAME_score``, the probability of yes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from artsim import __version__
from artsim.datatypes import Field, FieldType, as_text
from artsim.errors import EvaluationError, StoreError
from artsim.labels import NO, YES, LabelKind, Metadata, refuse_taken
from artsim.metrics import HeldOut
from artsim.prediction.heads import (
    HeadTask,
    SavedHead,
    check_name,
    check_passport,
    find_head,
    head_names,
    id_hashes,
    load_head,
    remove_head,
    save_head,
)
from artsim.prediction.stored import utc_now
from artsim.prediction.teaching import Concept, Teacher
from artsim.search import Works
from artsim.store import PREDICTION, Store, lock_index, remove_added, write_added

SCORE = "_score"  # the column NAME_score
_BLOCK = 1000  # works that are read at once
_OWN = {"rank": "int64", "id": "string", "score": "double"}  # columns of `concept_rows`
_OWN |= dict.fromkeys(("predicted", "mark", "image"), "string")


@dataclass(frozen=True, kw_only=True)
class SavedConcept:
    """What saving a concept wrote."""

    name: str  # of the head, and of the column of yes and no
    score: str  # the column of probabilities
    yes: int
    rows: int


def concept_names(store: Store) -> list[str]:
    """List the concepts of an index, newest first.

    Raises:
        StoreError: If a head is damaged.
    """
    names = head_names(store)
    return [name for name in names if load_head(find_head(store, name)).marks is not None]


def load_concept(store: Store, name: str) -> SavedHead | None:
    """Return the head of a concept, or None if there is none of that name.

    Raises:
        EvaluationError: If a head of that name was not taught.
        StoreError: If it is damaged.
    """
    if name not in head_names(store):
        return None
    head = load_head(find_head(store, name))
    if head.marks is None:
        raise EvaluationError(
            f"{str(store)!r} has a head {name!r} that was trained by 'artsim probe'; "
            "choose another name"
        )
    return head


def save_concept(
    name: str,
    teacher: Teacher,
    concept: Concept,
    evaluated: HeldOut | None,
    *,
    replaces: bool = True,
) -> SavedConcept:
    """Save a concept with the index of its teacher: the head, then its columns.

    Args:
        name: Of the concept.
        teacher: Who learned it.
        concept: What was learned.
        evaluated: How well it ranks marks that it has not seen.
        replaces: Whether it may replace a concept of its name.

    Raises:
        EvaluationError: If the name is not valid, or belongs to something else.
        StoreError: If the index was embedded again meanwhile, or it cannot be written.
    """
    check_name(name)
    store, marks = teacher.works.store, concept.marks
    head = SavedHead(
        name=name,
        index=store.manifest.name,
        fingerprint=store.fingerprint,
        passport=store.manifest.passport,
        tap=teacher.tap,
        split=None,
        group=None,
        seed=0,
        version=__version__,
        tasks=(
            HeadTask(
                label=name,
                source=f"marks of {name}",  # no column: nothing to compare predictions with
                kind=LabelKind.MULTICLASS,
                classes=(NO, YES),
                weights=np.stack([np.zeros_like(concept.weights), concept.weights], axis=1),
                bias=np.array([0, concept.bias], dtype=np.float32),
                temperature=1.0,
                metadata=Metadata(),
                scores={} if evaluated is None else evaluated.to_json(),
                trained=id_hashes(marks.ids),
            ),
        ),
        marks=marks,
    )
    is_yes, scores = concept.logits > 0, np.round(concept.scores, 6)
    words = pa.array(np.where(is_yes, YES, NO), pa.string())
    made: dict[str, Any] = {
        "kind": PREDICTION,
        "by": f"taught by {len(marks.of(True)):,} positive and {len(marks.of(False)):,} negative "
        "marks",
        "concept": name,
        "artsim": __version__,
        "created": utc_now(),
    }
    ids = teacher.works.column("id")  # in the order of the scores
    columns = {
        name: (FieldType.TEXT, words, np.where(is_yes, scores, 1 - scores)),
        name + SCORE: (FieldType.NUMBER, pa.array(scores), scores),
    }
    with lock_index(store.path):
        now = store.reopen()
        if now.fingerprint != store.fingerprint:
            raise StoreError(f"{str(store)!r} has changed meanwhile; teach {name!r} again")
        if load_concept(now, name) is not None and not replaces:
            raise EvaluationError(
                f"there is a concept {name!r} already; open it, or choose another name"
            )
        _refuse_others(now, columns, name)
        save_head(store, head)
        for column, (type_, values, confidence) in columns.items():
            table = pa.table({"id": ids, column: values, "confidence": pa.array(confidence)})
            write_added(store.path, Field(column, type_), table, made)
    return SavedConcept(name=name, score=name + SCORE, yes=int(is_yes.sum()), rows=len(ids))


def concept_columns(works: Works) -> dict[str, str]:
    """Return Arrow's types of the columns of `concept_rows`; those of the catalog come last."""
    return _OWN | dict.fromkeys(_catalog_columns(works).values(), "string")


def _catalog_columns(works: Works) -> dict[str, str]:
    """Return the columns of the catalog, and their names where ours come first."""
    own = (field.name for field in works.store.manifest.fields)
    return {name: f"{name}_catalog" if name in _OWN else name for name in own}


def concept_rows(
    works: Works, concept: Concept, rows: NDArray[np.int64] | None = None
) -> Iterator[dict[str, Any]]:
    """Give some works in their order, or all, the likeliest first.

    Of each its rank, id, score, prediction, mark and image, then the columns of the catalog.
    """
    marks = dict.fromkeys(concept.marks.of(True), "positive")
    marks |= dict.fromkeys(concept.marks.of(False), "negative")
    columns = _catalog_columns(works)
    ranked = (-concept.logits).argsort(kind="stable") if rows is None else rows
    for start in range(0, len(ranked), _BLOCK):
        some = ranked[start : start + _BLOCK].tolist()
        known = works.known(some)
        for rank, (row, (id_, image, record)) in enumerate(
            zip(some, known, strict=True), start + 1
        ):
            yield {
                "rank": rank,
                "id": id_,
                "score": round(float(concept.scores[row]), 6),
                "predicted": YES if concept.logits[row] > 0 else NO,
                "mark": marks.get(id_),
                "image": image,
                **{name: as_text(record[column]) or None for column, name in columns.items()},
            }


def apply_concept(head: SavedHead, store: Store) -> SavedConcept:
    """Take a concept to another index of the same model, where it ranks all works.

    Teaching can go on there: the vectors of the marks come along.

    Raises:
        PassportError: If the vectors are of another kind, with what differs.
        EvaluationError: If the index has something else of its name.
        StoreError: If it cannot be written.
    """
    assert head.marks is not None
    check_passport(head, store.manifest.passport, f"those of {str(store)!r}")
    teacher = Teacher(Works(store), tap=head.tap)
    (task,) = head.tasks
    weights, bias = task.weights[:, 1], float(task.bias[1])
    concept = teacher.score(head.marks, weights, bias)
    return save_concept(head.name, teacher, concept, None)


def delete_concept(store: Store, name: str) -> None:
    """Delete a concept: its columns, then its head.

    Raises:
        EvaluationError: If there is none of that name.
    """
    if load_concept(store, name) is None:
        known = ", ".join(concept_names(store)) or "none"
        raise EvaluationError(f"{str(store)!r} has no concept {name!r}; there are: {known}")
    with lock_index(store.path):
        for column in (name, name + SCORE):
            if column in store.added and store.added[column].made.get("concept") == name:
                remove_added(store.path, column)
        remove_head(store, name)


def _refuse_others(store: Store, columns: Iterable[str], name: str) -> None:
    """Refuse names of columns that this concept has not made."""
    for column in columns:
        own = store.added.get(column)
        if own is None or own.made.get("concept") != name:
            refuse_taken(store, column, "concept")
