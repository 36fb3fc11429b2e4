"""Every prediction of a kNN evaluation, with the neighbors that made it, as a CSV file."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from artsim.errors import StoreError
from artsim.evaluation.knn.evaluate import KnnEvaluation, KnnScore
from artsim.evaluation.knn.run import AnyEvaluation, MetEvaluation
from artsim.labels import Label
from artsim.metrics import MultilabelVotes, Votes
from artsim.metrics.neighbors import NO_ROW, Neighbors
from artsim.store import Store

_COLUMNS = ("id", "label", "k", "temperature", "true", "predicted", "share", "correct")
_TOP = 5  # classes named of a picture that may have several

Cells = tuple[str, str, str, int]  # true, predicted, share of the votes, correct


@contextmanager
def predictions_writer(store: Store, file: Path) -> Iterator[Callable[[AnyEvaluation], None]]:
    """Return a callable that writes an evaluation to a CSV file, opened here.

    A row for every picture, label, k and temperature. Where a picture may have several classes,
    those with most votes are listed and the first is correct or not; a number is correct where it
    is in the true range.

    Raises:
        StoreError: If the file cannot be written.
    """
    ids = store.read(["id"]).column("id").to_pylist()
    try:
        stream = file.open("w", newline="", encoding="utf-8")
    except OSError as error:
        raise StoreError(
            f"cannot write the predictions to {str(file)!r}: {error.strerror}; name another file"
        ) from error
    with stream:
        out = csv.writer(stream)
        out.writerow([*_COLUMNS, "neighbors"])
        yield lambda evaluation: out.writerows(_rows(evaluation, ids))


def _rows(evaluation: AnyEvaluation, ids: Sequence[str]) -> Iterator[list[object]]:
    for setting, neighbors, cells in _tables(evaluation):
        for row, found, voters in zip(evaluation.query_rows, cells, neighbors.rows, strict=True):
            names = "|".join(ids[voter] for voter in voters if voter != NO_ROW)
            yield [ids[row], evaluation.label.name, *setting, *found, names]


def _tables(
    evaluation: AnyEvaluation,
) -> Iterator[tuple[tuple[int, str], Neighbors, Iterator[Cells]]]:
    """Yield k and temperature, the neighbors that voted, and the cells of each picture."""
    if isinstance(evaluation, MetEvaluation):
        score = evaluation.score
        yield (score.k, ""), score.neighbors, _met_cells(evaluation)
        return
    for each in evaluation.scores:
        temperature = "" if each.temperature is None else f"{each.temperature:g}"
        yield (each.k, temperature), evaluation.neighbors.first(each.k), _cells(evaluation, each)


def _cells(evaluation: KnnEvaluation, score: KnnScore) -> Iterator[Cells]:
    if isinstance(score.votes, Votes):
        return _multiclass_cells(evaluation.label, score.votes)
    if isinstance(score.votes, MultilabelVotes):
        return _multilabel_cells(evaluation.label, score.votes)
    return _number_cells(evaluation.label, score.predictions.numbers)


def _multiclass_cells(truth: Label, votes: Votes) -> Iterator[Cells]:
    classes = (*truth.classes, "")  # the last for class -1: no vote
    for true, predicted, share in zip(
        truth.strata, votes.classes[:, 0], votes.shares[:, 0], strict=True
    ):
        yield classes[true], classes[predicted], f"{share:.4f}", int(true == predicted)


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


def _met_cells(evaluation: MetEvaluation) -> Iterator[Cells]:
    classes = (*evaluation.label.classes, "")  # the last for a class that train does not have
    score = evaluation.score
    for true, predicted, confidence in zip(
        evaluation.label.strata, score.predicted, score.confidence, strict=True
    ):
        yield classes[true], classes[predicted], f"{confidence:.4f}", int(true == predicted >= 0)
