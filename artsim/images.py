"""Bytes of a picture file in, upright sRGB pixels out, or one line that says why not."""

from __future__ import annotations

import io
import threading
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, lru_cache
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageFile, UnidentifiedImageError

from artsim.errors import ImageError

__all__ = [
    "MAX_PIXELS",
    "Description",
    "Picture",
    "Profile",
    "decode",
    "describe",
    "judge_profile",
    "read_bytes",
]

# 16,384 x 16,384. Pillow holds 4 bytes a pixel and the array 3, so the largest picture costs
# 1.75 GiB in the thread that decodes it; almost every museum scan is below.
MAX_PIXELS = 2**28

# Pixels handed from Pillow to numpy at a time.
_STRIP = 2**19

# What a collection holds. Left out: formats that run a program or only name a file (EPS, WMF),
# that hold no picture (HDF5, GRIB, MPEG), or whose first bytes prove nothing (TGA, PCX).
# Tried in this order. MPO, the JPEG of several pictures, opens as a JPEG.
_FORMATS = ("JPEG", "PNG", "TIFF", "WEBP", "GIF", "BMP", "JPEG2000", "AVIF", "PPM", "PSD")

# EXIF orientation -> what makes the picture upright; 1 is upright already.
_ORIENTATION_TAG = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SWAPPING = {_TURNS[n] for n in (5, 6, 7, 8)}  # these swap width and height

# ICC colour space of a profile -> the Pillow mode whose pixels it describes.
_PROFILE_MODES = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK"}

# Formats of several pages or frames. The further pictures of an MPO are previews, those of a PSD
# its layers.
_PAGED = ("AVIF", "GIF", "PNG", "TIFF", "WEBP")

_WHOLE_BYTES = 2**26  # a header that Pillow trips over is looked at again in so many bytes

# TIFF tags and the one value that matters here.
_BITS_PER_SAMPLE, _PHOTOMETRIC, _WHITE_IS_ZERO = 258, 262, 0


@dataclass(frozen=True)
class Picture:
    """A decoded picture."""

    pixels: NDArray[np.uint8]  # (H, W, 3) sRGB, contiguous; see `decode` for H and W
    width: int  # of the file, upright, in pixels
    height: int


class Profile(StrEnum):
    """What an embedded ICC profile does to the colours."""

    NONE = "none"  # there is none, and the picture counts as sRGB
    SRGB = "sRGB"  # it changes nothing
    OTHER = "other"  # `decode` converts by it
    UNUSABLE = "unusable"  # broken, or meant for another kind of pixels: it is passed over


@dataclass(frozen=True, kw_only=True)
class Description:
    """What a file's header says of its picture."""

    format: str  # JPEG, PNG, TIFF, ... as Pillow calls it
    mode: str  # RGB, L, CMYK, ... as Pillow would open it
    width: int  # upright, in pixels
    height: int
    orientation: int  # of EXIF, 1 to 8; 1 is upright
    profile: Profile
    profile_name: str  # '' where there is none or it is broken
    bits: int  # a channel: 16 or 32 where the file holds more than 8, else 8
    has_pages: bool  # it holds more than one page or frame


def read_bytes(path: Path) -> bytes:
    """Read a file whole.

    Raises:
        ImageError: If it is not there, is a folder, is empty or cannot be read.
    """
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise ImageError(f"no file {str(path)!r}; check the path and its folder") from None
    except IsADirectoryError:
        raise ImageError(f"{str(path)!r} is a folder; name a picture file in it") from None
    except (OSError, ValueError) as problem:  # ValueError: a zero byte in the path
        reason = _one_line(getattr(problem, "strerror", None) or problem)
        raise ImageError(
            f"{str(path)!r} cannot be read ({reason}); check the path and its permissions"
        ) from problem
    if not data:
        raise ImageError(f"{str(path)!r} is empty (0 bytes); get the file again")
    return data


