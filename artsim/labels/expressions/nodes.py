"""What the expression of a label is made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from artsim.errors import EvaluationError

__all__ = ["Binary", "Column", "In", "Literal", "Node", "Source", "Unary", "walk"]


@dataclass(frozen=True)
class Source:
    """The text of a label, for messages."""

    text: str

    def fault(self, at: int, expected: str) -> EvaluationError:
        """Make the error of a place: the character, and what was expected there."""
        at += len(self.text[at:]) - len(self.text[at:].lstrip())
        rest = self.text[at:]
        short = rest if len(rest) <= 20 else f"{rest[:20]}..."
        where = f"character {at + 1} ({short})" if rest else "its end"
        text = self.text if len(self.text) <= 150 else f"{self.text[:150]}..."
        where = " ".join(where.split())
        return EvaluationError(f"label {text!r}, at {where}: expected {expected}")


@dataclass(frozen=True)
class Literal:
    """A number or a text."""

    value: int | float | str
    at: int


@dataclass(frozen=True)
class Column:
    """A column of the table, or one end of its year range."""

    name: str
    member: str | None  # begin or end of a year range
    at: int


@dataclass(frozen=True)
class Unary:
    """A sign before an operand."""

    sign: str  # - or not
    operand: Node
    at: int


@dataclass(frozen=True)
class Binary:
    """A sign between two operands."""

    sign: str
    left: Node
    right: Node
    at: int  # of the sign


@dataclass(frozen=True)
class In:
    """Whether an operand is one of some values."""

    operand: Node
    values: tuple[Literal, ...]
    at: int


Node = Literal | Column | Unary | Binary | In


def walk(node: Node) -> Iterator[Node]:
    """List a node and all below it, in the order they are written."""
    yield node
    if isinstance(node, Unary | In):
        yield from walk(node.operand)
    elif isinstance(node, Binary):
        yield from walk(node.left)
        yield from walk(node.right)
