"""Which model computes, where, and how exactly."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from artsim.cli.options.complete import complete_model
from artsim.cli.options.values import PICTURE, RUNS, count_cores, count_option
from artsim.cli.output import print_notes
from artsim.datatypes import RUN

if TYPE_CHECKING:
    from artsim.models import Compute
    from artsim.search import IndexEncoder
    from artsim.store import Store


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

compile_option = click.option(
    "--compile",
    "compiling",
    type=click.Choice(["auto", "on", "off"]),
    default="auto",
    help="Let torch compile the model first.  [default: on a GPU, for a million pictures and more]",
)

decoder_option = click.option(
    "--decoder",
    type=click.Choice(["cpu", "gpu"]),
    default="cpu",
    show_default=True,
    help="Where JPEGs are decoded: on the CPU, or on the GPU that computes.",
)

weights_option = click.option(
    "--weights",
    metavar="FILE",
    type=PICTURE,
    help="Load the model's weights from this file (.safetensors, .pth; mobilenet also Keras' .h5).",
)

compute_options = (device_option, backend_option, precision_option, weights_option)

devices_option = click.option(
    "--devices",
    metavar="LIST",
    help="Embed in several processes, one for each device: 'all' GPUs, '0,1' for cuda:0 and "
    "cuda:1, or 'cpu,cpu'.",
)

engine_option = click.option(
    "--engine",
    metavar="NAME",
    help="Embed on a cluster: ray, or ray:ADDRESS. Its nodes need the same artsim, and the "
    "collection and the index at the same paths.",
)

batch_size_option = count_option(
    "--batch-size", help="Pictures per forward pass.  [default: 32, on a GPU 256]"
)

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

seed_option = count_option("--seed", least=0, default=0, help="Random seed.")


def make_compute(
    device: str,
    backend: str,
    precision: str,
    *,
    threads: int = 0,
    compiling: str = "auto",
    decoder: str = "cpu",
) -> Compute:
    """Turn the options of `compute_options` into the library's value."""
    from artsim.models import BackendName, Compile, Compute, Decoder, Precision

    return Compute(
        device=device,
        backend=BackendName(backend),
        precision=Precision(precision),
        threads=threads,
        compile=Compile(compiling),
        decoder=Decoder(decoder),
    )


def engine_name(engine: str | None, devices: str | None) -> str | None:
    """Return where pictures are embedded, as `artsim.embedding.open_engine` takes it."""
    if engine and devices:
        raise click.UsageError("--devices is for this machine, and --engine for a cluster: choose")
    return f"devices:{devices}" if devices else engine


def compute_for_few(device: str, backend: str, precision: str) -> Compute | None:
    """Return None, the library's default, unless something is chosen.

    For a few pictures it is the fastest: the network of the index may be kept on this machine.
    """
    chosen = (device, backend, precision)
    return None if set(chosen) == {"auto"} else make_compute(*chosen)


def resolve_model(text: str) -> str:
    """Return a model's spec, with ``run:NAME`` as the folder ``runs/NAME`` if there is one."""
    source, _, rest = text.partition(":")
    name, at, taps = rest.partition("@")
    if source != RUN or Path(name).is_dir() or not (RUNS / name).is_dir():
        return text
    return f"{RUN}:{RUNS / name}{at}{taps}"


def choose_gpu(device: str, *, many: bool) -> int | None:
    """Choose the GPU that compares vectors; None: the CPU.

    Prints a note on stderr where the requested GPU cannot be used.

    Args:
        device: As `device_option` takes it.
        many: Whether there are enough queries to copy all vectors to a GPU by default.
    """
    from artsim.index import count_gpus

    gpus = count_gpus()
    if device == "auto":
        return 0 if many and gpus else None
    kind, _, number = device.partition(":")
    if kind != "cuda" or not (number or "0").isdecimal():
        return None
    if int(number or 0) < gpus:
        return int(number or 0)
    print_notes(
        f"vectors are compared on the CPU, since the installed faiss sees {gpus} GPUs (--device "
        "cuda needs a build for CUDA)"
    )
    return None


def make_encoder(
    store: Store, first: Store, weights: Path | None, compute: Compute | None
) -> IndexEncoder:
    """Make the encoder of queries to one of several indexes.

    ``weights`` belong to the first; others use them only if theirs are the same.
    """
    from artsim.search import IndexEncoder

    passport = store.manifest.passport
    same = passport.weights_sha256 == first.manifest.passport.weights_sha256
    return IndexEncoder(store, weights=weights if same else None, compute=compute)
