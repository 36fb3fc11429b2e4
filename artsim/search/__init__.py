"""Similarity search in an index: requests and their answers."""

from artsim.search.backend import FaissBackend, SearchBackend, open_tiles
from artsim.search.background import SUBJECTS
from artsim.search.conditions import Condition, Op, among
from artsim.search.encoder import (
    Encoder,
    IndexEncoder,
    PreparedPicture,
    load_index_extractor,
    load_index_text_tower,
)
from artsim.search.finding import Found, find_works
from artsim.search.methods import Method, Opened
from artsim.search.requests import (
    Aspect,
    Match,
    Query,
    SearchAnswer,
    SearchRequest,
    Term,
    read_words,
)
from artsim.search.searcher import Searcher
from artsim.search.works import Works, locate

__all__ = [
    "SUBJECTS",
    "Aspect",
    "Condition",
    "Encoder",
    "FaissBackend",
    "Found",
    "IndexEncoder",
    "Match",
    "Method",
    "Op",
    "Opened",
    "PreparedPicture",
    "Query",
    "SearchAnswer",
    "SearchBackend",
    "SearchRequest",
    "Searcher",
    "Term",
    "Works",
    "among",
    "find_works",
    "load_index_extractor",
    "load_index_text_tower",
    "locate",
    "open_tiles",
    "read_words",
]
