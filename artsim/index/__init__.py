"""The search index of a tap: unit vectors compared by inner product (cosine).

Exact as long as that is fast enough; beyond, short codes name candidates whose exact cosines put
them in order. What an index was built from stands beside it; one that is older than its vectors
is never asked.
"""

from artsim.index.build import build_index
from artsim.index.gpu import count_gpus, to_gpu
from artsim.index.note import Goals, IndexInfo, Kind, is_current, read_note
from artsim.index.opening import open_index, open_vectors
from artsim.index.vector_index import VectorIndex
from artsim.index.vectors import Vectors, unit

__all__ = [
    "Goals",
    "IndexInfo",
    "Kind",
    "VectorIndex",
    "Vectors",
    "build_index",
    "count_gpus",
    "is_current",
    "open_index",
    "open_vectors",
    "read_note",
    "to_gpu",
    "unit",
]
