"""Why a file that may well be sound cannot be decoded: what kind of picture it is."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from typing import IO, Any

from PIL.TiffImagePlugin import OPEN_INFO, ImageFileDirectory_v2

from artsim.images import libtiff

# Pictures and documents that are not decoded, by their first bytes.
_OTHERS = {
    "an SVG drawing": rb"\s*(<\?xml.*)?(<!DOCTYPE svg|<svg)",
    "a PDF document": rb"%PDF",
    "a PostScript document": rb"%!PS|\xc5\xd0\xd3\xc6",
    "a GIMP picture (XCF)": rb"gimp xcf",
    "a large Photoshop picture (PSB)": rb"8BPS\0\x02",
    "a DICOM picture": rb".{128}DICM",
    "an OpenEXR picture": rb"v/1\x01",
    "a Radiance HDR picture": rb"#\?(RADIANCE|RGBE)",
    "a JPEG XR picture": rb"II\xbc[\0\x01]",
    "a JPEG-LS picture": rb"\xff\xd8\xff\xf7",
    "a DjVu document": rb"AT&TFORM",
    "a FITS picture": rb"SIMPLE  =",
    "a QOI picture": rb"qoif",
    "a PAM picture": rb"P7\n",
    "an icon": rb"\0\0[\x01\x02]\0[^\0]\0",
    "a video": rb"....ftyp(isom|iso2|mp4|M4V|qt  )|\x1aE\xdf\xa3|RIFF....AVI |\0\0\x01\xba",
}

_PSD_MODES = {0: "bitmap", 1: "gray", 2: "palette", 3: "RGB", 4: "CMYK", 7: "multichannel"}
_PSD_MODES |= {8: "duotone", 9: "Lab"}

# TIFF tags (https://www.loc.gov/preservation/digital/formats/content/tiff_tags.shtml)
_BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLES, _EXTRA, _KIND = 258, 259, 262, 277, 338, 339
_SUB_IFDS, _DNG_VERSION = 330, 50706
_READ = (_BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLES, _EXTRA, _KIND, _SUB_IFDS, _DNG_VERSION)
_COLORS = {0: "gray", 1: "gray", 2: "RGB", 3: "palette", 4: "mask", 5: "CMYK", 6: "YCbCr"}
_COLORS |= {8: "Lab", 9: "ICC Lab", 10: "ITU Lab", 32844: "LogL", 32845: "LogLuv"}
_DEPTHS = {1, 2, 4, 8, 10, 12, 14, 16, 24, 32, 64}
_KINDS = {1: "", 2: "signed ", 3: "float ", 5: "complex ", 6: "complex "}
_CAMERA = (32803, 34892)  # color filter array, linear raw
_COMPRESSIONS = {34661: "JBIG", 34887: "LERC", 34925: "LZMA", 50000: "Zstandard", 50001: "WebP"}

# Frames of a JPEG that libjpeg does not decode.
_LOSSLESS_FRAMES, _HIERARCHICAL_FRAMES = (0xC3, 0xCB), (0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF)


def why_unsupported(data: bytes) -> str | None:
    """Name the kind of picture that a file is, if it is one that is not supported."""
    for name, start in _OTHERS.items():
        if re.match(start, data[:1000], re.DOTALL):
            return name
    if data.startswith(b"8BPS"):
        return _psd(data)
    if data.startswith(b"\xff\xd8"):
        return _jpeg(data)
    if data.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        return _tiff(data)
    return None


def is_camera_file(tiff: IO[bytes], tags: Mapping[int, Any] | None = None) -> bool:
    """Return whether a TIFF is the file of a camera, whose first page is a thumbnail.

    It is one if its pixels, or those of a directory within, are of the sensor. ``tags`` are of its
    first directory, if they have been read.
    """
    tags = _tags(tiff) if tags is None else tags
    try:
        if _DNG_VERSION in tags or tags.get(_PHOTOMETRIC) in _CAMERA:
            return True
        offsets = tags.get(_SUB_IFDS, ())
    except Exception:  # whatever Pillow raises on a damaged tag
        return False
    offsets = offsets if isinstance(offsets, tuple) else (offsets,)
    return any(_tags(tiff, offset).get(_PHOTOMETRIC) in _CAMERA for offset in offsets[:8])


def jpeg_frame(data: bytes) -> tuple[int, int]:
    """Return the marker of a JPEG's frame and where it is; 0 and 0 if there is none."""
    for place in _segments(data) if data.startswith(b"\xff\xd8") else ():
        marker = data[place + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return marker, place
    return 0, 0


def _segments(jpeg: bytes) -> Iterator[int]:
    place = 2
    while place + 9 < len(jpeg) and jpeg[place] == 0xFF:
        yield place
        place += 2 + int.from_bytes(jpeg[place + 2 : place + 4], "big")


def _jpeg(data: bytes) -> str | None:
    marker, place = jpeg_frame(data)
    bits = data[place + 4] if place else 8
    if marker in _LOSSLESS_FRAMES:
        return "a lossless JPEG"
    if bits in (12, 16):
        return f"a JPEG of {bits} bits a channel"
    return "a hierarchical JPEG" if marker in _HIERARCHICAL_FRAMES else None


def _psd(data: bytes) -> str | None:
    bits, mode = int.from_bytes(data[22:24], "big"), int.from_bytes(data[24:26], "big")
    if bits not in (1, 8, 16, 32) or mode not in _PSD_MODES:
        return None
    return f"a PSD of {bits}-bit {_PSD_MODES[mode]}"


def _tiff(data: bytes) -> str | None:
    tags = _tags(io.BytesIO(data))
    compression = tags.get(_COMPRESSION, 1)
    if compression in _COMPRESSIONS and libtiff.lacks_compression(compression):
        return f"a TIFF compressed by {_COMPRESSIONS[compression]}"
    bits, samples = tags.get(_BITS, (1,)), tags.get(_SAMPLES, 1)
    bits = bits if len(bits) > 1 else bits * samples
    color, kind = tags.get(_PHOTOMETRIC, -1), tags.get(_KIND, (1,))[0]
    extra = tags.get(_EXTRA, ())
    if color not in _COLORS or not {*bits} <= _DEPTHS or kind not in _KINDS or len(bits) != samples:
        return None  # rather damaged
    if any((each[1], each[2][0], *each[4:]) == (color, kind, bits, extra) for each in OPEN_INFO):
        return None  # that is not why it was refused
    more = f" with {len(extra)} more channel{'s'[: len(extra) > 1]}" if extra else ""
    return f"a TIFF of {max(bits)}-bit {_KINDS[kind]}{_COLORS[color]}{more}"


def _tags(file: IO[bytes], offset: int | None = None) -> Mapping[int, Any]:
    """Read a directory of a TIFF, the first by default; it is empty where it is damaged."""
    try:
        file.seek(0)
        start = file.read(16)
        tags = ImageFileDirectory_v2(start if b"+" in start[2:4] else start[:8])
        file.seek(tags.next if offset is None else offset)
        tags.load(file)
        return {number: tags[number] for number in _READ if number in tags}
    except Exception:  # whatever it raises on a damaged one
        return {}
