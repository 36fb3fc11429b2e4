"""The values of an expression for rows of a table."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from artsim.labels.expressions.nodes import Binary, Column, In, Literal, Node, Source, Unary

__all__ = ["ONE_VALUE", "evaluate", "kind_of", "say_found"]

ONE_VALUE = "one value a picture"
_ARITHMETIC = {"+": pc.add_checked, "-": pc.subtract_checked, "*": pc.multiply_checked}
_COMPARISONS = {
    "=": pc.equal,
    "!=": pc.not_equal,
    "<": pc.less,
    "<=": pc.less_equal,
    ">": pc.greater,
    ">=": pc.greater_equal,
}


def evaluate(  # noqa: C901  # one case a kind of node
    node: Node, batch: pa.RecordBatch, source: Source
) -> pa.Array | pa.Scalar:
    """Return an array of text, numbers, truth values, lists or year ranges; literals as scalars."""

    def of(child: Node) -> pa.Array | pa.Scalar:
        return evaluate(child, batch, source)

    def typed(child: Node, kind: str, expected: str) -> pa.Array | pa.Scalar:
        value = of(child)
        if kind_of(value.type) != kind:
            raise source.fault(child.at, f"{expected}, {say_found(value.type)}")
        return value

    match node:
        case Literal(value):
            return pa.scalar(value)
        case Column():
            return _column(node, batch, source)
        case Unary("-", operand):
            return pc.negate_checked(typed(operand, "number", "a number after '-'"))
        case Unary(_, operand):
            return pc.invert(typed(operand, "truth", "a condition after 'not'"))
        case In(operand, values):
            return _in(of(operand), values, operand, source)
        case Binary(("and" | "or") as sign, left, right):
            sides = [typed(side, "truth", f"a condition beside '{sign}'") for side in (left, right)]
            # Kleene's logic: false and missing is false, true and missing is missing.
            return pc.and_kleene(*sides) if sign == "and" else pc.or_kleene(*sides)
        case Binary("~" | "!~", left, Literal(str(pattern))):
            found = _contains(of(left), pattern, left, source)
            return found if node.sign == "~" else pc.invert(found)
        case Binary(sign, left, right) if sign in _COMPARISONS:
            return _compare(sign, of(left), of(right), node, source)
        case Binary(sign, left, right):
            a, b = (typed(side, "number", f"a number beside '{sign}'") for side in (left, right))
            return _ARITHMETIC[sign](a, b) if sign in _ARITHMETIC else _divide(sign, a, b)
    raise AssertionError(node)


def _column(node: Column, batch: pa.RecordBatch, source: Source) -> pa.Array:
    values = batch.column(node.name)
    if node.member is not None:
        if kind_of(values.type) != "years":
            raise source.fault(
                node.at, f"a range of years before '.{node.member}', {say_found(values.type)}"
            )
        values = pc.struct_field(values, node.member)
    if pa.types.is_integer(values.type):
        return pc.cast(values, pa.int64())
    if pa.types.is_floating(values.type):
        values = pc.cast(values, pa.float64())
        return pc.if_else(pc.is_nan(values), pa.scalar(None, pa.float64()), values)
    return values


def _contains(
    value: pa.Array | pa.Scalar, pattern: str, node: Node, source: Source
) -> pa.Array | pa.Scalar:
    def predicate(texts: pa.Array | pa.Scalar) -> pa.Array:
        return pc.match_substring(texts, pattern, ignore_case=True)

    kind = kind_of(value.type)
    if kind == "list":
        return _any_member(value, predicate)
    if kind != "text":
        raise source.fault(node.at, f"text before ~, {say_found(value.type)}")
    return predicate(value)


def _in(
    value: pa.Array | pa.Scalar, literals: tuple[Literal, ...], node: Node, source: Source
) -> pa.Array | pa.Scalar:
    kind = kind_of(value.type)
    wanted = "number" if kind == "number" else "text"
    if kind not in ("number", "text", "list"):
        raise source.fault(node.at, f"text or a number before 'in', {say_found(value.type)}")
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
    node: Binary,
    source: Source,
) -> pa.Array | pa.Scalar:
    kinds = kind_of(left.type), kind_of(right.type)
    if kinds == ("number", "number"):
        return _COMPARISONS[sign](left, right)
    if sign not in ("=", "!="):
        odd = (node.left, left) if kinds[0] != "number" else (node.right, right)
        raise source.fault(odd[0].at, f"a number beside {sign}, {say_found(odd[1].type)}")
    if kinds == ("text", "text"):
        return _COMPARISONS[sign](left, right)
    if kinds == ("list", "text") and isinstance(right, pa.Scalar):
        found = _any_member(left, lambda texts: pc.equal(texts, right))
        return found if sign == "=" else pc.invert(found)
    if kinds[0] not in ("text", "number", "list"):
        raise source.fault(node.left.at, f"text or a number before {sign}, {say_found(left.type)}")
    wanted = "text in '...'" if kinds[0] == "list" else _WORDS[kinds[0]]
    raise source.fault(node.right.at, f"{wanted} after {sign}, {say_found(right.type)}")


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


def kind_of(type_: pa.DataType) -> str:
    """Name the kind of values: list, number, text, truth or years."""
    if pa.types.is_boolean(type_):
        return "truth"
    if pa.types.is_integer(type_) or pa.types.is_floating(type_):
        return "number"
    if pa.types.is_struct(type_):
        return "years"
    return "list" if pa.types.is_list(type_) else "text"


def say_found(type_: pa.DataType) -> str:
    """Say for people what kind of values was found."""
    return f"found {_WORDS[kind_of(type_)]}"
