"""Date texts as ranges of years."""

from artsim.readers.years.parsing import YEARS, Years, is_undated, parse_years, years_of

__all__ = ["YEARS", "Years", "is_undated", "parse_years", "years_of"]
