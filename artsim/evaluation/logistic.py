"""Logistic regression with an L2 penalty, along a whole grid of strengths.

The objective is scikit-learn's, at every strength C:

    mean loss + |W|^2 / (2 C n)        the intercept is not penalised

The strengths are fitted from the strongest penalty to the weakest. Each starts where the two before
it point to, for the optimum moves nearly in proportion to log C; and L-BFGS works in the eigenbasis
of the features' covariance, where the diagonal (mean p (1 - p) x eigenvalue + 1 / (C n)) is nearly
the Hessian. So a strength takes a few steps where a fit from nothing takes a hundred. Scores are
linear in the step: a line search costs no matrix product.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from artsim.errors import EvaluationError

__all__ = ["STRENGTHS", "LinearPath", "fit_multinomial", "fit_one_vs_rest"]

STRENGTHS = tuple(float(c) for c in np.logspace(-6, 5, 45))

_MEMORY = 10  # pairs of steps and gradient changes that L-BFGS keeps
_ARMIJO = 1e-4  # share of the promised decrease that a step must bring
_HALVINGS = 20
_FLAT = 5e-5  # largest partial derivative at an optimum; scikit-learn's tolerance is 1e-4
_CHUNK_BYTES = 4 << 20  # scores of the rows that pass through the loss at a time


@dataclass(frozen=True)
class LinearPath:
    """A linear model for each strength: scores are ``features @ weights[i] + bias[i]``."""

    strengths: NDArray[np.float64]  # (S,) rising
    weights: NDArray[np.float32]  # (S, D, K)
    bias: NDArray[np.float32]  # (S, K)
    objective: NDArray[np.float64]  # (S,) at the optimum found
    iterations: NDArray[np.int64]  # (S,)
    converged: NDArray[np.bool_]  # (S,)


def fit_multinomial(
    features: NDArray[np.floating],
    codes: NDArray[np.integer],
    strengths: Sequence[float] = STRENGTHS,
    *,
    tolerance: float = 1e-6,
    max_iterations: int = 1000,
    device: str | torch.device = "cpu",
) -> LinearPath:
    """Fit softmax regression to one class a row.

    With two classes there is one column of scores, for class 1, as in scikit-learn.

    Args:
        features: Shape (n, D).
        codes: Class of each row, 0 to K-1, each occurring, shape (n,).
        strengths: Values of C: the larger, the weaker the penalty.
        tolerance: Stop when the objective is estimated to be within this share of its optimum.
        max_iterations: Stop a strength anyway after so many.
        device: Where it is computed, in float32.

    Raises:
        EvaluationError: If there is one class, a class without a row, a value that is not finite,
            or a strength that is not above 0.
    """
    counts = np.bincount(codes)
    if len(counts) < 2 or counts.min() == 0:
        odd = "there is one class" if len(counts) < 2 else f"class {counts.argmin()} has no row"
        raise EvaluationError(f"a probe needs two classes or more and rows of each, but {odd}")
    if len(counts) == 2:
        loss: _Loss = _Sigmoid(_tensor((codes == 1)[:, None], torch.float32, device))
    else:
        loss = _Softmax(_tensor(codes, torch.int64, device), len(counts))
    return _fit(features, loss, strengths, tolerance, max_iterations, device)


def fit_one_vs_rest(
    features: NDArray[np.floating],
    members: NDArray[np.bool_],
    strengths: Sequence[float] = STRENGTHS,
    *,
    tolerance: float = 1e-6,
    max_iterations: int = 1000,
    device: str | torch.device = "cpu",
) -> LinearPath:
    """Fit a logistic regression for each of K labels that a row may have or not, all together.

    Args:
        features: Shape (n, D).
        members: Which labels each row has, shape (n, K); each label is had by some rows, not all.
        strengths: See `fit_multinomial`, as the rest; the objective is the labels' sum.
        tolerance: See there.
        max_iterations: See there.
        device: See there.

    Raises:
        EvaluationError: If a label is had by no row or by all; see there for more.
    """
    shares = members.mean(axis=0)
    odd = np.flatnonzero((shares == 0) | (shares == 1))
    if len(odd):
        had = "no row" if shares[odd[0]] == 0 else "every row"
        raise EvaluationError(f"{had} has label {odd[0]}; leave it out of the probe")
    loss = _Sigmoid(_tensor(members, torch.float32, device))
    return _fit(features, loss, strengths, tolerance, max_iterations, device)


class _Softmax:
    """Cross entropy of one class a row: all parameters are one problem."""

    dims = (0, 1)  # of the parameters (D+1, K) that one problem has

    def __init__(self, codes: Tensor, n_classes: int) -> None:
        self.codes = codes[:, None]  # (n, 1)
        self.prior = (torch.bincount(codes, minlength=n_classes) / len(codes)).log()  # (K,)

    def __call__(self, scores: Tensor, start: int) -> tuple[Tensor, Tensor, Tensor]:
        """Sum the loss of some rows and give its derivatives by their scores (r, K).

        Returns:
            Loss (1,), first derivatives (r, K), second derivatives summed (K,).
        """
        codes = self.codes[start : start + len(scores)]  # (r, 1)
        logs = torch.log_softmax(scores, dim=1)
        loss = -logs.gather(1, codes).sum(dim=0, dtype=torch.float64)
        p = logs.exp_()
        second = (p - p * p).sum(dim=0)
        return loss, p.scatter_add_(1, codes, torch.full_like(codes, -1, dtype=p.dtype)), second


class _Sigmoid:
    """Binary cross entropy: each label's parameters are a problem of their own."""

    dims = (0,)

    def __init__(self, members: Tensor) -> None:
        self.members = members  # (n, K) of 0 and 1
        self.prior = torch.logit(members.mean(dim=0))

    def __call__(self, scores: Tensor, start: int) -> tuple[Tensor, Tensor, Tensor]:
        """Sum the loss of some rows, shape (K,), and give its derivatives; see `_Softmax`."""
        members = self.members[start : start + len(scores)]  # (r, K)
        signed = torch.where(members > 0, -scores, scores)
        loss = torch.nn.functional.softplus(signed).sum(dim=0, dtype=torch.float64)
        p = torch.sigmoid(scores)
        return loss, p - members, (p - p * p).sum(dim=0)


