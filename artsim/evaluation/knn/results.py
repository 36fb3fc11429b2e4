"""The results of a kNN evaluation: scores as plain values, and predictions as a CSV file."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artsim.evaluation.knn.evaluate import KnnEvaluation, KnnScore
from artsim.evaluation.knn.plan import KnnPlan
from artsim.evaluation.knn.run import AnyEvaluation, MetEvaluation
from artsim.labels import Label, LabelKind
from artsim.metrics import MultilabelVotes, Votes, average_precisions, class_scores, scores_to_json
from artsim.metrics.neighbors import NO_ROW
from artsim.store import CsvWriter, Store, whole_file

_BASELINES = {  # JSON name of the main metric of what is predicted without looking at a picture
    LabelKind.MULTICLASS: "majority",
    LabelKind.MULTILABEL: "chance",
    LabelKind.NUMBER: "median_MAE",
}
_COLUMNS = ("id", "label", "k", "temperature", "true", "predicted", "share", "correct", "neighbors")
_TOP = 5  # classes listed of a picture that may have several

Cells = tuple[str, str, str, int]  # true, predicted, share of the votes, correct


def result_rows(evaluation: AnyEvaluation, plan: KnnPlan) -> Iterator[dict[str, Any]]:
    """Yield an object for each k and temperature: the scores, and how they were measured."""
    split = evaluation.split
    setting = {
        "tap": plan.tap,
        "split": plan.split,
        **split.facts,
        "notes": list(split.notes),
        "qualified_left_out": evaluation.label.qualified,
        "groups": list(plan.groups),
        "correct": plan.correct,
        "seed": plan.seed,
    }
    sizes = {"chosen_on": evaluation.chosen_on, "bank": evaluation.bank_size}
    head = {"label": evaluation.label.name, "protocol": str(plan.protocol)}
    if isinstance(evaluation, MetEvaluation):
        met = evaluation.score
        yield {
            **head,
            "k": met.k,
            "t": met.t,
            "gap": met.gap,
            "gap_minus": met.gap_minus,
            **met.accuracy.to_json("accuracy"),
            "n": met.n,
            "distractors": met.n_distractors,
            "validation_gap": met.validation_gap,
            "dimensions": met.dimensions,
            **sizes,
            **setting,
        }
        return
    label, hubs = evaluation.label, evaluation.hubness
    best = evaluation.best
    by_chance: Sequence[float | None] = best[1] if best else [None] * len(evaluation.scores)
    for score, p in zip(evaluation.scores, by_chance, strict=True):
        details: dict[str, Any] = {}
        if score.hierarchy is not None:
            details["hierarchy"] = score.hierarchy.to_json()
        if label.kind == LabelKind.MULTILABEL:
            each = average_precisions(score.predictions.ranking)
            details["AP"] = dict(zip(label.classes, each.tolist(), strict=True))
        yield {
            **head,
            "k": score.k,
            "temperature": score.temperature,
            **scores_to_json(score.metrics),
            **details,
            _BASELINES[label.kind]: evaluation.baseline.value,
            "n": len(label),
            "majority_macro_f1": evaluation.baseline_macro_f1,
            "best_p": p,
            **sizes,
            "unlabeled_neighbors": evaluation.unlabeled_neighbors,
            "fewer_neighbors": evaluation.short(score.k),
            "left_out": list(evaluation.left_out),
            "hubs_k": hubs.k,
            "hubs_skew": hubs.skew,
            "antihubs": hubs.antihubs,
            **setting,
        }


def class_rows(evaluation: AnyEvaluation) -> Iterator[dict[str, Any]]:
    """Yield an object for each class, k and temperature; none of a label without single classes."""
    if isinstance(evaluation, MetEvaluation):
        return
    for each in evaluation.scores:
        for row in class_scores(each.predictions):
            yield {
                "label": evaluation.label.name,
                "k": each.k,
                "temperature": each.temperature,
                **row,
            }


@contextmanager
def predictions_writer(store: Store, file: Path) -> Iterator[Callable[[AnyEvaluation], None]]:
    """Return a callable that writes the predictions of an evaluation to a CSV file, opened here.

    There is a row for every picture, label, k and temperature. Where a picture may have several
    classes, those with the most votes are listed, and the first is correct or not; a number is
    correct if it is in the true range.

    Raises:
        StoreError: If the file cannot be written.
    """
    ids = store.read(["id"]).column("id").to_pylist()
    with whole_file(file) as stream:
        out = CsvWriter(stream, _COLUMNS)
        yield lambda evaluation: out.write(_csv_rows(evaluation, ids))


def _csv_rows(evaluation: AnyEvaluation, ids: Sequence[str]) -> Iterator[list[object]]:
    tables: list[tuple[int, float | None, NDArray[np.int64], Iterator[Cells]]]
    if isinstance(evaluation, MetEvaluation):
        met = evaluation.score
        cells = _class_cells(evaluation.label, met.predicted, met.confidence)
        tables = [(met.k, None, met.neighbors.rows, cells)]
    else:
        tables = [
            (
                each.k,
                each.temperature,
                evaluation.neighbors.rows[:, : each.k],
                _cells(evaluation, each),
            )
            for each in evaluation.scores
        ]
    for k, temperature, neighbors, cells in tables:
        setting = (k, "" if temperature is None else f"{temperature:g}")
        for row, found, voters in zip(evaluation.query_rows, cells, neighbors, strict=True):
            names = "|".join(ids[voter] for voter in voters if voter != NO_ROW)
            yield [ids[row], evaluation.label.name, *setting, *found, names]


def _cells(evaluation: KnnEvaluation, score: KnnScore) -> Iterator[Cells]:
    votes = score.votes
    if isinstance(votes, Votes):
        return _class_cells(evaluation.label, votes.classes[:, 0], votes.shares[:, 0])
    if isinstance(votes, MultilabelVotes):
        return _multilabel_cells(evaluation.label, votes)
    return _number_cells(evaluation.label, score.predictions.numbers)


def _class_cells(
    truth: Label, predicted: NDArray[np.int64], shares: NDArray[np.floating]
) -> Iterator[Cells]:
    classes = (*truth.classes, "")  # the last for class -1: no vote, or not a class of train
    for true, code, share in zip(truth.strata, predicted, shares, strict=True):
        yield classes[true], classes[code], f"{share:.4f}", int(true == code >= 0)


def _multilabel_cells(truth: Label, votes: MultilabelVotes) -> Iterator[Cells]:
    edges = np.searchsorted(votes.queries, np.arange(len(truth) + 1))
    for query in range(len(truth)):
        some = slice(edges[query], edges[query + 1])
        best = np.argsort(-votes.shares[some], kind="stable")[:_TOP]
        predicted = votes.classes[some][best]
        true = truth.codes[truth.starts[query] : truth.starts[query + 1]]
        yield (
            "|".join(truth.classes[code] for code in true),
            "|".join(truth.classes[code] for code in predicted),
            f"{votes.shares[some][best[0]]:.4f}" if len(best) else "",
            int(len(best) > 0 and predicted[0] in true),
        )


def _number_cells(truth: Label, numbers: NDArray[np.float64]) -> Iterator[Cells]:
    for begin, end, value in zip(truth.begin, truth.end, numbers, strict=True):
        true = f"{begin:g}" if begin == end else f"{begin:g} to {end:g}"
        predicted = "" if math.isnan(value) else f"{value:.6g}"
        yield true, predicted, "", int(begin <= value <= end)
