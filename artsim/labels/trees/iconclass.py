"""Iconclass notations, whose parts are their path: 25F23(LION) is below 25F23, 25F2, 25F, 25, 2.

Text in brackets is a level, as is each digit of a key: 25F23(+12) is below 25F23(+1).
"""

from __future__ import annotations

import re

# Two digits, a letter that may be doubled, digits; names in brackets and digits after them; keys.
_NOTATION = re.compile(r"\d(?:\d(?:([A-IK-Z])\1?(?:\d|\((?!\+)[^()]+\))*)?)?(?:\(\+\d+\))?")
_PART = re.compile(r"\((?!\+)[^()]+\)|\(\+\d+\)|.")


def is_notation(text: str) -> bool:
    """Return whether a text is a notation as a whole."""
    return _NOTATION.fullmatch(text) is not None


def parents(notation: str) -> tuple[str, ...]:
    """Return the notation above another, none above the first digit."""
    *before, last = _PART.findall(notation)
    if last.startswith("(+") and len(last) > len("(+1)"):
        return ("".join(before) + last[:-2] + ")",)
    return ("".join(before),) if before else ()
