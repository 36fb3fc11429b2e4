"""Linear probes: how much of a label a linear model can read off frozen vectors.

The strength of the penalty is chosen on validation, the model is fitted again on train and
validation together, and then asked about the test rows, once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from artsim.errors import EvaluationError
from artsim.metrics import scores as metrics
from artsim.metrics.logistic import STRENGTHS
from artsim.metrics.ridge import ALPHAS, fit_ridge
from artsim.metrics.selection import ClassTask, Head, MemberTask, fit_head
from artsim.splits import split

__all__ = [
    "ClassProbe",
    "MemberProbe",
    "NumberProbe",
    "probe_classes",
    "probe_members",
    "probe_numbers",
]

_VALIDATION = 0.1  # of the train rows, where none are given
_TOP = 5

Array = NDArray[np.floating]
Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class ClassProbe:
    """How well a linear model knows a label of one class a row."""

    head: Head
    strengths: Floats  # (S,) tried
    validation: Floats  # (S,) top-1 on validation at each
    test_rows: Rows  # (n,)
    truth: NDArray[np.int64]  # (n,) class codes
    ranked: NDArray[np.int64]  # (n, 5) likeliest class codes; -1 where there are fewer
    probabilities: Floats  # (n, 5) of those
    top1: float
    top5: float
    macro_f1: float
    balanced_accuracy: float
    kappa: float
    majority: float
    n: int
    n_train: int  # rows of the last fit: train and validation
    interval: tuple[float, float]  # 95 % bootstrap interval of top1
    seed: int


@dataclass(frozen=True, kw_only=True)
class MemberProbe:
    """How well a linear model knows a label of which a row may have several."""

    head: Head  # its columns are the labels that could be learned
    strengths: Floats  # (S,) tried
    validation: Floats  # (S,) mean average precision on validation at each
    test_rows: Rows  # (n,)
    scores: NDArray[np.float32]  # (n, K) of the test rows
    average_precision: Floats  # (K,) NaN for labels that no test row has
    mean_average_precision: float  # over the others
    chance: float  # the same for random scores: the labels' mean share of the test rows
    n: int
    n_train: int
    seed: int


@dataclass(frozen=True, kw_only=True)
class NumberProbe:
    """How well a ridge regression knows a number, in its own unit."""

    head: Head
    strengths: Floats  # (S,) alphas tried
    validation: Floats  # (S,) mean absolute error on validation at each
    test_rows: Rows  # (n,)
    truth: Floats  # (n,)
    predicted: Floats  # (n,)
    mae: float
    interval: tuple[float, float]  # 95 % bootstrap interval of mae
    r2: float
    median_mae: float  # of always answering with the median of train
    n: int
    n_train: int
    seed: int


def probe_classes(
    features: Array,
    codes: NDArray[np.integer],
    *,
    train: Rows,
    test: Rows,
    validation: Rows | None = None,
    groups: NDArray[np.integer] | None = None,
    strengths: Sequence[float] = STRENGTHS,
    seed: int = 0,
    device: str | torch.device = "cpu",
) -> ClassProbe:
    """Probe for a label of one class a row by multinomial logistic regression.

    Classes that no train row has cannot be learned; test rows of theirs count as wrong.

    Args:
        features: Shape (N, D).
        codes: Class of each row, shape (N,); rows of code -1 take no part.
        train: Rows to fit on.
        test: Rows to score.
        validation: Rows to choose the strength on; else a tenth of train.
        groups: Groups that the tenth keeps whole, shape (N,).
        strengths: Values of C to choose from; see `artsim.metrics.selection.choose`.
        seed: Of that tenth and of the bootstrap.
        device: Where it is computed.

    Raises:
        EvaluationError: If a side is empty, sides share rows, or train has one class only.
    """
    train, validation, test = _sides(codes >= 0, codes, train, validation, test, groups, seed)
    task = ClassTask(features, codes, device)
    head, path, quality = fit_head(task, train, validation, strengths)
    probabilities = head.probabilities(features[test])  # (n, K)
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :_TOP]
    ranked = np.full((len(test), _TOP), -1, dtype=np.int64)
    ranked[:, : order.shape[1]] = head.classes[order]
    likely = np.zeros((len(test), _TOP))
    likely[:, : order.shape[1]] = np.take_along_axis(probabilities, order, axis=1)
    truth = codes[test].astype(np.int64)
    predicted = ranked[:, 0]
    learned = np.concatenate([train, validation])
    return ClassProbe(
        head=head,
        strengths=path.strengths,
        validation=quality,
        test_rows=test,
        truth=truth,
        ranked=ranked,
        probabilities=likely,
        top1=metrics.accuracy(truth, predicted),
        top5=metrics.top_accuracy(truth, ranked),
        macro_f1=metrics.macro_f1(truth, predicted),
        balanced_accuracy=metrics.balanced_accuracy(truth, predicted),
        kappa=metrics.cohen_kappa(truth, predicted),
        majority=metrics.majority_share(codes[learned], truth),
        n=len(test),
        n_train=len(learned),
        interval=metrics.accuracy_interval(int((truth == predicted).sum()), len(test), seed=seed),
        seed=seed,
    )


def probe_members(
    features: Array,
    members: NDArray[np.bool_],
    *,
    train: Rows,
    test: Rows,
    validation: Rows | None = None,
    groups: NDArray[np.integer] | None = None,
    strengths: Sequence[float] = STRENGTHS,
    seed: int = 0,
    device: str | torch.device = "cpu",
) -> MemberProbe:
    """Probe for a label of which a row may have several by one-vs-rest logistic regression.

    Args:
        features: Shape (N, D).
        members: Which labels each row has, shape (N, L); rows that have none take no part.
        train: See `probe_classes`, as the rest; mean average precision stands for accuracy.
        test: See there.
        validation: See there.
        groups: See there.
        strengths: See there.
        seed: See there.
        device: See there.

    Raises:
        EvaluationError: If a side is empty, sides share rows, or no label can be learned.
    """
    first = np.where(members.any(axis=1), members.argmax(axis=1), -1)  # to stratify by
    train, validation, test = _sides(first >= 0, first, train, validation, test, groups, seed)
    task = MemberTask(features, members, device)
    head, path, quality = fit_head(task, train, validation, strengths)
    scores = head.scores(features[test])
    each = task.precision(test, scores, head.classes)
    told = ~np.isnan(each)
    return MemberProbe(
        head=head,
        strengths=path.strengths,
        validation=quality,
        test_rows=test,
        scores=scores,
        average_precision=each,
        mean_average_precision=float(each[told].mean()) if told.any() else float("nan"),
        chance=float(members[test][:, head.classes[told]].mean()) if told.any() else float("nan"),
        n=len(test),
        n_train=len(train) + len(validation),
        seed=seed,
    )


def probe_numbers(
    features: Array,
    values: Array,
    *,
    train: Rows,
    test: Rows,
    validation: Rows | None = None,
    groups: NDArray[np.integer] | None = None,
    alphas: Sequence[float] = ALPHAS,
    seed: int = 0,
) -> NumberProbe:
    """Probe for a number by ridge regression; the penalty with the least absolute error is chosen.

    Args:
        features: Shape (N, D).
        values: Shape (N,); rows of NaN take no part.
        train: See `probe_classes`, as the rest.
        test: See there.
        validation: See there.
        groups: See there.
        alphas: Penalties to choose from.
        seed: Of the validation rows and the bootstrap.

    Raises:
        EvaluationError: If a side is empty or sides share rows.
    """
    has = ~np.isnan(values)
    every = np.zeros(len(values), dtype=np.int64)
    train, validation, test = _sides(has, every, train, validation, test, groups, seed)
    path = fit_ridge(features[train], values[train], alphas)
    scores = features[validation].astype(np.float32) @ path.weights[..., 0].T + path.bias[:, 0]
    errors = abs(scores - values[validation, None]).mean(axis=0)  # (S,)
    alpha = float(path.strengths[errors.argmin()])
    both = np.concatenate([train, validation])
    last = fit_ridge(features[both], values[both], [alpha])
    head = Head(last.weights[0], last.bias[0], np.zeros(1, dtype=np.int64), alpha)
    truth = values[test].astype(np.float64)
    predicted = head.scores(features[test])[:, 0].astype(np.float64)
    missed = abs(predicted - truth)
    spread = ((truth - truth.mean()) ** 2).sum()
    return NumberProbe(
        head=head,
        strengths=path.strengths,
        validation=errors,
        test_rows=test,
        truth=truth,
        predicted=predicted,
        mae=float(missed.mean()),
        interval=metrics.mean_interval(missed, seed=seed),
        r2=float(1 - (missed**2).sum() / spread) if spread > 0 else float("nan"),
        median_mae=float(abs(np.median(values[both]) - truth).mean()),
        n=len(test),
        n_train=len(both),
        seed=seed,
    )


def _sides(
    has: NDArray[np.bool_],
    codes: NDArray[np.integer],
    train: Rows,
    validation: Rows | None,
    test: Rows,
    groups: NDArray[np.integer] | None,
    seed: int,
) -> tuple[Rows, Rows, Rows]:
    """Keep the rows that have a label, and take validation out of train where there is none."""
    given = {"train": train, "test": test} | (
        {} if validation is None else {"validation": validation}
    )
    seen = np.zeros(len(has), dtype=bool)
    for name, rows in given.items():
        if seen[rows].any():
            row = rows[seen[rows]][0]
            raise EvaluationError(f"row {row} of {name} is in another side of the split too")
        seen[rows] = True
        given[name] = rows[has[rows]]
        if not len(given[name]):
            raise EvaluationError(f"no {name} row has a label; choose another split or label")
    if validation is None:
        rows = given["train"]
        inner = None if groups is None else groups[rows]
        parts = split(codes[rows], (1 - _VALIDATION, _VALIDATION), groups=inner, seed=seed)
        given["train"], given["validation"] = rows[parts[0]], rows[parts[1]]
    return given["train"], given["validation"], given["test"]
