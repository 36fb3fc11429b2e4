"""Learning rates: lower for a network than for its head, and changing by the step.

Plain functions whose first arguments `functools.partial` fills in: training on several GPUs sends
them to other processes, and closures cannot be pickled.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from torch import nn
from torch.optim import AdamW, Optimizer

from artsim.models.architectures import Classifier

Schedule = Callable[[int], float]  # factor of the learning rates at a step


def adamw_slower_below(
    classifier: Classifier,
    parameters: Iterable[nn.Parameter],
    *,
    lr: float,
    head_lr: float,
    weight_decay: float,
) -> Optimizer:
    """Make AdamW with one learning rate for a classifier's body and another for its heads."""
    of_heads = {id(each) for each in classifier.heads.parameters()}
    groups: dict[float, list[nn.Parameter]] = {lr: [], head_lr: []}
    for each in parameters:
        groups[head_lr if id(each) in of_heads else lr].append(each)
    return AdamW(
        [{"params": group, "lr": rate} for rate, group in groups.items() if group],
        weight_decay=weight_decay,
    )


def warm_then_cosine(total: int, warm_up: float, step: int) -> float:
    """Return a factor that rises linearly in the first steps, then falls like a cosine to 0.

    Args:
        total: Number of steps.
        warm_up: Share of them in which the factor rises.
        step: From 0 on.
    """
    rising = max(round(warm_up * total), 1)
    if step < rising:
        return (step + 1) / (rising + 1)
    done = min((step - rising) / max(total - rising, 1), 1.0)
    return (1 + math.cos(math.pi * done)) / 2
