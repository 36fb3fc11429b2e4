"""CLIP's tokenizer without torch: words to numbers, by byte pairs merged in a learned order.

Sennrich et al. 2016, https://arxiv.org/abs/1508.07909. The tables are those of open_clip's own
tokenizer, as they were kept; the numbers are compared with it before.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

_END = "</w>"  # ends a word
PROBES = (
    "a golden halo",
    "Der  Frühling -- 3 girls' dresses, c. 1890s &amp; LATER!",
    "日本の版画 élégante 🎨 l'été we've",
    " ".join(["a very long description of a picture"] * 20),
)


class Tokenizer:
    """Tokenizes as open_clip's `SimpleTokenizer` with its usual cleaning."""

    def __init__(self, tables: dict[str, Any]) -> None:
        import regex

        self._words = regex.compile(tables["pattern"], regex.IGNORECASE)
        self._letters: list[str] = tables["letters"]  # of each byte
        self._numbers: dict[str, int] = tables["numbers"]
        self._ranks = {tuple(pair): rank for rank, pair in enumerate(tables["merges"])}
        self._special: list[str] = tables["special"]
        self._length: int = tables["length"]

    def __call__(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Tokenize texts: (B, length), with zeros after the end."""
        start, end = (self._numbers[name] for name in self._special[:2])
        found = np.zeros((len(texts), self._length), np.int64)
        for row, text in enumerate(texts):
            tokens = [start, *self._encode(text)][: self._length - 1]
            found[row, : len(tokens) + 1] = [*tokens, end]
        return found

    def _encode(self, text: str) -> list[int]:
        import ftfy

        clean = html.unescape(html.unescape(ftfy.fix_text(text)))
        words = self._words.findall(" ".join(clean.split()).lower())
        return [self._numbers[part] for word in words for part in self._parts(word)]

    def _parts(self, word: str) -> list[str]:
        """Merge the pair that was learned first, wherever it is, until none is left."""
        if word in self._special:
            return [word]
        parts = [self._letters[byte] for byte in word.encode()]
        parts[-1] += _END
        while len(parts) > 1:
            pairs = list(pairwise(parts))
            pair = min(pairs, key=lambda each: self._ranks.get(each, len(self._ranks)))
            if pair not in self._ranks:
                break
            merged: list[str] = []
            for part in parts:
                if merged and (merged[-1], part) == pair:
                    merged[-1] += part
                else:
                    merged.append(part)
            parts = merged
        return parts
