"""What a shell completes: indexes and models, and the names that an index's manifest has.

Only names are read, from JSON and folders: a shell waits for the answer.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from artsim.cli.options.values import INDEXES
from artsim.datatypes import SHORT_NAMES

_MANIFEST = "manifest.json"

Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def complete_index(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete the indexes in indexes/, else folders."""
    known = _known_indexes()
    names = [*map(str, known), *(path.name for path in known)]
    return _starting(names, incomplete) or [CompletionItem(incomplete, type="dir")]


def complete_model(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete the short names of models."""
    return _starting(SHORT_NAMES, incomplete)


def _of_manifest(names: Callable[[Path, dict[str, Any]], Iterable[str]]) -> Complete:
    """Make a completion of names in the index of the command line; commas separate several."""

    def complete(
        context: click.Context, parameter: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        before, comma, _ = incomplete.rpartition(",")
        known = [name for path in _indexes_of(context) for name in names(path, _manifest(path))]
        return _starting((f"{before}{comma}{name}" for name in known), incomplete)

    return complete


def _columns(_: Path, manifest: dict[str, Any]) -> list[str]:
    return [each["name"] for key in ("fields", "labels") for each in manifest.get(key, ())]


def _taps(_: Path, manifest: dict[str, Any]) -> list[str]:
    return [tap["name"] for tap in manifest.get("passport", {}).get("taps", ())]


def _splits(path: Path, manifest: dict[str, Any]) -> list[str]:
    stored = sorted(file.stem for file in (path / "splits").glob("*.parquet"))
    return stored + _columns(path, manifest)


complete_column = _of_manifest(_columns)
complete_tap = _of_manifest(_taps)
complete_split = _of_manifest(_splits)


def _known_indexes() -> list[Path]:
    return sorted(file.parent for file in INDEXES.glob(f"*/{_MANIFEST}"))


def _indexes_of(context: click.Context) -> list[Path]:
    """List the indexes that the command line names, or the only one in indexes/."""
    named = context.params.get("index") or context.params.get("indexes") or ()
    # Arguments before an option that still lacks its value are left unread.
    for words in (context.args, named if isinstance(named, Sequence) else [named]):
        folders = [folder for word in words for folder in (Path(word), INDEXES / word)]
        if found := [folder for folder in folders if (folder / _MANIFEST).is_file()]:
            return found
    known = _known_indexes()
    return known if len(known) == 1 else []


def _manifest(path: Path) -> dict[str, Any]:
    try:
        manifest = json.loads((path / _MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return manifest if isinstance(manifest, dict) else {}


def _starting(names: Iterable[str], incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in dict.fromkeys(names) if name.startswith(incomplete)]
