"""``artsim embed``."""

from __future__ import annotations

import sys
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import cloup

from artsim.cli.options.collection import (
    index_of,
    max_pixels_option,
    open_collection,
    reader_options,
)
from artsim.cli.options.complete import complete_model
from artsim.cli.options.computing import (
    backend_option,
    batch_size_option,
    compile_option,
    decoder_option,
    device_option,
    devices_option,
    engine_name,
    engine_option,
    make_compute,
    precision_option,
    resolve_model,
    weights_option,
    workers_option,
)
from artsim.cli.options.outputs import allow_loss_option, folder_option, strict_option
from artsim.cli.options.values import INDEXES, count_option
from artsim.cli.output import echo, print_json_lines, resumable, show_progress
from artsim.cli.unmatched import note_unmatched
from artsim.datatypes import (
    DEFAULT_MODEL,
    RUN,
    ExtractorSpec,
    Fit,
    Preprocessing,
    parse_spec,
    plural,
    shell_word,
)

if TYPE_CHECKING:
    from artsim.embedding import EmbedSummary, Engine


@cloup.command()
@click.argument("collection")
@cloup.option_group(
    "Model",
    click.option(
        "-m",
        "--model",
        default=DEFAULT_MODEL,
        show_default=True,
        metavar="SPEC",
        shell_complete=complete_model,
        help="Short name (see 'artsim models') or SOURCE:ARCH[.TAG][@LAYER[/POOLING]+...]. The "
        "layer 'embedding' is the model's output, 'palette' a histogram of the picture's colors.",
    ),
    weights_option,
    click.option(
        "--fit",
        type=click.Choice([fit.value for fit in Fit]),  # click would take an enum's member names
        help="How pictures are fitted to the model's input size.  [default: the model's own]",
    ),
    click.option(
        "--exact", is_flag=True, help="Decode at full size, compute and store in float32."
    ),
    count_option(
        "--tiles",
        least=2,
        most=8,
        help="Also embed N x N overlapping tiles of each picture, for 'artsim similar --details'. "
        "Takes about N x N times as long.",
    ),
)
@cloup.option_group("Collection", *reader_options, max_pixels_option)
@cloup.option_group(
    "Compute",
    device_option,
    backend_option,
    precision_option,
    compile_option,
    decoder_option,
    batch_size_option,
    workers_option,
    count_option(
        "--threads",
        least=0,
        default=0,
        help="Threads that compute, on a CPU. Their number changes the vectors a little, by "
        "rounding.  [default: all cores; 1 for each process of --devices and --engine]",
    ),
    devices_option,
    engine_option,
)
@cloup.option_group(
    "Index",
    folder_option("Index folder", default="indexes/NAME", anywhere=True),
    count_option(
        "--part-rows",
        help="Pictures per file of the index: the work lost if the run is interrupted.  "
        "[default: 1024; 16384 of a million or more; fewer if their vectors exceed 64 MB]",
    ),
    click.option(
        "--rehash", is_flag=True, help="Read every file again, even if size and time are the same."
    ),
    allow_loss_option,
    click.option(
        "--with-model",
        is_flag=True,
        help="Put the model into the index, so that it can be searched by any picture without a "
        "network: see 'artsim pack'.",
    ),
    strict_option("a picture could not be embedded or a row of the table is bad"),
    click.option("--json", "as_json", is_flag=True, help="Print what was done as a JSON line."),
)
def embed(
    collection: str,
    output: Path | None,
    model: str,
    device: str,
    backend: str,
    precision: str,
    compiling: str,
    decoder: str,
    weights: Path | None,
    fit: str | None,
    exact: bool,
    threads: int,
    devices: str | None,
    engine: str | None,
    batch_size: int | None,
    with_model: bool,
    strict: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Embed a collection into an index, or update the index.

    COLLECTION is a folder of pictures, a folder with a table and its pictures, or the table itself;
    READER:PATH names a reader. Only new and changed pictures are embedded, and options of the
    collection that you leave out, such as --id-column, stay as before. To resume an interrupted
    run, run the same command again.

    Example:

    \b
        artsim embed paintings/
        artsim embed paintings/ -m vgg16@conv3_3/gram+relu5_3 -o indexes/paintings-vgg
        artsim embed paintings/ --engine ray:10.0.0.1:6379
    """
    if exact and precision == "bf16":
        raise click.UsageError("--exact computes in float32; leave out --precision bf16")
    before = index_of(collection, output)
    catalog = open_collection(collection, options, strict=strict, before=before)
    spec = parse_spec(resolve_model(model))

    from artsim.embedding import EmbedSettings, embed_collection, open_engine
    from artsim.models import NetworkRequest
    from artsim.store import Store, index_to_write
    from artsim.study import find_unmatched

    request = NetworkRequest(
        spec=spec,
        weights=weights,
        compute=make_compute(
            device,
            backend,
            "f32" if exact else precision,
            threads=threads,
            compiling=compiling,
            decoder=decoder,
        ),
        fit=Fit(fit) if fit else None,
        scaled_decoding=0 if exact else 2,
    )
    path = output or INDEXES / catalog.name
    with resumable(path), index_to_write(path) as folder, ExitStack() as stack:
        running, extractor = open_engine(engine_name(engine, devices), request)
        stack.enter_context(closing(running))
        _say_how_shown(spec, extractor.preprocessing)
        settings = EmbedSettings(
            batch_size=batch_size or extractor.batch_size, half_precision=not exact, **options
        )
        what = partial(_describe, catalog.name, running)
        progress = stack.enter_context(show_progress(what))
        summary = embed_collection(
            catalog, folder, extractor, settings=settings, engine=running, progress=progress
        )
        if with_model and summary.rows:
            from artsim.embedding import pack_index

            pack_index(folder, spec, weights=weights)
        unmatched = find_unmatched(Store.open(folder)) if summary.dropped else []
    summary.path = path
    if as_json:
        print_json_lines([summary.to_json()])
    _print_summary(summary, str(spec), err=as_json)
    note_unmatched(unmatched)
    if not summary.rows or (strict and summary.failures):
        sys.exit(1)


def _describe(name: str, engine: Engine) -> str:
    status = engine.status()
    return f"{name}, {status}" if status else name


def _say_how_shown(spec: ExtractorSpec, preprocessing: Preprocessing) -> None:
    """Note where pictures are now fitted otherwise than when the network was trained."""
    if spec.source != RUN:
        return
    from artsim.models import read_model

    if read_model(Path(spec.arch)).shapes is not None:
        height, width = preprocessing.size
        echo(
            f"{spec.network} was trained on pictures with their own aspect ratios; here each is "
            f"resized to {width} x {height} pixels ({preprocessing.fit})",
            err=True,
        )


def _describe_place(place: str, count: int, workers: int, seconds: float) -> str:
    each = f" by {workers} workers, {count / seconds / workers:.0f}/s each" if workers > 1 else ""
    return f"{place} {count:,} ({count / seconds:.0f}/s{each})"


def _print_summary(summary: EmbedSummary, spec: str, *, err: bool) -> None:
    rate = summary.embedded / summary.seconds
    echo(f"{summary.path}: {plural(summary.rows, 'picture')} by {spec}", err=err)
    parts = [f"{summary.embedded:,} embedded in {summary.seconds:.1f} s ({rate:.0f}/s)"]
    if summary.kept or summary.dropped:
        parts += [f"{summary.kept:,} kept", f"{summary.dropped:,} dropped"]
    echo("  " + ", ".join(parts), err=err)
    if summary.places:
        shown = [
            _describe_place(place, count, len(summary.workers[place]), summary.seconds)
            for place, count in sorted(summary.places.items())
        ]
        echo(f"  by machine or device: {', '.join(shown)}", err=err)
    if summary.damaged:
        echo(
            f"  {plural(summary.damaged, 'file')} of the index had been damaged on disk: the "
            "pictures were embedded again",
            err=True,
        )
    if summary.failures:
        stages = ", ".join(f"{count:,} at {stage}" for stage, count in summary.reasons.items())
        echo(
            f"  {summary.failures:,} could not be embedded ({stages}): "
            f"see 'artsim info {shell_word(summary.path)} --failures'",
            err=True,
        )
    notes = {
        "of a kind that is not decoded": summary.unsupported,
        "mended: a fault of the file that costs no pixel": summary.mended,
        "transparent everywhere, taken as opaque": summary.transparent,
    }
    for what, count in notes.items():
        if count:
            echo(f"  {plural(count, 'picture')} {what}: see 'artsim inspect --hashes'", err=True)
    if summary.on_web:
        echo(
            f"  {plural(summary.on_web, 'picture is', 'pictures are')} on the web: download with "
            "'artsim fetch', and embed the folder it makes",
            err=True,
        )
