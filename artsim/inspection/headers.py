"""Headers of JPEG and PNG files read at a glance: what nearly all have, many times faster.

`glance` tells exactly what `artsim.images.describe`, that is Pillow, would tell, or nothing: at the
first thing that is not plain and whole it gives up, and the file is left to `describe`.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from artsim.images import Description, judge_profile

__all__ = ["glance"]

_JPEG = b"\xff\xd8\xff"  # how a file begins
_PNG = b"\x89PNG\r\n\x1a\n"

_SEGMENT = struct.Struct(">BBH")  # 0xff, marker, bytes that follow with these two
_APPLICATIONS = range(0xE0, 0xF0)
_FRAMES = (0xC0, 0xC1, 0xC2)  # baseline, extended, progressive
_QUANTIZATION, _SCAN = 0xDB, 0xDA
_PASSED_OVER = (0xC4, 0xDD, 0xFE)  # Huffman tables, restart interval, comment
_FRAME = struct.Struct(">BHHB")  # bits, height, width, components
_JPEG_MODES = {1: "L", 3: "RGB", 4: "CMYK"}  # by components

_CHUNK = struct.Struct(">I4s")  # bytes of content, type
_IHDR = struct.Struct(">IIBBBBB")  # width, height, bits, colors, compression, filter, interlace
_PNG_MODES = {  # by bits and colors
    **{(bits, 0): "L" for bits in (2, 4, 8)},
    **{(bits, 3): "P" for bits in (1, 2, 4, 8)},
    (1, 0): "1",
    (16, 0): "I;16",
    (8, 2): "RGB",
    (16, 2): "RGB",
    (8, 4): "LA",
    (16, 4): "RGBA",
    (8, 6): "RGBA",
    (16, 6): "RGBA",
}
_PLAIN = {  # chunks that are passed over, with the bytes that Pillow expects of them
    b"PLTE": 0,
    b"bKGD": 0,
    b"cHRM": 32,
    b"gAMA": 4,
    b"pHYs": 9,
    b"sBIT": 0,
    b"sRGB": 1,
    b"tIME": 0,
}
_TEXT_AS_DATA = (b"exif", b"icc_profile", b"xmp", b"XML:com.adobe.xmp")  # to Pillow both are one
_LONGEST_PROFILE = 2**20  # bytes

_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
_ORIENTATION = 0x0112
_SHORT, _RATIONAL = (3, 1), (5, 1)  # type, count
# Pillow reads the resolution too, and trips over some that are of other types.
_TYPES = {_ORIENTATION: _SHORT, 0x0128: _SHORT, 0x011A: _RATIONAL}


class _UnusualError(Exception):
    """There is something that is left to Pillow."""


@dataclass(slots=True)
class _Told:
    """What a header tells beside size and mode."""

    exif: bytes = b""
    is_turned_in_xmp: bool = False
    icc_parts: list[bytes] = field(default_factory=list)  # of a JPEG
    icc: bytes | None = None


def glance(data: bytes) -> Description | None:
    """Describe a JPEG or PNG by its beginning; None where that is left to `describe`.

    Args:
        data: The first bytes of a file; None is returned too if they do not hold the header whole.
    """
    try:
        if data.startswith(_JPEG):
            return _jpeg(data)
        if data.startswith(_PNG):
            return _png(data)
    except (_UnusualError, IndexError, ValueError, struct.error, zlib.error):
        pass
    return None


def _jpeg(data: bytes) -> Description:
    told = _Told()
    width = height = 0
    mode = ""
    end = 2
    while True:
        mark, marker, length = _SEGMENT.unpack_from(data, end)
        start, end = end + 4, end + 2 + length
        if mark != 0xFF or length < 2 or end > len(data):
            raise _UnusualError
        if marker in _APPLICATIONS:
            _note(told, data, start, end)
        elif marker == _QUANTIZATION:
            _check_tables(data, start, end)
        elif marker in _FRAMES and not mode:
            bits, height, width, components = _FRAME.unpack_from(data, start)
            if bits != 8 or length != 8 + 3 * components:
                raise _UnusualError
            mode = _JPEG_MODES.get(components, "")
            told.icc = _joined(told.icc_parts)  # behind the frame Pillow takes none
        elif marker == _SCAN:
            return _description("JPEG", mode, width, height, told)
        elif marker not in _PASSED_OVER:
            raise _UnusualError


def _note(told: _Told, data: bytes, start: int, end: int) -> None:
    """Note what an application's segment tells, unless Pillow may trip over it."""
    if data.startswith(b"Exif\0\0", start) and not told.exif:
        told.exif = data[start + 6 : end]
    elif data.startswith(b"ICC_PROFILE\0", start):
        told.icc_parts.append(data[start + 12 : end])
    elif _is_odd(data, start, end):
        raise _UnusualError
    elif data.find(b"tiff:Orientation", start, end) >= 0:
        told.is_turned_in_xmp = True


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


def _png(data: bytes) -> Description:
    told = _Told()
    width = height = bits = colors = 0
    end = len(_PNG)
    while True:
        length, kind = _CHUNK.unpack_from(data, end)
        if kind == b"IDAT":
            mode = _PNG_MODES.get((bits, colors), "")
            return _description("PNG", mode, width, height, told, bits=max(bits, 8))
        start, end = end + 8, end + 12 + length
        content = data[start : end - 4]
        if zlib.crc32(content, zlib.crc32(kind)).to_bytes(4, "big") != data[end - 4 : end]:
            raise _UnusualError
        if kind == b"IHDR" and not bits:
            width, height, bits, colors, _, filter_, _ = _IHDR.unpack(content)
            if filter_:
                raise _UnusualError
        elif kind == b"iCCP":
            told.icc = _inflated(content)
        elif kind == b"eXIf" and not told.exif:
            told.exif = content
        elif not _is_plain(kind, content):
            raise _UnusualError


def _inflated(chunk: bytes) -> bytes:
    """Return the profile of a chunk: it stands behind a name and the method of compression."""
    name_end = chunk.index(b"\0")
    unpacker = zlib.decompressobj()
    profile = unpacker.decompress(chunk[name_end + 2 :], _LONGEST_PROFILE)
    if chunk[name_end + 1] != 0 or unpacker.unconsumed_tail:
        raise _UnusualError
    return profile


def _is_plain(kind: bytes, content: bytes) -> bool:
    """Tell whether a chunk says nothing that matters here, and Pillow does not trip over it."""
    if kind == b"tEXt":
        return content.partition(b"\0")[0] not in _TEXT_AS_DATA
    return len(content) >= _PLAIN.get(kind, len(content) + 1)


def _description(
    format_: str, mode: str, width: int, height: int, told: _Told, bits: int = 8
) -> Description:
    orientation = _orientation(told)
    if orientation >= 5:
        width, height = height, width
    if not (mode and width and height):
        raise _UnusualError
    profile, profile_name = judge_profile(told.icc, mode)
    return Description(
        format=format_,
        mode=mode,
        width=width,
        height=height,
        orientation=orientation,
        profile=profile,
        profile_name=profile_name,
        bits=bits,
        has_pages=False,
    )


def _orientation(told: _Told) -> int:
    found = [value for tag, value in _entries(told.exif) if tag == _ORIENTATION]
    if len(found) > 1 or (told.is_turned_in_xmp and not found):
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
