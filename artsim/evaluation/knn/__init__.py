"""How well nearest neighbors predict an index's labels."""

from artsim.evaluation.knn.evaluate import (
    ChosenKnn,
    KnnEvaluation,
    KnnEvaluator,
    KnnScore,
    knn_scores,
)
from artsim.evaluation.knn.plan import Correction, KnnPlan, Protocol, Unlabeled
from artsim.evaluation.knn.results import class_rows, predictions_writer, result_rows
from artsim.evaluation.knn.run import (
    NEAR_DUPLICATE,
    AnyEvaluation,
    KnnRun,
    MetEvaluation,
    knn_eval,
)
from artsim.evaluation.knn.series import Titles, read_titles

__all__ = [
    "NEAR_DUPLICATE",
    "AnyEvaluation",
    "ChosenKnn",
    "Correction",
    "KnnEvaluation",
    "KnnEvaluator",
    "KnnPlan",
    "KnnRun",
    "KnnScore",
    "MetEvaluation",
    "Protocol",
    "Titles",
    "Unlabeled",
    "class_rows",
    "knn_eval",
    "knn_scores",
    "predictions_writer",
    "read_titles",
    "result_rows",
]