_Loss = _Softmax | _Sigmoid


def _fit(
    features: NDArray[np.floating],
    loss: _Loss,
    strengths: Sequence[float],
    tolerance: float,
    max_iterations: int,
    device: str | torch.device,
) -> LinearPath:
    """Fit the strengths one after the other."""
    grid = np.unique(np.asarray(strengths, dtype=np.float64))
    if not len(grid) or grid[0] <= 0 or not np.isfinite(grid).all():
        raise EvaluationError(f"strengths must be numbers above 0, got {list(strengths)}")
    basis = _Eigenbasis.of(_tensor(features, torch.float32, device))
    start = torch.zeros((basis.x.shape[1], len(loss.prior)), device=basis.x.device)  # (D+1, K)
    start[-1] = loss.prior  # the scores that know only the classes' sizes
    found: list[_Optimum] = []
    for i, strength in enumerate(grid):
        if i > 1:  # go on as from the last but one to the last
            ahead = np.log(grid[i] / grid[i - 1]) / np.log(grid[i - 1] / grid[i - 2])
            start = torch.lerp(found[-2].at, found[-1].at, 1 + min(float(ahead), 1.0))
        elif i > 0:
            start = found[-1].at
        problem = _Problem(basis, loss, 1 / (strength * len(basis.x)), start)
        found.append(problem.solve(tolerance, max_iterations))
    weights, bias = basis.back(torch.stack([optimum.at for optimum in found]))
    return LinearPath(
        grid,
        weights.cpu().numpy(),
        bias.cpu().numpy(),
        np.array([optimum.value for optimum in found]),
        np.array([optimum.iterations for optimum in found]),
        np.array([optimum.converged for optimum in found]),
    )


@dataclass(frozen=True)
class _Optimum:
    at: Tensor  # (D+1, K)
    value: float
    iterations: int
    converged: bool


@dataclass(frozen=True)
class _Eigenbasis:
    """Features turned to the axes of their covariance, and a column of ones for the intercept."""

    x: Tensor  # (n, D+1)
    variances: Tensor  # (D+1,) eigenvalues; 1 for the intercept
    axes: Tensor  # (D, D) columns
    mean: Tensor  # (D,)

    @classmethod
    def of(cls, features: Tensor) -> _Eigenbasis:
        if features.ndim != 2 or not torch.isfinite(features).all():
            raise EvaluationError("features must be a matrix (n, D) of finite numbers")
        mean = features.mean(dim=0)
        centred = features - mean
        variances, axes = torch.linalg.eigh(centred.T @ centred / len(features))
        ones = torch.ones((len(features), 1), device=features.device)
        variances = torch.cat([variances.clamp(min=0), ones[0]])
        return cls(torch.cat([centred @ axes, ones], dim=1), variances, axes, mean)

    def back(self, found: Tensor) -> tuple[Tensor, Tensor]:
        """Turn parameters (S, D+1, K) into weights (S, D, K) and bias (S, K) of the features."""
        weights = self.axes @ found[:, :-1]
        return weights, found[:, -1] - self.mean @ weights


