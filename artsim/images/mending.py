"""Faults of a file that cost no pixel, which decoders refuse all the same."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from random import Random

from artsim.images.unsupported import jpeg_frame

_FRAMES = (0xC0, 0xC1, 0xC2)  # of a JPEG: baseline, extended, progressive
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
# In place of a JPEG's missing end: pixels that depend on more than was there differ between them.
_ENDS = tuple(bytes(map(Random(seed).randrange, 64 * [0xFF])) + b"\xff\xd9" for seed in range(8))


@dataclass(frozen=True)
class Mended:
    """A file with its fault mended, in several ways that must decode to the same pixels."""

    fault: str
    versions: tuple[bytes, ...]


def mended(data: bytes) -> Mended | None:
    """Mend a file that was refused; None if it has no fault that can be mended."""
    bare = data.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n\t ")
    if len(bare) < len(data) and bare.startswith((b"\xff\xd8\xff", b"\x89PNG")):
        return Mended("blanks before its first byte", (bare,))
    if data.startswith(b"\x89PNG"):
        return Mended("metadata that is damaged or above 1 MiB", (_without_texts(data),))
    # Restart markers would hide what is missing.
    if _has_all_scans(data) and b"\xff\xdd\0\4" not in data:
        return Mended(
            "without its last bytes, which hold no pixel",
            tuple(data.rstrip(b"\xff") + e for e in _ENDS),
        )
    return None


def _has_all_scans(jpeg: bytes) -> bool:
    """Return whether a scan has begun for the last bit of every coefficient of a JPEG."""
    marker, place = jpeg_frame(jpeg)
    if marker not in _FRAMES:
        return False
    components = jpeg[place + 10 : place + 10 + 3 * jpeg[place + 9] : 3]
    missing = {(component, number) for component in components for number in range(64)}
    while (place := jpeg.find(b"\xff\xda", place + 2)) >= 0:
        behind = place + 5 + 2 * int.from_bytes(jpeg[place + 4 : place + 5], "big")
        header = jpeg[behind : behind + 3]  # first and last coefficient, bits above and below
        if len(header) == 3 and header[2] & 15 == 0:
            numbers = range(header[0], header[1] + 1)
            scanned = jpeg[place + 5 : behind : 2]
            missing -= {(component, number) for component in scanned for number in numbers}
    return not missing


def _without_texts(png: bytes) -> bytes:
    """Leave out a PNG's text, and chunks that a decoder does not need and whose sum is wrong."""
    kept, start = [png[:8]], 8
    while start + 12 <= len(png):
        end = start + 12 + int.from_bytes(png[start : start + 4], "big")
        name, chunk = png[start + 4 : start + 8], png[start:end]
        is_needed = name[:1].isupper()
        is_sound = zlib.crc32(chunk[4:-4]) == int.from_bytes(chunk[-4:], "big")
        is_exif = chunk[8:].startswith(b"Raw profile type exif\0")
        if is_needed or (is_sound and (name not in _TEXTS or is_exif)):
            kept.append(chunk)
        start = end
    return b"".join((*kept, png[start:]))
