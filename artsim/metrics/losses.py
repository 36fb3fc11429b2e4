"""The losses of logistic regression, with their derivatives; scores are by class, (K, n)."""

from __future__ import annotations

import torch
from torch import Tensor


class Softmax:
    """Cross entropy of one class a row: all parameters are one problem."""

    dims = (0, 1)  # of the parameters (K, D+1) that one problem has
    weights = None

    def __init__(self, codes: Tensor, n_classes: int) -> None:
        self.codes = codes[None]  # (1, n)
        self.prior = (torch.bincount(codes, minlength=n_classes) / len(codes)).log()  # (K,)

    def __call__(self, scores: Tensor, start: int) -> tuple[Tensor, Tensor]:
        """Sum the loss of r rows from a start, shape (1,); return its derivatives too, (K, r)."""
        codes = self.codes[:, start : start + scores.shape[1]]  # (1, r)
        logs = torch.log_softmax(scores, dim=0)
        loss = -logs.gather(0, codes).sum(dim=1, dtype=torch.float64)
        p = logs.exp_()
        return loss, p.scatter_add_(0, codes, torch.full_like(codes, -1, dtype=p.dtype))


class Sigmoid:
    """Binary cross entropy: the parameters of each class are a problem of their own."""

    dims = (1,)

    def __init__(self, members: Tensor, weights: Tensor | None = None) -> None:
        self.members = members  # (K, n) of 0 and 1
        self.weights = weights  # (n,) of the rows; None: 1 each
        shares = members if weights is None else members * (weights / weights.mean())
        self.prior = torch.logit(shares.mean(dim=1))

    def __call__(self, scores: Tensor, start: int) -> tuple[Tensor, Tensor]:
        """Sum the loss of r rows from a start, shape (K,); return its derivatives too, (K, r)."""
        members = self.members[:, start : start + scores.shape[1]]  # (K, r)
        signed = torch.where(members > 0, -scores, scores)
        loss = torch.nn.functional.softplus(signed)
        first = torch.sigmoid(scores) - members
        if self.weights is not None:
            weights = self.weights[start : start + scores.shape[1]]  # (r,)
            loss, first = loss * weights, first * weights
        return loss.sum(dim=1, dtype=torch.float64), first


Loss = Softmax | Sigmoid
