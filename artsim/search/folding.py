"""Regular expressions of words that ignore case and accents, in the syntax that DuckDB reads.

Folding the text of a million records takes fifteen times as long as a search by such a pattern.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

_LETTERS = (range(0xC0, 0x530), range(0x1E00, 0x2000))  # that may have accents
_PLAIN = {"ø": "o", "ł": "l", "đ": "d", "\u0131": "i", "æ": "ae", "œ": "oe", "ð": "d", "þ": "th"}
_PAIRS = {"ae": "æä", "oe": "œöø", "ue": "ü", "ss": "ß"}  # also written as one letter
_END = r"(?:[^\p{L}\p{N}\p{M}]|$)"
_START = r"(?:^|[^\p{L}\p{N}])"
_BETWEEN = r"[^\p{L}\p{N}]+"
_PLURAL = 4  # letters of a word that may be a plural, at least
_COMPOUND = 4  # letters of one that may end a longer word, at least: not 'ant' in 'elephant'
_NO_PLURALS = ("ss", "us", "is")
# Ends of a singular and a plural, either way.
_NUMBERS = (
    *(("ches", "ch"), ("shes", "sh"), ("sses", "ss"), ("xes", "x"), ("ies", "y")),
    *(("children", "child"), ("men", "man"), ("man", "men")),
    *((f"{letter}y", f"{letter}ies") for letter in "bcdfghklmnprstvxz"),
)
QUOTES = '"“”„'
_PHRASE = re.compile(rf"(?:(?<!\S)(-))?(?:[{QUOTES}]([^{QUOTES}]*)[{QUOTES}]|([^\s{QUOTES}]+))")
_WORD = re.compile(r"[^\W_]+")


class Phrase(NamedTuple):
    """Words to find, or to leave out, as they follow each other."""

    words: tuple[str, ...]  # folded
    wanted: bool = True
    goes_on: bool = False  # the last word may be the beginning of one: a number that is typed
    is_quoted: bool = False  # as it is, in no other number and no part of a longer word

    @property
    def pattern(self) -> str:
        """A pattern of a word as a part of any word, or of words as they follow each other.

        A word by itself also stands for its English singular or plural, as a whole word or at the
        end of one: 'boats' for Boat and Rowboat.
        """
        if len(self.words) > 1 or self.is_quoted:
            return whole_pattern(self.words, goes_on=self.goes_on)
        (word,) = self.words
        others = [
            f"{_START if len(other) < _COMPOUND else ''}{_spelled(other)}{_END}"
            for other in other_numbers(word)
        ]
        return f"(?i)(?:{'|'.join([_spelled(word), *others])})"


def read_phrases(text: str) -> list[Phrase]:
    """Read the words to find in a text: each by itself, those in quotes as one phrase.

    What has a minus before it is to be left out. The parts of a number, such as 'P.1900.2', follow
    each other as well.
    """
    found: list[Phrase] = []
    for minus, quoted, plain in _PHRASE.findall(text):
        words = tuple(words_of(quoted or plain))
        if words and (quoted or minus):
            found.append(Phrase(words, not minus, is_quoted=bool(quoted)))
        elif len(words) > 1 and any(map(str.isdigit, plain)):
            found.append(Phrase(words, goes_on=True))
        else:
            found += [Phrase((word,)) for word in words]
    return list(dict.fromkeys(found))


def words_of(text: str) -> list[str]:
    """Split text into all its words, without case and accents, in order."""
    return _WORD.findall(fold(text))


def as_typed(words: Sequence[str], text: str) -> str:
    """Return folded words that follow each other in a text as they are written there."""
    found = list(_WORD.finditer(text))
    for first, last in zip(found, found[len(words) - 1 :], strict=False):
        written = text[first.start() : last.end()]
        if words_of(written) == list(words):
            return written
    return " ".join(words)


def other_numbers(word: str) -> list[str]:
    """Return the English singulars of a folded word that may be a plural, and irregular plurals.

    Regular plurals need not be returned: they contain the word. Names such as Venus and Paris are
    none; a word of another language that ends in s may be, so its other form is only found whole.
    """
    if len(word) < _PLURAL or not word.isascii() or not word.isalpha():
        return []
    found = [word[: -len(end)] + other for end, other in _NUMBERS if word.endswith(end)][:1]
    if word.endswith("s") and not word.endswith(_NO_PLURALS):
        found.append(word[:-1])
    return found


def whole_pattern(words: Sequence[str], *, goes_on: bool = False) -> str:
    """Return a pattern of words that follow each other as they are, between others.

    The last may be the beginning of a word that ``goes_on``.
    """
    return f"(?i){_START}{_BETWEEN.join(map(_spelled, words))}{'' if goes_on else _END}"


def number_pattern(word: str) -> str:
    """Return a pattern of a word by itself, in singular or plural."""
    numbers = [f"{_spelled(word)}(?:e?s)?", *map(_spelled, other_numbers(word))]
    return f"(?i){_START}(?:{'|'.join(numbers)}){_END}"


def full_pattern(words: Sequence[str]) -> str:
    """Return a pattern of a text that has these words and no others."""
    between = r"[^\p{L}\p{N}]*"
    return f"(?i)^{between}{_BETWEEN.join(map(_spelled, words))}{between}$"


def fold(text: str) -> str:
    """Return text without case and accents."""
    if text.isascii():
        return text.lower()
    plain = "".join(_PLAIN.get(letter, letter) for letter in text.casefold())
    apart = unicodedata.normalize("NFKD", plain)
    return "".join(letter for letter in apart if not unicodedata.combining(letter))


def _spelled(word: str) -> str:
    """Return a pattern of a folded word in every spelling that folds to it."""
    parts, place = [], 0
    while place < len(word):
        pair = word[place : place + 2]
        if pair in _PAIRS:
            parts.append(f"(?:{''.join(map(_letter, pair))}|[{_PAIRS[pair]}])")
        else:
            pair = pair[:1]
            parts.append(_letter(pair))
        place += len(pair)
    return "".join(parts)


def _letter(letter: str) -> str:
    accented = _accented().get(letter, "")
    plain = re.escape(letter)
    return (f"[{plain}{accented}]" if accented else plain) + r"\p{M}*"


@lru_cache(1)
def _accented() -> dict[str, str]:
    """Return the letters that fold to each letter, lower case."""
    found: dict[str, str] = defaultdict(str)
    for code in (code for codes in _LETTERS for code in codes):
        letter = chr(code)
        folded = fold(letter)
        if len(folded) == 1 and letter == letter.lower() and letter != folded:
            found[folded] += letter
    return dict(found)
