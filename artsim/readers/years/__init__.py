"""Date texts as ranges of years."""

from artsim.readers.years.columns import YEARS, years_of
from artsim.readers.years.parsing import Years, is_undated, parse_years

__all__ = ["YEARS", "Years", "is_undated", "parse_years", "years_of"]
