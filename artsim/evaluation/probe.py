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
from artsim.evaluation import metrics
from artsim.evaluation.logistic import STRENGTHS, LinearPath, fit_multinomial, fit_one_vs_rest
from artsim.evaluation.splits import split

__all__ = [
    "ALPHAS",
    "ClassProbe",
    "Head",
    "MemberProbe",
    "NumberProbe",
    "calibrate",
    "fit_ridge",
    "probe_classes",
    "probe_members",
    "probe_numbers",
]

ALPHAS = tuple(float(a) for a in np.logspace(-6, 5, 45))

_VALIDATION = 0.1  # of the train rows, where none are given
_TOP = 5

Array = NDArray[np.floating]
Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Head:
    """A fitted linear model."""

    weights: NDArray[np.float32]  # (D, K)
    bias: NDArray[np.float32]  # (K,)
    classes: NDArray[np.int64]  # (K,) the class code or label of each column
    strength: float  # C, or alpha of a ridge
    temperature: float = 1.0  # divides the scores before they become probabilities

    def scores(self, features: Array) -> NDArray[np.float32]:
        """Score the classes for features (n, D), shape (n, K)."""
        return features.astype(np.float32) @ self.weights + self.bias

    def probabilities(self, features: Array) -> Floats:
        """Say how likely each class is, calibrated, for features (n, D); shape (n, K)."""
        return np.exp(_log_softmax(self.scores(features) / self.temperature))


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

    head: Head  # its columns are the labels that could be learnt
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

    Classes that no train row has cannot be learnt; test rows of theirs count as wrong.

    Args:
        features: Shape (N, D).
        codes: Class of each row, shape (N,); rows of code -1 take no part.
        train: Rows to fit on.
        test: Rows to score.
        validation: Rows to choose the strength on; else a tenth of train.
        groups: Groups that the tenth keeps whole, shape (N,).
        strengths: Values of C to choose from; of equally good ones the strongest penalty.
        seed: Of that tenth and of the bootstrap.
        device: Where it is computed.

    Raises:
        EvaluationError: If a side is empty, sides share rows, or train has one class only.
    """
    sides = _sides(codes >= 0, codes, train, validation, test, groups, seed)
    train, validation, test = sides
    path, classes = _fit_classes(features, codes, train, strengths, device)
    right = [
        metrics.accuracy(codes[validation], classes[scores.argmax(axis=1)])
        for scores in _each(path, features[validation])
    ]
    best = int(np.argmax(right))
    known = validation[np.isin(codes[validation], classes)]
    temperature = 1.0
    if len(known):
        head = Head(path.weights[best], path.bias[best], classes, float(path.strengths[best]))
        columns = np.searchsorted(classes, codes[known])
        temperature = calibrate(head.scores(features[known]), columns)

    both = np.concatenate([train, validation])
    last, classes = _fit_classes(features, codes, both, [path.strengths[best]], device)
    head = Head(last.weights[0], last.bias[0], classes, float(path.strengths[best]), temperature)
    probabilities = head.probabilities(features[test])  # (n, K)
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :_TOP]
    ranked = np.full((len(test), _TOP), -1, dtype=np.int64)
    ranked[:, : order.shape[1]] = classes[order]
    likely = np.zeros((len(test), _TOP))
    likely[:, : order.shape[1]] = np.take_along_axis(probabilities, order, axis=1)
    truth = codes[test].astype(np.int64)
    predicted = ranked[:, 0]
    return ClassProbe(
        head=head,
        strengths=path.strengths,
        validation=np.array(right),
        test_rows=test,
        truth=truth,
        ranked=ranked,
        probabilities=likely,
        top1=metrics.accuracy(truth, predicted),
        top5=metrics.top_accuracy(truth, ranked),
        macro_f1=metrics.macro_f1(truth, predicted),
        balanced_accuracy=metrics.balanced_accuracy(truth, predicted),
        kappa=metrics.cohen_kappa(truth, predicted),
        majority=metrics.majority_share(codes[both], truth),
        n=len(test),
        n_train=len(both),
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
        train: See `probe_classes`, as the rest; the strength is chosen by mean average precision.
        test: See there.
        validation: See there.
        groups: See there.
        strengths: See there.
        seed: See there.
        device: See there.

    Raises:
        EvaluationError: If a side is empty, sides share rows, or no label can be learnt.
    """
    first = np.where(members.any(axis=1), members.argmax(axis=1), -1)  # to stratify by
    train, validation, test = _sides(first >= 0, first, train, validation, test, groups, seed)
    path, columns = _fit_members(features, members, train, strengths, device)
    precision = [
        _mean_average_precision(members[validation][:, columns], scores)[1]
        for scores in _each(path, features[validation])
    ]
    if np.isnan(precision[0]):
        raise EvaluationError("no validation row has a label that train has; split otherwise")
    strength = float(path.strengths[int(np.argmax(precision))])
    both = np.concatenate([train, validation])
    last, columns = _fit_members(features, members, both, [strength], device)
    head = Head(last.weights[0], last.bias[0], columns, strength)
    scores = head.scores(features[test])
    each, mean = _mean_average_precision(members[test][:, columns], scores)
    return MemberProbe(
        head=head,
        strengths=path.strengths,
        validation=np.array(precision),
        test_rows=test,
        scores=scores,
        average_precision=each,
        mean_average_precision=mean,
        chance=float(members[test][:, columns].mean(axis=0)[~np.isnan(each)].mean()),
        n=len(test),
        n_train=len(both),
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
        alphas: Penalties to choose from; of equally good ones the weakest.
        seed: Of the validation rows and the bootstrap.

    Raises:
        EvaluationError: If a side is empty or sides share rows.
    """
    has = ~np.isnan(values)
    every = np.zeros(len(values), dtype=np.int64)
    train, validation, test = _sides(has, every, train, validation, test, groups, seed)
    path = fit_ridge(features[train], values[train], alphas)
    errors = [
        float(abs(predicted[:, 0] - values[validation]).mean())
        for predicted in _each(path, features[validation])
    ]
    alpha = float(path.strengths[int(np.argmin(errors))])
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
        validation=np.array(errors),
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


def fit_ridge(features: Array, values: Array, alphas: Sequence[float] = ALPHAS) -> LinearPath:
    """Fit ridge regression at every penalty from one eigendecomposition, in float64.

    The objective is scikit-learn's: |y - X w - b|^2 + alpha |w|^2, the intercept not penalised.

    Args:
        features: Shape (n, D).
        values: Shape (n,), or (n, K) for K numbers.
        alphas: Penalties, above 0.
    """
    grid = np.unique(np.asarray(alphas, dtype=np.float64))
    if not len(grid) or grid[0] <= 0:
        raise EvaluationError(f"alphas must be numbers above 0, got {list(alphas)}")
    x, y = features.astype(np.float64), values.astype(np.float64).reshape(len(values), -1)
    mean, centre = x.mean(axis=0), y.mean(axis=0)
    x, y = x - mean, y - centre
    squares, axes = np.linalg.eigh(x.T @ x)  # (D,), (D, D)
    turned = axes.T @ (x.T @ y)  # (D, K)
    inverse = 1 / (np.maximum(squares, 0)[None, :, None] + grid[:, None, None])  # (S, D, 1)
    weights = axes @ (inverse * turned)  # (S, D, K)
    rest = ((y - x @ weights) ** 2).sum(axis=(1, 2))
    return LinearPath(
        grid,
        weights.astype(np.float32),
        (centre - mean @ weights).astype(np.float32),
        rest + grid * (weights**2).sum(axis=(1, 2)),
        np.zeros(len(grid), dtype=np.int64),
        np.ones(len(grid), dtype=bool),
    )


def calibrate(scores: Array, columns: NDArray[np.integer]) -> float:
    """Find the temperature at which scores / temperature best explain the true classes.

    Guo et al. 2017 (https://arxiv.org/abs/1706.04599). The mean log loss is convex in the inverse
    of the temperature, so its minimum is found by golden section; the temperature stays between
    0.01 and 100.

    Args:
        scores: Of rows that the model was not fitted on, shape (n, K).
        columns: Their true columns, shape (n,).
    """

    def loss(log_inverse: float) -> float:
        logs = _log_softmax(scores * np.exp(log_inverse))
        return -float(logs[np.arange(len(columns)), columns].mean())

    low, high = -np.log(100), np.log(100)
    golden = (np.sqrt(5) - 1) / 2
    a, b = high - golden * (high - low), low + golden * (high - low)
    at_a, at_b = loss(a), loss(b)
    while high - low > 1e-5:
        if at_a <= at_b:
            high, b, at_b = b, a, at_a
            a = high - golden * (high - low)
            at_a = loss(a)
        else:
            low, a, at_a = a, b, at_b
            b = low + golden * (high - low)
            at_b = loss(b)
    return float(np.exp(-(low + high) / 2))


def _fit_classes(
    features: Array,
    codes: NDArray[np.integer],
    rows: Rows,
    strengths: Sequence[float],
    device: str | torch.device,
) -> tuple[LinearPath, NDArray[np.int64]]:
    """Fit the classes that these rows have: a path with a column for each, and their codes."""
    classes, columns = np.unique(codes[rows], return_inverse=True)
    path = fit_multinomial(features[rows], columns, strengths, device=device)
    if len(classes) == 2:  # class 0 scores 0
        weights = np.concatenate([np.zeros_like(path.weights), path.weights], axis=2)
        bias = np.concatenate([np.zeros_like(path.bias), path.bias], axis=1)
        path = LinearPath(
            path.strengths, weights, bias, path.objective, path.iterations, path.converged
        )
    return path, classes.astype(np.int64)


def _fit_members(
    features: Array,
    members: NDArray[np.bool_],
    rows: Rows,
    strengths: Sequence[float],
    device: str | torch.device,
) -> tuple[LinearPath, Rows]:
    """Fit the labels that some of these rows have and others have not, and say which they are."""
    shares = members[rows].mean(axis=0)
    columns = np.flatnonzero((shares > 0) & (shares < 1))
    if not len(columns):
        raise EvaluationError("no label is had by some train rows and not by others")
    chosen = members[rows][:, columns]
    return fit_one_vs_rest(features[rows], chosen, strengths, device=device), columns


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


def _each(path: LinearPath, features: Array) -> list[NDArray[np.float32]]:
    """Score features (n, D) at each strength, each of shape (n, K)."""
    single = features.astype(np.float32)
    return [single @ w + b for w, b in zip(path.weights, path.bias, strict=True)]


def _mean_average_precision(
    members: NDArray[np.bool_], scores: NDArray[np.float32]
) -> tuple[Floats, float]:
    """Average precision of each label, NaN where none has it, and the mean of the others."""
    each = np.array(
        [metrics.average_precision(*pair) for pair in zip(members.T, scores.T, strict=True)]
    )
    some = each[~np.isnan(each)]
    return each, float(some.mean()) if len(some) else float("nan")


def _log_softmax(scores: Array) -> Floats:
    shifted = scores.astype(np.float64) - scores.max(axis=1, keepdims=True)
    logs: Floats = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return logs
