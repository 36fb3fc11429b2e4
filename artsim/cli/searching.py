"""What the commands that search need: the model of each index, and the GPU."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from artsim.models import Compute
    from artsim.search import IndexEncoder
    from artsim.store import Store


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
    click.echo(
        f"Note: vectors are compared on the CPU, since the installed faiss sees {gpus} GPUs "
        "(--device cuda needs a build for CUDA)",
        err=True,
    )
    return None


def make_encoder(
    store: Store, first: Store, weights: Path | None, compute: Compute | None
) -> IndexEncoder:
    """Make the encoder of queries to one of several indexes.

    Args:
        store: The index.
        first: The index that ``weights`` belong to; others use them only if theirs are the same.
        weights: A local file, or None for each index's own.
        compute: Where and how exactly; the library's default for few pictures if None.
    """
    from artsim.search import IndexEncoder

    passport = store.manifest.passport
    same = passport.weights_sha256 == first.manifest.passport.weights_sha256
    return IndexEncoder(store, weights=weights if same else None, compute=compute)
