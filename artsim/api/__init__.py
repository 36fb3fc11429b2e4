"""What ``import artsim`` offers: one function for each task, and the index as an object.

The names listed here are those that the command line uses too.
"""

from artsim.api.queries import check_work, read_query
from artsim.api.results import answer_sheet

__all__ = ["answer_sheet", "check_work", "read_query"]
