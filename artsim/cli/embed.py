"""``artsim embed``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from artsim.cli.model_names import resolve_model
from artsim.cli.options import (
    FOLDER,
    INDEXES,
    compute_options,
    count_cores,
    make_compute,
    make_reader_options,
    reader_options,
)
from artsim.datatypes import DEFAULT_MODEL, RUN, ExtractorSpec, Fit, Preprocessing, parse_spec

if TYPE_CHECKING:
    from artsim.embedding import EmbedSummary


@click.command()
@click.argument("collection")
@click.option(
    "-o", "--output", metavar="DIR", type=FOLDER, help="The index folder.  [default: indexes/NAME]"
)
@click.option(
    "-m",
    "--model",
    default=DEFAULT_MODEL,
    show_default=True,
    metavar="SPEC",
    help="SOURCE:ARCH[.TAG][@LAYER[/POOLING]+...], or a short name: see 'artsim models'. The "
    "layers 'embedding' and 'palette' are the network's own vector and the picture's colors.",
)
@compute_options
@click.option(
    "--fit",
    type=click.Choice([fit.value for fit in Fit]),  # given an enum, click takes its members' names
    help="How a picture is brought to the network's shape.  [default: the model's way]",
)
@click.option("--exact", is_flag=True, help="Decode every pixel, compute and store in float32.")
@click.option(
    "--tiles",
    type=click.IntRange(2, 8),
    metavar="N",
    help="Embed N x N overlapping tiles of each picture too, for 'artsim similar --details'.",
)
@reader_options
@click.option(
    "--batch-size",
    type=click.IntRange(1),
    help="Pictures a forward pass.  [default: 32, on a GPU 256]",
)
@click.option(
    "--workers", type=click.IntRange(1), help="Threads that decode.  [default: the cores]"
)
@click.option(
    "--max-pixels", type=click.IntRange(1), help="Refuse pictures of more pixels than this."
)
@click.option(
    "--part-rows",
    type=click.IntRange(1),
    default=1024,
    show_default=True,
    help="Pictures a part: what a kill can cost at most.",
)
@click.option(
    "--rehash",
    is_flag=True,
    help="Read every file again, even where its size and time have not changed.",
)
@click.option(
    "--allow-loss", is_flag=True, help="Let most of an index go because its pictures are gone."
)
@click.option("--strict", is_flag=True, help="Exit with 1 if any picture could not be embedded.")
def embed(
    collection: str,
    output: Path | None,
    model: str,
    device: str,
    backend: str,
    precision: str,
    weights: Path | None,
    fit: str | None,
    exact: bool,
    tiles: int | None,
    id_column: str | None,
    image_column: str | None,
    images: Path | None,
    types: tuple[str, ...],
    settings: tuple[str, ...],
    batch_size: int | None,
    workers: int | None,
    max_pixels: int | None,
    part_rows: int,
    rehash: bool,
    allow_loss: bool,
    strict: bool,
) -> None:
    """Embed a collection into an index, or bring its index up to date.

    COLLECTION is a folder of pictures, a folder with a table beside them, or the table itself;
    READER:PATH names a reader. Only what is new or changed is embedded, so a run that was
    stopped goes on where it was: run the same command again.

    Example:

    \b
        artsim embed paintings/
        artsim embed paintings/ -m vgg16@conv3_3/gram+relu5_3 -o indexes/paintings-vgg
    """
    if exact and precision == "bf16":
        raise click.UsageError("--exact computes in float32; leave out --precision bf16")
    from artsim.readers import read_collection

    catalog = read_collection(
        collection,
        options=make_reader_options(
            id_column=id_column,
            image_column=image_column,
            images=images,
            types=types,
            settings=settings,
        ),
    )
    spec = parse_spec(resolve_model(model))

    from artsim.cli.output import show_progress
    from artsim.embedding import EmbedSettings, embed_collection
    from artsim.images import MAX_PIXELS
    from artsim.models import load_extractor

    extractor = load_extractor(
        spec,
        weights=weights,
        compute=make_compute(device, backend, "f32" if exact else precision),
        fit=Fit(fit) if fit else None,
        scaled_decoding=0 if exact else 2,
    )
    _say_how_shown(spec, extractor.preprocessing)
    path = output or INDEXES / catalog.name
    try:
        with show_progress(catalog.name) as progress:
            summary = embed_collection(
                catalog,
                path,
                extractor,
                settings=EmbedSettings(
                    batch_size=batch_size or extractor.batch_size,
                    workers=workers or count_cores(),
                    part_rows=part_rows,
                    max_pixels=max_pixels or MAX_PIXELS,
                    rehash=rehash,
                    allow_loss=allow_loss,
                    tiles=tiles,
                    half_precision=not exact,
                ),
                progress=progress,
            )
    except KeyboardInterrupt:
        click.echo(
            f"\nStopped; what is finished is in {path}. Run the same command to go on.", err=True
        )
        sys.exit(130)
    _print_summary(summary, str(spec))
    if not summary.rows or (strict and summary.failures):
        sys.exit(1)


def _say_how_shown(spec: ExtractorSpec, preprocessing: Preprocessing) -> None:
    """Say it where a network that was trained here sees pictures otherwise than it did then."""
    if spec.source != RUN:
        return

    from artsim.models import read_model

    if read_model(Path(spec.arch)).shapes is not None:
        height, width = preprocessing.size
        click.echo(
            f"{spec.network} was trained on pictures in their own aspect ratios; here each is "
            f"brought to {width} x {height} pixels ({preprocessing.fit})",
            err=True,
        )


def _print_summary(summary: EmbedSummary, spec: str) -> None:
    rate = summary.embedded / summary.seconds
    click.echo(f"{summary.path}: {summary.rows:,} pictures by {spec}")
    parts = [f"{summary.embedded:,} embedded in {summary.seconds:.1f} s ({rate:.0f}/s)"]
    if summary.kept or summary.dropped:
        parts += [f"{summary.kept:,} kept", f"{summary.dropped:,} dropped"]
    click.echo("  " + ", ".join(parts))
    if summary.failures:
        stages = ", ".join(f"{count:,} at {stage}" for stage, count in summary.reasons.items())
        click.echo(
            f"  {summary.failures:,} could not be embedded ({stages}): "
            f"see 'artsim info --failures --index {summary.path}'",
            err=True,
        )
