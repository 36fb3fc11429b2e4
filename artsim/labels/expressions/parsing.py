"""From the text of an expression to its tree."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from artsim.labels.expressions.nodes import Binary, Column, In, Literal, Node, Source, Unary

__all__ = ["KEYWORDS", "Parser", "unquoted"]

# Far more than a label needs; keeps parser and evaluation well within Python's stack.
_MAX_TOKENS, _MAX_DEPTH = 200, 30

KEYWORDS = ("and", "or", "not", "in")
_TOKEN = re.compile(
    r"""\s*(?:
        (?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
      | (?P<text>'(?:[^']|'')*')
      | (?P<quoted>"(?:[^"]|"")+")
      | (?P<word>[^\W\d]\w*)
      | (?P<sign>//|!~|!=|<=|>=|==|[=<>~+\-*/(),.])
      | (?P<end>$)
    )""",
    re.VERBOSE,
)

_OPERAND = "a column, a number, text in '...' or '('"


@dataclass(frozen=True)
class _Token:
    kind: str  # number, text, quoted, word, sign or end; keywords are signs
    text: str
    at: int


def _tokens(source: Source, at: int) -> list[_Token]:
    tokens: list[_Token] = []
    while not tokens or tokens[-1].kind != "end":
        match = _TOKEN.match(source.text, at)
        if match is None:
            at += len(source.text[at:]) - len(source.text[at:].lstrip())
            quote = source.text[at] if source.text[at] in "'\"" else None
            raise source.fault(at, f"a closing {quote} for this" if quote else _OPERAND)
        kind = match.lastgroup or ""
        text = match[kind]
        if kind == "word" and text.lower() in KEYWORDS:
            kind, text = "sign", text.lower()
        tokens.append(_Token(kind, text, match.start(match.lastgroup or "")))
        at = match.end()
        if len(tokens) > _MAX_TOKENS:
            raise source.fault(tokens[-1].at, f"an expression of at most {_MAX_TOKENS} words")
    return tokens


class Parser:
    """Reads an expression from the loosest operator to the tightest."""

    def __init__(self, source: Source, at: int) -> None:
        self._source = source
        self._tokens = _tokens(source, at)
        self._place = 0
        self._depth = 0

    def parse(self) -> Node:
        """Read it whole.

        Raises:
            EvaluationError: If it cannot be read; the message has the place.
        """
        node = self._either()
        if self._now.kind != "end":
            raise self._source.fault(self._now.at, "an operator such as ~, =, +, and, or its end")
        return node

    @property
    def _now(self) -> _Token:
        return self._tokens[self._place]

    def _take(self, *signs: str) -> _Token | None:
        """Go past the next token if it is one of these signs."""
        token = self._now
        if token.kind != "sign" or token.text not in signs:
            return None
        self._place += 1
        return token

    def _either(self) -> Node:
        return self._chain(self._both, "or")

    def _both(self) -> Node:
        return self._chain(self._negation, "and")

    def _negation(self) -> Node:
        token = self._take("not")
        if token is None:
            return self._comparison()
        return Unary("not", self._deeper(self._negation), token.at)

    def _comparison(self) -> Node:
        left = self._sum()
        token = self._take("not", "in", "~", "!~", "=", "==", "!=", "<", "<=", ">", ">=")
        if token is None:
            return left
        if token.text == "not":
            if self._take("in") is None:
                raise self._source.fault(self._now.at, "'in' after 'not'")
            return Unary("not", In(left, self._list(), token.at), token.at)
        if token.text == "in":
            return In(left, self._list(), token.at)
        if token.text in ("~", "!~") and self._now.kind != "text":
            raise self._source.fault(self._now.at, f"text in '...' after {token.text}")
        sign = "=" if token.text == "==" else token.text
        return Binary(sign, left, self._sum(), token.at)

    def _sum(self) -> Node:
        return self._chain(self._product, "+", "-")

    def _product(self) -> Node:
        return self._chain(self._factor, "*", "/", "//")

    def _factor(self) -> Node:
        token = self._now
        if self._take("-"):
            return Unary("-", self._deeper(self._factor), token.at)
        if self._take("("):
            node = self._deeper(self._either)
            if self._take(")") is None:
                raise self._source.fault(self._now.at, "an operator or ')'")
            return node
        if token.kind in ("word", "quoted"):
            return self._column()
        return self._literal(_OPERAND)

    def _column(self) -> Column:
        token = self._now
        self._place += 1
        member = None
        if self._take("."):
            if self._now.text not in ("begin", "end"):
                raise self._source.fault(self._now.at, "begin or end after '.'")
            member = self._now.text
            self._place += 1
        name = unquoted(token.text) if token.kind == "quoted" else token.text
        return Column(name, member, token.at)

    def _literal(self, expected: str) -> Literal:
        token = self._now
        if token.kind not in ("number", "text"):
            raise self._source.fault(token.at, expected)
        self._place += 1
        if token.kind == "text":
            return Literal(token.text[1:-1].replace("''", "'"), token.at)
        number = int(token.text) if token.text.isdecimal() else float(token.text)
        if abs(number) >= 2**63:
            raise self._source.fault(token.at, "a number below 2**63")
        return Literal(number, token.at)

    def _list(self) -> tuple[Literal, ...]:
        if self._take("(") is None:
            raise self._source.fault(self._now.at, "'(' after 'in', as in ('Print', 'Drawing')")
        values = []
        while True:
            minus = self._take("-")
            value = self._literal("a number or text in '...'")
            if minus is not None:
                if isinstance(value.value, str):
                    raise self._source.fault(value.at, "a number after '-'")
                value = Literal(-value.value, minus.at)
            values.append(value)
            if self._take(")"):
                return tuple(values)
            if self._take(",") is None:
                raise self._source.fault(self._now.at, "',' or ')'")

    def _chain(self, part: Callable[[], Node], *signs: str) -> Node:
        node = part()
        while (token := self._take(*signs)) is not None:
            node = Binary(token.text, node, part(), token.at)
        return node

    def _deeper(self, part: Callable[[], Node]) -> Node:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise self._source.fault(self._now.at, f"at most {_MAX_DEPTH} levels of brackets")
        node = part()
        self._depth -= 1
        return node


def unquoted(name: str) -> str:
    """Take the double quotes off the name of a column."""
    return name[1:-1].replace('""', '"') if name.startswith('"') else name
