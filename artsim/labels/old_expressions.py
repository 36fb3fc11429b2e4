"""The language of derived labels before SQL: read from old indexes, and translated for people.

``//`` rounded down, ``~`` was 'contains' in any case of letters, and of a column with several
values ``~``, ``=`` and ``in`` were true if any of them was so. All else is SQL as it stands.
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
    """Tell whether an expression holds ``//``, ``~`` or ``!~``."""
    return any(token in _OLD_SIGNS for token in _TOKEN.findall(expression))


def to_sql(expression: str, lists: Collection[str] = ()) -> str:
    """Translate an old expression; one of SQL stays as it is.

    Args:
        expression: Right of the ``=`` of ``NAME = EXPRESSION``.
        lists: The columns with several values a row.
    """
    tokens = _TOKEN.findall(expression)
    if not has_old_signs(expression) and not any(
        _unquoted(token) in lists and _negated(following)[1] in ("=", "==", "!=", "in")
        for token, following in zip(tokens, _followings(tokens), strict=True)
    ):
        return expression
    return _Translation(tokens, lists).whole()


class _Translation:
    def __init__(self, tokens: list[str], lists: Collection[str]) -> None:
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

    def _comparison(self) -> str:
        left = self._product()
        is_list = _unquoted(left) in self._lists
        negated, sign = _negated([token.lower() for token in self._tokens[:-3:-1]])
        if sign in ("~", "!~"):
            self._tokens.pop()
            text = f"array_to_string(nullif({left}, []), chr(31))" if is_list else left
            return _contains(text, self._tokens.pop() if self._tokens else "''", sign == "!~")
        if not is_list or sign not in ("=", "==", "!=", "in"):
            return left
        del self._tokens[-2 if negated else -1 :]
        wanted = self._product()
        wanted = f"[{wanted.strip('()')}]" if sign == "in" else f"[{wanted}]"
        found = f"list_has_any(nullif({left}, []), {wanted})"
        return f"NOT {found}" if negated or sign == "!=" else found

    def _product(self) -> str:
        left = self._factor()
        while self._next() in ("*", "/", "//"):
            sign, right = self._tokens.pop(), self._factor()
            left = f"floor({left} / {right})" if sign == "//" else f"{left} {sign} {right}"
        return left

    def _factor(self) -> str:
        token = self._tokens.pop() if self._tokens else ""
        if token == "-":
            return "-" + self._factor()
        if token != "(":
            return token
        inner = self.whole()
        if self._tokens:
            self._tokens.pop()
        return f"({inner})"


def _followings(tokens: list[str]) -> list[list[str]]:
    return [[token.lower() for token in tokens[at + 1 : at + 3]] for at in range(len(tokens))]


def _negated(following: list[str]) -> tuple[bool, str]:
    """Return whether ``not`` comes next, and the sign next or after it."""
    if following[:1] == ["not"]:
        return True, following[1] if following[1:] == ["in"] else ""
    return False, following[0] if following else ""


def _contains(text: str, pattern: str, negated: bool) -> str:
    # What ILIKE takes for any letters is looked for as it is.
    if not pattern.startswith("'") or re.search(r"[%_\\]", pattern):
        found = f"contains(lower({text}), lower({pattern}))"
        return f"NOT {found}" if negated else found
    return f"{text} {'NOT ILIKE' if negated else 'ILIKE'} '%{pattern[1:-1]}%'"


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name
