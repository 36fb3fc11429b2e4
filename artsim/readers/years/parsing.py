"""Date texts of museums, and columns of them, as a first and a last year.

The text is cut into clauses at commas, brackets and "and"; each clause gives a range of years or
none; the ranges together give the answer. What was made of a work later ("printed 1974") counts
only where nothing else has a year. The rules that need a choice:

* A circa widens by `CIRCA_YEARS` both before and after, as the Carnegie Museum of Art does.
* "before" and "after" leave the other end open; it is set `OPEN_YEARS` away.
* The 19th century is 1801 to 1900; early, mid and late are its years 1-30, 26-75 and 71-100.
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

from artsim.readers.years.words import (
    AFTER,
    BCE,
    BEFORE,
    CE,
    CENTURY,
    CIRCA,
    LATER_STATES,
    MONTHS,
    NO_DATE,
    ORDINALS,
    PARTS,
    alternatives,
)

YEARS = pa.struct([("begin", pa.int32()), ("end", pa.int32())])

CIRCA_YEARS = 5
OPEN_YEARS = 10
_LAST_YEAR = 2100  # a larger number is no year
_NEXT_CENTURY = 15  # years that a range such as 1999-02 spans at most; else 02 is a month

# Patterns are text: they take long to compile, and re does it once, when a date is first read.
_ROMAN = r"(?=[ivx])x{0,2}(?:ix|iv|v?i{0,3})"
_ORDINAL_END = r"(?:st|nd|rd|th|de|ste|er|ère|re|ème|eme|e|\.)?"
_CENTURY_NUMBER = rf"(?:\d{{1,2}}|{_ROMAN}|{alternatives(ORDINALS)}){_ORDINAL_END}"
_CENTURY = rf"(?:{alternatives(CENTURY)})(?![a-zà-ÿ])"
_PART = rf"(?:{alternatives(PARTS)})(?![a-zà-ÿ])"
_CIRCA = rf"(?:(?<![a-zà-ÿ.])(?:{alternatives(CIRCA)})(?![a-zà-ÿ]))"
_ERA = rf"(?:{alternatives((*BCE, *CE))})(?![a-zà-ÿ])"
_OR = r"\s*(?:\bor\b|\band\b|\bund\b|\boder\b|\bet\b|\bou\b|\ben\b|&)\s*"
_TO = r"\s*(?:-|/|\bto\b|\bbis\b|\buntil\b|\bà\b|\btot\b|\bau\b|\bal\b|\btill\b)\s*"


def _end(number: str) -> str:
    """Return the pattern of one end of a range, its groups numbered."""
    return (
        rf"(?P<circa{number}>{_CIRCA}\s*)?(?:the\s+)?(?P<part{number}>{_PART}[\s-]*)?"
        rf"(?P<circb{number}>{_CIRCA}\s*)?(?P<before{number}>{_ERA}\s*)?"
        rf"(?:(?P<century{number}>{_CENTURY_NUMBER})\s*-?\s*{_CENTURY}"
        rf"|(?<![\dabd-z])(?P<decade{number}>\d{{2,3}}0)(?:'?s|er|-er jahre| ?er jahre)(?![a-z])"
        rf"|(?<![\dabd-z])(?P<year{number}>\d{{1,4}})(?![\d]|(?:st|nd|rd|th)\b))"
        rf"(?:\s*(?P<era{number}>{_ERA}))?"
    )


_RANGE = (
    rf"(?:\b(?P<open>{alternatives((*BEFORE, *AFTER))})\s+)?{_end('1')}(?:{_TO}{_end('2')})?"
    r"(?P<later>\s+(?:(?:or|and|oder|ou|of)\s+(?:later|after|später|plus tard)|onwards?))?"
    r"(?P<earlier>\s+(?:or|and|oder|ou|of)\s+(?:earlier|before|früher|plus tôt|eerder))?"
)
_MONTH = alternatives(MONTHS)
_UNDATED = frozenset((*NO_DATE, ""))
_LATER = rf"\b(?:{alternatives(LATER_STATES)})\b"
_BEFORE, _BCE = frozenset(BEFORE), frozenset(BCE)
_PERIODS = ("period", "dynasty", "dynastie", "reign", "era", "epoch", "zeit", "époque", "periode")
_PERIOD = rf"\b(?:{alternatives((*_PERIODS, *CENTURY))})(?!\w)"
_CLAUSES = (
    r"[,;]|\s(?:and|or|und|oder|et|ou|en|e|&|\+)\s(?!later|earlier|after|before|spät|früher|plus t)"
)
_DAY = (
    (r"(?<!\d)\d{1,2}[/.]\d{1,2}[/.](\d{4})(?!\d)", r"\1"),  # 9/30/1931, 30.9.1931
    (r"(?<!\d)(\d{4})-\d\d-\d\d(?:t[\d:.]+z?)?(?!\d)", r"\1"),  # 1931-09-30
    (r"(?<!\d)(1\d{3}|20\d\d)(?:0[1-9]|1[0-2])(?:[0-2]\d|3[01])(?!\d)", r"\1"),  # 19310930
    (r"(?<![\d/])\d{1,2}/(\d{4})(?!\d)", r"\1"),  # 9/1931
    (rf"\b\d{{1,2}}\.?\s+(?=(?:{_MONTH})\b)", ""),  # 30 September
    (rf"\b(?:{_MONTH})\b\.?(?:\s+\d{{1,2}}(?:-\d{{1,2}})?(?!\d)\s*,?)?", " "),
)
_ITALIAN = ("due", "tre", "quattro", "cinque", "sei", "sette", "otto", "nove")  # Cinquecento
# What is written with signs; EDTF and librarians' dates among them.
_SIGNS = (
    (r"\b(\d\d)(?:\?\?|--|xx|__)(?!\w)", r" \g<1>00-\g<1>99 "),  # 19??, 18--
    (
        rf"\b(\d{{3}})(?:-\?|[?x_]|-$)(?!\w)(?!\s*(?:{alternatives((*BCE, *CE))}))",
        r"\g<1>0s",
    ),  # 185?
    (r"(?<!\d)(\d{4})[~%]", r"c. \1"),  # 1984~
    (r"^-(\d{1,4})/-(\d{1,4})$", r"\1 bc - \2 bc"),  # -500/-400
    (r"^-(\d{1,4})/\+?0*(\d{1,4})$", r"\1 bc - ad \2"),
    (r"^-(\d{1,4})$", r"\1 bc"),
)
# Words that stand where others do not: 1520 circa; années 1920; v. 1600; A. 19. Jh.
_PLACED = (
    (r"(?<!\d)(\d{3,4}(?:-\d{2,4})?) (?:circa|ca\.?|env\.?|c\.)(?=\s*(?:$|[-,;)]))", r"circa \1"),
    (r"\b(?:années|jaren|anni) (\d{3}0)(?!\d)", r"\1s"),
    (r"(?<!\d)(\d\d)(\d)0s?[-/]'?(\d)0s\b", r"\1\g<2>0s-\1\g<3>0s"),  # 1820s-30s
    (r"^v\. (?=\d{3,4}\b)", "vor "),
    (r"^n\. (?=\d{3,4}\b)", "nach "),
    (r"\ba\. ?(?=\d\d?\. ?j)", "anfang "),
    (r"\bm\. ?(?=\d\d?\. ?j)", "mitte "),
    (r"\be\. ?(?=\d\d?\. ?j)", "ende "),
    (r"\b([ivx]+)e s\.(?!\w)", r"\1e siècle"),
    (r"\bc(\d\d)(?:th)?\b|\b(\d\d)c\b", r"\1\2th century"),  # C19, 19C
    *((rf"\b{name}cento\b", f"{place}th century") for place, name in enumerate(_ITALIAN, 13)),
)
_MILLENNIUM = (
    r"(?:(?P<first>\d)(?:st|nd|rd|th|e|\.)?(?:-| to | bis ))?(?P<last>\d)(?:st|nd|rd|th|e|er|\.)? "
    rf"(?:millennium|jahrtausend|millénaire|millennio)(?:\s*(?P<era>{_ERA}))?"
)
# The Islamic calendar beside the Christian one, "A.H. 1041/A.D. 1632", and alone.
_HIJRI = r"\b(?:a\. ?h\.|ah) ?(?P<year>\d{3,4})(?:[-/]\d{1,4}\b(?! ?a))?(?: ?[/=])?"
_HIJRI_BEHIND = r"[^,;(/]*\b(?:century|cent\.|\d{3,4}) ?(?:a\. ?h\.|ah)(?: ?/|$)"
_ROMAN_YEAR = r"\bm{1,2}(?:cm|cd|d?c{0,3})(?:xc|xl|l?x{0,3})(?:ix|iv|v?i{0,3})\b"
_ONE = rf"{_CENTURY_NUMBER}\s*-?\s*{_CENTURY}"
# "11th-14th century" and "mid- to late-19th century" name the century once.
_SHARED = (
    (rf"({_PART})-?(?:{_TO}|{_OR})({_PART})[\s-]*(?:the )?({_ONE})", r"\1 \3 - \2 \3"),
    (
        rf"(?<![\d\w])({_CENTURY_NUMBER})(?:{_TO}|{_OR})((?:{_PART}[\s-]*)?{_ONE})",
        r"\1 century - \2",
    ),
    (
        rf"\b(?:sec\.|s\.|siècle|secolo|secoli|siglo)\s+({_ROMAN})\s*-\s*({_ROMAN})\b",
        r"\1 secolo - \2 secolo",
    ),
    (rf"\b(?:sec\.|s\.|siècle|secolo|siglo)\s+({_ROMAN})\b", r"\1 secolo"),
    (r"(?<=\d)(st|nd|rd|th|e) ?c\b\.?", r"\1 century"),
)


class Years(NamedTuple):
    """First and last year, both included; years before Christ are negative."""

    begin: int
    end: int


def is_undated(text: str) -> bool:
    """Return whether a text says that no date is known, as "n.d." does."""
    normal = _normalize(text)
    return normal in _UNDATED or normal.strip(" .()") in _UNDATED


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
    clauses = re.split(_CLAUSES, _spell_out(text, _SHARED))
    dated = [(clause, years) for clause in clauses if (years := _clause_years(clause))]
    own = [years for clause, years in dated if not re.search(_LATER, clause)]
    found = own or [years for _, years in dated]
    if not found:
        return _hull(bounds) if bounds else None
    if re.search(_PERIOD, text):
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
    text = _spell_out(" ".join(text.split()), _SIGNS)
    text = re.sub('[\\[\\]<>?"\u201c-\u201f]', " ", text).replace("\u2019", "'")
    text = re.sub(r"(?<!\d)\d{1,3},\d{3}(?!\d)", " ", text)  # patent 191,300
    text = re.sub(_ROMAN_YEAR, lambda year: str(_number(year[0])) if year[0][3:] else year[0], text)
    text = re.sub(_MILLENNIUM, _millennium, text)
    if "h" in text and (others := re.sub(_HIJRI_BEHIND, " ", re.sub(_HIJRI, " ", text))) != text:
        is_alone = not re.search(r"\d", others)
        text = re.sub(_HIJRI, _of_hijri, text) if is_alone else others
    return _spell_out(" ".join(text.split()), _PLACED)


def _millennium(match: re.Match[str]) -> str:
    """Write millennia as years: "3rd-2nd millennium BC"."""
    first, last = int(match["first"] or match["last"]), int(match["last"])
    if match["era"] in _BCE:
        return f"{first}000-{last - 1}001 bc"
    return f"ad {first - 1}001-{last}000"


def _of_hijri(match: re.Match[str]) -> str:
    return str(622 + int(match["year"]) * 970 // 1000)  # a lunar year has 354 days


def _clause_years(clause: str) -> Years | None:
    """Read a clause; of several ranges the one that spans them."""
    ranges = list(_ranges(_spell_out(clause, (*_DAY, *_SHARED))))
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
    for match in re.finditer(_RANGE, clause):
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
        # The late 1700s are a part of the century; the 1700s are ten years.
        part_of_century = begin % 100 == 0 and match[f"part{number}"]
        years = 1 if part_of_century else 10
        begin, end = begin + (low - 1) // years, begin + (high - 1) // years
        begin, end = (-end, -begin) if is_bce else (begin, end)
    else:
        digits = match[f"year{number}"]
        if number == "2" and match["year1"] and not era and len(digits) < len(match["year1"]):
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


def _century(text: str, part: str | None, is_bce: bool) -> Years:
    text = text.strip().rstrip(".")
    number = ORDINALS.get(text) or _number(re.sub(rf"{_ORDINAL_END}$", "", text) or text)
    low, high = _part(part)
    if is_bce:
        return Years(-100 * number + low - 1, -100 * number + high - 1)
    return Years(100 * (number - 1) + low, 100 * (number - 1) + high)


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
