"""Text that acts on no terminal, whatever file name or title is in it."""

from __future__ import annotations

import re
import shlex

# Control characters but tab and line feed, and those that reorder text (https://trojansource.codes).
_ACTING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    """Write what a terminal acts on or reorders as its code, but lines and tabs.

    JSON stays the same JSON.
    """
    return _ACTING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def plural(count: int, one: str, many: str = "") -> str:
    """Write a count with its noun: 1 picture, 2 pictures."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def shell_word(word: object) -> str:
    """Quote a word, such as a path, for a shell: in double quotes, if those are enough.

    Messages put the commands that they advise in single ones.
    """
    word = str(word)
    if shlex.quote(word) == word:
        return word
    return shlex.quote(word) if set(word) & set('"$`\\!') else f'"{word}"'
