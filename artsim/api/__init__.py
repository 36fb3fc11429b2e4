"""What ``import artsim`` offers: one function for each task, and the index as an object.

The names here are what the command line shares with it.
"""

from artsim.api.queries import read_query
from artsim.api.results import answer_sheet

__all__ = ["answer_sheet", "read_query"]
