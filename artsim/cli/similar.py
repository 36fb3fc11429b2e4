"""``artsim similar``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from artsim.cli.options import (
    NEW_FILE,
    PICTURE,
    compute_options,
    format_option,
    index_option,
    make_compute,
    open_store,
    tap_option,
)
from artsim.cli.output import print_json_lines, print_table, wants_json

if TYPE_CHECKING:
    from artsim.search import Match, Query
    from artsim.store import Store

_SHOWN_FIELDS = 3  # metadata columns of the table; JSON has all
_CAPTION_FIELDS = ("title", "artist", "attribution", "creator", "year", "class")


@click.command()
@click.argument("picture", type=PICTURE, required=False)
@click.option("--id", "id_", metavar="ID", help="Ask by a picture of the index.")
@click.option("-k", type=click.IntRange(1), default=10, show_default=True, help="How many.")
@index_option
@tap_option
@click.option("--sheet", metavar="FILE", type=NEW_FILE, help="Draw query and matches to a picture.")
@click.option(
    "-m",
    "--model",
    metavar="SPEC",
    help="Embed the query by this; refused unless it is the index's own.",
)
@compute_options
@format_option
def similar(
    picture: Path | None,
    id_: str | None,
    k: int,
    index: Path | None,
    tap: str | None,
    sheet: Path | None,
    model: str | None,
    device: str,
    backend: str,
    precision: str,
    weights: Path | None,
    as_json: bool | None,
) -> None:
    """Find the pictures of an index that look most like a picture file, or like one of its own.

    The score is the cosine of the two vectors; 1 is the same picture.

    Example:

    \b
        artsim similar query.jpg -k 10
        artsim similar --id 002ff77bbd -k 5 --sheet matches.png
    """
    if (picture is None) == (id_ is None):
        raise click.UsageError("give a picture file, or --id ID")
    from artsim.search import query_by_id, query_by_picture
    from artsim.search import similar as find_similar

    store = open_store(index)
    name = store.tap(tap).name
    if id_ is not None:
        query = query_by_id(store, id_, name)
    else:
        assert picture is not None
        query = query_by_picture(
            store,
            picture,
            name,
            weights=weights,
            model=model,
            compute=_compute(device, backend, precision),
        )
    matches = find_similar(store, query, name, k=k)
    if sheet is not None:
        _draw(sheet, query, matches)
    if wants_json(as_json):
        print_json_lines(as_dict(match) for match in matches)
        return
    click.echo(f"Like {query.name} in {store.path} ({store.rows:,} pictures, by {name})")
    _print_matches(store, matches)
    if sheet is not None:
        click.echo(f"Drawn to {sheet}")


def as_dict(match: Match) -> dict[str, Any]:
    """Return a match as the interface has it: rank, id, score, image, then the metadata."""
    own = {key: value for key, value in asdict(match).items() if key != "metadata"}
    own["score"] = round(match.score, 6)
    metadata = {
        f"{key}_catalogue" if key in own else key: value for key, value in match.metadata.items()
    }
    return own | metadata


def _compute(device: str, backend: str, precision: str) -> Any:
    """Choose nothing unless asked: for one picture the library's own way is the quickest."""
    if (device, backend, precision) == ("auto", "auto", "auto"):
        return None
    return make_compute(device, backend, precision)


def _print_matches(store: Store, matches: list[Match]) -> None:
    fields = [field.name for field in store.manifest.fields]
    known = [name for name in fields if any(match.metadata[name] for match in matches)]
    shown = known[:_SHOWN_FIELDS]
    rows = [
        [match.rank, f"{match.score:.3f}", match.id, *(_cell(match.metadata[n]) for n in shown)]
        for match in matches
    ]
    print_table(["rank", "score", "id", *shown], rows, right=["rank", "score"])


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, dict):  # a range of years
        return "-".join(str(end) for end in dict.fromkeys(value.values()) if end is not None)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _draw(file: Path, query: Query, matches: list[Match]) -> None:
    from artsim.report import Tile, contact_sheet, save_sheet

    tiles = [
        Tile(
            _drawable(match.image),
            (f"{match.rank} · {match.score:.3f}", *(_caption(match.metadata) or [match.id])),
        )
        for match in matches
    ]
    asked = Tile(_drawable(query.image), (query.name, *_caption(query.metadata)))
    save_sheet(contact_sheet(asked, tiles), file)


def _drawable(image: str | None) -> Path | None:
    """Return a picture's file; what is only on the web is drawn as a blank."""
    if image is None or image.startswith(("http://", "https://")):
        return None
    return Path(image)


def _caption(metadata: dict[str, Any]) -> list[str]:
    """Return what a label on the wall would say: title, artist, year, as far as they are known."""
    by_name = {name.lower(): value for name, value in metadata.items()}
    lines = [_cell(by_name.get(name)) for name in _CAPTION_FIELDS]
    return [line for line in lines if line]
