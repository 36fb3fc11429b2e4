"""Picture formats: how Pillow calls each, the suffixes of its files, and their first bytes."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class PictureFormat:
    """A format that artsim decodes, alone or with a package of the extra ``formats``."""

    name: str
    suffixes: tuple[str, ...]  # of its files, lower case; the first is the usual one
    start: bytes  # pattern of a file's first bytes
    package: str = ""  # that decodes it; Pillow does where it is ''


# What a collection holds. Left out: formats that run a program or only name a file (EPS, WMF),
# that hold no picture (HDF5, GRIB, MPEG), or whose first bytes prove nothing (TGA, PCX).
# Tried in this order. MPO, the JPEG of several pictures, opens as a JPEG.
FORMATS = (
    PictureFormat("JPEG", ("jpg", "jpeg", "jpe", "jfif", "mpo"), rb"\xff\xd8\xff"),
    PictureFormat("PNG", ("png", "apng"), rb"\x89PNG"),
    # Camera files begin like a TIFF, and only its tags show that a file is a DNG.
    PictureFormat(
        "RAW",
        (
            *("dng", "3fr", "arw", "cr2", "cr3", "crw", "dcr", "erf", "fff", "iiq", "kdc", "mef"),
            *("mos", "mrw", "nef", "nrw", "orf", "pef", "raf", "rw2", "rwl", "sr2", "srf", "srw"),
            "x3f",
        ),
        rb"FUJIFILMCCD-RAW|....ftypcrx |IIU\0|II\x1a\0\0\0HEAPCCDR|IIR[OS]|MMOR|\0MRM|FOVb"
        rb"|II\*\0....(CR|IIII)|MM\0\*....(CR|MMMM)",
        "rawpy",
    ),
    PictureFormat("TIFF", ("tif", "tiff", "btf"), rb"II[*+]\0|MM\0[*+]"),
    PictureFormat("WEBP", ("webp",), rb"RIFF....WEBP"),
    PictureFormat("GIF", ("gif",), rb"GIF8"),
    PictureFormat("BMP", ("bmp", "dib"), rb"BM"),
    PictureFormat(
        "JPEG2000",
        ("jp2", "j2c", "j2k", "jpc", "jpf", "jpx"),
        rb"\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51",
    ),
    PictureFormat("AVIF", ("avif", "avifs"), rb"....ftyp(avi[fs]|m[is]f1....(....)*avi[fs])"),
    PictureFormat(
        "HEIF",
        ("heic", "heif", "heics", "heifs", "hif"),
        rb"....ftyp(he[iv][cmsx]|mif1|msf1)",
        "pillow-heif",
    ),
    PictureFormat(
        "JXL",
        ("jxl",),
        rb"\xff\x0a|\0\0\0\x0cJXL \r\n\x87\n",
        "pillow-jxl-plugin",
    ),
    PictureFormat("PPM", ("ppm", "pgm", "pbm", "pnm", "pfm"), rb"P[0-6fFy]"),
    PictureFormat("PSD", ("psd",), rb"8BPS"),
)

PICTURE_SUFFIXES = frozenset(suffix for each in FORMATS for suffix in each.suffixes)


def format_of(start: bytes) -> PictureFormat | None:
    """Return the format that a file's first bytes are of; None for any other."""
    for each in FORMATS:
        if re.match(each.start, start[:64], re.DOTALL):
            return each
    return None
