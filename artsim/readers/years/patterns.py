"""Patterns of date texts. They are text: re compiles them when a date is first read, and once."""

from __future__ import annotations

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

_ROMAN = r"(?=[ivx])x{0,2}(?:ix|iv|v?i{0,3})"
ORDINAL_END = r"(?:st|nd|rd|th|de|ste|er|ère|re|ème|eme|e|\.)?"
_CENTURY_NUMBER = rf"(?:\d{{1,2}}|{_ROMAN}|{alternatives(ORDINALS)}){ORDINAL_END}"
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
        rf"|(?<![\dabd-z])(?P<year{number}>\d{{1,6}})(?![\d]|(?:st|nd|rd|th)\b))"
        rf"(?:\s*(?P<era{number}>{_ERA}))?"
    )


RANGE = (
    rf"(?:\b(?P<open>{alternatives((*BEFORE, *AFTER))})(?:\s+|(?<=-)))?"
    rf"{_end('1')}(?:{_TO}{_end('2')})?"
    r"(?P<later>\s+(?:(?:or|and|oder|ou|of)\s+(?:later|after|später|plus tard)|onwards?))?"
    r"(?P<earlier>\s+(?:or|and|oder|ou|of)\s+(?:earlier|before|früher|plus tôt|eerder))?"
)
_MONTH = alternatives(MONTHS)
UNDATED = frozenset((*NO_DATE, ""))
LATER = rf"\b(?:{alternatives(LATER_STATES)})\b"
_PERIODS = ("period", "dynasty", "dynastie", "reign", "era", "epoch", "zeit", "époque", "periode")
PERIOD = rf"\b(?:{alternatives((*_PERIODS, *CENTURY))})(?!\w)"
CLAUSES = (
    r"[,;]|\s(?:and|or|und|oder|et|ou|en|e|&|\+)\s(?!later|earlier|after|before|spät|früher|plus t)"
)
DAY = (
    (r"(?<!\d)\d{1,2}[/.]\d{1,2}[/.](\d{4})(?!\d)", r"\1"),  # 9/30/1931, 30.9.1931
    (r"(?<!\d)(\d{4})-\d\d?-\d\d?(?:t[\d:.]+z?)?(?!\d)", r"\1"),  # 1931-09-30
    (r"(?<!\d)(1\d{3}|20\d\d)(?:0[1-9]|1[0-2])(?:[0-2]\d|3[01])(?!\d)", r"\1"),  # 19310930
    (r"(?<![\d/])\d{1,2}/(\d{4})(?!\d)", r"\1"),  # 9/1931
    (rf"\b\d{{1,2}}\.?\s+(?=(?:{_MONTH})\b)", ""),  # 30 September
    (rf"\b(?:{_MONTH})\b\.?(?:\s+\d{{1,2}}(?:-\d{{1,2}})?(?!\d)\s*,?)?", " "),
)
_ITALIAN = ("due", "tre", "quattro", "cinque", "sei", "sette", "otto", "nove")  # Cinquecento
# What is written with signs; EDTF and librarians' dates among them.
SIGNS = (
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
_ONE = rf"{_CENTURY_NUMBER}\s*-?\s*{_CENTURY}"
_NAMED = rf"(?:sec\.|secolo|siècle|siglo)\s+({_ROMAN})"  # sec. XVII
_BEHIND = rf"\s*[,( ]\s*({_PART})\s*(?=[),;-]|$)"
# Words that stand where others do not: 1520 circa; années 1920; v. 1600; A. 19. Jh.;
# 17. Jh., 1. Hälfte; Wende 18./19. Jh.
PLACED = (
    (r"(?<!\d)(\d{3,4}(?:-\d{2,4})?) (?:circa|ca\.?|env\.?|c\.)(?=\s*(?:$|[-,;)]))", r"circa \1"),
    (r"\b(?:années|jaren|anni) (\d{3}0)(?!\d)", r"\1s"),
    (r"(?<!\d)(\d\d)(\d)0s?[-/]'?(\d)0s\b", r"\1\g<2>0s-\1\g<3>0s"),  # 1820s-30s
    (r"(?<!\d)(\d\d)(\d)0er ?(?:[-/]|und) ?(\d)0er\b", r"\1\g<2>0s-\1\g<3>0s"),  # 1650er/60er
    (r"^v\. (?=\d{3,4}\b)", "vor "),
    (r"^n\. (?=\d{3,4}\b)", "nach "),
    (r"\ba\. ?(?=\d\d?\. ?j)", "anfang "),
    (r"\bm\. ?(?=\d\d?\. ?j)", "mitte "),
    (r"\be\. ?(?=\d\d?\. ?j)", "ende "),
    (r"\b([ivx]+)(?:e|er|ème) s\.(?!\w)", r"\1e siècle"),
    (rf"\b{_NAMED}{_BEHIND}", r"\2 \1 secolo"),
    (rf"\b({_ONE}(?:\s*{_ERA})?){_BEHIND}", r"\2 \1"),
    (
        rf"\b(?:wende|tournant|turn of)(?: vom| des| du| the)? {_CENTURY_NUMBER}"
        rf"(?:\s*[/-]\s*| zum | und | et | au | and | to the )({_ONE})",
        r"turn of the \1",
    ),
    (r"\bc(\d\d)(?:th)?\b|\b(\d\d)c\b", r"\1\2th century"),  # C19, 19C
    *((rf"\b{name}cento\b", f"{place}th century") for place, name in enumerate(_ITALIAN, 13)),
    *(
        (rf"(?<!\w)'{number}00(?!\d)", f"{number + 11}th century") for number in range(2, 10)
    ),  # '400
)
MILLENNIUM = (
    r"(?:(?P<first>\d)(?:st|nd|rd|th|e|\.)?(?:-| to | bis ))?(?P<last>\d)(?:st|nd|rd|th|e|er|\.)? "
    rf"(?:millennium|jahrtausend|millénaire|millennio)(?:\s*(?P<era>{_ERA}))?"
)
# jaren 80 van de 19e eeuw; 80er Jahre des 19. Jahrhunderts
DECADE_OF = (
    r"\b(?:(?:jaren|anni|années) '?(?P<first>\d)0|(?P<behind>\d)0er jahre)"
    rf"(?: van de| del| du| des)? (?P<century>{_CENTURY_NUMBER})\s*-?\s*{_CENTURY}"
)
# 12,000-10,000 BC, which is not a number of a patent
THOUSANDS = (
    rf"(?<![\d,])(\d{{1,3}}),(\d{{3}})(?=(?:{_TO}[\d,]+)?\s*(?:{alternatives(BCE)}|b\.?p\b))"
)
BEFORE_PRESENT = r"(?<![\d,])(\d{1,6}) ?b\.? ?p\b\.?"
# The Islamic calendar beside the Christian one, "A.H. 1041/A.D. 1632", and alone.
HIJRI = r"\b(?:a\. ?h\.|ah) ?(?P<year>\d{3,4})(?:[-/]\d{1,4}\b(?! ?a))?(?: ?[/=])?"
HIJRI_BEHIND = r"[^,;(/]*\b(?:century|cent\.|\d{3,4}) ?(?:a\. ?h\.|ah)(?: ?/|$)"
ROMAN_YEAR = r"\bm{1,2}(?:cm|cd|d?c{0,3})(?:xc|xl|l?x{0,3})(?:ix|iv|v?i{0,3})\b"
# "11th-14th century" and "mid- to late-19th century" name the century once.
SHARED = (
    (
        rf"({_PART})-?(?:{_TO}|{_OR})({_PART})[\s-]*(?:the )?({_ONE}|\d{{3}}0s)",
        r"\1 \3 - \2 \3",
    ),
    (
        rf"(?<![\d\w])({_CENTURY_NUMBER})(?:{_TO}|{_OR})((?:{_PART}[\s-]*)?{_ONE})",
        r"\1 century - \2",
    ),
    (
        rf"\b(?:secc?\.|s\.|siècle|secolo|secoli|siglo)\s+({_ROMAN})\s*-\s*({_ROMAN})\b",
        r"\1 secolo - \2 secolo",
    ),
    (rf"\b(?:sec\.|s\.|siècle|secolo|siglo)\s+({_ROMAN})\b", r"\1 secolo"),
    (r"(?<=\d)(st|nd|rd|th|e) ?c\b\.?", r"\1 century"),
)
