"""Text that is a number, and text that only looks like one: 1990.10 is an inventory number.

A column becomes numbers on its own only if every value prints back the same from the number it
becomes, so that no two values of it become one. `--type COLUMN=number` reads any number.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

INTEGER = r"^(?:0|-?[1-9][0-9]{0,17})$"  # 18 digits are exact as int64
NUMBER = r"^[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-][0-9]+)?$"  # as anyone writes it
# 15 digits are exact as float64; more of them, and exponents, are printed to compare
_DECIMAL = r"^-?(?:0|[1-9][0-9]*)\.(?:[0-9]*[1-9]|0)$|^-?[1-9](?:\.[0-9]*[1-9])?e[+-][0-9]{2,3}$"
_SURE = 16  # characters of 15 digits and a point


def is_integer(column: pa.Array) -> pa.Array:
    """Return which strings print back the same from an int64."""
    return pc.match_substring_regex(column, INTEGER)


def is_decimal(column: pa.Array) -> pa.Array:
    """Return which strings print back the same from a float64; whole numbers end in ``.0``."""
    fits = pc.match_substring_regex(column, _DECIMAL)
    is_long = pc.or_(pc.greater(pc.utf8_length(column), _SURE), pc.match_substring(column, "e"))
    doubtful = pc.fill_null(pc.and_(fits, is_long), False)
    if not pc.any(doubtful).as_py():
        return fits
    texts = column.filter(doubtful).to_pylist()
    return pc.replace_with_mask(fits, doubtful, pa.array([repr(float(t)) == t for t in texts]))


def is_number(column: pa.Array) -> pa.Array:
    """Return which strings are a number in any spelling, such as 0042, +5 and 48.60."""
    return pc.match_substring_regex(column, NUMBER)


def parse(column: pa.Array, type_: pa.DataType) -> pa.Array:
    """Read numbers in any spelling; other strings are null."""
    numbers = pc.if_else(is_number(column), column, pa.scalar(None, pa.string()))
    return pc.cast(pc.replace_substring_regex(numbers, r"^\+", ""), type_)
