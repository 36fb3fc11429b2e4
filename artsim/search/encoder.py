"""The network that made an index's vectors, loaded when a request first needs it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from artsim import images
from artsim.datatypes import EMBEDDING, RUN, Box, parse_spec
from artsim.errors import ArtsimError, ModelError, PassportError, SearchError
from artsim.store import Store

if TYPE_CHECKING:
    from artsim.models import Compute, Extractor, TextEncoder

Vectors = dict[str, NDArray[np.float32]]  # by tap
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class PreparedPicture:
    """A picture, or a detail of it, as the network takes it."""

    pixels: Pixels  # (3, H, W)
    width: int  # of the whole picture, upright, in pixels
    height: int


class Encoder(Protocol):
    """Embeds pictures and text by an index's taps; called from several threads."""

    def prepare(self, data: bytes, box: Box | None) -> PreparedPicture:
        """Preprocess a picture's file, or a detail of it, for the network."""

    def embed(self, pixels: Sequence[Pixels]) -> Vectors:
        """Embed pictures: (B, D) per tap."""

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        """Embed text: (B, D) for each tap that text can be compared by."""


class IndexEncoder:
    """The index's own network; see `load_index_extractor`. A picture over max_pixels is refused."""

    def __init__(
        self,
        store: Store,
        *,
        model: str | None = None,
        weights: Path | None = None,
        compute: Compute | None = None,
        max_pixels: int = images.MAX_PIXELS,
    ) -> None:
        self._store = store
        self._model, self._weights, self._compute = model, weights, compute
        self._max_pixels = max_pixels
        self._extractor: Extractor | None = None
        self._explained: Extractor | None = None
        # Each once, by the first thread that needs it.
        self._loading, self._loading_explained = threading.Lock(), threading.Lock()
        # Held while computing: a network keeps the outputs of its layers for one batch at a time.
        self.computing = threading.Lock()

    def prepare(self, data: bytes, box: Box | None) -> PreparedPicture:
        """Preprocess a picture's file, or a detail of it, for the network, which is not loaded.

        Raises:
            ImageError: If it cannot be read.
            SearchError: If the box is outside the picture.
            ModelError: If the index has no network, or its weights are missing.
        """
        _weights_of(self._store, self._model, self._weights)
        from artsim.loader import preprocess

        preprocessing = self._store.manifest.passport.preprocessing
        found, picture = preprocess(data, preprocessing, box=box, max_pixels=self._max_pixels)
        return PreparedPicture(found, picture.width, picture.height)

    def embed(self, pixels: Sequence[Pixels]) -> Vectors:
        """Embed pictures: (B, D) per tap."""
        with self.computing:
            return self.extractor.embed_batch(np.stack(pixels))

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        """Embed text: (B, D) for the final embedding.

        Raises:
            ModelError: If the network has no text encoder.
        """
        with self.computing:
            return {EMBEDDING: self._text_tower.embed(texts)}

    @property
    def extractor(self) -> Extractor:
        """The network, loaded at the first call."""
        with self._loading:
            if self._extractor is None:
                self._extractor = load_index_extractor(
                    self._store, model=self._model, weights=self._weights, compute=self._compute
                )
            return self._extractor

    def warm(self, *, explain: bool = False) -> None:
        """Load the network and compute with it once; with ``explain``, that of `explaining` too.

        What hinders it is reported to the first query that needs the network.
        """
        with suppress(ArtsimError):
            height, width = self.extractor.preprocessing.size
            self.embed([np.zeros((3, height, width), np.uint8)])
            if explain:
                taps = [tap.name for tap in self._store.manifest.passport.taps]
                _ = self.explaining(taps).backend

    def explaining(self, taps: Sequence[str]) -> Extractor:
        """Return the network as explanations of taps need it.

        That is the network that embeds, if all taps are averages whose positions it computes, else
        `by_torch`.
        """
        if all(self.extractor.averaged_maps(tap) for tap in taps):
            return self.extractor
        return self.by_torch

    @property
    def by_torch(self) -> Extractor:
        """The network computed by torch, which has its layers, loaded at the first call."""
        with self._loading_explained:
            if self._explained is None:
                self._explained = load_index_extractor(
                    self._store,
                    model=self._model,
                    weights=self._weights,
                    compute=_by_torch(self._compute),
                )
            return self._explained

    @cached_property
    def _text_tower(self) -> TextEncoder:
        return load_index_text_tower(self._store, model=self._model, weights=self._weights)


