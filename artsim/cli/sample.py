"""``artsim sample``."""

from __future__ import annotations

from pathlib import Path

import click
import cloup

from artsim.cli.options.computing import seed_option
from artsim.cli.options.values import FOLDER, count_option
from artsim.cli.output import echo


@cloup.command()
@click.argument("folder", type=FOLDER)
@cloup.option_group(
    "Sample",
    count_option("--pictures", default=300, help="Number of pictures."),
    seed_option,
)
def sample(folder: Path, pictures: int, seed: int) -> None:
    """Create a small invented museum to try artsim on.

    FOLDER receives pictures and objects.csv, a table of their metadata.

    Example:

    \b
        artsim sample museum/
    """
    from artsim.sample import make_sample

    count = make_sample(folder, pictures=pictures, seed=seed)
    echo(f"{folder}: {count:,} pictures and objects.csv; next: artsim embed {folder}")
