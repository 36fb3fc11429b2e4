"""Picture files: bytes to upright sRGB pixels, or an error of one line; perceptual hashes."""

from artsim.images.ahead import ReadAhead
from artsim.images.apart import Decoders, decode
from artsim.images.color import Profile, judge_profile
from artsim.images.decoding import Picture
from artsim.images.describing import Description, describe
from artsim.images.files import MAX_BYTES, not_a_picture_file, open_regular, read_bytes
from artsim.images.looks import (
    COPY_EDGES,
    GRAY_SIDE,
    TRANSFORMS,
    Grays,
    edges_of,
    gray_hashes,
    small_gray,
)
from artsim.images.memory import Budget, limit_memory, process_budget
from artsim.images.opening import MAX_PIXELS
from artsim.images.packages import versions
from artsim.images.phash import groups_of, near_pairs, perceptual_hash
from artsim.images.plain import plain_jpeg_size

__all__ = [
    "COPY_EDGES",
    "GRAY_SIDE",
    "MAX_BYTES",
    "MAX_PIXELS",
    "TRANSFORMS",
    "Budget",
    "Decoders",
    "Description",
    "Grays",
    "Picture",
    "Profile",
    "ReadAhead",
    "decode",
    "describe",
    "edges_of",
    "gray_hashes",
    "groups_of",
    "judge_profile",
    "limit_memory",
    "near_pairs",
    "not_a_picture_file",
    "open_regular",
    "perceptual_hash",
    "plain_jpeg_size",
    "process_budget",
    "read_bytes",
    "small_gray",
    "versions",
]
