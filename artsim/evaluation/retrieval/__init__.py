"""How many pictures of a query's class a search retrieves."""

from artsim.evaluation.retrieval.run import (
    KS,
    QUANTILES,
    PixelScores,
    Retrieval,
    RetrievalPlan,
    gray_copies,
    retrieve,
)

__all__ = [
    "KS",
    "QUANTILES",
    "PixelScores",
    "Retrieval",
    "RetrievalPlan",
    "gray_copies",
    "retrieve",
]
