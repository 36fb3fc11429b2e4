"""What the commands that search do it with: each index's network, and the GPU."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from artsim.models import Compute
    from artsim.search import IndexEncoder
    from artsim.store import Store

__all__ = ["choose_gpu", "make_encoder"]


def choose_gpu(device: str, *, many: bool) -> int | None:
    """Choose the GPU that vectors are compared on; None: the CPU.

    Says so on stderr where the GPU asked for cannot be used.

    Args:
        device: As `device_option` takes it.
        many: Whether the questions are worth copying all vectors to a GPU unasked.
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
        f"Note: vectors are compared on the CPU: the faiss installed here sees {gpus} GPUs "
        "(--device cuda needs a build of it for CUDA)",
        err=True,
    )
    return None


def make_encoder(
    store: Store, asked: Store, weights: Path | None, compute: Compute | None
) -> IndexEncoder:
    """Make what encodes questions to one of several indexes.

    Args:
        store: The index.
        asked: The one that ``weights`` are of, and with it those that were made with the same.
        weights: A local file, or None for each index's own.
        compute: Where and how exactly; the library's own way for few pictures if None.
    """
    from artsim.search import IndexEncoder

    passport = store.manifest.passport
    same = passport.weights_sha256 == asked.manifest.passport.weights_sha256
    return IndexEncoder(store, weights=weights if same else None, compute=compute)
