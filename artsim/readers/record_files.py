"""Files of records, one after the other: JSON, JSON lines, XML, CSV, Excel and Parquet.

JSON is a record, a list of them, or a wrapper around either: ``{"artObject": ...}``,
``{"data": [...]}``; large files are read as a stream. So is XML, whose records are its elements of
one name.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import IO, Any
from xml.etree import ElementTree as ET
from xml.parsers import expat

import pyarrow.parquet as pq

from artsim.errors import ReaderError
from artsim.places import parquet_source
from artsim.readers.delimited import open_delimited, open_packed
from artsim.readers.json_stream import stream_json
from artsim.readers.nested import TEXT
from artsim.readers.workbook import SUFFIX, open_workbook

SUFFIXES = (
    *(".json", ".jsonl", ".ndjson", ".json.gz", ".jsonl.gz", ".ndjson.gz"),
    *(".xml", ".xml.gz", ".csv", ".tsv", ".csv.gz", ".tsv.gz", ".xlsx", ".parquet"),
)

# What wrappers call the records inside them.
_WRAPPERS = (
    *("artObject", "artObjects", "records", "record", "items", "results", "objects", "data"),
    *("hits", "docs", "works", "artworks", "response"),
)
_TABLES = (".csv", ".tsv", SUFFIX, ".parquet")
_ROWS = 4096  # of a Parquet file at a time
_WHOLE = 16 * 2**20  # bytes of JSON that are parsed at once; larger files are read as a stream
_PROLOG = 4096  # bytes of XML read at a time until its first element


def read_records(
    file: Path, records: str | None = None, notes: list[str] | None = None
) -> Iterator[Mapping[str, Any]]:
    """Read the records of a file.

    ``records`` says where they are, a key of the JSON or the name of the XML elements; they are
    found by looking if it is None. With ``notes`` a bad row or line is left out and counted there.

    Raises:
        ReaderError: If the file is damaged, or most of its lines are.
    """
    name = file.name.lower().removesuffix(".gz")
    if name.endswith(_TABLES):
        yield from _read_table(file, name, notes)
        return
    with open_packed(file) as stream:
        if name.endswith(".xml"):
            yield from _read_xml(stream, file, records)
        elif name.endswith((".jsonl", ".ndjson")):
            for value in _json_lines(stream, file, notes):
                yield from _unwrap(value, file, records)
        else:
            yield from _read_json(stream, file, records, notes)


def _read_table(file: Path, name: str, notes: list[str] | None) -> Iterator[Mapping[str, Any]]:
    if name.endswith(".parquet"):
        with pq.ParquetFile(parquet_source(file)) as parquet:
            for batch in parquet.iter_batches(_ROWS):
                yield from batch.to_pylist()
        return
    is_book = name.endswith(SUFFIX)
    table = open_workbook(file) if is_book else open_delimited(file, strict=notes is None)
    if notes is not None:
        notes += table.notes
    for batch in table.batches():
        yield from batch.to_pylist()


def _read_json(
    stream: IO[bytes], file: Path, records: str | None, notes: list[str] | None
) -> Iterator[Mapping[str, Any]]:
    """Read JSON whole, or member by member if it is large."""
    start = stream.read(_WHOLE)
    if len(start) < _WHOLE:
        for value in _json_values(start, file, notes):
            yield from _unwrap(value, file, records)
        return
    stream.seek(0)
    if _has_lines(start.splitlines()[:-1]):
        for value in _json_lines(stream, file, notes):
            yield from _unwrap(value, file, records)
        return
    del start
    keys = records.split(".") if records else _WRAPPERS
    for value in stream_json(stream.read, file, keys, _as_written):
        if not isinstance(value, Mapping):
            raise ReaderError(f"{file} holds {type(value).__name__}, not records")
        yield value


def load_json(file: Path, notes: list[str] | None = None) -> Any:
    """Read one JSON value, or a list with one per line.

    With ``notes`` a bad line is left out and counted there.

    Raises:
        ReaderError: If the file is neither, with the line and column of the fault.
    """
    values = _json_values(file.read_bytes(), file, notes)
    return values[0] if len(values) == 1 else values


def _json_values(text: bytes, file: Path, notes: list[str] | None) -> list[Any]:
    """Parse one value, or an object a line, which is called .json too."""
    lines = text.splitlines()
    if _has_lines(lines):
        return list(_json_lines(lines, file, notes))
    return [_parse_json(text, file, 1)]


def _has_lines(lines: Iterable[bytes]) -> bool:
    """Return whether each of several lines begins an object."""
    first = list(islice((line for line in lines if line.strip()), 10))
    starts = {line.removeprefix(codecs.BOM_UTF8).lstrip()[:1] for line in first}
    return len(first) > 1 and starts == {b"{"}


def _json_lines(lines: Iterable[bytes], file: Path, notes: list[str] | None) -> Iterator[Any]:
    """Parse a value a line; bad lines are left out and counted, unless most are."""
    sound, faults = 0, list[ReaderError]()
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield _parse_json(line, file, number)
                sound += 1
            except ReaderError as fault:
                faults.append(fault)
                if notes is None:
                    raise
    if len(faults) > sound:
        raise faults[0]
    if faults and notes is not None:
        lines_are = "1 bad line is" if len(faults) == 1 else f"{len(faults):,} bad lines are"
        notes.append(f"{lines_are} left out, first {faults[0]}; --strict refuses such a file")


def _parse_json(text: bytes, file: Path, line: int) -> Any:
    """Parse JSON that begins at a line of a file."""
    try:
        return json.loads(text.decode("utf-8-sig"), parse_float=_as_written)
    except json.JSONDecodeError as error:
        raise ReaderError(
            f"{file}, line {line + error.lineno - 1}, column {error.colno}: not JSON "
            f"({error.msg}); correct it or export it again"
        ) from error
    except UnicodeDecodeError as error:
        raise ReaderError(f"{file} is not UTF-8 ({error.reason}); save it as UTF-8") from error
    except RecursionError as error:
        raise ReaderError(f"{file}: JSON nested too deeply to be a catalog") from error


def _as_written(number: str) -> float | str:
    """Keep the text of a decimal that its number does not print back: 1990.10, as in a table."""
    return number if "e" not in number.lower() and repr(float(number)) != number else float(number)


def _unwrap(value: Any, file: Path, records: str | None) -> Iterator[Mapping[str, Any]]:
    if records:
        for key in records.split("."):
            if not isinstance(value, Mapping) or key not in value:
                raise ReaderError(f"{file} has no {records!r}, where its records should be")
            value = value[key]
    elif isinstance(value, Mapping):
        value = _inside(value)
    for record in value if isinstance(value, list) else [value]:
        if not isinstance(record, Mapping):
            raise ReaderError(f"{file} holds {type(record).__name__}, not records")
        yield record


def _inside(value: Mapping[str, Any]) -> Any:
    """Look into a wrapper: an object with records under a usual name and little else."""
    for key in _WRAPPERS:
        inner = value.get(key)
        if isinstance(inner, list) and inner and isinstance(inner[0], Mapping):
            return inner
        if isinstance(inner, Mapping) and key in _WRAPPERS[:1]:
            return inner
        if isinstance(inner, Mapping) and len(value) <= 4 and len(inner) > len(value):
            return _inside(inner)
    return value


def _read_xml(stream: IO[bytes], file: Path, records: str | None) -> Iterator[Mapping[str, Any]]:
    """Read elements of one name as a stream; what was read, and what is around them, is dropped."""
    wanted = None if records is None else records.rpartition(".")[2]
    open_: list[ET.Element] = []
    inside = 0  # how many of the open elements are records
    try:
        _refuse_entities(stream, file)
        for event, element in ET.iterparse(stream, events=("start", "end")):
            if event == "start":
                open_.append(element)
                if wanted is None and len(open_) == 2:
                    wanted = _local(element.tag)  # the first child of the root
                inside += _local(element.tag) == wanted
                continue
            open_.pop()
            if _local(element.tag) == wanted:
                inside -= 1
                yield _of_element(element)
            if not inside:
                element.clear()
                if open_:
                    open_[-1].remove(element)
    except (ET.ParseError, expat.ExpatError) as error:
        raise ReaderError(f"{file} is not sound XML ({error}); export it again") from error


def _refuse_entities(stream: IO[bytes], file: Path) -> None:
    """Refuse a file that declares entities: they can name other files, or fill the memory."""
    has_begun = False

    def refuse(name: str, *_: Any) -> None:
        raise ReaderError(
            f"{file} declares the entity {name!r}, which can name other files or fill the memory; "
            "export it without a DTD"
        )

    def begin(*_: Any) -> None:
        nonlocal has_begun
        has_begun = True

    parser = expat.ParserCreate()
    parser.EntityDeclHandler, parser.StartElementHandler = refuse, begin
    while not has_begun and (data := stream.read(_PROLOG)):
        parser.Parse(data)
    stream.seek(0)


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def _of_element(element: ET.Element) -> Any:
    """Turn an element into an object: children by name, attributes by @name, text as #text."""
    found: dict[str, Any] = {f"@{_local(name)}": value for name, value in element.items()}
    for child in element:
        if not isinstance(child.tag, str):  # a comment
            continue
        name, value = _local(child.tag), _of_element(child)
        before = found.get(name, [])
        several = [*before, value] if isinstance(before, list) else [before, value]
        found[name] = several if name in found else value
    text = (element.text or "").strip()
    if not found:
        return text
    if text:
        found[TEXT] = text
    return found
