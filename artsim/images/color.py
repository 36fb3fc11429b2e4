"""Conversion of any colors to sRGB: embedded profiles, gray of 16 bits, transparency."""

from __future__ import annotations

import io
from enum import StrEnum
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from artsim.images.opening import one_line

# ICC color space of a profile -> the Pillow mode of its pixels.
_PROFILE_MODES = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK"}

# TIFF tags, and a value.
BITS_PER_SAMPLE, _PHOTOMETRIC, _WHITE_IS_ZERO = 258, 262, 0


class Profile(StrEnum):
    """What an embedded ICC profile does to the colors."""

    NONE = "none"  # the picture is taken as sRGB
    SRGB = "sRGB"  # it changes nothing
    OTHER = "other"  # `decode` converts by it
    UNUSABLE = "unusable"  # broken, or for another kind of pixels: it is ignored


def judge_profile(profile: object, mode: str) -> tuple[Profile, str]:
    """Return what an embedded ICC profile does to pixels of a Pillow mode, and its name.

    Anything but bytes counts as none. The mode is the one in which Pillow opens the picture.
    """
    if not isinstance(profile, bytes):
        return Profile.NONE, ""
    kind, name, profile_mode, _ = _read(profile)
    pixels = "L" if mode[0] in "1LIF" and mode != "LAB" else mode
    pixels = pixels if pixels in ("L", "CMYK", "LAB") else "RGB"
    fits = pixels == profile_mode or (pixels, profile_mode) == ("L", "RGB")
    return (kind if fits else Profile.UNUSABLE), name


def changes_colors(img: Image.Image) -> bool:
    """Return whether an RGB picture has a profile by which its colors are converted."""
    profile = img.info.get("icc_profile")
    return isinstance(profile, bytes) and _read(profile)[-1] is not None


def srgb(img: Image.Image, decoded: NDArray[np.uint8] | None = None) -> tuple[Image.Image, bool]:
    """Decode into mode RGB, in sRGB, on white; a plain RGB picture is handed back as it is.

    Args:
        img: The picture.
        decoded: Its pixels, (H, W, 3), if they are decoded already.

    Returns:
        The picture, and whether it is wholly transparent: it is opaque then, or it would be white.
    """
    profile = img.info.get("icc_profile")
    if decoded is not None:
        return _without_profile(Image.fromarray(decoded), profile), False
    img.load()
    if img.mode in ("I", "F") or img.mode.startswith("I;16"):
        img = _gray(img)
    if not img.has_transparency_data:
        return _without_profile(img, profile), False
    mode = "L" if img.getbands()[0] in ("1", "L") else "RGB"
    img = img.convert(mode + "A")
    opaque, alpha = _without_profile(img.convert(mode), profile), img.getchannel("A")
    if not alpha.getbbox():
        return opaque, True
    on_white = Image.new("RGB", img.size, "white")
    on_white.paste(opaque, mask=alpha)
    return on_white, False


def _gray(img: Image.Image) -> Image.Image:
    """Scale 16-bit, 32-bit or float gray to mode L."""
    values = np.asarray(img)
    black, white = _range(img, values)
    scaled = values.astype(np.float32)
    scaled -= black
    scaled *= 255 / (white - black)
    np.nan_to_num(scaled, copy=False, nan=0)
    gray = np.rint(scaled, out=scaled).clip(0, 255, out=scaled).astype(np.uint8)
    # Pillow inverts such gray of 8 bits, but not this.
    if getattr(img, "tag_v2", {}).get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
        gray = 255 - gray
    picture = Image.fromarray(gray)
    if "transparency" in img.info:  # the one gray that stands for transparent
        opaque = values != img.info["transparency"]
        picture.putalpha(Image.fromarray(opaque.astype(np.uint8) * 255))
    return picture


def _range(img: Image.Image, values: NDArray[Any]) -> tuple[float, float]:
    """Return the values of black and white.

    In a float or 32-bit TIFF, which does not record them, white is the smallest of 1, 255 and
    65,535 that no value exceeds; beyond these, or below 0, the extremes are black and white.
    """
    tags = getattr(img, "tag_v2", {})
    if tags.get(BITS_PER_SAMPLE) == (12,):
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
    transform = _read(profile)[-1] if isinstance(profile, bytes) else None
    if transform is not None:
        if (img.mode, transform.input_mode) == ("L", "RGB"):  # gray saved beside an RGB profile
            img = img.convert("RGB")
        if img.mode == transform.input_mode:
            return transform.apply(img)
    return img if img.mode == "RGB" else img.convert("RGB")


@lru_cache(maxsize=32)
def _read(profile: bytes) -> tuple[Profile, str, str, ImageCms.ImageCmsTransform | None]:
    """Return what a profile does, its name, the mode of its pixels, and the transform to sRGB."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        name = one_line(source.profile.profile_description or "no name")
        mode = _PROFILE_MODES[source.profile.xcolor_space]
        transform = ImageCms.ImageCmsTransform(
            source,
            ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")),
            mode,
            "RGB",
            # Threads share the transform; with the cache it would keep the last pixel it saw.
            flags=ImageCms.Flags.NOCACHE,
        )
        if mode == "RGB" and _changes_nothing(transform):
            return Profile.SRGB, name, mode, None
        return Profile.OTHER, name, mode, transform
    except Exception:  # ImageCms raises several kinds; KeyError: a color space not for pixels
        return Profile.UNUSABLE, "", "", None


def _changes_nothing(transform: ImageCms.ImageCmsTransform) -> bool:
    """Try 729 colors: profiles have many names for sRGB, and some are wrong."""
    levels = np.linspace(0, 255, 9).astype(np.uint8)
    colors = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(27, 27, 3)
    after = np.asarray(transform.apply(Image.fromarray(colors)))
    return bool(np.abs(after.astype(int) - colors).max() <= 1)
