"""What a server may do, and how much of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits for one visitor."""

    upload_bytes: int = 20 << 20
    upload_pixels: int = 100_000_000
    upload_seconds: float = 30.0  # to send a picture
    answer_seconds: float = 30.0  # to wait for an answer
    kept_bytes: int = 256 << 20  # of uploads, the newest; older ones must be sent again
    matches: int = 500
    terms: int = 16
    fetch: bool = False  # pictures by their web address, public ones only
