"""``artsim sample``."""

from __future__ import annotations

from pathlib import Path

import click

from artsim.cli.options import FOLDER


@click.command()
@click.argument("folder", type=FOLDER)
@click.option(
    "--pictures", type=click.IntRange(1), default=300, show_default=True, help="How many."
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Another seed, another museum.",
)
def sample(folder: Path, pictures: int, seed: int) -> None:
    """Draw a small invented museum to try artsim on: pictures and an objects.csv.

    Example:

    \b
        artsim sample museum/
    """
    from artsim.sample import make_sample

    count = make_sample(folder, pictures=pictures, seed=seed)
    click.echo(f"{folder}: {count:,} pictures and objects.csv; next: artsim embed {folder}")
