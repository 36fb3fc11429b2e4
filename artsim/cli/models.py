"""``artsim models`` and ``artsim layers``."""

from __future__ import annotations

import fnmatch
from typing import TYPE_CHECKING

import click
import cloup

from artsim.cli.model_names import resolve_model
from artsim.cli.options.complete import complete_model
from artsim.cli.options.outputs import format_option
from artsim.cli.output import print_json_lines, print_table, wants_json
from artsim.datatypes import PIP, SHORT_NAMES, parse_spec

if TYPE_CHECKING:
    from artsim.models import Layer


@cloup.command()
@click.argument("pattern", required=False)
@cloup.option_group("Output", format_option)
def models(pattern: str | None, as_json: bool | None) -> None:
    """List the models that can embed pictures.

    Without PATTERN the short names are listed, else every model whose name matches it.

    Example:

    \b
        artsim models
        artsim models 'timm:vit_small*'
        artsim models 'open_clip:*laion*'
    """
    if pattern is None:
        rows = [
            {"name": name, "model": spec, "weights": _where(spec)}
            for name, spec in SHORT_NAMES.items()
        ]
    else:
        from artsim.models import SOURCES, list_architectures

        specs = (f"{source}:{arch}" for source in SOURCES for arch in list_architectures(source))
        rows = [
            {"model": spec, "weights": _where(spec)}
            for spec in specs
            if fnmatch.fnmatch(spec, pattern) or fnmatch.fnmatch(spec.partition(":")[2], pattern)
        ]
        if not rows:
            raise click.ClickException(
                f"no model matches {pattern!r}; try a shorter pattern, such as '*{pattern[:3]}*'"
            )
    if wants_json(as_json):
        print_json_lines(rows)
    else:
        print_table(list(rows[0]), [list(row.values()) for row in rows])


@cloup.command()
@click.argument("model", shell_complete=complete_model)
@cloup.option_group("Output", format_option)
def layers(model: str, as_json: bool | None) -> None:
    """List the layers of a model whose outputs can be embedded.

    In order, with their output shapes. No weights are needed or downloaded.

    Example:

    \b
        artsim layers vgg16
    """
    from artsim.models import build_network, list_layers

    spec = parse_spec(resolve_model(model))
    rows = list_layers(build_network(spec, meta=True))
    if wants_json(as_json):
        print_json_lines(
            {"layer": row.name, "alias": row.alias, "kind": row.kind, "shape": list(row.shape)}
            for row in rows
        )
        return
    click.echo(
        f"Layers of {spec.network}; use one with -m {model.partition('@')[0]}@LAYER[/POOLING]"
    )
    columns, cells = ["layer", "kind", "output"], [_cells(row) for row in rows]
    if any(row.alias for row in rows):
        columns.insert(1, "or")
        cells = [[cell[0], row.alias, *cell[1:]] for row, cell in zip(rows, cells, strict=True)]
    print_table(columns, cells)


def _cells(layer: Layer) -> list[str | None]:
    return [layer.name, layer.kind, " x ".join(map(str, layer.shape))]


def _where(spec: str) -> str:
    return "installed with artsim" if parse_spec(spec).tag == PIP else "downloaded at first use"
