"""``artsim models`` and ``artsim layers``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click
import cloup

from artsim.cli.options.complete import complete_model
from artsim.cli.options.computing import resolve_model
from artsim.cli.options.outputs import format_option
from artsim.cli.options.values import PICTURE
from artsim.cli.output import echo, print_json_lines, print_table
from artsim.datatypes import DEFAULT_MODEL, PIP, SHORT_NAMES, parse_spec


@cloup.command()
@click.argument("pattern", required=False)
@cloup.option_group(
    "Packs",
    click.option(
        "--add",
        metavar="FILE",
        type=PICTURE,
        help="Add a pack, made by 'artsim pack', to the models of this machine.",
    ),
)
@cloup.option_group("Output", format_option)
def models(pattern: str | None, add: Path | None, as_json: bool) -> None:
    """List the models that can embed pictures.

    Without PATTERN the short names and the packs of this machine are listed, else every model whose
    name matches it: with * and ?, or a part of the name.

    Example:

    \b
        artsim models
        artsim models siglip
        artsim models 'timm:vit_small*'
        artsim models 'open_clip:*laion*'
        artsim models --add clip.artsim
    """
    if add is not None:
        if pattern is not None:
            raise click.UsageError("use PATTERN or --add FILE, not both")
        _add(add, as_json=as_json)
        return
    if pattern is None:
        rows = [
            {"name": name, "model": spec, "weights": _where(spec)}
            for name, spec in SHORT_NAMES.items()
        ]
        rows += _packs()
    else:
        from artsim import list_models

        rows = [{"model": spec, "weights": _where(spec)} for spec in list_models(pattern)]
        if not rows:
            raise click.ClickException(
                f"no model matches {pattern!r}; try a shorter pattern, such as '*{pattern[:3]}*'"
            )
    if as_json:
        print_json_lines(rows)
    else:
        print_table(list(rows[0]), [list(row.values()) for row in rows])


@cloup.command()
@click.argument("model", shell_complete=complete_model)
@cloup.option_group("Output", format_option)
def layers(model: str, as_json: bool) -> None:
    """List the layers of a model whose outputs can be embedded.

    They are listed in order, with their output shapes. No weights are needed or downloaded.

    Example:

    \b
        artsim layers vgg16
    """
    from artsim.models import build_network, list_layers

    spec = parse_spec(resolve_model(model))
    rows = list_layers(build_network(spec, meta=True))
    if as_json:
        print_json_lines(
            {"layer": row.name, "alias": row.alias, "kind": row.kind, "shape": list(row.shape)}
            for row in rows
        )
        return
    echo(f"Layers of {spec.network}; use one with -m {model.partition('@')[0]}@LAYER[/POOLING]")
    columns: dict[str, list[str | None]] = {
        "layer": [row.name for row in rows],
        "or": [row.alias for row in rows],
        "kind": [row.kind for row in rows],
        "output": [" x ".join(map(str, row.shape)) for row in rows],
    }
    shown = {name: cells for name, cells in columns.items() if name != "or" or any(cells)}
    print_table(list(shown), zip(*shown.values(), strict=True))


def _add(file: Path, *, as_json: bool) -> None:
    from artsim.embedding import add_pack

    facts = add_pack(file)
    if as_json:
        print_json_lines([asdict(facts)])
        return
    echo(f"pack:{facts.name} added: {facts.spec}, license {facts.license}")
    echo(f"Its weights are {facts.weights_source}; use it with -m pack:{facts.name}")


def _packs() -> list[dict[str, str]]:
    """List the packs of this machine; a damaged one says so."""
    from artsim.errors import ModelError
    from artsim.models import list_packs, read_facts

    rows = []
    for file in list_packs():
        try:
            model, where = read_facts(file).spec, "pack on this machine"
        except ModelError:
            model, where = "", f"damaged: {file}"
        rows.append({"name": f"pack:{file.stem}", "model": model, "weights": where})
    return rows


def _where(spec: str) -> str:
    parsed = parse_spec(spec)
    if parsed.tag != PIP:
        return "downloaded at first use"
    return "installed with artsim" if str(parsed) == SHORT_NAMES[DEFAULT_MODEL] else "artsim[lite]"
