"""``artsim readers``."""

from __future__ import annotations

import cloup

from artsim.cli.options.outputs import format_option
from artsim.cli.output import echo, print_json_lines


@cloup.command()
@cloup.option_group("Output", format_option)
def readers(as_json: bool) -> None:
    """List the kinds of collections that can be read.

    A collection is recognized by its files; READER:PATH names a reader. For the records of a
    museum that is not listed, write a mapping of ten lines and name it: map:museum.toml.

    Example:

    \b
        artsim readers
        artsim inspect tate:collection/artworks
    """
    from artsim.readers import READERS

    if as_json:
        print_json_lines(
            {"reader": name, "reads": reader.WHAT, "example": reader.EXAMPLE}
            for name, reader in READERS.items()
        )
        return
    width = max(map(len, READERS))
    for name, reader in READERS.items():
        echo(f"{name:<{width}}  {reader.WHAT}")
        echo(f"{'':<{width}}  artsim embed {reader.EXAMPLE}")
