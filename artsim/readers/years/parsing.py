"""Date texts of museums, and columns of them, as a first and a last year.

The text is cut into clauses at commas, brackets and "and"; each clause gives a range of years or
none; the ranges together give the answer. What was made of a work later ("printed 1974") counts
only where nothing else has a year. The rules that need a choice:

* A circa widens by `CIRCA_YEARS` both before and after, as the Carnegie Museum of Art does.
* "before" and "after" leave the other end open; it is set `OPEN_YEARS` away.
* The 19th century is 1801 to 1900; early, mid and late are its years 1-30, 26-75 and 71-100.
* "1800s" is 1800 to 1899, as Cleveland and Chicago mean it; beside another decade, "1890s-1900s",
  and behind a circa, "c. 1700s", it is ten years, as Carnegie means it.
* A period in brackets, "Edo period (1603-1867), 19th century", bounds what stands beside it, and
  of a period or century and of years within it the years count.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from artsim.readers.years.patterns import (
    BEFORE_PRESENT,
    CLAUSES,
    DAY,
    DECADE_OF,
    HIJRI,
    HIJRI_BEHIND,
    LATER,
    MILLENNIUM,
    ORDINAL_END,
    PERIOD,
    PLACED,
    RANGE,
    ROMAN_YEAR,
    SHARED,
    SIGNS,
    THOUSANDS,
    UNDATED,
)
from artsim.readers.years.words import BCE, BEFORE, ORDINALS, PARTS

YEARS = pa.struct([("begin", pa.int32()), ("end", pa.int32())])

CIRCA_YEARS = 5
OPEN_YEARS = 10
_LAST_YEAR = 2100  # a larger number is no year
_BEFORE, _BCE = frozenset(BEFORE), frozenset(BCE)
_NEXT_CENTURY = 15  # years that a range such as 1999-02 spans at most; else 02 is a month


class Years(NamedTuple):
    """First and last year, both included; years before Christ are negative."""

    begin: int
    end: int


def is_undated(text: str) -> bool:
    """Return whether a text says that no date is known, as "n.d." does."""
    normal = _normalize(text)
    return not UNDATED.isdisjoint((normal, normal.strip(" ()"), normal.strip(" .()")))


def parse_years(text: str) -> Years | None:
    """Read a date as a museum writes it: ``c. 1880``, ``1763, published 1800-07``.

    Returns:
        The first and the last year, or None if no year can be read.

    Example:
        >>> parse_years("late 19th-early 20th century")
        Years(begin=1871, end=1930)
    """
    text = _normalize(text)
    bounds = list(filter(None, map(_clause_years, re.findall(r"\(([^()]*)\)", text))))
    text = re.sub(r"\([^()]*\)", " ", text)
    clauses = re.split(CLAUSES, _spell_out(text, SHARED))
    dated = [(clause, years) for clause in clauses if (years := _clause_years(clause))]
    own = [years for clause, years in dated if not re.search(LATER, clause)]
    found = own or [years for _, years in dated]
    if not found:
        return _hull(bounds) if bounds else None
    if re.search(PERIOD, text):
        bounds += [outer for outer in found if any(_is_within(each, outer) for each in found)]
        found = [each for each in found if each not in bounds] or found
    years = _hull(found)
    for bound in bounds:
        begin, end = max(years.begin, bound.begin), min(years.end, bound.end)
        years = Years(begin, end) if begin <= end else years
    return years


def years_of(column: pa.Array) -> pa.Array:
    """Read a column of date texts, each distinct one once; null where no year can be read."""
    coded = pc.dictionary_encode(column)
    parsed = [parse_years(text) or (None, None) for text in coded.dictionary.to_pylist()]
    begin, end = (
        pa.array([years[place] for years in parsed], pa.int32()).take(coded.indices)
        for place in (0, 1)
    )
    return pa.StructArray.from_arrays([begin, end], fields=list(YEARS), mask=begin.is_null())


def _normalize(text: str) -> str:
    text = unicodedata.normalize("NFKC", text).lower()
    text = re.sub("[\u2010-\u2015\u2212]", "-", text)  # hyphens, dashes, minus
    text = _spell_out(" ".join(text.split()), SIGNS)
    text = re.sub('[\\[\\]<>?"\u201c-\u201f]', " ", text).replace("\u2019", "'")
    text = re.sub(THOUSANDS, r"\1\2", text)
    text = re.sub(r"(?<!\d)\d{1,3},\d{3}(?!\d)", " ", text)  # patent 191,300
    text = re.sub(BEFORE_PRESENT, _before_present, text)
    text = re.sub(ROMAN_YEAR, lambda year: str(_number(year[0])) if year[0][3:] else year[0], text)
    text = re.sub(MILLENNIUM, _millennium, text)
    text = re.sub(DECADE_OF, _decade_of, text)
    if "h" in text and (others := re.sub(HIJRI_BEHIND, " ", re.sub(HIJRI, " ", text))) != text:
        is_alone = not re.search(r"\d", others)
        text = re.sub(HIJRI, _of_hijri, text) if is_alone else others
    return _spell_out(" ".join(text.split()), PLACED)


def _millennium(match: re.Match[str]) -> str:
    """Write millennia as years: "3rd-2nd millennium BC"."""
    first, last = int(match["first"] or match["last"]), int(match["last"])
    if match["era"] in _BCE:
        return f"{first}000-{last - 1}001 bc"
    return f"ad {first - 1}001-{last}000"


def _decade_of(match: re.Match[str]) -> str:
    """Write "the 80s of the 19th century" as 1880s."""
    return f"{_century_number(match['century']) - 1}{match['first'] or match['behind']}0s"


def _before_present(match: re.Match[str]) -> str:
    """Write years before 1950, as radiocarbon dates are given, in the usual era."""
    year = 1950 - int(match[1])
    return f"ad {year}" if year > 0 else f"{1 - year} bc"


def _of_hijri(match: re.Match[str]) -> str:
    return str(622 + int(match["year"]) * 970 // 1000)  # a lunar year has 354 days


def _clause_years(clause: str) -> Years | None:
    """Read a clause; of several ranges the one that spans them."""
    ranges = list(_ranges(_spell_out(clause, (*DAY, *SHARED))))
    return _hull(ranges) if ranges else None


def _spell_out(text: str, patterns: tuple[tuple[str, str], ...]) -> str:
    for pattern, spelled in patterns:
        # A replacement in text is compiled for every call, with the hash of a long pattern.
        text = re.sub(pattern, partial(re.Match.expand, template=spelled), text)
    return text


def _hull(ranges: list[Years]) -> Years:
    return Years(min(each.begin for each in ranges), max(each.end for each in ranges))


def _is_within(inner: Years, outer: Years) -> bool:
    return outer.begin <= inner.begin and inner.end <= outer.end and inner != outer


def _ranges(clause: str) -> Iterator[Years]:
    for match in re.finditer(RANGE, clause):
        first = _end_years(match, "1")
        if first is None or re.fullmatch(r"\s*\d{1,2}\s*", match[0]):
            continue
        begin, end = first
        has_last = match["year2"] or match["decade2"] or match["century2"]
        if has_last and (last := _end_years(match, "2")):
            end = last.end
            if end < begin:
                # 1934-05 is a month, 1903-05 is not
                is_month = len(match["year2"] or "") == 2
                begin, end = first if is_month else (end, begin)
        elif match["open"] or match["later"] or match["earlier"]:
            begin, end = _open(match, first)
        if end <= _LAST_YEAR:
            yield Years(begin, end)


def _open(match: re.Match[str], years: Years) -> Years:
    """Open a range at one end: "before 1500", "1888 or later"; a circa is lost in the opening."""
    if years.end - years.begin == 2 * CIRCA_YEARS:
        years = Years(years.begin + CIRCA_YEARS, years.end - CIRCA_YEARS)
    if match["later"]:
        return Years(years.begin, years.end + OPEN_YEARS)
    if match["earlier"]:
        return Years(years.begin - OPEN_YEARS, years.end)
    if match["open"] in _BEFORE:
        return Years(years.begin - OPEN_YEARS, years.begin)
    return Years(years.end, years.end + OPEN_YEARS)


def _end_years(match: re.Match[str], number: str) -> Years | None:
    """Return the years that one end of a range stands for."""
    era = (match[f"era{number}"] or match[f"before{number}"] or "").strip()
    if number == "1" and not era and not match["before2"]:
        era = match["era2"] or ""  # 480-256 BCE
    elif number == "2" and not era:
        era = (match["before1"] or "").strip()  # AD 70-79
    is_bce = era in _BCE
    if match[f"century{number}"]:
        begin, end = _century(match[f"century{number}"], match[f"part{number}"], is_bce)
    elif match[f"decade{number}"]:
        begin = int(match[f"decade{number}"])
        low, high = _part(match[f"part{number}"])
        years = 1 if _is_century(match, number) else 10
        begin, end = begin + (low - 1) // years, begin + (high - 1) // years
        begin, end = (-end, -begin) if is_bce else (begin, end)
    else:
        digits = match[f"year{number}"]
        is_short = match["year1"] and len(digits) < len(match["year1"])
        if number == "2" and is_short and (not era or (era not in _BCE and not match["era1"])):
            digits = match["year1"][: -len(digits)] + digits  # 1976-77
            after = int(digits) + 100 - int(match["year1"])
            if len(match["year2"]) == 2 and 0 < after <= _NEXT_CENTURY:
                digits = str(int(digits) + 100)  # 1999-02
        if len(digits) < 3 and not era:
            return None
        begin = end = -int(digits) if is_bce else int(digits)
    is_circa = match[f"circa{number}"] or match[f"circb{number}"] or match["circa1"]
    if is_circa and not match[f"century{number}"]:
        begin, end = begin - CIRCA_YEARS, end + CIRCA_YEARS
    return Years(begin, end)


def _is_century(match: re.Match[str], number: str) -> bool:
    """Return whether decades such as the 1700s are a century: see the rules above."""
    decade, other = match[f"decade{number}"], match["decade2" if number == "1" else "decade1"]
    if not decade.endswith("00"):
        return False
    is_circa = match[f"circa{number}"] or match[f"circb{number}"] or match["circa1"]
    return bool(match[f"part{number}"]) or not (is_circa or (other and not other.endswith("00")))


def _century(text: str, part: str | None, is_bce: bool) -> Years:
    number = _century_number(text)
    low, high = _part(part)
    if is_bce:
        return Years(-100 * number + low - 1, -100 * number + high - 1)
    return Years(100 * (number - 1) + low, 100 * (number - 1) + high)


def _century_number(text: str) -> int:
    text = text.strip().rstrip(".")
    return ORDINALS.get(text) or _number(re.sub(rf"{ORDINAL_END}$", "", text) or text)


def _part(text: str | None) -> tuple[int, int]:
    return PARTS.get((text or "").strip(" -"), (1, 100))


def _number(text: str) -> int:
    if text.isdecimal():
        return int(text)
    values = [
        {"i": 1, "v": 5, "x": 10, "l": 50, "c": 100, "d": 500, "m": 1000}.get(letter, 0)
        for letter in text
    ]
    return sum(
        -value if any(value < after for after in values[place + 1 : place + 2]) else value
        for place, value in enumerate(values)
    )
