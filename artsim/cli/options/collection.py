"""How a collection is read, which of its works, and what is fetched."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from artsim.cli.options.values import INDEXES, PLACE, Command, count_option, pairs
from artsim.cli.output import print_notes

if TYPE_CHECKING:
    from artsim.datatypes import Catalog
    from artsim.store import Manifest, Store


id_column_option = click.option("--id-column", metavar="NAME", help="Column with the ids.")

image_column_option = click.option(
    "--image-column", metavar="NAME", help="Column with the paths or URLs of the pictures."
)

images_option = click.option(
    "--images", metavar="DIR", type=PLACE, help="Folder that picture paths are relative to."
)


def set_option(what: str) -> Callable[[Command], Command]:
    """Add --set, settings of a reader or a recipe."""
    help_ = f"Setting of {what}. Repeat for more."
    return click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help=help_)


null_option = click.option(
    "--null",
    multiple=True,
    metavar="WORD",
    help="Word for a missing value, besides nan, NULL and N/A ('' keeps these as values). "
    "Repeat for more.",
)

exclude_option = click.option(
    "--exclude",
    multiple=True,
    metavar="PATTERN",
    help="Leave out pictures and folders of this name or path, such as thumbs or '*.gif'. "
    "Repeat for more.",
)

reader_options = (
    id_column_option,
    image_column_option,
    images_option,
    click.option(
        "--type",
        "types",
        multiple=True,
        metavar="COLUMN=TYPE",
        help="Read a column as text, list, number or years. Repeat for more.",
    ),
    null_option,
    exclude_option,
    set_option("the reader"),
)

_OPTIONS = ("id_column", "image_column", "images", "null", "exclude")


def open_collection(
    collection: str, options: dict[str, Any], *, strict: bool, before: Manifest | None = None
) -> Catalog:
    """Open a collection; take the values of `reader_options` out of a command's options.

    With ``strict`` a table with a bad row is refused. What is not given is as in the index of the
    manifest ``before``.

    Prints the reader's notes on stderr.
    """
    from artsim.readers import ReaderOptions, read_collection

    given = ReaderOptions(
        **{name: options.pop(name) for name in _OPTIONS},
        strict=strict,
        types=pairs(options.pop("types"), "--type"),
        settings=pairs(options.pop("settings"), "--set"),
    )
    kept = before.options if before else {}
    reading = ReaderOptions.from_json({**kept, **given.to_json()}, strict=strict)
    if before and (more := [flag for flag in reading.flags if flag not in given.flags]):
        print_notes(f"read as for the index {before.name!r}: {' '.join(more)}")
    catalog = read_collection(collection, options=reading)
    print_notes(*catalog.notes)
    return catalog


def index_of(collection: str, output: Path | None) -> Manifest | None:
    """Return the manifest of the index whose collection is read in the same way; None: of no other.

    It is the index that is updated, or else those beside it of this collection, if they agree.
    """
    from artsim.errors import StoreError
    from artsim.places import RemotePath
    from artsim.readers import split_source
    from artsim.store import RemoteIndex, Store, is_store

    reader, path = split_source(collection)

    def read(place: Path) -> Manifest | None:
        here = RemoteIndex(place).fetch(is_new=True) if isinstance(place, RemotePath) else place
        with suppress(StoreError, OSError):  # 'embed' says what is wrong with it
            found = Store.open(here).manifest if is_store(here) else None
            if found and found.source == str(path) and reader in (None, found.reader):
                return found
        return None

    names = (path.name, path.stem, path.parent.name)  # one of them is the default
    for place in [output] if output else [INDEXES / name for name in names if name]:
        if own := read(place):
            return own
    if isinstance(output, RemotePath):
        return None
    others = [
        found
        for each in sorted((output.parent if output else INDEXES).glob("*"))
        if (found := read(each))
    ]
    same = all(each.options == others[0].options for each in others)
    return others[0] if others and same else None


def collection_of(store: Store) -> str:
    """Return the collection that an index was made of, as `open_collection` takes it."""
    return f"{store.manifest.reader}:{store.manifest.source}"


moved_option = click.option(
    "--collection",
    metavar="PATH",
    help="Where the pictures are now.  [default: where they were embedded]",
)


def _most_pixels() -> int:
    from artsim.images import MAX_PIXELS

    return MAX_PIXELS


max_pixels_option = click.option(
    "--max-pixels",
    type=click.IntRange(1),
    metavar="N",
    default=_most_pixels,
    help="Refuse pictures with more pixels.  [default: 200,000,000]",
)

where_option = click.option(
    "--where",
    metavar="SQL",
    help="Only works that meet this SQL condition: \"style = 'Baroque' and year < 1650\".",
)


def within_option(default: int) -> Callable[[Command], Command]:
    """Make the option for how far apart the hashes of copies may be."""
    return count_option(
        "--within",
        least=0,
        most=64,
        default=default,
        metavar="BITS",
        help="Bits of 64 by which the perceptual hashes of two copies may differ.",
    )


allow_private_option = click.option(
    "--allow-private",
    is_flag=True,
    help="Also fetch from this machine and its local network.",
)
