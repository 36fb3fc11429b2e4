"""The columns of a table that have the id and the picture of each work."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from artsim.datatypes import shell_word
from artsim.errors import ReaderError
from artsim.readers.options import ReaderOptions
from artsim.readers.pictures import is_picture, is_url
from artsim.readers.views import pictures_in

ID_COLUMNS = (
    *("id", "objectid", "imageid", "artworkid", "identifier", "uid", "uuid", "key"),
    *("objectnumber", "accessionnumber", "inventorynumber", "objectno", "accessionno"),
    *("inventoryno", "objectnr", "accessionnr", "inventorynr", "inventory"),
    *("objno", "accno", "invno", "invnr"),
)
IMAGE_COLUMNS = (
    *("image", "imagepath", "imagefile", "imagefilename", "imagename", "img", "imgpath"),
    *("filename", "filepath", "file", "path", "picture", "photo"),
    *("imageurl", "imgurl", "primaryimage", "thumbnailurl", "primaryimagesmall"),
)

_LISTED = 30  # columns named in a message


def key_columns(
    file: Path, names: Sequence[str], options: ReaderOptions, look: Callable[[], Sequence[str]]
) -> tuple[str, str]:
    """Return the columns with the ids and with the pictures of a file; they may be the same.

    ``look`` finds the columns that name pictures; it is called if no name is a known one.

    Raises:
        ReaderError: If there is none with pictures, or none of a given name.
    """
    listed = ", ".join(names[:_LISTED]) + (", ..." if len(names) > _LISTED else "")
    given = options.image_column
    image = find_column(names, given, IMAGE_COLUMNS)
    holding = look() if image is None and given is None else []
    if len(holding) == 1:
        image = holding[0]
    if image is None:
        missing = "no image column" if given is None else f"no column named {given!r}"
        if holding:
            missing = f"several columns that name pictures ({', '.join(holding)})"
        raise ReaderError(
            f"{file} has {missing}; its columns are {listed}; name the one with the path of the "
            "picture with --image-column, or read the pictures alone with "
            f"{shell_word(f'folder:{file.parent}')}"
        )
    id_ = find_column(names, options.id_column, ID_COLUMNS)
    if id_ is None and options.id_column is not None:
        raise ReaderError(
            f"{file} has no column named {options.id_column!r}; its columns are {listed}; "
            "name one of them with --id-column"
        )
    return id_ or image, image


def find_column(names: Sequence[str], given: str | None, known: Sequence[str]) -> str | None:
    """Return the column of a given name, or else the first that has a known one."""
    if given is not None and given in names:
        return given
    bare = {re.sub(r"[\W_]", "", name.lower()): name for name in reversed(names)}
    wanted = known if given is None else (re.sub(r"[\W_]", "", given.lower()),)
    return next((bare[name] for name in wanted if name in bare), None)


def columns_of_pictures(batch: pa.RecordBatch) -> list[str]:
    """List the columns of text whose every value names pictures: files, else web addresses."""
    found: dict[bool, list[str]] = {True: [], False: []}
    for name, type_ in zip(batch.schema.names, batch.schema.types, strict=True):
        cells = batch[name].drop_null().to_pylist() if type_ == pa.string() else []
        pieces = [piece for cell in cells if cell.strip() for piece in pictures_in(cell.strip())]
        if pieces and all(is_picture(piece.partition("?")[0]) for piece in pieces):
            found[is_url(pieces[0])].append(name)
    return found[False] or found[True]


def image_note(image: str) -> Iterator[str]:
    """Say which column has the pictures, where its name does not."""
    if find_column([image], None, (*IMAGE_COLUMNS, *ID_COLUMNS)) is None:
        yield f"the pictures are those that the column {image!r} names"


def id_note(keys: tuple[str, str], images: Sequence[str]) -> Iterator[str]:
    """Say that paths of pictures are the ids, where no column has ids."""
    if keys[0] == keys[1] and images:
        yield (
            f"no column of ids was found, so each work has its picture's path as its id, such as "
            f"{images[0]!r}; to use another column, name it with --id-column"
        )
