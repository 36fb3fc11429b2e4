"""Zero-shot classification: classes in words, recognized by a network that knows text.

A class is the mean of the unit vectors of its prompts, as in CLIP
(https://arxiv.org/abs/2103.00020). Its logit for a picture is their cosine, scaled as the network
learned it; the probabilities of all classes add up to 1, or each stands alone in networks that
learned a bias as well (SigLIP, https://arxiv.org/abs/2303.15343).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit, softmax

from artsim.datatypes import EMBEDDING, Estimate
from artsim.errors import EvaluationError
from artsim.evaluation.probe import LabelProbe, ProbePlan, label_names, probe
from artsim.index import unit
from artsim.labels import (
    LIKELY,
    Label,
    LabelKind,
    derived_labels,
    is_derivation,
    read_label,
    with_columns,
)
from artsim.metrics import Predictions, estimate_main, score, scores_to_json
from artsim.prediction.prompts import Prompts, make_prompts, templates_for
from artsim.prediction.stored import save_predictions
from artsim.store import Store

if TYPE_CHECKING:
    from artsim.models import TextEncoder

_BLOCK = 65_536  # pictures predicted at a time

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class ZeroShotPlan(ProbePlan):
    """Which labels are predicted from words, and how they are evaluated."""

    tap: str = EMBEDDING
    prompts: Mapping[str, Prompts] = field(default_factory=dict)  # by label; others by templates
    templates: tuple[str, ...] = ()  # instead of those that suit the label's name


@dataclass(frozen=True, kw_only=True, eq=False)
class TextClasses:
    """The classes of a label in words."""

    label: str
    prompts: Prompts
    vectors: NDArray[np.float32]  # (K, D) unit vectors
    scale: float  # from a cosine to a logit
    bias: float | None  # None: the probabilities of all classes add up to 1

    @classmethod
    def of(cls, tower: TextEncoder, label: str, prompts: Prompts) -> TextClasses:
        """Embed the prompts of each class.

        Raises:
            EvaluationError: If there are fewer than two classes.
        """
        if len(prompts) < 2:
            names = ", ".join(map(repr, prompts)) or "none"
            raise EvaluationError(f"{label!r} has the classes {names}; expected two or more")
        vectors = [unit(unit(tower.embed(texts)).mean(axis=0)[None]) for texts in prompts.values()]
        return cls(
            label=label,
            prompts=prompts,
            vectors=np.concatenate(vectors),
            scale=tower.scale,
            bias=tower.bias,
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The K classes."""
        return tuple(self.prompts)

    def probabilities(self, vectors: NDArray[np.float32]) -> Floats:
        """Return the probability of each class for pictures' vectors (n, D), shape (n, K)."""
        logits = self.scale * (unit(vectors) @ self.vectors.T).astype(np.float64)
        if self.bias is None:
            return np.asarray(softmax(logits, axis=1))
        return np.asarray(expit(logits + self.bias))


