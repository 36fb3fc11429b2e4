"""``artsim map``."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click
import cloup

from artsim.cli.options.complete import complete_column
from artsim.cli.options.computing import seed_option
from artsim.cli.options.index import index_argument, index_option, open_store, tap_option
from artsim.cli.options.outputs import format_option
from artsim.cli.options.values import NEW_FILE, count_cores
from artsim.cli.output import print_json_lines, wants_json
from artsim.errors import StoreError

if TYPE_CHECKING:
    from artsim.store import Store


@cloup.command(name="map")
@index_argument
@cloup.option_group("Index", index_option, tap_option())
@cloup.option_group(
    "Layout",
    click.option(
        "--neighbors",
        default=15,
        show_default=True,
        type=click.IntRange(2, 200),
        metavar="N",
        help="Neighbors kept close to each picture: few show small groups, many the whole.",
    ),
    click.option(
        "--sample",
        default=50_000,
        show_default=True,
        metavar="N",
        type=click.IntRange(3),
        help="Pictures laid out together; the others are placed among them.",
    ),
    seed_option,
)
@cloup.option_group(
    "Output",
    click.option("--png", metavar="FILE", type=NEW_FILE, help="Draw the map to a PNG file."),
    click.option(
        "--label",
        metavar="LABEL",
        shell_complete=complete_column,
        help="Color the points by this column or derived label.",
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
    neighbors: int,
    sample: int,
    seed: int,
    index: Path | None,
    tap: str | None,
    as_json: bool | None,
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
    store = open_store(index)
    from artsim.index import LayoutPlan, layout_file, make_layout
    from artsim.labels import values_of
    from artsim.report import draw_pictures, draw_points
    from artsim.search import locate

    tap = store.tap(tap).name
    values = values_of(store, label) if label is not None else None
    plan = LayoutPlan(neighbors=neighbors, sample=sample, seed=seed)
    points = make_layout(store, tap, plan)
    if png is not None and pictures:
        where = [
            locate(store, image) for image in store.read(["image"]).column("image").to_pylist()
        ]
        draw_pictures(png, points, where, workers=count_cores())
    elif png is not None:
        draw_points(png, points, values, title=label)
    rows = [{"tap": tap, "pictures": len(points), "layout": str(layout_file(store, tap))}]
    if wants_json(as_json):
        print_json_lines(row | ({"png": str(png)} if png else {}) for row in rows)
    else:
        click.echo(f"{layout_file(store, tap)}: {len(points):,} pictures by {tap}")
    if opened:
        _open_atlas(store, tap)


def _open_atlas(store: Store, tap: str) -> None:
    """Show the map in Embedding Atlas, which serves a page on this machine until it is stopped."""
    program = shutil.which("embedding-atlas")
    if program is None:
        raise StoreError(
            "--open needs Embedding Atlas; install it with pip install 'artsim[atlas]'"
        )
    from artsim.index import write_table

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"{store.path.name}.parquet"
        write_table(store, tap, file)
        # The projection is ours: no model is fetched.
        done = subprocess.run(
            [program, str(file), "--x", "x", "--y", "y", "--disable-projection"], check=False
        )
    if done.returncode:
        raise click.ClickException(f"embedding-atlas ended with status {done.returncode}")