def decode(
    data: bytes,
    *,
    at_least: Callable[[int, int], tuple[int, int]] | None = None,
    max_pixels: int = MAX_PIXELS,
) -> Picture:
    """Decode a picture: its first page, upright, in sRGB, transparency on white.

    Embedded ICC profiles are applied; a broken one counts as none, as does broken EXIF.
    16-bit grey is scaled to 8 bits. Safe to call from many threads at once.

    Args:
        data: The file, whole.
        at_least: Gets the upright width and height and answers the smallest upright size that is
            still useful. A JPEG is then decoded at 1/8, 1/4 or 1/2 of its size (by libjpeg, in
            the DCT domain) if that keeps both sides at least so large. Default: at full size.
        max_pixels: A larger picture is refused before a pixel is decoded.

    Raises:
        ImageError: If it is no picture, too large, damaged or truncated.
    """
    if not data:
        raise ImageError("the file is empty (0 bytes); get it again")
    with _quiet():
        img = _open(data, max_pixels)
        is_jpeg = img.format in ("JPEG", "MPO")
        if not is_jpeg:  # loading turns a TIFF upright, and finds EXIF behind a PNG's pixels
            with _refusing(img):
                if img.format == "PNG":
                    _check_sums(data)
                img.load()
        turn = _turn(img)
        width, height = _turned(img.size, turn)
        if is_jpeg and at_least is not None:
            # The mode stays (None): profiles and CMYK still need it.
            img.draft(None, _turned(at_least(width, height), turn))
        with _refusing(img):
            rgb = _srgb(img)
            if turn is not None:
                rgb = rgb.transpose(turn)
            pixels = _array(rgb)
    return Picture(pixels, width, height)


def describe(source: bytes | Path) -> Description:
    """Describe a picture by its header; no pixel is decoded, and of most files little is read.

    Pictures of any size are described, also those that `decode` would refuse. A file that is cut
    off or damaged behind its header is not noticed. Of a PNG only EXIF before the pixels counts.

    Args:
        source: The file, or its bytes (whole, or a beginning that holds the header).

    Raises:
        ImageError: If it is no picture, or its header is damaged.
    """
    if isinstance(source, bytes):
        return _describe(io.BytesIO(source))
    try:
        with source.open("rb") as file:
            return _describe(file)
    except (OSError, ValueError):
        return _describe(io.BytesIO(read_bytes(source)))  # says what is wrong with the path


def judge_profile(profile: object, mode: str) -> tuple[Profile, str]:
    """Tell what an embedded ICC profile does to pixels of a Pillow mode, and what it is called.

    Args:
        profile: Its bytes; anything else counts as none.
        mode: RGB, L, CMYK, ... as Pillow would open the picture.
    """
    if not isinstance(profile, bytes):
        return Profile.NONE, ""
    kind, name, profile_mode = _profile_of(profile)
    pixels = "L" if mode[0] in "1LIF" and mode != "LAB" else mode
    pixels = pixels if pixels in ("L", "CMYK", "LAB") else "RGB"
    fits = pixels == profile_mode or (pixels, profile_mode) == ("L", "RGB")
    return (kind if fits else Profile.UNUSABLE), name


class _DecodingHere(threading.local):
    """Stands in a warnings filter for the pattern of a message: matches while this thread decodes.

    `warnings.catch_warnings` swaps the filters of the whole process, so two threads in it at once
    can leave the wrong ones behind. This filter stays and is inert everywhere else.
    """

    now = False

    def match(self, _message: str) -> bool:
        return self.now


_decoding_here = _DecodingHere()
_IGNORE_HERE = ("ignore", _decoding_here, Warning, None, 0)
_of_the_process = threading.Lock()  # around what this module changes outside of itself


@contextmanager
def _quiet() -> Iterator[None]:
    """Let no warning about an odd file (a bad TIFF tag, torn EXIF) out of this thread."""
    filters: Any = warnings.filters  # typed as a plain Sequence
    with _of_the_process:
        if not filters or filters[0] is not _IGNORE_HERE:  # new, or someone put theirs in front
            filters.insert(0, _IGNORE_HERE)
            if _IGNORE_HERE in filters[1:]:
                del filters[filters.index(_IGNORE_HERE, 1)]
    _decoding_here.now = True
    try:
        yield
    finally:
        _decoding_here.now = False


