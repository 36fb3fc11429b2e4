"""Picture files: bytes to upright sRGB pixels, or an error of one line; perceptual hashes."""

from artsim.images.color import Profile, judge_profile
from artsim.images.decoding import Picture, decode
from artsim.images.describing import Description, describe
from artsim.images.opening import MAX_PIXELS, read_bytes
from artsim.images.packages import versions
from artsim.images.phash import groups_of, near_pairs, perceptual_hash

__all__ = [
    "MAX_PIXELS",
    "Description",
    "Picture",
    "Profile",
    "decode",
    "describe",
    "groups_of",
    "judge_profile",
    "near_pairs",
    "perceptual_hash",
    "read_bytes",
    "versions",
]
