"""``artsim info``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import cloup

from artsim.cli.index import as_dict, describe
from artsim.cli.options.index import index_argument, index_option, open_store
from artsim.cli.options.outputs import format_option
from artsim.cli.output import echo, print_json_lines, print_notes, print_table
from artsim.cli.unmatched import note_unmatched
from artsim.datatypes import plural, shell_word
from artsim.errors import StoreError

if TYPE_CHECKING:
    from artsim.index import IndexInfo
    from artsim.store import Store

_COUNTS = ("distinct", "missing")


@cloup.command()
@index_argument
@cloup.option_group("Index", index_option)
@cloup.option_group(
    "Output",
    click.option(
        "--failures", is_flag=True, help="List the pictures that could not be embedded, and why."
    ),
    click.option("--check", is_flag=True, help="Compare every file with its checksum."),
    format_option,
)
def info(index: Path | None, failures: bool, check: bool, as_json: bool) -> None:
    """Describe an index: model, columns, labels, failures, size.

    Example:

    \b
        artsim info
        artsim info indexes/paintings --failures
    """
    store = open_store(index)
    if failures:
        _print_failures(store, as_json)
        return
    checked: dict[str, list[str]] = {}
    if check:
        from artsim.store import check_files

        found = check_files(store)
        checked = {"damaged": list(found.damaged), "unchecked": list(found.unchecked)}
    damaged = ", ".join(checked.get("damaged", ()))
    if as_json:
        described: dict[str, Any] = {"path": str(store)}
        try:
            described = _describe(store)
        except StoreError:
            if not damaged:
                raise
        print_json_lines([described | checked], index=store)
    if damaged:
        raise click.ClickException(
            f"{damaged} of {store} are damaged; run 'artsim repair {shell_word(store)}'"
        )
    if as_json:
        return
    _print_info(store)
    if checked and checked["unchecked"]:
        names = ", ".join(checked["unchecked"])
        echo(f"Without a checksum, by an older artsim: {names}")
    if check:
        echo("All checksums match.")


def _print_failures(store: Store, as_json: bool) -> None:
    rows = store.failures().select(["id", "image", "stage", "reason"]).to_pylist()
    if as_json:
        print_json_lines(rows, index=store)
    else:
        echo(f"{store}: {plural(len(rows), 'failure')}")
        print_table(["id", "stage", "reason"], [[r["id"], r["stage"], r["reason"]] for r in rows])


def _describe(store: Store) -> dict[str, Any]:
    from dataclasses import asdict

    from artsim.splits import stored_splits
    from artsim.store import count_values

    manifest = store.manifest
    return {
        "path": str(store),
        "rows": store.rows,
        "complete": manifest.complete,
        "failures": store.failures().num_rows,
        "reader": manifest.reader,
        "source": manifest.source,
        "created": manifest.created,
        "updated": manifest.updated,
        "fields": [
            asdict(field) | dict(zip(_COUNTS, count_values(store, field), strict=True))
            for field in store.fields
        ],
        "labels": [asdict(label) for label in manifest.labels],
        "splits": stored_splits(store),
        "passport": manifest.passport.to_json(),
        "tiles": [
            {"tap": name, "side": manifest.tiles, "vectors": count}
            for name, count in _tiles(store).items()
        ],
        "search": [as_dict(found) for found in _searches(store)],
        "bytes": dict(_sizes(store)),
    }


def _print_info(store: Store) -> None:
    from artsim.store import count_values
    from artsim.study import find_unmatched

    manifest, passport = store.manifest, store.manifest.passport
    so_far = "" if manifest.complete else " so far"
    echo(f"{store}: {plural(store.rows, 'picture')}{so_far}")
    failed = store.failures().num_rows
    seen = passport.preprocessing
    scaled = f", JPEGs decoded at >= {seen.scaled_decoding}x" if seen.scaled_decoding else ""
    lines = {
        "collection": f"{manifest.source} (reader {manifest.reader})",
        "updated": manifest.updated,
        "model": passport.spec,
        "weights": f"{passport.weights_source}, sha256 {passport.weights_sha256[:12]}...",
        "taps": ", ".join(f"{tap.name} ({tap.dim})" for tap in passport.taps),
        "pictures": f"{seen.fit} to {seen.size[1]}x{seen.size[0]}, {seen.interpolation}{scaled}",
        "computed": f"{passport.compute_dtype} by {passport.backend}",
    }
    if passport.is_external:
        lines["weights"] = passport.weights_source
        lines |= {"pictures": "unknown", "computed": "elsewhere"}
    if manifest.tiles:
        each = ", ".join(f"{count:,} by {name}" for name, count in _tiles(store).items())
        lines["tiles"] = f"{manifest.tiles} x {manifest.tiles} of each picture: {each}"
    lines |= _annotations(store) | {
        "search": ", ".join(describe(found) for found in _searches(store))
        or "exact, in memory; build an index with 'artsim index'",
        "failures": f"{failed:,}" + (" (list them with --failures)" if failed else ""),
        "on disk": ", ".join(f"{name} {size / 1e6:.1f} MB" for name, size in _sizes(store)),
    }
    for name, value in lines.items():
        echo(f"  {name:<10}  {value}")
    note_unmatched(find_unmatched(store))
    rows = []
    for field in store.fields:
        counts = count_values(store, field)
        rows.append([field.name, field.type, *("" if n is None else f"{n:,}" for n in counts)])
    if rows:
        print_table(["column", "type", *_COUNTS], rows, right=_COUNTS)


def _tiles(store: Store) -> dict[str, int]:
    """Count the tile vectors of each tap; empty where there are no tiles."""
    taps = store.manifest.passport.taps if store.manifest.tiles else ()
    return {tap.name: store.rows * store.manifest.tiles**2 for tap in taps}


def _searches(store: Store) -> list[IndexInfo]:
    """Return the search indexes that are up to date with the rows."""
    from artsim.index import is_current, read_note

    taps = [tap.name for tap in store.manifest.passport.taps]
    current = [tap for tap in taps if is_current(store, tap)]
    if store.rows and len(current) < len(taps) and (store.path / "faiss").is_dir():
        others = ", ".join(tap for tap in taps if tap not in current)
        print_notes(
            f"the search files of {others} are missing, damaged, or older than the rows; searches "
            f"compare every vector until 'artsim repair {shell_word(store)}' builds them again"
        )
    notes = [read_note(store, tap) for tap in current]
    return [note for note in notes if note is not None]


def _annotations(store: Store) -> dict[str, str]:
    from artsim.labels import derived_labels
    from artsim.splits import stored_splits

    labels = [f"{name} = {text}" for name, text in derived_labels(store).items()]
    found = {"derived": ", ".join(labels), "splits": ", ".join(stored_splits(store))}
    return {name: text for name, text in found.items() if text}


def _sizes(store: Store) -> Iterator[tuple[str, int]]:
    for name in ("parts", "faiss"):
        files = (store.path / name).glob("*")
        yield name, sum(file.stat().st_size for file in files if file.is_file())
