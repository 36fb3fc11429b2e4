"""Logistic regression with an L2 penalty, along a whole grid of strengths.

The objective is scikit-learn's, at every strength C:

    mean loss + |W|^2 / (2 C n)        the intercept is not penalized

The strengths are fitted from the strongest penalty to the weakest, so that each takes a few steps
where a fit from scratch takes a hundred:

* Each starts where the two before it point to, for the optimum moves nearly in proportion to log C.
* L-BFGS works in the eigenbasis of the features' covariance, where the Hessian is nearly the
  diagonal mean p (1 - p) x eigenvalue + 1 / (C n).
* It keeps the curvature found at the strengths before, with their penalty replaced by the new one.
* Of n rows in more than n dimensions, only the n - 1 axes along which they differ count.

Scores are linear in the step, so a line search needs no matrix product. They are stored by class,
(K, n): with few classes the products take two thirds of the time. Those of very many rows and
classes are in temporary files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from artsim.errors import EvaluationError
from artsim.metrics.eigenbasis import Eigenbasis, room_like
from artsim.metrics.lbfgs import StepMemory
from artsim.metrics.losses import Loss, Sigmoid, Softmax

STRENGTHS = tuple(float(c) for c in np.logspace(-6, 5, 45))

# Share of the objective by which it is estimated to be above its optimum. L-BFGS underestimates it
# where the penalty is weak: with this, embeddings at the default grid were within 1e-4.
_TOLERANCE = 3e-7
_MAX_ITERATIONS = 1000  # of a strength
_ARMIJO = 1e-4  # share of the expected decrease that a step must reach
_HALVINGS = 20
_FLAT = 5e-5  # largest partial derivative at an optimum; scikit-learn's tolerance is 1e-4
_CHUNK_BYTES = 4 << 20  # scores whose loss is computed at a time


@dataclass(frozen=True)
class LinearPath:
    """A linear model for each strength: scores are ``features @ weights[i] + bias[i]``."""

    strengths: NDArray[np.float64]  # (S,) ascending
    weights: NDArray[np.float32]  # (S, D, K)
    bias: NDArray[np.float32]  # (S, K)
    objective: NDArray[np.float64]  # (S,) at the optimum found
    converged: NDArray[np.bool_]  # (S,)


def fit_multinomial(
    features: NDArray[np.floating],
    codes: NDArray[np.integer],
    strengths: Sequence[float] = STRENGTHS,
    *,
    device: str | torch.device = "cpu",
) -> LinearPath:
    """Fit softmax regression to one class a row.

    With two classes there is one column of scores, for class 1, as in scikit-learn.

    Args:
        features: Shape (n, D).
        codes: Class of each row, 0 to K-1, each occurring, shape (n,).
        strengths: Values of C: the larger, the weaker the penalty.
        device: Where it is computed, in float32.

    Raises:
        EvaluationError: If there is only one class, a class has no row, a value is not finite, or
            a strength is not above 0.
    """
    counts = np.bincount(codes)
    if len(counts) < 2 or counts.min() == 0:
        odd = "there is one class" if len(counts) < 2 else f"class {counts.argmin()} has no row"
        raise EvaluationError(f"a probe needs two classes or more and rows of each, but {odd}")
    if len(counts) == 2:
        loss: Loss = Sigmoid(_tensor((codes == 1)[None], torch.float32, device))
    else:
        loss = Softmax(_tensor(codes, torch.int64, device), len(counts))
    return _fit(features, loss, strengths, device)


def fit_one_vs_rest(
    features: NDArray[np.floating],
    members: NDArray[np.bool_],
    strengths: Sequence[float] = STRENGTHS,
    *,
    device: str | torch.device = "cpu",
) -> LinearPath:
    """Fit K logistic regressions together, one for each class that a row may have or not.

    The objective is their sum.

    Args:
        features: Shape (n, D).
        members: Which classes each row has, shape (n, K).
        strengths: See `fit_multinomial`.
        device: See `fit_multinomial`.

    Raises:
        EvaluationError: As `fit_multinomial`, and if no row or every row has a class.
    """
    shares = members.mean(axis=0)
    odd = np.flatnonzero((shares == 0) | (shares == 1))
    if len(odd):
        had = "no row" if shares[odd[0]] == 0 else "every row"
        raise EvaluationError(f"{had} has label {odd[0]}; leave it out of the probe")
    loss = Sigmoid(_tensor(members.T, torch.float32, device))
    return _fit(features, loss, strengths, device)


def fit_weighted(
    features: NDArray[np.floating],
    positive: NDArray[np.bool_],
    weights: NDArray[np.floating],
    strengths: Sequence[float] = STRENGTHS,
    *,
    device: str | torch.device = "cpu",
) -> LinearPath:
    """Fit logistic regression to yes or no, where some rows count more than others.

    The loss of each row is multiplied by its weight, as by scikit-learn's ``sample_weight``.

    Args:
        features: Shape (n, D).
        positive: Which rows are a yes, shape (n,).
        weights: Above 0, shape (n,).
        strengths: See `fit_multinomial`.
        device: See `fit_multinomial`.

    Raises:
        EvaluationError: As `fit_multinomial`, and if a weight is not above 0.
    """
    if positive.all() or not positive.any():
        raise EvaluationError("a probe needs rows of yes and rows of no")
    if not (weights > 0).all():
        raise EvaluationError("the weights of rows must be above 0")
    members, counts = (_tensor(each, torch.float32, device) for each in (positive[None], weights))
    return _fit(features, Sigmoid(members, counts), strengths, device)


def _fit(
    features: NDArray[np.floating],
    loss: Loss,
    strengths: Sequence[float],
    device: str | torch.device,
) -> LinearPath:
    grid = np.unique(np.asarray(strengths, dtype=np.float64))
    if not len(grid) or grid[0] <= 0 or not np.isfinite(grid).all():
        raise EvaluationError(f"strengths must be numbers above 0, got {list(strengths)}")
    held = np.require(features, np.float32, ["C", "W"])  # copied only if it must be
    basis = Eigenbasis.of(torch.from_numpy(held).to(device))
    start = torch.zeros((len(loss.prior), basis.x.shape[1]), device=basis.x.device)  # (K, R+1)
    start[:, -1] = loss.prior  # the scores from class sizes alone
    before = last = _Point(start, _scores(start, basis, _room(start, basis)))
    problem = None
    optima, objective, converged = [], [], []
    for i, strength in enumerate(grid):
        ahead = 0.0
        if i > 1:  # continue the move between the last two optima
            ahead = np.log(grid[i] / grid[i - 1]) / np.log(grid[i - 1] / grid[i - 2])
        problem = _Problem(
            basis, loss, 1 / (strength * len(basis.x)), before.towards(last, 1 + ahead), problem
        )
        converged.append(problem.solve())
        optima.append(problem.u)
        objective.append(float(problem.value.sum()))
        before, last = last, _Point(problem.u, problem.scores)
    weights, bias = basis.back(torch.stack(optima))
    return LinearPath(
        grid,
        weights.cpu().numpy(),
        bias.cpu().numpy(),
        np.array(objective),
        np.array(converged),
    )


class _Point(NamedTuple):
    """Parameters and their scores, which are linear in them."""

    u: Tensor  # (K, R+1)
    scores: Tensor  # (K, n)

    def towards(self, other: _Point, share: float) -> _Point:
        """Go a share of the way to another point; beyond it if above 1, at most to 2."""
        if other is self:
            return self
        share = min(share, 2.0)
        return _Point(
            torch.lerp(self.u, other.u, share), torch.lerp(self.scores, other.scores, share)
        )


class _Problem:
    """The optimization at one strength: one problem (softmax) or K (one-vs-rest).

    Scalars have one value a problem, shape (1,) or (K,).
    """

    def __init__(
        self, basis: Eigenbasis, loss: Loss, penalty: float, start: _Point, before: _Problem | None
    ) -> None:
        self.basis = basis
        self.loss = loss
        self.penalty = torch.full_like(basis.variances, penalty)
        self.penalty[-1] = 0  # of the intercept
        self.u, self.scores = start
        self.room: Tensor = (
            before.room if before else _room(start.u, basis)
        )  # for scores of a direction
        variance = torch.zeros_like(loss.prior)
        self.value, self.gradient = self._evaluate(self.u, variance)
        curvature = variance[:, None] * basis.variances
        self.inverse = self._apart(1 / (curvature + self.penalty + 1e-12))
        if before is None:
            self.memory = StepMemory(self.inverse)
        else:
            self.memory = before.memory
            more = (self.penalty - before.penalty).expand_as(self.u)
            self.memory.rescale(self._apart(more), self.inverse)

    def _apart(self, parameters: Tensor) -> Tensor:
        """Lay parameters (K, R+1) out as a row a problem."""
        return parameters.reshape(len(self.value), -1)

    def solve(self) -> bool:
        """Iterate until all problems are at their optimum, as far as float32 allows."""
        for _ in range(_MAX_ITERATIONS):
            found = self.memory.downhill(self._apart(self.gradient), self.inverse)
            direction = found.view_as(self.u)
            slope = self._dot(self.gradient, direction)  # below 0
            # half the slope is how far a quadratic falls to its minimum
            near = -slope / 2 <= _TOLERANCE * self.value
            flat = self.gradient.abs().amax(dim=self.loss.dims) <= _FLAT
            resting = near & flat
            if resting.all() or not self._step(direction, slope, resting):
                return True
        return False

    def _step(self, direction: Tensor, slope: Tensor, resting: Tensor) -> bool:
        """Go along the direction until the objective falls; return whether any problem moved."""
        towards = _scores(direction, self.basis, self.room)
        step = torch.where(resting, 0.0, 1.0).double()
        noise = 1e-7 * self.value  # the precision of the loss of float32 scores
        taken = torch.zeros_like(step)
        for halving in range(_HALVINGS + 1):
            self.scores.addcmul_(towards, _column(step - taken))
            taken = step
            u = self.u + _column(step) * direction
            value, gradient = self._evaluate(u)
            short = ~(value <= self.value + _ARMIJO * step * slope + noise)
            if not short.any():
                break
            # to the minimum of the parabola through value, slope and new value
            fitted = -slope * step**2 / (2 * (value - self.value - slope * step))
            fitted = fitted.nan_to_num(0.0).clamp(min=0.1 * step, max=0.5 * step)
            step = torch.where(short, fitted if halving < _HALVINGS - 1 else 0.0, step)
        moved, change = _column(step) * direction, gradient - self.gradient
        self.memory.add(self._apart(moved), self._apart(change), self.inverse)
        self.u, self.value, self.gradient = u, value, gradient
        return bool((step > 0).any())

    def _evaluate(self, u: Tensor, variance: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Compute the objectives and the gradient (K, R+1) at ``u``, whose scores are set.

        The mean second derivative by each class's scores is added to ``variance``, shape (K,).
        """
        x, n = self.basis.x, self.scores.shape[1]
        gradient = self.penalty * u * n
        value = (gradient.double() * u).sum(dim=self.loss.dims).view(-1) / 2
        rows = max(256, _CHUNK_BYTES // (4 * len(u)))
        for start in range(0, n, rows):
            loss, first = self.loss(self.scores[:, start : start + rows], start)
            gradient.addmm_(first, x[start : start + rows])
            value += loss
            if variance is not None:  # p (1 - p), whether first is p or p - 1
                squared = first * first
                if self.loss.weights is not None:
                    squared /= self.loss.weights[start : start + rows]
                variance += (first.abs() - squared).sum(dim=1) / n
        return value / n, gradient / n

    def _dot(self, a: Tensor, b: Tensor) -> Tensor:
        """Sum products over each problem's parameters."""
        return (a * b).sum(dim=self.loss.dims, dtype=torch.float64).view(-1)


def _room(u: Tensor, basis: Eigenbasis) -> Tensor:
    """Make room for the scores of parameters (K, R+1), shape (K, n)."""
    return room_like(basis.x, len(u), len(basis.x))


def _scores(u: Tensor, basis: Eigenbasis, room: Tensor) -> Tensor:
    """Compute the scores of parameters (K, R+1) in the room for them."""
    return torch.mm(u, basis.x.T, out=room)


def _column(values: Tensor) -> Tensor:
    """Make a column of one value a problem, to multiply parameters with."""
    return values.float()[:, None]


def _tensor(array: NDArray[np.generic], dtype: torch.dtype, device: str | torch.device) -> Tensor:
    return torch.as_tensor(np.array(array), dtype=dtype, device=device)
