"""The nouns that every room shares."""

from artsim.datatypes.catalogue import RESERVED, Catalogue, Field, FieldType
from artsim.datatypes.passport import Fit, Passport, Preprocessing, TapInfo
from artsim.datatypes.spec import (
    DEFAULT_MODEL,
    EMBEDDING,
    PIP,
    POOLINGS,
    RANDOM,
    SHORT_NAMES,
    SOURCES,
    ExtractorSpec,
    Tap,
    parse_spec,
)

__all__ = [
    "DEFAULT_MODEL",
    "EMBEDDING",
    "PIP",
    "POOLINGS",
    "RANDOM",
    "RESERVED",
    "SHORT_NAMES",
    "SOURCES",
    "Catalogue",
    "ExtractorSpec",
    "Field",
    "FieldType",
    "Fit",
    "Passport",
    "Preprocessing",
    "Tap",
    "TapInfo",
    "parse_spec",
]
