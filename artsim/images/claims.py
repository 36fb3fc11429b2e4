"""What a picture's header claims, compared with its file before anything is decoded."""

from __future__ import annotations

import io
import struct

from PIL import ImageFile

from artsim.errors import ImageError

# A blank page of 1 bit has 8,256 pixels in a byte of a PNG. Small pictures may have more.
_MOST_PIXELS_PER_BYTE = 10_000
_SMALL = 2**26  # pixels

_MOST_SCANS = 100  # of a JPEG; encoders write up to about 20, and each takes as long as a picture
_SCAN = b"\xff\xda"

_CODESTREAM = b"\xff\x4f\xff\x51"  # the first two markers of JPEG 2000
_TILE_PART = b"\xff\x90"
_MOST_TILES = 65_535  # their numbers have 16 bits


def check_claims(img: ImageFile.ImageFile, data: bytes) -> None:
    """Refuse a file that is too small for its picture, or takes far too long to decode.

    Raises:
        ImageError: With what is wrong with it.
    """
    width, height = img.size
    if width * height > max(_SMALL, _MOST_PIXELS_PER_BYTE * len(data)):
        raise ImageError(
            f"{len(data):,} bytes cannot hold {width:,} x {height:,} pixels; get the file again"
        )
    if img.format in ("JPEG", "MPO") and has_many_scans(img):
        scans = _bytes_of(img).count(_SCAN)
        if scans > _MOST_SCANS:
            raise ImageError(
                f"the JPEG has {scans:,} scans, more than the limit of {_MOST_SCANS}; save it again"
            )
    if img.format == "JPEG2000":
        _check_tiles(data)


def has_many_scans(img: ImageFile.ImageFile) -> bool:
    """Return whether a JPEG's decoder keeps the picture until the last scan."""
    if img.info.get("progressive"):
        return True
    data, at = _bytes_of(img), 2
    while at + 4 < len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker in (0xFF, 0x01) or 0xD0 <= marker <= 0xD8:
            at += 1  # filling, or a marker without a length
        elif marker == _SCAN[1]:
            return data[at + 4] < getattr(img, "layers", 1)
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return True  # nobody knows


def tiles(data: bytes) -> tuple[int, int]:
    """Return the number of tiles of a JPEG 2000, and the pixels of one."""
    at = data.find(_CODESTREAM) + 8
    right, bottom, _, _, width, height, left, top = struct.unpack_from(">8I", data, at)
    across, down = (
        -(-length // side) for length, side in ((right - left, width), (bottom - top, height))
    )
    return across * down, min(width, right - left) * min(height, bottom - top)


def _bytes_of(img: ImageFile.ImageFile) -> bytes:
    """Return the file that is decoded: of a camera's file, the preview."""
    return img.fp.getvalue() if isinstance(img.fp, io.BytesIO) else b""


def _check_tiles(data: bytes) -> None:
    """Refuse a JPEG 2000 without some of its tiles: the decoder leaves them gray."""
    count, _ = tiles(data)
    if count > _MOST_TILES:
        raise ImageError(
            f"the JPEG 2000 claims {count:,} tiles, more than the {_MOST_TILES:,} it can have; "
            "get the file again"
        )
    missing = set(range(count))
    at = data.find(_TILE_PART, data.find(_CODESTREAM))
    while at >= 0 and data[at : at + 2] == _TILE_PART and at + 12 <= len(data):
        tile, length = struct.unpack_from(">HI", data, at + 4)
        if length and at + length > len(data):
            break  # cut off
        missing.discard(tile)
        at = at + length if length else len(data)  # 0: the last one, up to the end
    if missing:
        raise ImageError(
            f"{len(missing):,} of the {count:,} tiles of the JPEG 2000 are missing or cut off; "
            "get the file again"
        )
