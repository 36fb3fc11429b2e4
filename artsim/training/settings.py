"""A recipe's config as text: ``--set lr=1e-4`` in, JSON out and back."""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from typing import Any, Literal, get_args, get_origin

from artsim.errors import TrainingError

__all__ = ["configure", "to_json"]

# Numbers of 0 to 1; the others are any above, and whole numbers, which count, 1 or more.
_SHARES = ("dropout", "label_smoothing", "least_area", "warm_up")
_TRUTHS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def configure(config: Callable[..., Any], settings: Mapping[str, str]) -> Any:
    """Make a config of its defaults and these settings.

    Args:
        config: A dataclass of int, float, bool, str, Literal, tuples of these, or None.
        settings: Values as text by field; of a tuple separated by commas; ``none`` is None.

    Raises:
        TrainingError: If a field is not there, or a value not of its type or out of its range.
    """
    hints = typing.get_type_hints(config)
    for name in settings:
        if name not in hints:
            raise TrainingError(f"no setting {name!r}; the recipe has: {', '.join(hints)}")
    return config(**{name: _read(name, text, hints[name]) for name, text in settings.items()})


def to_json(config: Any) -> dict[str, str]:
    """Write a config as the settings that `configure` makes it of."""
    values = asdict(config)
    return {field.name: _write(values[field.name]) for field in fields(config)}


def _write(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ",".join(map(_write, value))
    return str(value).lower() if isinstance(value, bool) or value is None else str(value)


def _read(name: str, text: str, kind: Any) -> Any:
    origin, args = get_origin(kind), get_args(kind)
    if origin in (types.UnionType, typing.Union):
        if text.lower() == "none" and type(None) in args:
            return None
        return _read(name, text, next(arg for arg in args if arg is not type(None)))
    if origin is tuple:
        parts = [part.strip() for part in text.split(",") if part.strip()]
        if args[-1] is not Ellipsis and len(parts) != len(args):
            raise TrainingError(f"{name} takes {len(args)} values, got {text!r}")
        return tuple(_read(name, part, args[0]) for part in parts)
    if origin is Literal:
        if text not in args:
            raise TrainingError(f"no {name}={text!r}; choose {name} from {', '.join(args)}")
        return text
    if kind is bool:
        if text.lower() not in _TRUTHS:
            raise TrainingError(f"{name} is true or false, got {text!r}")
        return _TRUTHS[text.lower()]
    return text if kind is str else _read_number(name, text, kind)


def _read_number(name: str, text: str, kind: type[int] | type[float]) -> int | float:
    try:
        value = kind(text)
    except ValueError as error:
        what = "a whole number" if kind is int else "a number"
        raise TrainingError(f"{name} is {what}, got {text!r}") from error
    least, most = 1 if kind is int else 0, 1 if name in _SHARES else math.inf
    if not (math.isfinite(value) and least <= value <= most):
        what = f"{least} to {most}" if name in _SHARES else f"{least} or more"
        raise TrainingError(f"{name} is {what}, got {text!r}")
    return value
