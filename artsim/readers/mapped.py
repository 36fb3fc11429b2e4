"""Records of any museum, read by a mapping: bundled ones by name, others with ``map:FILE.toml``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from artsim.datatypes import Catalog
from artsim.errors import ReaderError
from artsim.readers.mapping import MuseumMap, load_map
from artsim.readers.nested import Flat, flatten, text_of, values_at
from artsim.readers.options import ReaderOptions
from artsim.readers.pictures import image_root, is_hidden
from artsim.readers.record_files import SUFFIXES, read_records
from artsim.readers.row_columns import RowColumns

_BUNDLED = Path(__file__).parent / "maps"
_LOOKED_AT = 20  # files whose names are looked at to recognize a museum


class MappedReader:
    """A reader made of a mapping."""

    SETTINGS: tuple[str, ...] = ("views",)  # first: one picture a record, or all

    def __init__(self, map_: MuseumMap) -> None:
        self.map = map_

    def detects(self, path: Path) -> bool:
        """Say whether the first record of the folder or file has the keys of this museum's."""
        if not self.map.keys:
            return False
        file = next(iter(_files(path, self.map.files)), None)
        if file is None:
            return False
        try:
            record = next(iter(read_records(file, self.map.records)), None)
        except ReaderError:
            return False
        return record is not None and self.map.recognizes(record)

    def read(self, path: Path, options: ReaderOptions) -> Catalog:
        """Read the records of the folder or file."""
        return read_mapped(path, self.map, options)


class _OwnMap:
    """``map:FILE.toml``: a mapping of the user's own; its files are below the folder it is in."""

    SETTINGS = MappedReader.SETTINGS

    def detects(self, path: Path) -> bool:
        """A mapping is always named."""
        return False

    def read(self, path: Path, options: ReaderOptions) -> Catalog:
        """Read what the mapping names."""
        map_ = load_map(path)
        return read_mapped(path.parent, map_, options)


def bundled_maps() -> dict[str, MappedReader | _OwnMap]:
    """Return a reader for each mapping that comes with artsim, by name, and ``map`` for others."""
    maps = (load_map(file) for file in sorted(_BUNDLED.glob("*.toml")))
    return {map_.name: MappedReader(map_) for map_ in maps} | {"map": _OwnMap()}


def read_mapped(path: Path, map_: MuseumMap, options: ReaderOptions) -> Catalog:
    """Read the records of a folder or file by a mapping.

    The mapped columns come first; every other value of a record has a column named by its path, so
    that nothing is lost. A record without an id is left out, one without a picture keeps its row.

    Raises:
        ReaderError: If no file holds a record, or one is damaged.
    """
    options.allow(map_.name, "images")
    views = options.setting("views", map_.views, choices=("first", "all"))
    columns = RowColumns()
    files = list(_files(path, map_.files))
    if not files:
        raise ReaderError(f"{path} has no file of records ({', '.join(map_.files)})")
    for file in files:
        for record in read_records(file, map_.records):
            for row in _rows(record, map_, every=views == "all"):
                columns.add(row)
    if not columns.rows:
        raise ReaderError(f"{path} holds no record with an id; see the mapping of {map_.name}")
    kinds = {name: column.type for name, column in map_.columns.items()}
    table = columns.table(
        years=[name for name, kind in kinds.items() if kind == "years"],
        text=[name for name, kind in kinds.items() if kind == "text"],
    )
    folder = path if path.is_dir() else path.parent
    some = (image for image in table.column("image")[:1000].to_pylist() if image)
    root = image_root(some, (folder,), options) or folder
    return Catalog(
        name=path.stem if path.is_file() else path.name,
        reader=map_.name,
        source=path,
        root=root,
        schema=table.schema,
        batches=lambda: iter(table.to_batches(max_chunksize=8192)),
    )


def _files(path: Path, patterns: Iterable[str]) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    for pattern in patterns:
        for file in sorted(path.glob(pattern)):
            if file.name.lower().endswith(SUFFIXES) and not is_hidden(file.name) and file.is_file():
                yield file


def _rows(record: Mapping[str, Any], map_: MuseumMap, *, every: bool) -> Iterator[dict[str, Flat]]:
    ids = [value for value in values_at(record, map_.id) if value]
    if not ids:
        return
    own = flatten(record)
    mapped = map_.row(record)
    others = {name: value for name, value in own.items() if name not in (*mapped, "id", "image")}
    if "id" in own and text_of(own["id"]) != ids[0]:
        others["id_record"] = own["id"]
    addresses = map_.image.addresses(record)
    for place, address in enumerate((addresses if every else addresses[:1]) or [None]):
        view = {"object": ids[0], "view": str(place + 1)} if every else {}
        name = f"{ids[0]}_{place + 1}" if every and len(addresses) > 1 else ids[0]
        yield {"id": name, "image": address, **view, **mapped, **others}