def _describe(file: IO[bytes]) -> Description:
    start = file.read(200)
    if not start:
        raise ImageError("the file is empty (0 bytes); get it again")
    with _quiet():
        img = _opened(file, start)
        if img is None:
            file.seek(0)
            img = _open(file.read(_WHOLE_BYTES), MAX_PIXELS)
        turn, orientation = _orientation(img)
        # Pillow tells the size of a TIFF upright before it has turned it.
        width, height = img.size if img.format == "TIFF" else _turned(img.size, turn)
        profile, profile_name = judge_profile(img.info.get("icc_profile"), img.mode)
        return Description(
            format="JPEG" if img.format == "MPO" else str(img.format),
            mode=img.mode,
            width=width,
            height=height,
            orientation=orientation,
            profile=profile,
            profile_name=profile_name,
            bits=_bits(img),
            has_pages=img.format in _PAGED and bool(getattr(img, "is_animated", False)),
        )


def _opened(file: IO[bytes], start: bytes) -> ImageFile.ImageFile | None:
    """Open a file as `Image.open` does, but without its limit, so that threads need not queue."""
    for name in _formats():
        factory, accepts = Image.OPEN[name]
        if accepts is not None and accepts(start[:16]) is not True:
            continue
        file.seek(0)
        try:
            return factory(file, "")
        except Exception:  # whatever a plugin raises on a header it did not expect
            continue
    return None


def _orientation(img: ImageFile.ImageFile) -> tuple[Image.Transpose | None, int]:
    if img.format == "PNG" and "exif" not in img.info:
        return None, 1  # Pillow would decode the pixels to look for it behind them
    turn = _turn(img)
    return turn, next((number for number, each in _TURNS.items() if each is turn), 1)


