"""Tokenizers of the Hugging Face hub, such as SigLIP's: from the hub, and from packs.

open_clip reads those of the hub by transformers. A pack has one as the JSON text of the library
below, tokenizers, which does the same by itself, with the settings that open_clip adds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from artsim.errors import ModelError
from artsim.models.packs import TokenizerFacts
from artsim.models.tokens import PROBES

_CLEANINGS = ("whitespace", "lower", "canonicalize")  # open_clip's


class HubTokenizer:
    """The tokenizer of a pack.

    Args:
        facts: How it is used.
        text: What ``tokenizer.json`` holds.

    Raises:
        ModelError: If the package tokenizers is not installed, or cannot read it.
    """

    def __init__(self, facts: TokenizerFacts, text: str) -> None:
        from open_clip.tokenizer import get_clean_fn

        try:
            import tokenizers
        except ImportError as error:
            raise missing_package("this pack", error) from error
        if facts.clean not in _CLEANINGS:
            raise ModelError(
                f"the pack's tokenizer cleans texts by {facts.clean!r}, which artsim does not "
                "know; make the pack again with 'artsim pack'"
            )
        self._clean, self._zeroed = get_clean_fn(facts.clean), facts.zeroed
        try:
            self._own = tokenizers.Tokenizer.from_str(text)
        except Exception as error:  # tokenizers raises no exception of its own
            raise ModelError(
                f"the pack's tokenizer cannot be read ({error}); make the pack again with "
                "'artsim pack'"
            ) from error

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Tokenize texts: (B, length)."""
        found = self._own.encode_batch([self._clean(text) for text in texts])
        tokens = torch.tensor([each.ids for each in found], dtype=torch.long)
        return tokens if self._zeroed is None else tokens.masked_fill(tokens == self._zeroed, 0)


def pack_tokenizer(own: Any) -> tuple[TokenizerFacts, str] | None:
    """Return how a tokenizer of open_clip's is used from a pack, and what ``tokenizer.json`` holds.

    None if it is open_clip's own, which needs no file.

    Raises:
        ModelError: If the package tokenizers does not do the same by itself.
    """
    if type(own).__name__ == "SimpleTokenizer":
        return None
    try:
        wanted = own(list(PROBES))  # sets the length
        text: str = own.tokenizer.backend_tokenizer.to_str()
    except AttributeError:  # of a kind that the library below does not have
        raise _refused(own) from None
    from open_clip.tokenizer import get_clean_fn

    facts = TokenizerFacts(
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        clean=next((each for each in _CLEANINGS if get_clean_fn(each) is own.clean_fn), ""),
        zeroed=own.tokenizer.sep_token_id if own.strip_sep_token else None,
    )
    if not torch.equal(HubTokenizer(facts, text)(PROBES), wanted):
        raise _refused(own)
    return facts, text


def missing_package(what: str, error: ImportError) -> ModelError:
    """Return the error of a tokenizer whose package is not installed."""
    return ModelError(
        f"the tokenizer of {what} needs the package {error.name}; install it with "
        "pip install 'artsim[siglip]'"
    )


def _refused(own: Any) -> ModelError:
    return ModelError(
        f"the tokenizer of this model ({type(own).__name__}) cannot be packed; copy the hub's "
        "cache instead, and take -m with the model's name"
    )