class _Problem:
    """One strength's optimisation; scalars of its problems have shape (1,), or (K,) by label."""

    def __init__(self, basis: _Eigenbasis, loss: _Loss, penalty: float, start: Tensor) -> None:
        self.basis = basis
        self.loss = loss
        self.penalty = torch.full((len(start), 1), penalty, device=start.device)
        self.penalty[-1] = 0  # the intercept's
        self.u = start  # (D+1, K)
        self.scores = basis.x @ start  # (n, K)
        self.value, self.gradient, variance = self._evaluate(start)
        self.preconditioner = 1 / (self.basis.variances[:, None] * variance + self.penalty + 1e-12)
        self.pairs: list[tuple[Tensor, Tensor, Tensor]] = []  # step, change, 1 / their product

    def solve(self, tolerance: float, max_iterations: int) -> _Optimum:
        """Iterate until all problems are at their optimum, or as near as float32 lets them."""
        for iteration in range(max_iterations):
            direction = self._direction()  # (D+1, K)
            slope = self._dot(self.gradient, direction)  # below 0
            # half the slope is how far a quadratic falls to its minimum
            near = -slope / 2 <= tolerance * self.value
            flat = self.gradient.abs().amax(dim=self.loss.dims) <= _FLAT
            resting = near & flat
            if resting.all() or not self._step(direction, slope, resting):
                return _Optimum(self.u, float(self.value.sum()), iteration, True)
        return _Optimum(self.u, float(self.value.sum()), max_iterations, False)

    def _step(self, direction: Tensor, slope: Tensor, resting: Tensor) -> bool:
        """Go along the direction until the objective falls; say whether any problem moved."""
        towards = self.basis.x @ direction  # (n, K)
        step = torch.where(resting, 0.0, 1.0).double()
        noise = 1e-7 * self.value  # float32 scores know the loss no better
        taken = torch.zeros_like(step)
        for halving in range(_HALVINGS + 1):
            self.scores.addcmul_(towards, (step - taken).float())
            taken = step
            u = self.u + step.float() * direction
            value, gradient, _ = self._evaluate(u)
            short = ~(value <= self.value + _ARMIJO * step * slope + noise)
            if not short.any():
                break
            # to the minimum of the parabola through value, slope and new value
            fitted = -slope * step**2 / (2 * (value - self.value - slope * step))
            fitted = fitted.nan_to_num(0.0).clamp(min=0.1 * step, max=0.5 * step)
            step = torch.where(short, fitted if halving < _HALVINGS - 1 else 0.0, step)
        moved, change = step.float() * direction, gradient - self.gradient
        product = self._dot(moved, change)
        self.pairs.append((moved, change, torch.where(product > 0, 1 / product, 0.0)))
        self.pairs = self.pairs[-_MEMORY:]
        self.u, self.value, self.gradient = u, value, gradient
        return bool((step > 0).any())

    def _direction(self) -> Tensor:
        """Multiply the gradient with the approximate inverse Hessian: the two-loop recursion."""
        q = self.gradient.clone()
        alphas = []
        for moved, change, inverse in reversed(self.pairs):
            alphas.append((inverse * self._dot(moved, q)).float())
            q -= alphas[-1] * change
        q *= self.preconditioner
        if self.pairs:
            _, change, inverse = self.pairs[-1]
            scale = 1 / (inverse * self._dot(change, self.preconditioner * change))
            q *= torch.where(inverse > 0, scale, 1.0).float()
        for (moved, change, inverse), alpha in zip(self.pairs, reversed(alphas), strict=True):
            q += (alpha - (inverse * self._dot(change, q)).float()) * moved
        return -q

    def _evaluate(self, u: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Compute objectives, gradient (D+1, K) and mean second derivatives (K,) at ``u``.

        Its scores are known: the step has kept them.
        """
        x, n = self.basis.x, len(self.scores)
        gradient = self.penalty * u * n
        value = (gradient.double() * u).sum(dim=self.loss.dims).view(-1) / 2
        variance = torch.zeros(u.shape[1], device=u.device)
        rows = max(256, _CHUNK_BYTES // (4 * u.shape[1]))
        for start in range(0, n, rows):
            loss, first, second = self.loss(self.scores[start : start + rows], start)
            gradient.addmm_(x[start : start + rows].T, first)
            value += loss
            variance += second
        return value / n, gradient / n, variance / n

    def _dot(self, a: Tensor, b: Tensor) -> Tensor:
        """Sum products over each problem's parameters."""
        return (a * b).sum(dim=self.loss.dims, dtype=torch.float64).view(-1)


def _tensor(array: NDArray[np.generic], dtype: torch.dtype, device: str | torch.device) -> Tensor:
    return torch.as_tensor(np.array(array), dtype=dtype, device=device)
