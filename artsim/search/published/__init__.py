"""An index published to a vector database, which then searches its vectors.

The index folder stays the truth: conditions, limits and metadata are read from it. The database
holds the vectors and a note of which index they are of; one that is older is not searched.
"""

from artsim.search.published.address import is_address
from artsim.search.published.backend import PublishedBackend
from artsim.search.published.neighbors import published_neighbors
from artsim.search.published.opening import (
    Publication,
    find_published,
    open_published,
    published_addresses,
)
from artsim.search.published.publishing import PublishSummary, publish

__all__ = [
    "Publication",
    "PublishSummary",
    "PublishedBackend",
    "find_published",
    "is_address",
    "open_published",
    "publish",
    "published_addresses",
    "published_neighbors",
]
