"""The language of derived labels before SQL: read from old indexes, and translated for people.

``//`` rounded down, ``~`` meant 'contains', whatever the case of letters, and on a column with
several values ``~``, ``=`` and ``in`` were true if any of them matched. The rest is SQL.
"""

from __future__ import annotations

import re
from collections.abc import Collection

_TOKEN = re.compile(
    r"""\s*( '(?:[^']|'')*'
      | (?: "(?:[^"]|"")+" | [^\W\d]\w* ) (?:\s*\.\s*(?:begin|end)\b)?
      | \d+(?:\.\d+)?(?:[eE][+-]?\d+)?
      | // | !~ | != | <= | >= | == | ~~\*? | \S )""",
    re.VERBOSE,
)
_OLD_SIGNS = ("//", "~", "!~")
_BETWEEN_OPERANDS = (*"+-=<>,", "!=", "<=", ">=", "==", "and", "or", "in", "not")


def has_old_signs(expression: str) -> bool:
    """Return whether an expression holds ``//``, ``~`` or ``!~``."""
    return any(token in _OLD_SIGNS for token in _TOKEN.findall(expression))


def to_sql(expression: str, lists: Collection[str] = ()) -> str:
    """Translate an old expression; one of SQL stays as it is.

    Args:
        expression: Right of the ``=`` of ``NAME = EXPRESSION``.
        lists: The columns with several values a row.
    """
    translation = _Translation(_TOKEN.findall(expression), lists)
    text = translation.whole()
    return text if translation.changed else expression


def unquoted(name: str) -> str:
    """Return the name of a column as it is without double quotes."""
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


class _Translation:
    def __init__(self, tokens: list[str], lists: Collection[str]) -> None:
        self.changed = False  # whether anything was not SQL
        self._tokens = tokens[::-1]  # the next one last
        self._lists = lists

    def whole(self) -> str:
        """Translate up to the end, or the bracket that closes this part."""
        parts: list[str] = []
        after_operand = False
        while self._tokens and self._next() != ")":
            operator = self._next() in _BETWEEN_OPERANDS and (after_operand or self._next() != "-")
            part = self._tokens.pop() if operator else self._comparison()
            after_operand = not operator
            if part == "," and parts:
                parts[-1] += part
            else:
                parts.append("=" if part == "==" else part)
        return " ".join(parts)

    def _next(self) -> str:
        return self._tokens[-1].lower() if self._tokens else ""

    def _pop(self, otherwise: str = "") -> str:
        return self._tokens.pop() if self._tokens else otherwise

    def _comparison(self) -> str:
        left = self._product()
        is_list = unquoted(left) in self._lists
        not_in = [token.lower() for token in self._tokens[:-3:-1]] == ["not", "in"]
        sign = "in" if not_in else self._next()
        if sign not in ("~", "!~") and not (is_list and sign in ("=", "==", "!=", "in")):
            return left
        self.changed = True
        del self._tokens[-2 if not_in else -1 :]
        if "~" in sign:
            text = f"array_to_string(nullif({left}, []), chr(31))" if is_list else left
            return _contains(text, self._pop("''"), sign == "!~")
        wanted = self._product()
        wanted = f"[{wanted.strip('()')}]" if sign == "in" else f"[{wanted}]"
        found = f"list_has_any(nullif({left}, []), {wanted})"
        return f"NOT {found}" if not_in or sign == "!=" else found

    def _product(self) -> str:
        left = self._factor()
        while self._next() in ("*", "/", "//"):
            sign, right = self._pop(), self._factor()
            self.changed |= sign == "//"
            left = f"floor({left} / {right})" if sign == "//" else f"{left} {sign} {right}"
        return left

    def _factor(self) -> str:
        token = self._pop()
        if token == "-":
            return "-" + self._factor()
        if token != "(":
            return token
        inner = self.whole()
        self._pop()
        return f"({inner})"


def _contains(text: str, pattern: str, negated: bool) -> str:
    # ILIKE has wildcards: a pattern with one of their characters is compared as plain text.
    if not pattern.startswith("'") or re.search(r"[%_\\]", pattern):
        found = f"contains(lower({text}), lower({pattern}))"
        return f"NOT {found}" if negated else found
    return f"{text} {'NOT ILIKE' if negated else 'ILIKE'} '%{pattern[1:-1]}%'"
