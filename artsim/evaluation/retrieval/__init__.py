"""How many pictures of a query's class a search retrieves."""

from artsim.evaluation.retrieval.run import (
    QUANTILES,
    PixelScores,
    Retrieval,
    RetrievalPlan,
    gray_copies,
    retrieve,
)
from artsim.metrics import RETRIEVAL_KS

__all__ = [
    "QUANTILES",
    "RETRIEVAL_KS",
    "PixelScores",
    "Retrieval",
    "RetrievalPlan",
    "gray_copies",
    "retrieve",
]
