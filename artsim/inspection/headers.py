"""Headers of JPEG files read by hand, about six times as fast as Pillow reads them.

`glance` returns what `artsim.images.describe` (Pillow) returns, or None: it gives up at anything
unusual or damaged. All other formats, PNG among them, are left to Pillow.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from artsim.images import Description, judge_profile

JPEG = b"\xff\xd8\xff"  # how a file begins

_SEGMENT = struct.Struct(">BBH")  # 0xff, marker, bytes that follow with these two
_APPLICATIONS = range(0xE0, 0xF0)
_FRAMES = (0xC0, 0xC1, 0xC2)  # baseline, extended, progressive
_QUANTIZATION, _SCAN = 0xDB, 0xDA
_PASSED_OVER = (0xC4, 0xDD, 0xFE)  # Huffman tables, restart interval, comment
_FRAME = struct.Struct(">BHHB")  # bits, height, width, components
_JPEG_MODES = {1: "L", 3: "RGB", 4: "CMYK"}  # by components

_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
_ORIENTATION = 0x0112
_SHORT, _RATIONAL = (3, 1), (5, 1)  # type, count
# Pillow reads the resolution too, and trips over some that are of other types.
_TYPES = {_ORIENTATION: _SHORT, 0x0128: _SHORT, 0x011A: _RATIONAL}


class _UnusualError(Exception):
    """Something that is left to Pillow."""


@dataclass(slots=True)
class _Extras:
    """What a header contains besides size and mode."""

    exif: bytes = b""
    is_turned_in_xmp: bool = False
    icc_parts: list[bytes] = field(default_factory=list)
    icc: bytes | None = None


def glance(data: bytes) -> Description | None:
    """Describe a JPEG by its header; None where that is left to `describe`.

    Args:
        data: The first bytes of a file; None is returned too if they end before the header does.
    """
    try:
        return _jpeg(data) if data.startswith(JPEG) else None
    except (_UnusualError, IndexError, ValueError, struct.error):
        return None


def _jpeg(data: bytes) -> Description:
    extras = _Extras()
    width = height = 0
    mode = ""
    end = 2
    while True:
        mark, marker, length = _SEGMENT.unpack_from(data, end)
        start, end = end + 4, end + 2 + length
        if mark != 0xFF or length < 2 or end > len(data):
            raise _UnusualError
        if marker in _APPLICATIONS:
            _note(extras, data, start, end)
        elif marker == _QUANTIZATION:
            _check_tables(data, start, end)
        elif marker in _FRAMES and not mode:
            bits, height, width, components = _FRAME.unpack_from(data, start)
            if bits != 8 or length != 8 + 3 * components:
                raise _UnusualError
            mode = _JPEG_MODES.get(components, "")
            extras.icc = _joined(extras.icc_parts)  # behind the frame Pillow takes none
        elif marker == _SCAN:
            return _description(mode, width, height, extras)
        elif marker not in _PASSED_OVER:
            raise _UnusualError


def _note(extras: _Extras, data: bytes, start: int, end: int) -> None:
    """Note the contents of an application segment, unless Pillow might fail on it."""
    if data.startswith(b"Exif\0\0", start) and not extras.exif:
        extras.exif = data[start + 6 : end]
    elif data.startswith(b"ICC_PROFILE\0", start):
        extras.icc_parts.append(data[start + 12 : end])
    elif _is_odd(data, start, end):
        raise _UnusualError
    elif data.find(b"tiff:Orientation", start, end) >= 0:
        extras.is_turned_in_xmp = True


def _is_odd(data: bytes, start: int, end: int) -> bool:
    if data.startswith((b"JFIF", b"Adobe"), start):
        return end - start < 7
    if data.startswith(b"Photoshop 3.0\0", start):
        return data.startswith(b"8BIM", end - 6)  # cut off where a resource's name begins
    return data.startswith((b"MPF\0", b"Exif\0\0"), start)  # several pictures; a second EXIF


def _check_tables(data: bytes, start: int, end: int) -> None:
    """Check that quantization tables fill their segment."""
    while start < end:
        start += 65 if data[start] < 16 else 129
    if start != end:
        raise _UnusualError


def _joined(parts: list[bytes]) -> bytes | None:
    """Join a profile's parts, each behind its number and how many there are; None if some lack."""
    if not parts:
        return None
    parts = sorted(parts)
    return b"".join(part[2:] for part in parts) if parts[0][1] == len(parts) else None


def _description(mode: str, width: int, height: int, extras: _Extras) -> Description:
    orientation = _orientation(extras)
    if orientation >= 5:
        width, height = height, width
    if not (mode and width and height):
        raise _UnusualError
    profile, profile_name = judge_profile(extras.icc, mode)
    return Description(
        format="JPEG",
        mode=mode,
        width=width,
        height=height,
        orientation=orientation,
        profile=profile,
        profile_name=profile_name,
        bits=8,
        has_pages=False,
    )


def _orientation(extras: _Extras) -> int:
    found = [value for tag, value in _entries(extras.exif) if tag == _ORIENTATION]
    if len(found) > 1 or (extras.is_turned_in_xmp and not found):
        raise _UnusualError
    return found[0] if found and 1 <= found[0] <= 8 else 1


def _entries(exif: bytes) -> Iterator[tuple[int, int]]:
    """Yield tag and value (if a short) of the first directory, which must be in good order."""
    if not exif:
        return
    order = _ORDERS.get(exif[:4])
    if order is None:
        raise _UnusualError
    (place,) = struct.unpack_from(f"{order}I", exif, 4)
    (count,) = struct.unpack_from(f"{order}H", exif, place)
    directory = exif[place + 2 : place + 2 + 12 * count]
    outside = 0  # bytes of the values that stand elsewhere
    for tag, type_, n, value in struct.iter_unpack(f"{order}HHII", directory):
        size = n * _TYPE_BYTES.get(type_, len(exif) + 1)
        if size > 4:
            outside += size
        is_whole = size <= 4 or value + size <= len(exif)
        if not is_whole or outside > len(exif) or _TYPES.get(tag, (type_, n)) != (type_, n):
            raise _UnusualError
        yield tag, value >> 16 if order == ">" else value & 0xFFFF
    if len(directory) != 12 * count:
        raise _UnusualError
