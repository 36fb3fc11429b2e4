"""Bytes of a picture file in, upright sRGB pixels out, or one line that says why not."""

from artsim.images.color import Profile, judge_profile
from artsim.images.decoding import Picture, decode
from artsim.images.describing import Description, describe
from artsim.images.opening import MAX_PIXELS, read_bytes

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
