"""Where pictures are: files, members of tars, rows of Parquet files.

A picture inside a file has a path as if that file were a folder: ``shard-000.tar/000123.jpg``, and
``train.parquet/image/17`` for row 17 of the column ``image``. So an index names every picture by
text relative to its root, and code that opens a picture need not know where it is.

Another kind of file with pictures inside is a class with the methods of `Container` and its row in
``CONTAINERS``. A path may be in an object store, too: ``s3://bucket/a.jpg``, see `RemotePath`.
All of artsim opens pictures by `status` and `open_place`.
"""

from artsim.places.naming import picture_file, picture_path
from artsim.places.objects import (
    ask_object,
    download_object,
    list_objects,
    read_object,
    remove_object,
    upload_object,
    write_object,
    write_object_if,
)
from artsim.places.opening import (
    CONTAINERS,
    Container,
    exists,
    is_below,
    is_file,
    open_container,
    open_place,
    opened_ahead,
    status,
)
from artsim.places.remote import (
    FolderEntry,
    RemotePath,
    as_path,
    is_remote,
    list_below,
    real_path,
    scan,
)
from artsim.places.rows import parquet_source, picture_columns
from artsim.places.statuses import statuses
from artsim.places.tars import Tar

__all__ = [
    "CONTAINERS",
    "Container",
    "FolderEntry",
    "RemotePath",
    "Tar",
    "as_path",
    "ask_object",
    "download_object",
    "exists",
    "is_below",
    "is_file",
    "is_remote",
    "list_below",
    "list_objects",
    "open_container",
    "open_place",
    "opened_ahead",
    "parquet_source",
    "picture_columns",
    "picture_file",
    "picture_path",
    "read_object",
    "real_path",
    "remove_object",
    "scan",
    "status",
    "statuses",
    "upload_object",
    "write_object",
    "write_object_if",
]
