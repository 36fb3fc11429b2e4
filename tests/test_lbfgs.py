"""The direction of L-BFGS beside the two loops of the textbook."""

import numpy as np
import pytest
import torch

from artsim.metrics.lbfgs import StepMemory


def two_loops(gradient, pairs, inverse):
    """Nocedal and Wright, algorithm 7.4, with a diagonal scaled by equation 7.20."""
    q, back = gradient.copy(), []
    for moved, change in reversed(pairs):
        back.append(moved @ q / (moved @ change))
        q -= back[-1] * change
    moved, change = pairs[-1]
    q = moved @ change / (change @ (inverse * change)) * inverse * q
    for (moved, change), alpha in zip(pairs, reversed(back), strict=True):
        q += (alpha - change @ q / (moved @ change)) * moved
    return -q


@pytest.mark.parametrize("steps", [1, 4, 10, 23])
def test_the_direction_is_that_of_the_two_loops_for_each_problem(steps):
    random = np.random.default_rng(steps)
    problems, numbers = 3, 40
    inverse = random.uniform(0.5, 2, (problems, numbers))
    curvature = random.uniform(0.5, 2, (problems, numbers))
    gradient = random.normal(size=(problems, numbers))
    memory, pairs = StepMemory(torch.tensor(inverse, dtype=torch.float32)), []
    for _ in range(steps):
        moved = random.normal(size=(problems, numbers))
        pairs.append((moved, curvature * moved + random.normal(size=moved.shape) / 20))
        memory.add(*(torch.tensor(each).float() for each in (*pairs[-1], inverse)))
    found = memory.downhill(*(torch.tensor(each).float() for each in (gradient, inverse)))
    for i in range(problems):
        last = [(moved[i], change[i]) for moved, change in pairs[-10:]]
        expected = two_loops(gradient[i], last, inverse[i])
        assert found[i].numpy() == pytest.approx(expected, abs=2e-4)


def test_another_penalty_changes_what_is_remembered():
    inverse = torch.tensor([[0.5, 2.0]])
    memory, other = StepMemory(inverse), StepMemory(inverse)
    moved, change = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 1.0]])
    memory.add(moved, change, inverse)
    memory.rescale(torch.tensor([[0.5, 0.5]]), 2 * inverse)
    other.add(moved, torch.tensor([[3.5, 2.0]]), 2 * inverse)
    gradient = torch.tensor([[1.0, -1.0]])
    found = memory.downhill(gradient, 2 * inverse)
    assert found.tolist() == other.downhill(gradient, 2 * inverse).tolist()