@dataclass(frozen=True, kw_only=True, eq=False)
class ZeroShotScores:
    """How well words predict a label, beside methods trained on labels."""

    predictions: Predictions  # of the test rows
    compared: LabelProbe  # baseline, kNN and probe on the same rows
    unprompted: tuple[str, ...]  # classes of test rows that no prompt describes

    @cached_property
    def estimate(self) -> Estimate:
        """The main metric of the label's kind."""
        return estimate_main(self.predictions)

    @cached_property
    def metrics(self) -> dict[str, Estimate | float]:
        """Every metric of the label's kind, by name."""
        return score(self.predictions)

    def to_json(self) -> dict[str, object]:
        """Return the scores as plain values."""
        compared = self.compared
        found: dict[str, object] = {"metric": compared.metric}
        found |= scores_to_json(self.metrics)
        for name, value in compared.scores.items():
            if value is not None:
                found |= value.to_json(name)
        return found | {
            "k": compared.k,
            "n_test": len(compared.split.test),
            "split_description": compared.split.description,
            "unprompted_classes": list(self.unprompted),
            "notes": list(compared.split.notes),
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class ZeroShot:
    """A label predicted from words."""

    classes: TextClasses
    kind: LabelKind
    scores: ZeroShotScores | None  # None: the index has no such label

    @property
    def label(self) -> str:
        """The name of the label."""
        return self.classes.label

    def to_json(self) -> dict[str, object]:
        """Return the classes, their prompts and the scores as plain values."""
        found: dict[str, object] = {
            "label": self.label,
            "kind": str(self.kind),
            "classes": list(self.classes.names),
            "prompts": {name: list(some) for name, some in self.classes.prompts.items()},
        }
        return found | (self.scores.to_json() if self.scores else {})


@dataclass(frozen=True, kw_only=True)
class SavedZeroShot:
    """Predictions that were stored as a column of an index."""

    column: str
    counts: dict[str, int]  # pictures of each class, most first
    missing: int  # pictures without a prediction


def zero_shot(
    store: Store, plan: ZeroShotPlan, tower: TextEncoder, *, device: str | torch.device = "cpu"
) -> Iterator[ZeroShot]:
    """Predict labels from words, and evaluate those that the index has, one label at a time.

    Raises:
        EvaluationError: If a label is a number, has fewer than two classes or cannot be evaluated
            as planned, or a template cannot be filled in.
    """
    plan = with_columns(store, plan)
    known = {field_.name for field_ in store.fields} | {*derived_labels(store)}
    named = plan.labels or tuple(plan.prompts)
    there = [name for name in named if name in known or is_derivation(name)]
    for name in named:
        if name not in there and name not in plan.prompts:
            raise EvaluationError(
                f"no column {name!r}; choose from {', '.join(sorted(known)) or 'none'}, or give "
                "its classes with --classes or --prompts"
            )
    if there or not named:
        plan = replace(plan, labels=tuple(there))
        labels = {name: read_label(store, name) for name in label_names(store, plan)}
        all_classes = [_classes(plan, tower, label) for label in labels.values()]
        vectors = store.vectors(plan.tap)
        for classes, compared in zip(all_classes, probe(store, plan, device=device), strict=True):
            probabilities = classes.probabilities(vectors[compared.result.test_rows])
            scores = _score(classes, compared, probabilities)
            yield ZeroShot(classes=classes, kind=compared.label.kind, scores=scores)
    for name in named:
        if name not in there:
            classes = TextClasses.of(tower, name, plan.prompts[name])
            yield ZeroShot(classes=classes, kind=LabelKind.MULTICLASS, scores=None)


def predict_rows(
    store: Store, found: ZeroShot, *, min_confidence: float = 0.0
) -> tuple[list[str | None] | list[list[str] | None], Floats]:
    """Predict a label of every picture from words.

    Returns:
        The class or, of a label with several a picture, the classes of each row, None where none is
        as probable as ``min_confidence`` or the row has no vector; and the probability of the most
        probable class, shape (N,).
    """
    names = np.array(found.classes.names, dtype=object)
    values: list[Any] = []
    confidences = [np.zeros(0)]
    for block in store.iter_vectors(EMBEDDING):
        for start in range(0, len(block), _BLOCK):
            some = block[start : start + _BLOCK]
            probabilities = found.classes.probabilities(some)
            has_vector = (some != 0).any(axis=1)
            best = probabilities.max(axis=1)
            confidences.append(best)
            if found.kind == LabelKind.MULTILABEL:
                likely = (probabilities >= (min_confidence or LIKELY)) & has_vector[:, None]
                values += [names[row].tolist() or None for row in likely]
            else:
                chosen = names[probabilities.argmax(axis=1)]
                chosen[~(has_vector & (best >= min_confidence))] = None
                values += chosen.tolist()
    return values, np.concatenate(confidences)


def save_zero_shot(store: Store, found: ZeroShot, *, min_confidence: float = 0.0) -> SavedZeroShot:
    """Store the predictions of every picture as the column ``LABEL_predicted``.

    Raises:
        EvaluationError: If the index has another column of that name.
        StoreError: If it cannot be written.
    """
    values, confidences = predict_rows(store, found, min_confidence=min_confidence)
    passport = store.manifest.passport
    made = {
        "by": f"predicted by zero-shot with {passport.spec}",
        "weights_sha256": passport.weights_sha256,
        "prompts": found.classes.prompts,
        "min_confidence": min_confidence,
    }
    name = f"{found.label}_predicted"
    save_predictions(store, name, values, confidences, made)
    counts = Counter(
        each
        for value in values
        for each in (value if isinstance(value, list) else [value])
        if each is not None
    )
    missing = sum(value is None for value in values)
    return SavedZeroShot(column=name, counts=dict(counts.most_common()), missing=missing)


def _classes(plan: ZeroShotPlan, tower: TextEncoder, label: Label) -> TextClasses:
    if label.kind == LabelKind.NUMBER:
        raise EvaluationError(
            f"{label.name!r} is a number, which words cannot predict; derive classes from it: "
            f"artsim label 'century = century({label.name})'"
        )
    prompts = plan.prompts.get(label.name) or make_prompts(
        label.classes, plan.templates or templates_for(label.name)
    )
    return TextClasses.of(tower, label.name, prompts)


def _score(classes: TextClasses, compared: LabelProbe, probabilities: Floats) -> ZeroShotScores:
    """Score the probabilities of the test rows, (n, K); classes of the label alone have codes."""
    unfilled, names = compared.result.predictions, compared.label.classes
    code_of = {name: code for code, name in enumerate(names)}
    extra = (name for name in classes.names if name not in code_of)
    code_of |= {name: code for code, name in enumerate(extra, len(names))}
    codes = np.array([code_of[name] for name in classes.names])
    order = np.argsort(codes)
    if compared.label.kind == LabelKind.MULTILABEL:
        scores = np.full((len(probabilities), len(names)), -1.0)
        own = order[codes[order] < len(names)]
        scores[:, codes[own]] = probabilities[:, own]
        predictions = unfilled.with_scores(scores)
    else:
        predictions = unfilled.with_probabilities(probabilities[:, order], codes[order])
    tested = _used(unfilled.truth)
    missing = tuple(name for name in tested if name not in classes.prompts)
    return ZeroShotScores(predictions=predictions, compared=compared, unprompted=missing)


def _used(label: Label) -> Sequence[str]:
    return [name for name, count in zip(label.classes, label.counts, strict=True) if count]
