"""Packs written to files: of a model, on this machine by name, and in an index."""

from __future__ import annotations

import shutil
from pathlib import Path

from artsim.datatypes import SHORT_NAMES, ExtractorSpec, shown_path
from artsim.errors import ModelError
from artsim.models import (
    IN_INDEX,
    PackFacts,
    check_name,
    check_pack,
    packs_folder,
    read_facts,
    write_pack,
)
from artsim.store import Store, is_store, write_whole


def save_pack(
    spec: ExtractorSpec,
    file: Path,
    *,
    name: str | None = None,
    weights: Path | None = None,
    license: str | None = None,
    compiled: bool = False,
) -> PackFacts:
    """Write a model to a pack.

    Args:
        spec: Which network; its taps are those that it is compiled for, and otherwise ignored.
        file: The pack; it appears only when it is complete.
        name: Of the pack; its short name or that of its architecture if None.
        weights: A local file of weights instead of the spec's.
        license: Of the weights; as far as it is known if None.
        compiled: Pack what OpenVINO computes, too: the first query of a machine with the same
            artsim and OpenVINO needs no torch then.

    Raises:
        ModelError: If the model cannot be built or packed.
        StoreError: If the file cannot be written.
    """
    from artsim.models import pack_model  # needs torch

    short = {network: name for name, network in SHORT_NAMES.items()}
    chosen = check_name(name or short.get(spec.network, spec.arch))
    pack = pack_model(spec, chosen, weights=weights, license=license, compiled=compiled)
    write_whole(file, lambda stream: write_pack(stream, *pack))
    return read_facts(file)


def add_pack(file: Path) -> PackFacts:
    """Add a pack to those of this machine, as ``pack:NAME``; it replaces one of the same name.

    Raises:
        ModelError: If it is no pack, or damaged.
        StoreError: If it cannot be written.
    """
    facts = check_pack(file)
    target = packs_folder() / f"{facts.name}{file.suffix}"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ModelError(f"cannot make the folder {str(target.parent)!r} ({error})") from error
    with file.open("rb") as source:
        write_whole(target, lambda stream: shutil.copyfileobj(source, stream))
    check_pack(target)  # as it was copied
    return facts


def is_carried(file: Path, facts: PackFacts) -> bool:
    """Return whether a pack is where the index that its network made looks for it."""
    if file.name != IN_INDEX or not is_store(file.parent):
        return False
    return facts.network_sha256 == Store.open(file.parent).manifest.passport.weights_sha256


def pack_index(path: Path, spec: ExtractorSpec, *, weights: Path | None = None) -> PackFacts:
    """Put the network of an index into its folder, so that it can be searched by any picture.

    Raises:
        ModelError: If the model is not the one that made the index, or cannot be packed.
        StoreError: If the pack cannot be written.
    """
    passport = Store.open(path).manifest.passport
    file = path / IN_INDEX
    if file.is_file() and read_facts(file).network_sha256 == passport.weights_sha256:
        return read_facts(file)
    facts = save_pack(spec, file, weights=weights)
    if facts.network_sha256 != passport.weights_sha256:
        file.unlink()
        raise ModelError(
            f"{spec.network} has other weights than the network of {shown_path(path)!r} had; name "
            "the model and weights that made it"
        )
    return facts
