"""Pages from the templates in ``templates/``: one self-contained HTML file each."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from artsim.datatypes import ordinal
from artsim.store import write_whole

if TYPE_CHECKING:
    from jinja2 import Environment

    from artsim.datatypes import Estimate


def render(template: str, **data: Any) -> str:
    """Fill a template ('study.html'); text in it is escaped, and a missing name is an error."""
    page = _environment().get_template(template).render(**data)
    return page.encode("utf-8", "replace").decode()  # a file name can hold what UTF-8 cannot


def save_text(text: str, path: Path) -> None:
    """Write a text file, its line ends as they are.

    Raises:
        StoreError: If it cannot be written.
    """
    data = text.encode("utf-8", "backslashreplace")
    write_whole(path, lambda stream: stream.write(data))


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("artsim.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "cell": cell,
        "has_interval": _has_interval,
        "interval": lambda estimate, metric="": " ".join(_parts(estimate, metric)).strip(),
        "number": "{:,}".format,
        "ordinal": ordinal,
        "parts": _parts,
        "percent": _percent,
        "quantity": lambda n, noun: f"{n:,} {noun}{'' if n == 1 else 's'}",
        "sentence": lambda text: text[:1].upper() + text[1:],
    }
    return environment


def cell(value: object) -> str:
    """Write a value of a table for people."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _percent(share: float | None, digits: int = 1) -> str:
    return "" if share is None or math.isnan(share) else f"{share:.{digits}%}"


def _has_interval(estimate: Estimate) -> bool:
    return not math.isnan(estimate.low)


def _parts(estimate: Estimate, metric: str = "") -> tuple[str, str]:
    """Write a score and its interval: a share in percent, an error in its unit."""
    if math.isnan(estimate.value):
        return "", ""
    if metric == "MAE":
        value, low, high = (f"{each:.3g}" for each in (estimate.value, estimate.low, estimate.high))
    else:
        value = f"{estimate.value:.1%}"
        low, high = (f"{100 * end:.1f}" for end in (estimate.low, estimate.high))
    return value, f"({low}\N{EN DASH}{high})" if _has_interval(estimate) else ""
