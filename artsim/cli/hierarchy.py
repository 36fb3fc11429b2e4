"""How the hierarchical scores of a label are printed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from artsim.cli.output import echo, echo_wrapped, fixed, print_table

if TYPE_CHECKING:
    from artsim.evaluation.hierarchy import HierarchyEvaluation
    from artsim.metrics import HierarchyScores

_DEPTHS = 5  # that are printed; JSON has all


def print_hierarchy(found: Sequence[tuple[str, HierarchyEvaluation]]) -> None:
    """Print a row for the predictions of each method, and one for those that are backed off.

    All are of one label; each comes with the name of its method.
    """
    placed = found[0][1].placed
    rows = []
    for name, each in found:
        rows.append([name, "class", *_cells(each.scores)])
        if each.backed_off is not None:
            rows.append(["", f"sure {each.backed_off.least:.2f}", *_cells(each.backed_off.scores)])
    depths = [f"depth {depth + 1}" for depth in range(len(found[0][1].scores.depths[:_DEPTHS]))]
    columns = ["hP", "hR", "hF", "on path", "near", *depths]
    print_table(["", "level", *columns], rows, right=columns, whole=["level"])
    if (last := found[-1][1].backed_off) is not None:
        echo_wrapped(
            f"  sure {last.least:.2f}: the deepest level of this probability, which "
            f"{last.answered.value:.1%} of the pictures have; chosen on {last.chosen_on:,} "
            "validation pictures so that 90% are right"
        )
    for note in placed.notes:
        echo(f"  {note}")


def _cells(scores: HierarchyScores) -> list[str]:
    shares = (scores.on_path, scores.near, *scores.depths[:_DEPTHS])
    values = [scores.precision, scores.recall, scores.f1]
    return [fixed(value) for value in values] + [fixed(each.value) for each in shares]
