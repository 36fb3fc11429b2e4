"""What L-BFGS remembers: Nocedal and Wright, Numerical Optimization, 2006, algorithm 7.4."""

from __future__ import annotations

import torch
from torch import Tensor

_MOST = 10  # steps


class StepMemory:
    """The last steps, and how the gradient changed along them.

    There are P problems of M numbers each, which share nothing but their place in memory. Where a
    diagonal of the Hessian is known, its inverse (P, M) is given.
    """

    def __init__(self, like: Tensor) -> None:
        problems, numbers = like.shape
        self.moved = torch.zeros((problems, _MOST, numbers), device=like.device)
        self.change = torch.zeros_like(self.moved)
        self.scaled = torch.zeros_like(self.moved)  # change, by the inverse of the diagonal
        self.order: list[int] = []  # places, the oldest first

    def rescale(self, more: Tensor, inverse: Tensor) -> None:
        """Go on with another penalty, ``more`` than before, and an inverse of the diagonal."""
        self.change += more[:, None] * self.moved
        torch.mul(self.change, inverse[:, None], out=self.scaled)

    def add(self, moved: Tensor, change: Tensor, inverse: Tensor) -> None:
        """Remember a step (P, M); of too many the oldest is forgotten."""
        full = len(self.order) == _MOST
        place = self.order.pop(0) if full else len(self.order)
        self.moved[:, place], self.change[:, place] = moved, change
        self.scaled[:, place] = inverse * change
        self.order.append(place)

    def downhill(self, gradient: Tensor, inverse: Tensor) -> Tensor:
        """Multiply a gradient (P, M) with the approximate inverse Hessian, and turn it around.

        That is the two-loop recursion, written in the products of all remembered vectors with each
        other, so that memory is read seven times and not at every turn. Each of its loops solves
        equations whose matrix is triangular where the steps are in order.
        """
        steps, changes = (self.moved @ self.change.mT).double(), self.scaled @ self.change.mT
        by_step = (self.moved @ gradient[..., None]).double()[..., 0]  # (P, memory)
        by_change = (self.scaled @ gradient[..., None]).double()[..., 0]
        product = steps.diagonal(dim1=1, dim2=2)
        is_used = product > 0
        scale = torch.ones_like(by_step[:, 0])
        if self.order:
            last = self.order[-1]
            fitted = product[:, last] / changes[:, last, last].double()
            scale = torch.where(is_used[:, last], fitted, scale)
        system = self._triangle(steps, is_used)
        back = self._solved(system, torch.where(is_used, by_step, 0.0), upper=True)
        by_change = scale[:, None] * (by_change - (changes @ back[..., None].float())[..., 0])
        rest = torch.where(is_used, product * back - by_change, 0.0)
        forth = self._solved(system.mT, rest, upper=False)
        found = inverse * gradient - (back.float()[:, None] @ self.scaled)[:, 0]
        found *= scale.float()[:, None]
        found += (forth.float()[:, None] @ self.moved)[:, 0]
        return -found

    def _triangle(self, steps: Tensor, is_used: Tensor) -> Tensor:
        """Return the products (P, steps, steps) of each step with it and later changes.

        Steps along which the gradient did not grow are left out.
        """
        both = is_used[:, :, None] & is_used[:, None, :]
        products = torch.where(both, steps, 0.0) + torch.diag_embed((~is_used).double())
        return products[:, self.order][:, :, self.order].triu()

    def _solved(self, system: Tensor, values: Tensor, *, upper: bool) -> Tensor:
        """Solve for values (P, memory), which are at the places of the steps."""
        found = torch.zeros_like(values)
        given = values[:, self.order, None]
        found[:, self.order] = torch.linalg.solve_triangular(system, given, upper=upper)[..., 0]
        return found
