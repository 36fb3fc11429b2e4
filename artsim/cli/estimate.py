"""``artsim estimate``."""

from __future__ import annotations

from dataclasses import asdict

import click
import cloup

from artsim.cli.options.complete import complete_model
from artsim.cli.options.computing import resolve_model
from artsim.cli.options.outputs import format_option
from artsim.cli.options.values import count_option
from artsim.cli.output import echo, print_json_lines, print_table
from artsim.datatypes import DEFAULT_MODEL, bytes_text, parse_spec, plural


@cloup.command()
@cloup.option_group(
    "Collection",
    click.option(
        "--pictures",
        type=click.FloatRange(1),
        required=True,
        metavar="N",
        help="Pictures, such as 300000 or 50e6.",
    ),
    count_option("--side", default=1600, help="Pixels of a picture's longer side."),
)
@cloup.option_group(
    "Machines",
    click.option(
        "-m",
        "--model",
        default=DEFAULT_MODEL,
        show_default=True,
        metavar="SPEC",
        shell_complete=complete_model,
        help="Model that embeds; its weights are not needed.",
    ),
    count_option("--gpus", least=0, default=0, help="GPUs; none: the CPU computes."),
    click.option(
        "--gpu", default="h100", show_default=True, help="h100, h200, a100, l40s, l4, t4."
    ),
    count_option("--cores", help="Cores of all machines.  [default: 16 for each GPU, else 8]"),
)
@cloup.option_group(
    "Cost",
    click.option(
        "--gpu-hour", type=click.FloatRange(0), default=0.0, metavar="PRICE", help="Of a GPU."
    ),
    click.option(
        "--core-hour", type=click.FloatRange(0), default=0.0, metavar="PRICE", help="Of a core."
    ),
)
@cloup.option_group("Output", format_option)
def estimate(
    pictures: float,
    side: int,
    model: str,
    gpus: int,
    gpu: str,
    cores: int | None,
    gpu_hour: float,
    core_hour: float,
    as_json: bool,
) -> None:
    """Estimate the time and memory that a large collection takes.

    Nothing is read or embedded. The assumptions are printed with the answer; measure a sample on
    your own machines before you buy any.

    Example:

    \b
        artsim estimate --pictures 50e6 -m clip --gpus 8
    """
    from artsim.embedding import sizing

    spec = parse_spec(resolve_model(model))
    workload = sizing.workload_of(
        spec,
        pictures=int(pictures),
        side=side,
        cores=cores or 16 * gpus or 8,
        gpus=gpus,
        gpu=gpu,
    )
    found = sizing.estimate(workload)
    cost = found.hours * (gpus * gpu_hour + workload.cores * core_hour)
    if as_json:
        more = {"cost": cost} if cost else {}
        print_json_lines([asdict(workload) | asdict(found) | more | {"assumed": sizing.ASSUMED}])
        return
    machines = f"{plural(gpus, gpu.upper())} and " * bool(gpus) + plural(workload.cores, "core")
    echo(
        f"{workload.pictures:,} pictures by {spec}: {workload.flops / 1e9:.3g} GFLOP and "
        f"{sum(workload.dims):,} numbers a picture"
    )
    busy = f"; {found.cores_to_feed:,} cores would keep the GPUs busy" * (gpus > 0)
    rows = [
        ("time", f"{_hours(found.hours)} on {machines}: {found.pictures_per_s:,.0f} pictures/s"),
        ("waiting for", found.limit + busy),
        ("decoding", f"{found.decode_core_hours:,.0f} core hours"),
        (
            "computing",
            f"{found.forward_hours:,.1f} {'GPU' if gpus else 'core'} hours",
        ),
        ("read", bytes_text(found.read_bytes)),
        ("index on disk", f"{bytes_text(found.index_bytes)}, without metadata"),
        ("search index", f"{bytes_text(found.search_bytes)} in memory ({found.search_kind})"),
    ]
    if cost:
        rows.append(("cost", f"{cost:,.0f}"))
    print_table(["", "estimate"], rows)
    echo("Assumed: " + ";\n  ".join(sizing.ASSUMED) + ".")


def _hours(hours: float) -> str:
    return f"{hours / 24:,.1f} days" if hours >= 48 else f"{hours:,.1f} hours"
