"""Data types that every package shares."""

from artsim.datatypes.box import Box, tile_boxes
from artsim.datatypes.captions import (
    as_text,
    caption_columns,
    first_text,
    listed_texts,
    title_column,
)
from artsim.datatypes.catalog import RESERVED, Catalog, Field, FieldType, column_named
from artsim.datatypes.copies import name_copy, shown_path
from artsim.datatypes.estimate import FEW_GROUPS, Estimate
from artsim.datatypes.files import name_as_text
from artsim.datatypes.finite import finite
from artsim.datatypes.formats import FORMATS, PICTURE_SUFFIXES, PictureFormat, format_of
from artsim.datatypes.ordinals import ordinal, percentile
from artsim.datatypes.passport import Fit, Passport, Preprocessing, TapInfo, read_preprocessing
from artsim.datatypes.printable import plural, printable, shell_word
from artsim.datatypes.progress import Progress, no_progress
from artsim.datatypes.sizes import bytes_text
from artsim.datatypes.spec import (
    DEFAULT_MODEL,
    EMBEDDING,
    PALETTE,
    PIP,
    RANDOM,
    RUN,
    SHORT_NAMES,
    ExtractorSpec,
    Tap,
    parse_spec,
)
from artsim.datatypes.statuses import Statuses

__all__ = [
    "DEFAULT_MODEL",
    "EMBEDDING",
    "FEW_GROUPS",
    "FORMATS",
    "PALETTE",
    "PICTURE_SUFFIXES",
    "PIP",
    "RANDOM",
    "RESERVED",
    "RUN",
    "SHORT_NAMES",
    "Box",
    "Catalog",
    "Estimate",
    "ExtractorSpec",
    "Field",
    "FieldType",
    "Fit",
    "Passport",
    "PictureFormat",
    "Preprocessing",
    "Progress",
    "Statuses",
    "Tap",
    "TapInfo",
    "as_text",
    "bytes_text",
    "caption_columns",
    "column_named",
    "finite",
    "first_text",
    "format_of",
    "listed_texts",
    "name_as_text",
    "name_copy",
    "no_progress",
    "ordinal",
    "parse_spec",
    "percentile",
    "plural",
    "printable",
    "read_preprocessing",
    "shell_word",
    "shown_path",
    "tile_boxes",
    "title_column",
]
