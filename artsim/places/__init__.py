"""Where pictures are: files, members of tars, rows of Parquet files.

A picture inside a file has a path as if that file were a folder: ``shard-000.tar/000123.jpg``, and
``train.parquet/image/17`` for row 17 of the column ``image``. So an index names every picture by
text relative to its root, and code that opens a picture need not know where it is.

Another kind of file with pictures inside is a class with the methods of `Container` and its row in
``CONTAINERS``. Pictures that are on no disk, as in an object store, begin in `status` and
`open_place`: all of artsim opens pictures by these two.
"""

from artsim.places.opening import (
    CONTAINERS,
    Container,
    exists,
    is_below,
    is_file,
    open_container,
    open_place,
    status,
)
from artsim.places.rows import picture_columns
from artsim.places.tars import Tar

__all__ = [
    "CONTAINERS",
    "Container",
    "Tar",
    "exists",
    "is_below",
    "is_file",
    "open_container",
    "open_place",
    "picture_columns",
    "status",
]
