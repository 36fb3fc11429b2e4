"""``artsim pack``."""

from __future__ import annotations

from pathlib import Path

import click
import cloup

from artsim.cli.options.complete import complete_model
from artsim.cli.options.computing import weights_option
from artsim.cli.options.values import file_option
from artsim.cli.output import echo
from artsim.datatypes import parse_spec, shell_word


@cloup.command()
@click.argument("model", shell_complete=complete_model)
@cloup.option_group(
    "Pack",
    file_option("-o", "--output", help="The pack to write.  [default: NAME.artsim]"),
    click.option(
        "--name", metavar="NAME", help="Name of the pack, for -m pack:NAME.  [default: the model's]"
    ),
    click.option(
        "--license",
        metavar="TEXT",
        help="License of the weights.  [default: what timm or the weights' package says, or "
        "unknown]",
    ),
    click.option(
        "--compiled",
        is_flag=True,
        help="Also pack the network in the form that OpenVINO computes, for a faster start.",
    ),
    weights_option,
)
def pack(
    model: str,
    output: Path | None,
    name: str | None,
    license: str | None,
    compiled: bool,
    weights: Path | None,
) -> None:
    """Write a model to one file, for machines without a network.

    The pack holds the weights, how pictures and words are prepared, where the weights came from,
    their license and checksums. 'artsim models --add FILE' makes it available as pack:NAME, and
    --weights FILE takes it as it is. Its vectors are those of the model itself, so indexes of both
    go together. 'artsim embed --with-model' puts a pack into the index.

    With --compiled a machine with the same versions of artsim, OpenVINO and timm or open_clip
    answers its first query from the pack without loading torch; any other takes the weights. The
    compiled form is that of the layers that MODEL names.

    Example:

    \b
        artsim pack clip -o clip.artsim
        artsim models --add clip.artsim
        artsim embed paintings/ -m pack:clip
    """
    from artsim.embedding import is_carried, save_pack

    spec = parse_spec(model)
    if output is not None and output.suffix != ".artsim":
        raise click.BadParameter(f"{output.name!r} does not end in .artsim", param_hint="--output")
    file = output or Path(f"{name or model.partition('@')[0].rpartition(':')[2]}.artsim")
    facts = save_pack(spec, file, name=name, weights=weights, license=license, compiled=compiled)
    size = file.stat().st_size / 1e6
    echo(f"{file}: {facts.spec} ({size:.1f} MB), license {facts.license}")
    if is_carried(file, facts):
        echo(f"The index {file.parent} carries it now: its commands need no other")
        return
    echo(f"Use it with 'artsim models --add {shell_word(file)}' and -m pack:{facts.name}")
