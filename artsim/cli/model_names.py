"""Models as people name them on the command line."""

from __future__ import annotations

from pathlib import Path

from artsim.datatypes import RUN

RUNS = Path("runs")  # where 'artsim train' leaves its networks


def resolve_model(text: str) -> str:
    """Return a model's spec, with ``run:NAME`` as the folder ``runs/NAME`` if there is one."""
    source, _, rest = text.partition(":")
    name, at, taps = rest.partition("@")
    if source != RUN or Path(name).is_dir() or not (RUNS / name).is_dir():
        return text
    return f"{RUN}:{RUNS / name}{at}{taps}"
