"""Where and how exactly is computed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from artsim.cli.options.complete import complete_model
from artsim.cli.options.values import PICTURE, Command, count_cores

if TYPE_CHECKING:
    from artsim.models import Compute


device_option = click.option(
    "--device",
    default="auto",
    show_default=True,
    metavar="NAME",
    envvar="ARTSIM_DEVICE",
    show_envvar=True,
    help="Device: auto, cpu, cuda, cuda:N or mps.",
)

backend_option = click.option(
    "--backend",
    type=click.Choice(["auto", "openvino", "torch"]),
    default="auto",
    help="Inference engine.  [default: OpenVINO on a CPU, else torch]",
)

precision_option = click.option(
    "--precision",
    type=click.Choice(["auto", "bf16", "f32"]),
    default="auto",
    help="Precision of the forward pass.  [default: bf16 on a GPU, else f32]",
)

weights_option = click.option(
    "--weights",
    metavar="FILE",
    type=PICTURE,
    help="Load the model's weights from this file (.safetensors, .pth).",
)


def compute_options(command: Command) -> Command:
    """Add --device, --backend, --precision and --weights."""
    for option in (weights_option, precision_option, backend_option, device_option):
        command = option(command)
    return command


query_model_option = click.option(
    "-m",
    "--model",
    metavar="SPEC",
    shell_complete=complete_model,
    help="Model that embeds the query; refused unless it is the index's own.",
)

workers_option = click.option(
    "--workers",
    type=click.IntRange(1),
    metavar="N",
    default=count_cores,
    help="Threads that read and decode pictures.  [default: all cores]",
)

seed_option = click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    metavar="N",
    help="Random seed.",
)


def make_compute(device: str, backend: str, precision: str) -> Compute:
    """Turn the options of `compute_options` into the library's value."""
    from artsim.models import BackendName, Compute, Precision

    return Compute(device=device, backend=BackendName(backend), precision=Precision(precision))
