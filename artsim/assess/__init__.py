"""How well nearest neighbours know an index's labels."""

from artsim.assess.plan import Correction, KnnPlan, Protocol
from artsim.assess.predictions import predictions_writer
from artsim.assess.run import AnyEvaluation, KnnRun, MetEvaluation, knn_eval
from artsim.assess.sides import NEAR_DUPLICATE
from artsim.targets import label_columns

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
