"""How a collection is read, which of its works, and what is fetched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from artsim.cli.options.values import FOLDER, Command, pairs

if TYPE_CHECKING:
    from artsim.readers import ReaderOptions


id_column_option = click.option("--id-column", metavar="NAME", help="Column with the ids.")

image_column_option = click.option(
    "--image-column", metavar="NAME", help="Column with the paths or URLs of the pictures."
)

images_option = click.option(
    "--images", metavar="DIR", type=FOLDER, help="Folder that picture paths are relative to."
)


def set_option(what: str) -> Callable[[Command], Command]:
    """Add --set, settings of a reader or a recipe.

    Args:
        what: Whose setting it is, with examples where that helps.
    """
    return click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="NAME=VALUE",
        help=f"Setting of {what}. Repeat for more.",
    )


def reader_options(command: Command) -> Command:
    """Add --id-column, --image-column, --images, --type and --set."""
    for option in (
        set_option("the reader"),
        click.option(
            "--type",
            "types",
            multiple=True,
            metavar="COLUMN=TYPE",
            help="Read a column as text, list or number. Repeat for more.",
        ),
        images_option,
        image_column_option,
        id_column_option,
    ):
        command = option(command)
    return command


def make_reader_options(
    *,
    id_column: str | None,
    image_column: str | None,
    images: Path | None,
    types: tuple[str, ...],
    settings: tuple[str, ...],
) -> ReaderOptions:
    """Turn the options of `reader_options` into the library's value."""
    from artsim.readers import ReaderOptions

    return ReaderOptions(
        id_column=id_column,
        image_column=image_column,
        images=images,
        types=pairs(types, "--type"),
        settings=pairs(settings, "--set"),
    )


max_pixels_option = click.option(
    "--max-pixels",
    type=click.IntRange(1),
    metavar="N",
    help="Refuse pictures with more pixels.  [default: 200,000,000]",
)

where_option = click.option(
    "--where",
    metavar="SQL",
    help="Only works that meet this SQL condition: \"style = 'Baroque' and year < 1650\".",
)

within_option = click.option(
    "--within",
    type=click.IntRange(0, 64),
    default=4,
    show_default=True,
    metavar="BITS",
    help="Bits of 64 by which the perceptual hashes of two copies may differ.",
)

allow_private_option = click.option(
    "--allow-private",
    is_flag=True,
    help="Also fetch from this machine and its local network.",
)
