"""``artsim map``."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
import cloup

from artsim.cli.options.computing import seed_option
from artsim.cli.options.index import (
    index_argument,
    index_option,
    note_hidden,
    open_store,
    root_option,
    tap_option,
)
from artsim.cli.options.labels import column_option
from artsim.cli.options.outputs import format_option
from artsim.cli.options.values import count_cores, count_option, file_option
from artsim.cli.output import echo, print_json_lines, print_written
from artsim.datatypes import plural, shown_path
from artsim.errors import StoreError

if TYPE_CHECKING:
    from artsim.store import Store

_ATLAS = "embedding-atlas"  # the program of the extra


@cloup.command(name="map")
@index_argument
@cloup.option_group("Index", index_option, tap_option(), root_option)
@cloup.option_group(
    "Layout",
    count_option(
        "--neighbors",
        least=2,
        most=200,
        default=15,
        help="Neighbors kept close to each picture: few show small groups, many the whole.",
    ),
    count_option(
        "--sample",
        least=3,
        default=50_000,
        help="Pictures laid out together; the others are placed among them.",
    ),
    seed_option,
)
@cloup.option_group(
    "Output",
    file_option("--png", help="Draw the map to a PNG file."),
    column_option(
        "--label", metavar="LABEL", help="Color the points by this column or derived label."
    ),
    click.option("--pictures", is_flag=True, help="Draw the pictures instead of points."),
    click.option("--open", "opened", is_flag=True, help="Browse the map in Embedding Atlas."),
    format_option,
)
def map_(
    label: str | None,
    png: Path | None,
    pictures: bool,
    opened: bool,
    index: Path | None,
    tap: str | None,
    as_json: bool,
    **layout: int,
) -> None:
    """Lay the pictures out on a 2-D map by similarity.

    UMAP places similar pictures close together. The map is stored in the index as
    layouts/TAP.parquet (id, x, y), and 'artsim serve' shows it. Needs the extra 'map'; --png
    also needs 'report', --open needs 'atlas'.

    Example:

    \b
        artsim map --png map.png --label style
        artsim map --png wall.png --pictures
        artsim map --open
    """
    if pictures and png is None:
        raise click.UsageError("--pictures needs --png FILE")
    if opened and shutil.which(_ATLAS) is None:  # before the work, not after it
        raise StoreError(
            "--open needs Embedding Atlas; install it with pip install 'artsim[atlas]'"
        )
    store = open_store(index)
    from artsim.index import LayoutPlan, layout_file, make_layout
    from artsim.labels import values_of
    from artsim.report import draw_pictures, draw_points, require_matplotlib
    from artsim.search import locate

    if png is not None and not pictures:
        require_matplotlib()
    tap = store.tap(tap).name
    values = values_of(store, label) if label is not None else None
    points = make_layout(store, tap, LayoutPlan(**layout))
    if png is not None and pictures:
        images = store.read(["image"]).column("image").to_pylist()
        note_hidden(store)
        draw_pictures(png, points, images, find=partial(locate, store), workers=count_cores())
    elif png is not None:
        draw_points(png, points, values, title=label)
    file = layout_file(store, tap)
    if as_json:
        row = {"tap": tap, "pictures": len(points), "layout": shown_path(file)}
        print_json_lines([row | ({"png": str(png)} if png else {})], index=store)
    else:
        echo(f"Map of {store} ({plural(len(points), 'picture')}, by {tap})")
        print_written(file, png)
    if opened:
        _open_atlas(store, tap)


def _open_atlas(store: Store, tap: str) -> None:
    """Show the map in Embedding Atlas, which serves a page on this machine until it is stopped."""
    from artsim.index import write_table

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"{store.path.name}.parquet"
        write_table(store, tap, file)
        # The projection is ours: no model is fetched.
        done = subprocess.run(
            [_ATLAS, str(file), "--x", "x", "--y", "y", "--disable-projection"], check=False
        )
    if done.returncode:
        raise click.ClickException(f"embedding-atlas ended with status {done.returncode}")
