"""How well nearest neighbors know an index's labels."""

from artsim.evaluation.knn.plan import Correction, KnnPlan, Protocol
from artsim.evaluation.knn.predictions import predictions_writer
from artsim.evaluation.knn.run import AnyEvaluation, KnnRun, MetEvaluation, knn_eval
from artsim.evaluation.knn.sides import NEAR_DUPLICATE
from artsim.labels import label_columns

__all__ = [
    "NEAR_DUPLICATE",
    "AnyEvaluation",
    "Correction",
    "KnnPlan",
    "KnnRun",
    "MetEvaluation",
    "Protocol",
    "knn_eval",
    "label_columns",
    "predictions_writer",
]
