"""Names that are too long for a table, cut so that no two become one."""

from __future__ import annotations

from collections.abc import Sequence

_LEAST = 3  # characters: the first, an ellipsis, the last


def cut_columns(columns: Sequence[Sequence[str]], room: int) -> list[list[str]]:
    """Cut the names in some columns to the width that a table has for all of them.

    Different names of a column stay different, though it then be wider than the room.
    """
    least = [_width(cut_apart(names, _LEAST)) for names in columns]
    spare = room - sum(least)
    missing = [_width(names) - width for names, width in zip(columns, least, strict=True)]
    cut: list[list[str]] = [[]] * len(columns)
    # Those that lack least first: what they do not need is left for the others.
    for done, place in enumerate(sorted(range(len(columns)), key=missing.__getitem__)):
        more = min(missing[place], max(0, spare) // (len(columns) - done))
        spare -= more
        cut[place] = cut_apart(columns[place], least[place] + more)
    return cut


def cut_apart(names: Sequence[str], width: int) -> list[str]:
    """Cut names in the middle to a width, or to the next at which different ones still differ."""
    cut = [_without_middle(name, width) for name in names]
    while len(set(cut)) < len(set(names)):
        width += 1
        cut = [_without_middle(name, width) for name in names]
    return cut


def _width(names: Sequence[str]) -> int:
    return max(map(len, names))


def _without_middle(name: str, size: int) -> str:
    if len(name) <= size:
        return name
    tail = size // 2
    return f"{name[: size - 1 - tail]}\N{HORIZONTAL ELLIPSIS}{name[-tail:]}"