@lru_cache(maxsize=32)
def _profile_of(profile: bytes) -> tuple[Profile, str, str]:
    """Tell what a profile does, what it is called, and the mode whose pixels it is for."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        name = _one_line(source.profile.profile_description or "no name")
        mode = _PROFILE_MODES[source.profile.xcolor_space]
        if _transform(profile) is not None:
            return Profile.OTHER, name, mode
        ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
    except Exception:  # as in `_transform`
        return Profile.UNUSABLE, "", ""
    return Profile.SRGB, name, mode


def _bits(img: ImageFile.ImageFile) -> int:
    if img.format == "TIFF":
        stored = getattr(img, "tag_v2", {}).get(_BITS_PER_SAMPLE, 1)
        bits = max(stored) if isinstance(stored, tuple) else int(stored)
        return 8 if bits <= 8 else 16 if bits <= 16 else 32
    arguments = img.tile[0].args if img.tile else ()
    arguments = arguments if isinstance(arguments, tuple) else (arguments,)
    # a raw mode such as RGB;16B, and in a PPM the value of white
    deep = any(";16" in str(each) for each in arguments) or (
        img.format == "PPM" and any(isinstance(each, int) and each > 255 for each in arguments)
    )
    return 16 if deep or img.mode.startswith("I") else 8


def _open(data: bytes, max_pixels: int) -> ImageFile.ImageFile:
    """Read the header and check the size; no pixel is decoded yet."""
    # Pillow's own limit is a module's global, far below ours, and its message names no option.
    with _of_the_process:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            img = _header(data)
            width, height = img.size
            if width * height <= max_pixels and img.format == "TIFF":
                img.load_prepare()  # checks Pillow's limit once more: not when done in here
        except UnidentifiedImageError:
            raise ImageError(_not_a_picture(data)) from None
        except Exception as problem:  # whatever a plugin raises on a header it did not expect
            raise ImageError(
                f"the file's header cannot be read ({_one_line(problem)}); get the file again"
            ) from problem
        finally:
            Image.MAX_IMAGE_PIXELS = limit
    if width * height > max_pixels:
        raise ImageError(
            f"{width:,} x {height:,} = {width * height:,} pixels, more than the cap of "
            f"{max_pixels:,}; raise it with --max-pixels if the file can be trusted"
        )
    # In one go: at each of the usual 64 KiB blocks the decoder would take the GIL and wait for
    # it, which costs two thirds of the speed beside one busy Python thread.
    img.decodermaxblock = max(len(data), img.decodermaxblock)
    return img


def _header(data: bytes) -> ImageFile.ImageFile:
    try:
        return Image.open(io.BytesIO(data), formats=_formats())
    except UnidentifiedImageError:
        # Opening a JPEG, Pillow looks for its resolution in EXIF and trips over some broken ones.
        # Under another name it is passed over.
        exif = data.find(b"Exif\0\0", 0, 2**16) if data.startswith(b"\xff\xd8") else -1
        if exif < 0:
            raise
        without = data[:exif] + b"-" + data[exif + 1 :]
        return Image.open(io.BytesIO(without), formats=_formats())


@cache
def _formats() -> tuple[str, ...]:
    """The formats that this Pillow knows; AVIF came with 11.3."""
    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)


@contextmanager
def _refusing(img: ImageFile.ImageFile) -> Iterator[None]:
    """Turn whatever Pillow raises on a damaged file into an ImageError."""
    try:
        yield
    except Exception as problem:  # OSError, SyntaxError, struct.error, MemoryError, ...
        raise ImageError(
            f"the {img.format} cannot be decoded whole ({_one_line(problem)}); get the file again"
        ) from problem


def _one_line(problem: object) -> str:
    return " ".join(str(problem).split()) or type(problem).__name__


def _not_a_picture(data: bytes) -> str:
    """Say what the file seems to be instead."""
    for name in _formats():
        accepts = Image.OPEN[name][1]
        verdict = accepts is not None and accepts(data[:16])
        if isinstance(verdict, str):  # this Pillow was built without the decoder
            return f"{_one_line(verdict)}; install Pillow's own wheel or convert the file"
        if verdict:
            return f"the file begins like a {name} but its header is damaged; get the file again"
    text = " ".join(data[:200].decode("utf-8-sig", "ignore").split())[:24]
    looks_like_text = text.isprintable() and b"\0" not in data[:200]
    start = repr(text) if text and looks_like_text else f"the bytes {data[:8].hex(' ')}"
    known = ", ".join(_formats())
    return f"not a picture: the file begins with {start}; expected {known}: get it again"


def _check_sums(png: bytes) -> None:
    """Compare the checksums of a PNG's pixel chunks, which Pillow does not.

    One flipped bit in 25 still inflates, to wrong colours.
    """
    view, start = memoryview(png), 8
    while start < len(png):
        length = int.from_bytes(png[start : start + 4], "big")
        end = start + 8 + length
        told = int.from_bytes(png[end : end + 4], "big")
        if png[start + 4 : start + 8] == b"IDAT" and zlib.crc32(view[start + 4 : end]) != told:
            raise OSError(f"wrong checksum in the chunk at byte {start}")
        start = end + 4


def _turn(img: Image.Image) -> Image.Transpose | None:
    """What makes the picture upright; None when it is, or when its EXIF is broken."""
    try:
        return _TURNS.get(img.getexif().get(_ORIENTATION_TAG, 1))
    except Exception:  # EXIF is a file of its own, and as often damaged
        return None


def _turned(size: tuple[int, int], turn: Image.Transpose | None) -> tuple[int, int]:
    width, height = size
    return (height, width) if turn in _SWAPPING else (width, height)


def _srgb(img: Image.Image) -> Image.Image:
    """Decode into mode RGB, in sRGB, on white; a plain RGB picture is handed back as it is."""
    img.load()
    profile = img.info.get("icc_profile")
    if img.mode in ("I", "F") or img.mode.startswith("I;16"):
        img = _grey(img)
    if not img.has_transparency_data:
        return _without_profile(img, profile)
    mode = "L" if img.getbands()[0] in ("1", "L") else "RGB"
    img = img.convert(mode + "A")
    on_white = Image.new("RGB", img.size, "white")
    on_white.paste(_without_profile(img.convert(mode), profile), mask=img.getchannel("A"))
    return on_white


def _grey(img: Image.Image) -> Image.Image:
    """Scale 16-bit, 32-bit or float grey to mode L."""
    values = np.asarray(img)
    black, white = _range(img, values)
    scaled = values.astype(np.float32)
    scaled -= black
    scaled *= 255 / (white - black)
    np.nan_to_num(scaled, copy=False, nan=0)
    grey = np.rint(scaled, out=scaled).clip(0, 255, out=scaled).astype(np.uint8)
    # Pillow turns 8-bit grey around when the file says so, but not these.
    if getattr(img, "tag_v2", {}).get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
        grey = 255 - grey
    picture = Image.fromarray(grey)
    if "transparency" in img.info:  # the one grey that stands for transparent
        opaque = values != img.info["transparency"]
        picture.putalpha(Image.fromarray(opaque.astype(np.uint8) * 255))
    return picture


def _range(img: Image.Image, values: NDArray[Any]) -> tuple[float, float]:
    """The values of black and white.

    16-bit files say it. In a float or 32-bit TIFF white is the smallest of 1, 255 and 65,535 that
    no value exceeds; beyond these, or below 0, the picture's own extremes are black and white.
    """
    tags = getattr(img, "tag_v2", {})
    if tags.get(_BITS_PER_SAMPLE) == (12,):
        return 0, 4095
    if img.mode.startswith("I;16") or (img.mode == "I" and not tags):
        return 0, 65535
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    for white in (1, 255, 65535):
        if low >= 0 and high <= white:
            return 0, white
    return low, high if high > low else low + 1


def _without_profile(img: Image.Image, profile: object) -> Image.Image:
    """Convert to sRGB by the embedded profile if it fits the picture, else by the usual formula."""
    if img.mode in ("1", "P", "YCbCr", "RGBX"):
        img = img.convert("L" if img.mode == "1" else "RGB")
    transform = _transform(profile) if isinstance(profile, bytes) else None
    if transform is not None:
        if (img.mode, transform.input_mode) == ("L", "RGB"):  # grey saved beside an RGB profile
            img = img.convert("RGB")
        if img.mode == transform.input_mode:
            return transform.apply(img)
    return img if img.mode == "RGB" else img.convert("RGB")


@lru_cache(maxsize=32)
def _transform(profile: bytes) -> ImageCms.ImageCmsTransform | None:
    """The way from a profile to sRGB; None if it is broken, of no use or sRGB already."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = _PROFILE_MODES[source.profile.xcolor_space]
        transform = ImageCms.ImageCmsTransform(
            source,
            ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")),
            mode,
            "RGB",
            # Threads share the transform; with the cache it would keep the last pixel it saw.
            flags=ImageCms.Flags.NOCACHE,
        )
        return None if mode == "RGB" and _changes_nothing(transform) else transform
    except Exception:  # ImageCms raises several kinds, KeyError is a space that is not for pixels
        return None


def _changes_nothing(transform: ImageCms.ImageCmsTransform) -> bool:
    """Try 729 colours: profiles have many names for sRGB, and some of them lie."""
    levels = np.linspace(0, 255, 9).astype(np.uint8)
    colours = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(27, 27, 3)
    after = np.asarray(transform.apply(Image.fromarray(colours)))
    return bool(np.abs(after.astype(int) - colours).max() <= 1)


def _array(rgb: Image.Image) -> NDArray[np.uint8]:
    """The pixels of a picture in mode RGB, shape (H, W, 3)."""
    width, height = rgb.size
    rows = max(1, _STRIP // width)
    if rows >= height:
        return np.array(rgb)
    # Pillow gathers small pieces and joins them: of a large picture in one go that is a second
    # copy, in memory that is fresh each time, and takes more than twice as long.
    pixels = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, rows):
        strip = rgb.crop((0, top, width, min(top + rows, height)))
        pixels[top : top + rows] = np.asarray(strip)
    return pixels
