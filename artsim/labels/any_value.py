"""Comparisons of a list column with text: `artist = 'Goya'` is met if one of its values is Goya.

So a condition means the same whether a collection's `artist` is text or a list. `<>`, `NOT IN` and
`NOT LIKE` are met if no value is; a list without values meets nothing, as a missing value does.
Expressions are rewritten in the tree that DuckDB parses, never as text.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from typing import Any

_ANY, _ALL = "list_bool_or", "list_bool_and"
_COMPARISONS = {  # DuckDB's names of them: how the results of a row's values are joined
    **dict.fromkeys(["COMPARE_EQUAL", "COMPARE_IN"], _ANY),
    **dict.fromkeys(["~~", "~~*", "like_escape", "ilike_escape"], _ANY),
    **dict.fromkeys(["COMPARE_NOTEQUAL", "COMPARE_NOT_IN"], _ALL),
    **dict.fromkeys(["!~~", "!~~*", "not_like_escape", "not_ilike_escape"], _ALL),
}
_SELECT = "SELECT "


def with_any_value(connection: Any, relation: Any, text: str, columns: Collection[str]) -> str:
    """Rewrite the comparisons of an expression that compare a list column with text.

    Args:
        connection: Any connection to DuckDB.
        relation: What the expression is evaluated over.
        text: The expression; it can be parsed.
        columns: The names that it uses, as they are written.
    """
    lists = {
        name.lower()
        for name, type_ in zip(relation.columns, relation.types, strict=True)
        if type_.id == "list"
    }
    if lists.isdisjoint(map(str.lower, columns)):
        return text
    return _Rewriting(connection, relation, text, lists).whole()


class _Rewriting:
    def __init__(self, connection: Any, relation: Any, text: str, lists: Collection[str]) -> None:
        self._connection = connection
        self._relation = relation
        self._text = text
        self._lists = lists
        self._value = "value"  # the parameter of lambdas; nothing else has its name
        while self._value in text.lower():
            self._value += "_"

    def whole(self) -> str:
        tree = self._parsed(self._text)
        expression = self._rewritten(_expression(tree), frozenset())
        if expression == _expression(tree):
            return self._text
        return self._written(tree, expression)

    def _rewritten(self, node: Any, bound: frozenset[str]) -> Any:
        """Rewrite a part of a tree; ``bound`` are the parameters of the lambdas around it."""
        if isinstance(node, list):
            return [self._rewritten(each, bound) for each in node]
        if not isinstance(node, dict):
            return node
        if node.get("class") == "LAMBDA":
            own = {name for each in _nodes(node["lhs"]) for name in each.get("column_names", ())}
            return {**node, "expr": self._rewritten(node["expr"], bound | set(map(str.lower, own)))}
        node = {key: self._rewritten(each, bound) for key, each in node.items()}
        name = node.get("function_name") or node.get("type")
        if "class" not in node or not isinstance(name, str) or name not in _COMPARISONS:
            return node
        compared = [each for value in node.values() for each in _nodes(value)]
        columns = [each for each in compared if self._is_list(each, bound)]
        others = [each for each in compared if not self._is_list(each, bound)]
        if len(columns) != 1 or not all(self._is_text(each) for each in others):
            return node
        return self._of_values(node, columns[0], _COMPARISONS[name])

    def _is_list(self, node: dict[str, Any], bound: frozenset[str]) -> bool:
        names = [name.lower() for name in node.get("column_names", ())]
        return len(names) == 1 and names[0] in self._lists and names[0] not in bound

    def _is_text(self, node: dict[str, Any]) -> bool:
        import duckdb

        try:
            written = self._written(self._parsed("true"), node)
            return bool(self._relation.project(written).types[0].id == "varchar")
        except duckdb.Error:  # a parameter of a lambda, or a mistake that DuckDB reports later
            return False

    def _of_values(self, node: dict[str, Any], column: dict[str, Any], join: str) -> dict[str, Any]:
        """Write a comparison of a column as one of each of its values."""
        value = {**column, "column_names": [self._value]}
        compared = _replaced(node, column, value)
        call = _expression(self._parsed(f"{join}(list_apply(a, lambda {self._value}: b))"))
        for name, part in (("a", column), ("b", compared)):
            (place,) = [n for n in _all_nodes(call) if n.get("column_names") == [name]]
            call = _replaced(call, place, part)
        return call  # type: ignore[no-any-return]  # JSON

    def _parsed(self, text: str) -> Any:
        query = "SELECT json_serialize_sql(?)"
        ((tree,),) = self._connection.execute(query, [_SELECT + text]).fetchall()
        return json.loads(tree)

    def _written(self, tree: Any, expression: dict[str, Any]) -> str:
        """Write an expression in the place of that of a tree."""
        whole = json.dumps(_replaced(tree, _expression(tree), expression))
        query = "SELECT json_deserialize_sql(?::JSON)"
        ((text,),) = self._connection.execute(query, [whole]).fetchall()
        return str(text).removeprefix(_SELECT)


def _expression(tree: Any) -> Any:
    return tree["statements"][0]["node"]["select_list"][0]


def _nodes(part: Any) -> Iterator[dict[str, Any]]:
    """List the outermost expressions of a part of a tree, in order."""
    if isinstance(part, dict) and "class" in part:
        yield part
    elif isinstance(part, dict | list):
        for each in part.values() if isinstance(part, dict) else part:
            yield from _nodes(each)


def _all_nodes(part: Any) -> Iterator[dict[str, Any]]:
    for node in _nodes(part):
        yield node
        yield from _all_nodes(list(node.values()))


def _replaced(part: Any, old: dict[str, Any], new: dict[str, Any]) -> Any:
    """Put an expression in the place of another, the very object."""
    if part is old:
        return new
    if isinstance(part, list):
        return [_replaced(each, old, new) for each in part]
    if isinstance(part, dict):
        return {key: _replaced(each, old, new) for key, each in part.items()}
    return part
