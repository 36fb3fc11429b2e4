"""Files of records, one after the other: JSON, JSON lines, XML, CSV and Parquet.

JSON is a record, a list of them, or a wrapper around either: ``{"artObject": ...}``,
``{"data": [...]}``. XML is read as a stream: the records are its elements of one name.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any
from xml.etree import ElementTree as ET

import pyarrow.parquet as pq

from artsim.errors import ReaderError
from artsim.readers.delimited import open_delimited
from artsim.readers.nested import TEXT

__all__ = ["SUFFIXES", "read_records"]

SUFFIXES = (
    *(".json", ".jsonl", ".ndjson", ".json.gz", ".jsonl.gz", ".ndjson.gz"),
    *(".xml", ".xml.gz", ".csv", ".tsv", ".parquet"),
)

# What wrappers call the records inside them.
_WRAPPERS = (
    *("artObject", "artObjects", "records", "record", "items", "results", "objects", "data"),
    *("hits", "docs", "works", "artworks", "response"),
)
_ROWS = 4096  # of a Parquet file at a time


def read_records(file: Path, records: str | None = None) -> Iterator[Mapping[str, Any]]:
    """Read the records of a file.

    Args:
        file: The file.
        records: Where they are: a key of the JSON, the name of the XML elements. Found by looking
            if None.

    Raises:
        ReaderError: If the file is damaged or holds no record.
    """
    name = file.name.lower().removesuffix(".gz")
    if name.endswith(".parquet"):
        yield from _read_parquet(file)
        return
    if name.endswith((".csv", ".tsv")):
        yield from _read_delimited(file)
        return
    with _open(file) as stream:
        if name.endswith(".xml"):
            yield from _read_xml(stream, file, records)
        elif name.endswith((".jsonl", ".ndjson")):
            for number, line in enumerate(stream, 1):
                if line.strip():
                    yield from _unwrap(_parse(line, file, number), file, records)
        else:
            text = stream.read()
            try:
                value = json.loads(text)
            except (ValueError, RecursionError):
                yield from _read_lines(text, file, records)
                return
            yield from _unwrap(value, file, records)


def _open(file: Path) -> IO[bytes]:
    if file.name.lower().endswith(".gz"):
        return gzip.open(file, "rb")  # type: ignore[return-value]  # GzipFile is one in all but name
    return file.open("rb")


def _read_lines(text: bytes, file: Path, records: str | None) -> Iterator[Mapping[str, Any]]:
    """Read a file that is called .json and holds a record a line, or say what is wrong with it."""
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if len(lines) < 2 or not all(line.lstrip().startswith(b"{") for _, line in lines[:10]):
        _parse(text, file, 1)
    for number, line in lines:
        yield from _unwrap(_parse(line, file, number), file, records)


def _parse(text: bytes, file: Path, line: int) -> Any:
    try:
        return json.loads(text.removeprefix(b"\xef\xbb\xbf"))
    except json.JSONDecodeError as error:
        raise ReaderError(
            f"{file}, line {line + error.lineno - 1}, column {error.colno}: not JSON "
            f"({error.msg}); correct it or export it again"
        ) from error
    except UnicodeDecodeError as error:
        raise ReaderError(f"{file} is not UTF-8 ({error.reason}); save it as UTF-8") from error
    except RecursionError as error:
        raise ReaderError(f"{file}: JSON nested too deeply to be a record") from error


def _unwrap(value: Any, file: Path, records: str | None) -> Iterator[Mapping[str, Any]]:
    """Find the records in a JSON value."""
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
    """Look into a wrapper: an object whose records are under a usual name, with little beside."""
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
    """Read elements of one name as a stream; what was read is dropped."""
    wanted = None if records is None else records.rpartition(".")[2]
    open_: list[ET.Element] = []
    try:
        for event, element in ET.iterparse(stream, events=("start", "end")):
            if event == "start":
                open_.append(element)
                if wanted is None and len(open_) == 2:
                    wanted = _local(element.tag)  # the first child of the root
                continue
            open_.pop()
            if _local(element.tag) == wanted:
                yield _of_element(element)
                element.clear()
                if open_:
                    open_[-1].remove(element)
    except ET.ParseError as error:
        raise ReaderError(f"{file} is not sound XML ({error}); export it again") from error


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def _of_element(element: ET.Element) -> Any:
    """Turn an element into an object: children by name, attributes by @name, text as #text."""
    found: dict[str, Any] = {f"@{_local(name)}": value for name, value in element.items()}
    for child in element:
        if not isinstance(child.tag, str):  # a comment
            continue
        name, value = _local(child.tag), _of_element(child)
        if name in found:
            before = found[name]
            found[name] = [*before, value] if isinstance(before, list) else [before, value]
        else:
            found[name] = value
    text = (element.text or "").strip()
    if not found:
        return text
    if text:
        found[TEXT] = text
    return found


def _read_delimited(file: Path) -> Iterator[Mapping[str, Any]]:
    for batch in open_delimited(file).batches():
        yield from batch.to_pylist()


def _read_parquet(file: Path) -> Iterator[Mapping[str, Any]]:
    with pq.ParquetFile(file) as parquet:
        for batch in parquet.iter_batches(_ROWS):
            yield from batch.to_pylist()
