"""``artsim recipes``."""

from __future__ import annotations

from dataclasses import asdict

import click
import cloup

from artsim.cli.options.outputs import format_option
from artsim.cli.output import print_json_lines, wants_json


@cloup.command()
@cloup.option_group("Output", format_option)
def recipes(as_json: bool | None) -> None:
    """List the training recipes: data, published figures, caveats.

    Example:

    \b
        artsim recipes
    """
    from artsim.recipes import RECIPES

    if wants_json(as_json):
        print_json_lines(asdict(recipe) for recipe in RECIPES.values())
        return
    for recipe in RECIPES.values():
        click.echo(f"{recipe.name}: {recipe.what}")
        for name in ("data", "published", "beware"):
            click.echo(f"  {name:<9}  {getattr(recipe, name)}")
