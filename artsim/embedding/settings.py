"""How a collection is embedded."""

from __future__ import annotations

from dataclasses import dataclass

import PIL

from artsim import images


@dataclass(frozen=True, kw_only=True)
class EmbedSettings:
    """How a collection is embedded; none of it changes what the network computes."""

    batch_size: int = 32  # pictures a forward pass
    workers: int = 2  # threads that read, decode and resize
    part_rows: int = 1024  # pictures a part: what a kill can cost at most
    max_pixels: int = images.MAX_PIXELS  # larger pictures are refused
    rehash: bool = False  # read every file, even where its size and time have not changed
    allow_loss: bool = False  # drop rows even where most of the index would go
    tiles: int | None = None  # a side, embedded besides; as the index has them if None
    half_precision: bool = True  # store the vectors rounded to 11 significant bits

    @property
    def decoding(self) -> str:
        """What decides, besides the file itself, whether a picture can be decoded."""
        return f"pillow {PIL.__version__}, at most {self.max_pixels} pixels"


DEFAULTS = EmbedSettings()
