"""Date texts as ranges of years."""

from artsim.readers.years.parsing import Years, is_undated, parse_years

__all__ = ["Years", "is_undated", "parse_years"]
