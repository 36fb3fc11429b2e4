"""The text half of a CLIP, kept in the user's cache: words to vectors without torch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from artsim.datatypes import Passport
from artsim.errors import ModelError
from artsim.models.cache import write_entry
from artsim.models.converted import check_agreement, compiled, load_array, network_key, save
from artsim.models.packs import kept_entry
from artsim.models.tokens import PROBES, Tokenizer

if TYPE_CHECKING:
    from artsim.models.sources.open_clip import TextTower

_MODEL, _TABLES, _EXPECTED = "words.xml", "tokenizer.json", "expected.npy"


class TextEncoder(Protocol):
    """Embeds words in the space of a network's pictures."""

    scale: float  # from a cosine to a logit
    bias: float | None  # SigLIP's

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed texts: (B, D), not normalized."""


class KeptTextTower:
    """The text half of a CLIP: words as vectors in the space of its pictures.

    Args:
        model: The converted network, or its file.
        tables: Of its tokenizer.
        logits: Its scale and bias.
        expected: What torch computes for `PROBES`, or the first of them.

    Raises:
        ModelError: If OpenVINO cannot compute it, or disagrees with torch.
    """

    def __init__(
        self,
        model: Any,
        tables: dict[str, Any],
        logits: tuple[float, float | None],
        expected: NDArray[np.float32],
    ) -> None:
        self.scale, self.bias = logits
        self._tokenize = Tokenizer(tables)
        self._compiled = compiled(model)
        check_agreement([self.embed(PROBES[: len(expected)])], [expected], "float32")

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed texts: (B, D), comparable with the embeddings of pictures, not normalized."""
        return np.array(self._compiled(self._tokenize(texts))[0], dtype=np.float32)


def kept_text_tower(passport: Passport, pack: Path | None = None) -> KeptTextTower | None:
    """Open the text half of the network that made an index, if it is kept on this machine.

    ``pack`` is a pack of the network, which may have it compiled.
    """
    key = network_key(passport, "words")
    folder = kept_entry(key, pack) if key else None
    if folder is None:
        return None
    try:
        tables = json.loads((folder / _TABLES).read_text(encoding="utf-8"))
        logits = (tables["scale"], tables["bias"])
        return KeptTextTower(folder / _MODEL, tables, logits, load_array(folder / _EXPECTED)[:1])
    except (ModelError, ImportError, OSError, ValueError, KeyError):
        return None


def keep_text_tower(passport: Passport, tower: TextTower) -> None:
    """Keep the text half of the network that made an index, if it can be converted."""
    key, tables = network_key(passport, "words"), tower.tables()
    if key is None or tables is None:
        return
    expected = tower.embed(PROBES)
    try:
        model = tower.convert()
        KeptTextTower(model, tables, (tower.scale, tower.bias), expected)
    except ModelError:
        return

    def fill(folder: Path) -> None:
        save(model, folder / _MODEL)
        values = {**tables, "scale": tower.scale, "bias": tower.bias}
        (folder / _TABLES).write_text(json.dumps(values), encoding="utf-8")
        np.save(folder / _EXPECTED, expected)

    write_entry(key, fill)
