"""Words as vectors in the space of a CLIP's pictures."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from artsim.datatypes import ExtractorSpec
from artsim.errors import ModelError
from artsim.models.network import untrained_alike, weights_sha256
from artsim.models.sources.open_clip import ImageTower, create_open_clip


class TextTower:
    """The text half of a CLIP."""

    def __init__(self, model: Any, tokenize: Any) -> None:
        self.pictures_sha256 = weights_sha256(ImageTower(model.visual))  # of the other half
        model.visual = None  # which is not needed beyond that
        self._model = model
        self._tokenize = tokenize

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed texts: (B, D), to be compared with the pictures' own embedding, not normalized."""
        with torch.inference_mode():
            vectors = self._model.encode_text(self._tokenize(list(texts)))
        return vectors.numpy()  # type: ignore[no-any-return]  # open_clip ships no types


def load_text_tower(spec: ExtractorSpec, *, weights: Path | None = None) -> TextTower:
    """Load the text half of a CLIP, on the CPU in float32.

    Args:
        spec: Which; its taps play no part here.
        weights: A local file of the weights of both halves instead of the spec's.

    Raises:
        ModelError: If the network has none, or its weights or its tokenizer are not there.
    """
    import open_clip

    if spec.source != "open_clip":
        raise ModelError(
            f"{spec.network} cannot read text; embed the collection with a model that can, such as "
            "'artsim embed COLLECTION -m clip'"
        )
    with untrained_alike():
        model, _ = create_open_clip(spec, weights, meta=False)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tokenize = open_clip.get_tokenizer(spec.arch)
    except Exception as error:  # whatever the hub's client of the day raises
        raise ModelError(
            f"the tokenizer of {spec.network} is not on this machine and cannot be downloaded; "
            "run the same command once while online"
        ) from error
    return TextTower(model.eval().requires_grad_(False), tokenize)
