"""A delimited file's text in any encoding: its lines, and blocks of bounded size."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from artsim.errors import ReaderError
from artsim.places import is_remote

BLOCK = 1 << 22  # bytes read at a time, and the length of the longest row
UTF8 = "utf-8"
NOT_ENCODED = "text that is not"  # how the problem of another encoding begins


def encoding_of(path: Path, given: str | None) -> str:
    """Name the codec of a file: the given one, or what its first bytes show."""
    if given is not None:
        try:
            return codecs.lookup(given).name
        except LookupError:
            raise ReaderError(
                f"no encoding named {given!r}; use a name such as cp1252, latin-1 or utf-16"
            ) from None
    with open_packed(path) as file:
        start = file.read(4)
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    # without a mark: every second byte of plain letters in UTF-16 is zero
    zeros = [byte == 0 for byte in start]
    if zeros == [False, True, False, True]:
        return "utf-16-le"
    return "utf-16-be" if zeros == [True, False, True, False] else UTF8


def lines(path: Path, encoding: str) -> Iterator[str]:
    """Yield a file's lines; bytes that are not text come as surrogates, for the message."""
    errors = "replace" if encoding.startswith("utf-16") else "surrogateescape"
    python = "utf-8-sig" if encoding == UTF8 else encoding
    with io.TextIOWrapper(open_packed(path), encoding=python, errors=errors, newline="") as file:
        number = 0
        while line := file.readline(BLOCK):
            number += 1
            if len(line) == BLOCK and not line.endswith(("\n", "\r")):
                raise ReaderError(f"{path}, line {number}: longer than {BLOCK >> 20} MiB")
            yield line


def utf8_blocks(path: Path, encoding: str) -> Iterator[bytes]:
    """Yield a file as UTF-8.

    Raises:
        UnicodeError: If it is not text in this encoding.
    """
    decoder = codecs.getincrementaldecoder(encoding)()
    with open_packed(path) as file:
        if file.read(len(codecs.BOM_UTF8)) != codecs.BOM_UTF8:
            file.seek(0)
        while block := file.read(BLOCK):
            text = decoder.decode(block)
            yield block if encoding == UTF8 else text.encode()
        decoder.decode(b"", final=True)


def open_packed(path: Path) -> IO[bytes]:
    """Open a file, unpacked if it ends in .gz, as pyarrow does."""
    if path.suffix.lower() == ".gz":
        return io.BufferedReader(gzip.open(path.open("rb") if is_remote(path) else path))
    return path.open("rb")


def arrow_source(path: Path) -> Path | IO[bytes]:
    """Return what pyarrow opens: the file, which it unpacks itself, or that of a store opened."""
    return open_packed(path) if is_remote(path) else path


@contextmanager
def field_limit() -> Iterator[None]:
    """Let Python's reader take values as long as pyarrow does, and no longer."""
    before = csv.field_size_limit(BLOCK)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def problem_in_value(value: str, encoding: str) -> str | None:
    """Return what makes a value unreadable: a NUL byte, or bytes of another encoding."""
    if "\0" in value:
        return "a NUL byte; the file is damaged, export it again"
    wide = encoding.startswith("utf-16")
    torn = re.search("\ufffd" if wide else "[\udc80-\udcff]", value)
    if torn is None:
        return None
    byte = "" if wide else f" (byte 0x{ord(torn[0]) & 0xFF:02x})"
    return (
        f"{NOT_ENCODED} {encoding.upper()}{byte}; save the file as UTF-8 or name its "
        "encoding with --set encoding=cp1252"
    )
