"""Vectors computed elsewhere, read from files and imported into an index."""

from artsim.external.batches import VectorBatch, VectorFile
from artsim.external.importing import ImportSummary, import_vectors
from artsim.external.vector_files import open_vectors

__all__ = ["ImportSummary", "VectorBatch", "VectorFile", "import_vectors", "open_vectors"]
