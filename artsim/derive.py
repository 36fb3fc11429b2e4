"""Labels that a catalogue does not state but that follow from what it states.

A derived label is written ``NAME = EXPRESSION``::

    lithograph = medium ~ 'lithograph'          classes 'lithograph' and 'not lithograph'
    century = year // 100 + 1                   classes '19', '20', ...
    baroque = years.begin >= 1600 and years.end < 1750
    paper = "Object type" in ('Print', 'Drawing') and not (medium ~ 'vellum')

``~`` is 'contains', in any case of letters, ``!~`` its opposite. Of a column with several values
a picture, ``~``, ``=`` and ``in`` ask whether any of them is so. What rests on a missing value is
missing: a work of unknown medium is never 'not lithograph'. Text stands in single quotes, a column
whose name is not one word in double quotes. ``//`` rounds down; a division by zero is missing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from artsim.errors import EvaluationError

__all__ = ["Derivation", "is_derivation", "parse_label"]

# Far more than a label needs; keeps parser and evaluation well within Python's stack.
_MAX_TOKENS, _MAX_DEPTH = 200, 30

_KEYWORDS = ("and", "or", "not", "in")
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
_NAME = re.compile(r"\s*(?P<name>[^\W\d]\w*|\"(?:[^\"]|\"\")+\")\s*=(?![=~])")

_OPERAND = "a column, a number, text in '...' or '('"


def is_derivation(text: str) -> bool:
    """Tell ``NAME = EXPRESSION`` from the name of a column."""
    return _NAME.match(text) is not None


@dataclass(frozen=True)
class Derivation:
    """A derived label, parsed."""

    name: str
    expression: str  # as it was written, right of the first =
    columns: tuple[str, ...]  # that it reads, in the order they are named
    _tree: _Node
    _source: _Source

    def check(self, known: Mapping[str, object]) -> None:
        """Refuse columns that are not there.

        Raises:
            EvaluationError: At the first column that is not one of ``known``, which are listed.
        """
        for node in _walk(self._tree):
            if isinstance(node, _Column) and node.name not in known:
                listed = ", ".join(known) or "none"
                raise self._source.fault(node.at, f"a column; they are {listed}")

    def values(self, table: pa.Table) -> list[str | None]:
        """Evaluate it on rows that have its columns.

        Returns:
            A class a row: NAME or 'not NAME' of a condition, the number or the text otherwise;
            None where it is missing.

        Raises:
            EvaluationError: If a column is not there, or not of a type the expression can take.
        """
        self.check(dict.fromkeys(table.column_names))
        classes: list[str | None] = []
        # One empty batch, so that types are checked even where there is no row.
        for batch in table.select(self.columns).to_batches() or [_empty(table, self.columns)]:
            try:
                result = _evaluate(self._tree, batch, self._source)
            except pa.ArrowInvalid as error:
                raise EvaluationError(
                    f"label {self._source.text!r} cannot be computed: {str(error).splitlines()[0]}"
                ) from error
            kind = _kind(result.type)
            if kind in ("list", "years"):
                raise self._source.fault(self._tree.at, f"{_ONE_VALUE}, {_what(result.type)}")
            if isinstance(result, pa.Scalar):
                result = pa.array([result.as_py()] * batch.num_rows, result.type)
            classes += [self._class(value) for value in result.to_pylist()]
        return classes

    def _class(self, value: bool | int | float | str | None) -> str | None:
        if value is None or (isinstance(value, float) and not math.isfinite(value)):
            return None
        if isinstance(value, bool):
            return self.name if value else f"not {self.name}"
        if isinstance(value, float):
            return str(int(value)) if value.is_integer() else f"{value:.12g}"
        return str(value) or None


def parse_label(text: str) -> Derivation:
    """Parse ``NAME = EXPRESSION``.

    Raises:
        EvaluationError: If it cannot be read; the message has the place and what was expected.
    """
    text = text.strip()
    source = _Source(text)
    match = _NAME.match(text)
    if match is None:
        raise source.fault(0, "NAME = EXPRESSION, such as century = year // 100 + 1")
    name = _unquoted(match["name"])
    if not name.strip() or name.lower() in _KEYWORDS:
        raise source.fault(match.start("name"), "a name for the label")
    tree = _Parser(source, match.end()).parse()
    names = (node.name for node in _walk(tree) if isinstance(node, _Column))
    columns = tuple(dict.fromkeys(names))
    if not columns:
        raise source.fault(match.end(), "a column in it, for every picture would be the same")
    return Derivation(name, text[match.end() :].strip(), columns, tree, source)


# --- what an expression is made of --------------------------------------------------------


@dataclass(frozen=True)
class _Source:
    """The text of a label, for messages."""

    text: str

    def fault(self, at: int, expected: str) -> EvaluationError:
        at += len(self.text[at:]) - len(self.text[at:].lstrip())
        rest = self.text[at:]
        short = rest if len(rest) <= 20 else f"{rest[:20]}..."
        where = f"character {at + 1} ({short})" if rest else "its end"
        text = self.text if len(self.text) <= 150 else f"{self.text[:150]}..."
        where = " ".join(where.split())
        return EvaluationError(f"label {text!r}, at {where}: expected {expected}")


@dataclass(frozen=True)
class _Literal:
    value: int | float | str
    at: int


@dataclass(frozen=True)
class _Column:
    name: str
    member: str | None  # begin or end of a year range
    at: int


@dataclass(frozen=True)
class _Unary:
    sign: str  # - or not
    operand: _Node
    at: int


@dataclass(frozen=True)
class _Binary:
    sign: str
    left: _Node
    right: _Node
    at: int  # of the sign


@dataclass(frozen=True)
class _In:
    operand: _Node
    values: tuple[_Literal, ...]
    at: int


_Node = _Literal | _Column | _Unary | _Binary | _In


def _walk(node: _Node) -> Iterator[_Node]:
    yield node
    if isinstance(node, _Unary | _In):
        yield from _walk(node.operand)
    elif isinstance(node, _Binary):
        yield from _walk(node.left)
        yield from _walk(node.right)


# --- the parser ---------------------------------------------------------------------------


@dataclass(frozen=True)
class _Token:
    kind: str  # number, text, quoted, word, sign or end; keywords are signs
    text: str
    at: int


def _tokens(source: _Source, at: int) -> list[_Token]:
    tokens: list[_Token] = []
    while not tokens or tokens[-1].kind != "end":
        match = _TOKEN.match(source.text, at)
        if match is None:
            at += len(source.text[at:]) - len(source.text[at:].lstrip())
            quote = source.text[at] if source.text[at] in "'\"" else None
            raise source.fault(at, f"a closing {quote} for this" if quote else _OPERAND)
        kind = match.lastgroup or ""
        text = match[kind]
        if kind == "word" and text.lower() in _KEYWORDS:
            kind, text = "sign", text.lower()
        tokens.append(_Token(kind, text, match.start(match.lastgroup or "")))
        at = match.end()
        if len(tokens) > _MAX_TOKENS:
            raise source.fault(tokens[-1].at, f"an expression of at most {_MAX_TOKENS} words")
    return tokens


class _Parser:
    """Reads an expression from the loosest operator to the tightest."""

    def __init__(self, source: _Source, at: int) -> None:
        self._source = source
        self._tokens = _tokens(source, at)
        self._place = 0
        self._depth = 0

    def parse(self) -> _Node:
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

    def _either(self) -> _Node:
        return self._chain(self._both, "or")

    def _both(self) -> _Node:
        return self._chain(self._negation, "and")

    def _negation(self) -> _Node:
        token = self._take("not")
        if token is None:
            return self._comparison()
        return _Unary("not", self._deeper(self._negation), token.at)

    def _comparison(self) -> _Node:
        left = self._sum()
        token = self._take("not", "in", "~", "!~", "=", "==", "!=", "<", "<=", ">", ">=")
        if token is None:
            return left
        if token.text == "not":
            if self._take("in") is None:
                raise self._source.fault(self._now.at, "'in' after 'not'")
            return _Unary("not", _In(left, self._list(), token.at), token.at)
        if token.text == "in":
            return _In(left, self._list(), token.at)
        if token.text in ("~", "!~") and self._now.kind != "text":
            raise self._source.fault(self._now.at, f"text in '...' after {token.text}")
        sign = "=" if token.text == "==" else token.text
        return _Binary(sign, left, self._sum(), token.at)

    def _sum(self) -> _Node:
        return self._chain(self._product, "+", "-")

    def _product(self) -> _Node:
        return self._chain(self._factor, "*", "/", "//")

    def _factor(self) -> _Node:
        token = self._now
        if self._take("-"):
            return _Unary("-", self._deeper(self._factor), token.at)
        if self._take("("):
            node = self._deeper(self._either)
            if self._take(")") is None:
                raise self._source.fault(self._now.at, "an operator or ')'")
            return node
        if token.kind in ("word", "quoted"):
            return self._column()
        return self._literal(_OPERAND)

    def _column(self) -> _Column:
        token = self._now
        self._place += 1
        member = None
        if self._take("."):
            if self._now.text not in ("begin", "end"):
                raise self._source.fault(self._now.at, "begin or end after '.'")
            member = self._now.text
            self._place += 1
        name = _unquoted(token.text) if token.kind == "quoted" else token.text
        return _Column(name, member, token.at)

    def _literal(self, expected: str) -> _Literal:
        token = self._now
        if token.kind not in ("number", "text"):
            raise self._source.fault(token.at, expected)
        self._place += 1
        if token.kind == "text":
            return _Literal(token.text[1:-1].replace("''", "'"), token.at)
        number = int(token.text) if token.text.isdecimal() else float(token.text)
        if abs(number) >= 2**63:
            raise self._source.fault(token.at, "a number below 2**63")
        return _Literal(number, token.at)

    def _list(self) -> tuple[_Literal, ...]:
        if self._take("(") is None:
            raise self._source.fault(self._now.at, "'(' after 'in', as in ('Print', 'Drawing')")
        values = []
        while True:
            minus = self._take("-")
            value = self._literal("a number or text in '...'")
            if minus is not None:
                if isinstance(value.value, str):
                    raise self._source.fault(value.at, "a number after '-'")
                value = _Literal(-value.value, minus.at)
            values.append(value)
            if self._take(")"):
                return tuple(values)
            if self._take(",") is None:
                raise self._source.fault(self._now.at, "',' or ')'")

    def _chain(self, part: Callable[[], _Node], *signs: str) -> _Node:
        node = part()
        while (token := self._take(*signs)) is not None:
            node = _Binary(token.text, node, part(), token.at)
        return node

    def _deeper(self, part: Callable[[], _Node]) -> _Node:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise self._source.fault(self._now.at, f"at most {_MAX_DEPTH} levels of brackets")
        node = part()
        self._depth -= 1
        return node


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


# --- the evaluation -----------------------------------------------------------------------

_ONE_VALUE = "one value a picture"
_ARITHMETIC = {"+": pc.add_checked, "-": pc.subtract_checked, "*": pc.multiply_checked}
_COMPARISONS = {
    "=": pc.equal,
    "!=": pc.not_equal,
    "<": pc.less,
    "<=": pc.less_equal,
    ">": pc.greater,
    ">=": pc.greater_equal,
}


def _evaluate(  # noqa: C901  # one case a kind of node
    node: _Node, batch: pa.RecordBatch, source: _Source
) -> pa.Array | pa.Scalar:
    """Return an array of text, numbers, truth values, lists or year ranges; literals as scalars."""

    def of(child: _Node) -> pa.Array | pa.Scalar:
        return _evaluate(child, batch, source)

    def typed(child: _Node, kind: str, expected: str) -> pa.Array | pa.Scalar:
        value = of(child)
        if _kind(value.type) != kind:
            raise source.fault(child.at, f"{expected}, {_what(value.type)}")
        return value

    match node:
        case _Literal(value):
            return pa.scalar(value)
        case _Column():
            return _column(node, batch, source)
        case _Unary("-", operand):
            return pc.negate_checked(typed(operand, "number", "a number after '-'"))
        case _Unary(_, operand):
            return pc.invert(typed(operand, "truth", "a condition after 'not'"))
        case _In(operand, values):
            return _in(of(operand), values, operand, source)
        case _Binary(("and" | "or") as sign, left, right):
            sides = [typed(side, "truth", f"a condition beside '{sign}'") for side in (left, right)]
            # Kleene's logic: false and missing is false, true and missing is missing.
            return pc.and_kleene(*sides) if sign == "and" else pc.or_kleene(*sides)
        case _Binary("~" | "!~", left, _Literal(str(pattern))):
            found = _contains(of(left), pattern, left, source)
            return found if node.sign == "~" else pc.invert(found)
        case _Binary(sign, left, right) if sign in _COMPARISONS:
            return _compare(sign, of(left), of(right), node, source)
        case _Binary(sign, left, right):
            a, b = (typed(side, "number", f"a number beside '{sign}'") for side in (left, right))
            return _ARITHMETIC[sign](a, b) if sign in _ARITHMETIC else _divide(sign, a, b)
    raise AssertionError(node)


def _column(node: _Column, batch: pa.RecordBatch, source: _Source) -> pa.Array:
    values = batch.column(node.name)
    if node.member is not None:
        if _kind(values.type) != "years":
            raise source.fault(
                node.at, f"a range of years before '.{node.member}', {_what(values.type)}"
            )
        values = pc.struct_field(values, node.member)
    if pa.types.is_integer(values.type):
        return pc.cast(values, pa.int64())
    if pa.types.is_floating(values.type):
        values = pc.cast(values, pa.float64())
        return pc.if_else(pc.is_nan(values), pa.scalar(None, pa.float64()), values)
    return values


def _contains(
    value: pa.Array | pa.Scalar, pattern: str, node: _Node, source: _Source
) -> pa.Array | pa.Scalar:
    def predicate(texts: pa.Array | pa.Scalar) -> pa.Array:
        return pc.match_substring(texts, pattern, ignore_case=True)

    kind = _kind(value.type)
    if kind == "list":
        return _any_member(value, predicate)
    if kind != "text":
        raise source.fault(node.at, f"text before ~, {_what(value.type)}")
    return predicate(value)


def _in(
    value: pa.Array | pa.Scalar, literals: tuple[_Literal, ...], node: _Node, source: _Source
) -> pa.Array | pa.Scalar:
    kind = _kind(value.type)
    wanted = "number" if kind == "number" else "text"
    if kind not in ("number", "text", "list"):
        raise source.fault(node.at, f"text or a number before 'in', {_what(value.type)}")
    for literal in literals:
        if ("text" if isinstance(literal.value, str) else "number") != wanted:
            raise source.fault(literal.at, f"{_WORDS[wanted]}, as before 'in'")
    scalars = [pa.scalar(literal.value) for literal in literals]

    def predicate(values: pa.Array | pa.Scalar) -> pa.Array:
        found = pc.equal(values, scalars[0])
        for scalar in scalars[1:]:
            found = pc.or_(found, pc.equal(values, scalar))
        return found

    return _any_member(value, predicate) if kind == "list" else predicate(value)


def _compare(
    sign: str,
    left: pa.Array | pa.Scalar,
    right: pa.Array | pa.Scalar,
    node: _Binary,
    source: _Source,
) -> pa.Array | pa.Scalar:
    kinds = _kind(left.type), _kind(right.type)
    if kinds == ("number", "number"):
        return _COMPARISONS[sign](left, right)
    if sign not in ("=", "!="):
        odd = (node.left, left) if kinds[0] != "number" else (node.right, right)
        raise source.fault(odd[0].at, f"a number beside {sign}, {_what(odd[1].type)}")
    if kinds == ("text", "text"):
        return _COMPARISONS[sign](left, right)
    if kinds == ("list", "text") and isinstance(right, pa.Scalar):
        found = _any_member(left, lambda texts: pc.equal(texts, right))
        return found if sign == "=" else pc.invert(found)
    if kinds[0] not in ("text", "number", "list"):
        raise source.fault(node.left.at, f"text or a number before {sign}, {_what(left.type)}")
    wanted = "text in '...'" if kinds[0] == "list" else _WORDS[kinds[0]]
    raise source.fault(node.right.at, f"{wanted} after {sign}, {_what(right.type)}")


def _divide(sign: str, left: pa.Array | pa.Scalar, right: pa.Array | pa.Scalar) -> pa.Array:
    if sign == "/" or not (pa.types.is_integer(left.type) and pa.types.is_integer(right.type)):
        left, right = pc.cast(left, pa.float64()), pc.cast(right, pa.float64())
    right = pc.if_else(pc.equal(right, 0), pa.scalar(None, right.type), right)
    quotient = pc.divide(left, right)
    if sign == "/":
        return quotient
    if pa.types.is_floating(quotient.type):
        return pc.floor(quotient)
    # Arrow rounds whole numbers towards zero; a year before our era is rounded down as well.
    rest = pc.subtract(left, pc.multiply(quotient, right))
    below = pc.and_(pc.not_equal(rest, 0), pc.not_equal(pc.less(rest, 0), pc.less(right, 0)))
    return pc.subtract(quotient, pc.cast(below, pa.int64()))


def _any_member(lists: pa.Array, predicate: Callable[[pa.Array], pa.Array]) -> pa.Array:
    """Ask whether any value of each list is so; missing where there is none."""
    members = lists.flatten()
    # Not Arrow's list_parent_indices: it counts what a missing list may hide, flatten does not.
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy()
    rows = np.repeat(np.arange(len(lists)), lengths)
    found = pc.fill_null(predicate(members), False).to_numpy(zero_copy_only=False)
    known = np.zeros(len(lists), dtype=bool)
    known[rows[pc.is_valid(members).to_numpy(zero_copy_only=False)]] = True
    hit = np.zeros(len(lists), dtype=bool)
    hit[rows[found]] = True
    return pa.array(hit, mask=~known)


_WORDS = {
    "list": "several values a picture",
    "number": "a number",
    "text": "text",
    "truth": "a condition",
    "years": "a range of years (write COLUMN.begin or COLUMN.end)",
}


def _kind(type_: pa.DataType) -> str:
    if pa.types.is_boolean(type_):
        return "truth"
    if pa.types.is_integer(type_) or pa.types.is_floating(type_):
        return "number"
    if pa.types.is_struct(type_):
        return "years"
    return "list" if pa.types.is_list(type_) else "text"


def _what(type_: pa.DataType) -> str:
    return f"found {_WORDS[_kind(type_)]}"


def _empty(table: pa.Table, columns: tuple[str, ...]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([], schema=table.select(columns).schema)
