"""Records of any museum, read by a mapping: bundled ones by name, others with ``map:FILE.toml``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from artsim.datatypes import Catalog
from artsim.errors import ReaderError
from artsim.readers.mapping import MuseumMap, load_map
from artsim.readers.nested import flatten, values_at
from artsim.readers.options import ReaderOptions
from artsim.readers.paths import image_root
from artsim.readers.record_files import SUFFIXES, read_records
from artsim.readers.rows import GatheredRows, Row
from artsim.readers.views import note_of_first
from artsim.readers.walking import files_below

_PROBED = 1000  # first images that are looked for, to find the folder they start from
_BUNDLED = Path(__file__).parent / "maps"


class MappedReader:
    """Reads records by a mapping, or ``map:FILE.toml`` by that file, whose folder holds them."""

    # views=first: one picture a record, or all; separator: in the columns that are not mapped
    SETTINGS: tuple[str, ...] = ("views", "separator")

    def __init__(self, map_: MuseumMap | None) -> None:
        self.map = map_
        self.WHAT = map_.what if map_ else "Records of any museum, by a mapping that you write"
        self.EXAMPLE = map_.example if map_ else "map:museum.toml"

    def detects(self, path: Path) -> bool:
        """Return whether the first record of the folder or file has the keys of this museum's."""
        if self.map is None or not self.map.keys:
            return False
        try:
            file = next(_files(path, self.map.files), None)
            record = next(read_records(file, self.map.records), None) if file else None
        except ReaderError:
            return False
        return record is not None and self.map.recognizes(record)

    def read(self, path: Path, options: ReaderOptions) -> Catalog:
        """Read the records of the folder or file.

        The mapped columns come first; every other value of a record has a column named by its
        path, so that nothing is lost. A record without an id is left out, one without a picture
        keeps its row.
        """
        map_ = self.map or load_map(path)
        options.allow(map_.name, "images", "types")
        return read_mapped(path if self.map else path.parent, map_, options)


def museum_maps() -> dict[str, MuseumMap]:
    """Return the mappings that come with artsim, by name."""
    maps = (load_map(file) for file in sorted(_BUNDLED.glob("*.toml")))
    return {map_.name: map_ for map_ in maps}


def bundled_maps() -> dict[str, MappedReader]:
    """Return a reader for each mapping that comes with artsim, by name, and ``map`` for others."""
    readers = {name: MappedReader(map_) for name, map_ in museum_maps().items()}
    return readers | {"map": MappedReader(None)}


def read_mapped(path: Path, map_: MuseumMap, options: ReaderOptions) -> Catalog:
    """Read the records of a folder or file by a mapping.

    Raises:
        ReaderError: If there are none, or a file is damaged.
    """
    views = options.setting("views", map_.views, choices=("first", "all"))
    files = list(_files(path, map_.files))
    if not files:
        raise ReaderError(f"{path} has no file of records ({', '.join(map_.files)})")
    notes, counts = list[str](), Counter[str]()
    foreign = Counter[Path]()
    kinds = {name: column.type for name, column in map_.columns.items()}
    found = GatheredRows(
        (
            row
            for record in _records(files, map_, None if options.strict else notes, foreign)
            for row in _rows(record, map_, views == "all", counts)
        ),
        options,
        years=[name for name, kind in kinds.items() if kind == "years"],
        types={name: kind for name, kind in kinds.items() if kind != "years"},
        optional=[*kinds, *(f"{name}_qualifier" for name in kinds)],
    )
    if not found.num_rows:
        raise ReaderError(f"{path} holds no record with an id; see the mapping of {map_.name}")
    if number := foreign.total():
        first = next(file for file in files if foreign[file])
        have = "record has" if number == 1 else "records have"
        notes.append(
            f"{number:,} {have} no key of {map_.name}, first in {first}; read another museum's by "
            "its own mapping, or by records:"
        )
    folder = path if path.is_dir() else path.parent
    if counts["several"]:
        notes.append(note_of_first(counts["several"]))
    if (unnamed := counts["unnamed"] - foreign.total()) > 0:
        notes.append(f"records without an id are left out: {unnamed:,}")
    return Catalog(
        name=path.stem if path.is_file() else path.name,
        reader=map_.name,
        source=path,
        root=image_root(found.first_images(_PROBED), (folder, folder / "images"), options),
        schema=found.schema,
        batches=found.batches,
        notes=tuple(notes),
    )


def _records(
    files: Iterable[Path], map_: MuseumMap, notes: list[str] | None, foreign: Counter[Path]
) -> Iterator[Mapping[str, Any]]:
    """Yield the records of files, and count in each those of another museum."""
    for file in files:
        for record in read_records(file, map_.records, notes):
            foreign[file] += map_.is_foreign(record)
            yield record


def _files(path: Path, patterns: Iterable[str]) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    for pattern in patterns:
        yield from files_below(path, pattern, SUFFIXES)


def _rows(
    record: Mapping[str, Any], map_: MuseumMap, every: bool, counts: Counter[str]
) -> Iterator[Row]:
    """Yield the rows of a record; count it if it has no id, or pictures that are not read."""
    ids = [value for value in values_at(record, map_.id) if value]
    if not ids:
        counts["unnamed"] += 1
        return
    own = flatten(record)
    mapped = map_.row(record)
    addresses = map_.addresses(record)
    known = {**mapped, "id": ids[0], "image": addresses[0] if addresses else None}
    others = {name: value for name, value in own.items() if name not in known}
    for name in known.keys() & own.keys() - map_.kept:
        if own[name] and own[name] != known[name]:
            others[f"{name}_record"] = own[name]
    counts["several"] += len(addresses) > 1 and not every
    for place, address in enumerate((addresses if every else addresses[:1]) or [None]):
        view = {"object": ids[0], "view": str(place + 1)} if every else {}
        name = f"{ids[0]}_{place + 1}" if every and len(addresses) > 1 else ids[0]
        yield {"id": name, "image": address, **view, **mapped, **others}
