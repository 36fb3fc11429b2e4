"""How fast a network learns: slower than its head, and by the step."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from torch import nn
from torch.optim import AdamW, Optimizer

from artsim.models.architectures import Classifier

__all__ = ["Schedule", "adamw_slower_below", "warm_then_cosine"]

Schedule = Callable[[int], float]  # what the learning rates are multiplied by at a step


def adamw_slower_below(
    classifier: Classifier, *, lr: float, head_lr: float, weight_decay: float
) -> Callable[[Iterable[nn.Parameter]], Optimizer]:
    """Return what makes AdamW with one learning rate for the body and another for the heads."""
    of_heads = {id(each) for each in classifier.heads.parameters()}

    def make(parameters: Iterable[nn.Parameter]) -> Optimizer:
        groups: dict[float, list[nn.Parameter]] = {lr: [], head_lr: []}
        for each in parameters:
            groups[head_lr if id(each) in of_heads else lr].append(each)
        return AdamW(
            [{"params": group, "lr": rate} for rate, group in groups.items() if group],
            weight_decay=weight_decay,
        )

    return make


def warm_then_cosine(total: int, warm_up: float) -> Schedule:
    """Rise in a line over the first share of the steps, then fall as a cosine does, to 0.

    Args:
        total: Steps of the training.
        warm_up: Share of them in which it rises.
    """
    rising = max(round(warm_up * total), 1)

    def at(step: int) -> float:
        if step < rising:
            return (step + 1) / (rising + 1)
        done = min((step - rising) / max(total - rising, 1), 1.0)
        return (1 + math.cos(math.pi * done)) / 2

    return at
