"""Predictions of a label scored by its hierarchy, and backed off to a level that is sure enough."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from artsim.datatypes import Estimate
from artsim.labels import LIKELY, Label, LabelKind
from artsim.labels.trees import Hierarchy, PlacedClasses, place
from artsim.metrics import (
    LEAST_SURE,
    HierarchyScores,
    Predictions,
    Probe,
    SureNodes,
    back_off,
    choose_least,
    estimate_share,
    hierarchy_scores,
    node_sets,
    nodes_of,
    sum_up,
    vote_multilabel,
)
from artsim.metrics.neighbors import Neighbors


@dataclass(frozen=True, kw_only=True)
class BackOff:
    """Predictions of the deepest node that is sure enough."""

    least: float  # probability that is sure enough, chosen on validation rows
    chosen_on: int  # validation rows
    answered: Estimate  # share of the rows with a node that is sure enough
    scores: HierarchyScores

    def to_json(self) -> dict[str, object]:
        """Return the scores as plain values."""
        return {
            "least": self.least,
            "chosen_on": self.chosen_on,
            **self.answered.to_json("answered"),
            **self.scores.to_json(),
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class HierarchyEvaluation:
    """The hierarchical scores of one method's predictions."""

    placed: PlacedClasses
    scores: HierarchyScores
    backed_off: BackOff | None = None  # None: several classes a row, or no validation rows

    def to_json(self) -> dict[str, object]:
        """Return the scores as plain values."""
        return {
            "source": self.placed.source,
            "missing": list(self.placed.missing),
            **self.scores.to_json(),
            "back_off": self.backed_off and self.backed_off.to_json(),
        }


def place_label(hierarchy: Hierarchy | None, label: Label) -> PlacedClasses | None:
    """Place the classes of a label; None without a hierarchy, or if it has none of them."""
    if hierarchy is None or label.kind == LabelKind.NUMBER:
        return None
    return place(hierarchy, label.classes)


def score_hierarchy(
    placed: PlacedClasses, predictions: Predictions, *, likely: float = LIKELY
) -> HierarchyEvaluation:
    """Score the predicted classes; of several classes a row, those with a score of ``likely``."""
    truth = predictions.truth
    if truth.kind == LabelKind.MULTICLASS:
        rows = np.flatnonzero(predictions.ranked[:, 0] >= 0)
        codes = predictions.ranked[rows, 0]
    else:
        some = predictions.ranking.scores >= likely
        rows, codes = predictions.ranking.rows[some], predictions.ranking.classes[some]
    predicted = node_sets(rows, placed.codes[codes], placed.above, len(truth))
    scores = hierarchy_scores(
        _true_nodes(placed, truth),
        predicted,
        placed.depths,
        groups=predictions.groups,
        seed=predictions.seed,
    )
    return HierarchyEvaluation(placed=placed, scores=scores)


def with_back_off(
    found: HierarchyEvaluation,
    predictions: Predictions,
    test: SureNodes,
    validation: SureNodes,
    truth: Label,
) -> HierarchyEvaluation:
    """Add the scores of backing off.

    Args:
        found: The scores of the predicted classes.
        predictions: Of the n test rows.
        test: What is sure of these rows.
        validation: What is sure of the validation rows, by a model that has not seen them.
        truth: Of the validation rows.
    """
    placed = found.placed
    least = choose_least(validation, _true_nodes(placed, truth), placed.above, placed.depths)
    nodes, _ = back_off(test, placed.depths, least)
    scores = hierarchy_scores(
        _true_nodes(placed, predictions.truth),
        nodes_of(nodes, placed.above),
        placed.depths,
        groups=predictions.groups,
        seed=predictions.seed,
    )
    answered = estimate_share(nodes >= 0, predictions.groups, seed=predictions.seed)
    done = BackOff(least=least, chosen_on=validation.n, answered=answered, scores=scores)
    return replace(found, backed_off=done)


def probe_hierarchy(
    placed: PlacedClasses, label: Label, features: np.ndarray, probe: Probe
) -> HierarchyEvaluation:
    """Score what a probe predicts for its test rows from features (N, D)."""
    # A logit of 0 is a probability of one half.
    found = score_hierarchy(placed, probe.predictions, likely=0.0)
    if label.kind != LabelKind.MULTICLASS:
        return found
    test, validation = (
        sum_up(head.probabilities(features[rows]), placed.codes[head.classes], placed.above)
        for head, rows in ((probe.head, probe.test_rows), (probe.first, probe.validation_rows))
    )
    truth = label.take(probe.validation_rows)
    return with_back_off(found, probe.predictions, test, validation, truth)


def sure_votes(
    placed: PlacedClasses, label: Label, neighbors: Neighbors, k: int, temperature: float | None
) -> SureNodes:
    """Let neighbors vote for the nodes of their class, those above it included."""
    classes = label.strata
    known = classes >= 0
    lists = placed.above[placed.codes[np.where(known, classes, 0)]]
    lists = lists.multiply(known[:, None]).tocsr()
    lists.eliminate_zeros()
    lists.sort_indices()
    k = min(k, neighbors.rows.shape[1])
    nodes = replace(
        label,
        kind=LabelKind.MULTILABEL,
        classes=placed.nodes,
        starts=lists.indptr.astype(np.int64),
        codes=lists.indices.astype(np.int64),
    )
    votes = vote_multilabel(neighbors, nodes, k, temperature=temperature)
    sure = votes.shares >= LEAST_SURE - 1e-6
    return SureNodes(
        n=len(neighbors.rows),
        rows=votes.queries[sure],
        nodes=votes.classes[sure],
        probabilities=votes.shares[sure],
    )


def _true_nodes(placed: PlacedClasses, truth: Label) -> object:
    rows, codes = truth.row_codes
    return node_sets(rows, placed.codes[codes], placed.above, len(truth))
