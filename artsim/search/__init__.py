"""What looks like this: questions to an index, and their answers."""

from artsim.search.backend import FaissBackend, SearchBackend
from artsim.search.conditions import Condition, Op
from artsim.search.encoder import Encoder, IndexEncoder, load_index_extractor
from artsim.search.matches import Answer, Match, Query
from artsim.search.opened import Opened
from artsim.search.questions import Aspect, Question, Term
from artsim.search.searcher import Searcher
from artsim.search.works import Works, locate

__all__ = [
    "Answer",
    "Aspect",
    "Condition",
    "Encoder",
    "FaissBackend",
    "IndexEncoder",
    "Match",
    "Op",
    "Opened",
    "Query",
    "Question",
    "SearchBackend",
    "Searcher",
    "Term",
    "Works",
    "load_index_extractor",
    "locate",
]