def load_index_text_tower(
    store: Store, *, model: str | None = None, weights: Path | None = None
) -> TextEncoder:
    """Load the text half of the network that made an index's vectors; see `load_index_extractor`.

    Raises:
        SearchError: If the index does not have the network's final embedding.
        ModelError: If the network has no text half, or its file is missing.
        PassportError: If its pictures would have other vectors.
    """
    passport = store.manifest.passport
    if passport.tap(EMBEDDING) is None:
        raise SearchError(
            f"text can only be compared with the network's final embedding, which "
            f"{str(store)!r} does not have; embed again without @LAYER"
        )
    from artsim.models import kept_text_tower

    kept = None
    if model is None and weights is None:
        kept = kept_text_tower(passport, _pack_of(store))
    if kept is not None:
        return kept
    from artsim.models import keep_text_tower, load_text_tower

    weights = _weights_of(store, model, weights)
    tower = load_text_tower(parse_spec(model or passport.spec), weights=weights)
    if tower.pictures_sha256 != passport.weights_sha256:
        raise PassportError(
            f"the text would not be comparable with {str(store)!r}, which was "
            "made with other weights; pass --weights FILE"
        )
    keep_text_tower(passport, tower)
    return tower


def load_index_extractor(
    store: Store,
    *,
    model: str | None = None,
    weights: Path | None = None,
    compute: Compute | None = None,
) -> Extractor:
    """Load the network that made an index's vectors.

    Args:
        store: The index.
        model: A spec to load instead of the index's own; it must give the same vectors.
        weights: A local file of the weights, where the recorded source is not available.
        compute: Device and precision; the CPU in float32 if None.

    Raises:
        ModelError: If the network is unknown, or its file is missing.
        PassportError: If it would make other vectors.
    """
    passport = store.manifest.passport
    from artsim.models import kept_extractor, load_extractor

    if compute is None and weights is None and model is None:
        kept = kept_extractor(passport, _pack_of(store))
        if kept is not None:
            return kept
    weights = _weights_of(store, model, weights)
    spec = parse_spec(model or passport.spec)
    if model is None and spec.source == RUN and not Path(spec.arch).is_dir():
        # The path of a trained network may be relative; the passport records where it was.
        spec = replace(spec, arch=passport.weights_source.partition(":")[2])
    extractor = load_extractor(
        spec,
        weights=weights,
        compute=compute or _for_few(),
        fit=passport.preprocessing.fit if model is None else None,
        scaled_decoding=passport.preprocessing.scaled_decoding,
    )
    differences = passport.differences(extractor.passport)
    if differences:
        raise PassportError(
            f"the query would not be comparable with {str(store)!r}, which has "
            f"{'; '.join(differences)}; search without --model, or embed the collection again"
        )
    return extractor


def _by_torch(compute: Compute | None) -> Compute:
    """Return the same computation by torch, unless another backend is chosen."""
    from artsim.models import BackendName

    compute = compute or _for_few()
    if compute.backend != BackendName.AUTO:
        return compute
    return replace(compute, backend=BackendName.TORCH)


def _for_few() -> Compute:
    from artsim.models import BackendName, Compute, Precision

    # OpenVINO may be missing: to embed a collection that is worth a warning, for a query it is not.
    backend = BackendName.AUTO if find_spec("openvino") else BackendName.TORCH
    return Compute(backend=backend, precision=Precision.F32)


def _weights_of(store: Store, model: str | None, weights: Path | None) -> Path | None:
    """Return the file of weights to load; None for the model's own."""
    passport = store.manifest.passport
    if passport.is_external:
        raise ModelError(
            f"{str(store)!r} holds imported {passport.weights_source}; the network that made "
            "them is unknown, so query by a picture of the index: --id ID"
        )
    kind, _, where = passport.weights_source.partition(":")
    if weights is not None or model is not None:
        return weights
    pack = _pack_of(store)
    if pack is not None:
        return pack
    if kind != "file":
        return None
    if not Path(where).is_file():
        raise ModelError(
            f"the index was made with the weights {where!r}, which are missing; pass --weights FILE"
        )
    return Path(where)


def _pack_of(store: Store) -> Path | None:
    """Return the pack of an index's network: the one in its folder, or that which made it."""
    from artsim.models import IN_INDEX, PACK

    kind, _, where = store.manifest.passport.weights_source.partition(":")
    packs = [store.path / IN_INDEX, *([Path(where)] if kind == PACK else [])]
    return next((file for file in packs if file.is_file()), None)
