"""A recipe's config as text: ``--set lr=1e-4`` in, JSON out and back."""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from typing import Annotated, Any, cast

from pydantic import Field, TypeAdapter, ValidationError

from artsim.errors import TrainingError

# The types of a config's numbers, with their ranges.
Count = Annotated[int, Field(ge=1)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]


def configure(config: Callable[..., Any], settings: Mapping[str, Any]) -> Any:
    """Make a config from its defaults and these settings.

    Args:
        config: A dataclass.
        settings: Values by field, as such or as text: a tuple as ``a,b``, None as ``none``.

    Raises:
        TrainingError: If a field does not exist, or a value has a wrong type or range.
    """
    defaults = to_json(config())
    for name in settings:
        if name not in defaults:
            raise TrainingError(f"no setting {name!r}; the recipe has: {', '.join(defaults)}")
    hints = typing.get_type_hints(config)
    values = {name: _parse(value, hints[name]) for name, value in settings.items()}
    try:
        return TypeAdapter(cast(Any, config)).validate_python(values)
    except ValidationError as error:
        problem = error.errors()[0]
        name = str(problem["loc"][0])
        raise TrainingError(
            f"{name}={_write(settings[name])}: {_expected(problem)}; the default is "
            f"{name}={defaults[name]}"
        ) from error


def read_fractions(text: str) -> tuple[float, ...]:
    """Read the shares of a split: ``80/20`` or ``70/10/20``.

    Raises:
        TrainingError: If they are not two or three percentages that add up to 100.
    """
    try:
        shares = tuple(float(part) / 100 for part in text.split("/"))
    except ValueError:
        shares = ()
    if len(shares) not in (2, 3) or min(shares) <= 0 or abs(sum(shares) - 1) > 1e-6:
        raise TrainingError(
            f"fractions={text}: expected percentages of train and test, or of train, validation "
            "and test, that add up to 100: 80/20 or 70/10/20"
        )
    return shares


def to_json(config: Any) -> dict[str, str]:
    """Write a config as the settings that `configure` makes it from."""
    values = asdict(config)
    return {field.name: _write(values[field.name]) for field in fields(config)}


def _parse(value: Any, hint: Any) -> Any:
    """Turn text into what pydantic cannot guess from it: None, or the items of a tuple."""
    if not isinstance(value, str):
        return value
    kinds = [hint, *typing.get_args(hint)]
    if value.lower() == "none" and type(None) in kinds:
        return None
    if any(typing.get_origin(kind) is tuple for kind in kinds):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _expected(problem: Mapping[str, Any]) -> str:
    if problem["type"] in ("missing", "missing_argument", "too_long"):
        return "expected another number of values"
    message = str(problem["msg"]).removeprefix("Input should be ")
    is_range = problem["type"].startswith(("greater", "less"))
    return f"expected {'a number ' if is_range else ''}{message}"


def _write(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ",".join(map(_write, value))
    return str(value).lower() if isinstance(value, bool) or value is None else str(value)
