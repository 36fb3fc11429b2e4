"""How well nearest neighbors predict an index's labels."""

from artsim.evaluation.knn.evaluate import (
    KnnEvaluation,
    KnnScore,
    KnnSettings,
    evaluate,
    score_neighbors,
)
from artsim.evaluation.knn.groups import NEAR_DUPLICATE
from artsim.evaluation.knn.plan import Correction, KnnPlan, Protocol
from artsim.evaluation.knn.predictions import predictions_writer
from artsim.evaluation.knn.rows import result_rows
from artsim.evaluation.knn.run import AnyEvaluation, KnnRun, MetEvaluation, knn_eval

__all__ = [
    "NEAR_DUPLICATE",
    "AnyEvaluation",
    "Correction",
    "KnnEvaluation",
    "KnnPlan",
    "KnnRun",
    "KnnScore",
    "KnnSettings",
    "MetEvaluation",
    "Protocol",
    "evaluate",
    "knn_eval",
    "predictions_writer",
    "result_rows",
    "score_neighbors",
]
