"""Records of a large JSON file, one after the other: only the one that is read is in memory.

The file is a list of records, or an object that has such a list under a key: ``{"data": [...]}``.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

from artsim.errors import ReaderError

_READ = 2**20  # bytes at a time
_LONGEST = 64 * 2**20  # characters of one record
_SPACE = " \t\r\n"


def stream_json(
    read: Callable[[int], bytes],
    file: Path,
    keys: Collection[str],
    parse_float: Callable[[str], Any],
) -> Iterator[Any]:
    """Yield the members of a list, also of one below a key; else the one value there is.

    Args:
        read: Reads so many bytes of UTF-8, at first from the start.
        file: Its name, for messages.
        keys: Those that may lead to the list, on the way through objects too.
        parse_float: Reads a decimal.

    Raises:
        ReaderError: If it is not JSON, with the line and column of the fault.
    """
    text = _Text(read, file, parse_float)
    is_list = text.peek() == "["
    yield from _members(text, keys)
    if is_list and not text.is_used_up():  # else what follows the records is not read
        text.refuse("Extra data")


def _members(text: _Text, keys: Collection[str]) -> Iterator[Any]:
    start = text.peek()
    if start == "[":
        text.skip()
        while text.peek() != "]":
            yield text.value()
            text.comma_before("]")
        text.skip()
        return
    if start != "{":
        yield text.value()
        return
    text.skip()
    found = {}
    while text.peek() != "}":
        key = text.value()
        if text.peek() != ":":
            text.refuse("Expecting ':' delimiter")
        text.skip()
        if key in keys and text.peek() in "[{":
            yield from _members(text, keys)
            return
        found[key] = text.value()
        text.comma_before("}")
    yield found


class _Text:
    """A text that is read as far as it is needed."""

    def __init__(
        self, read: Callable[[int], bytes], file: Path, parse_float: Callable[[str], Any]
    ) -> None:
        self._read_bytes, self._file = read, file
        self._decode = codecs.getincrementaldecoder("utf-8-sig")().decode
        self._scan = json.JSONDecoder(parse_float=parse_float).raw_decode
        self._text, self._place = "", 0  # what is read, and how far it is used
        self._line, self._column = 1, 1  # where the text begins
        self._is_whole = False

    def peek(self) -> str:
        """Return the next character that is no space; the end of the file is an error."""
        if self.is_used_up():
            self.refuse("it ends too early")
        return self._text[self._place]

    def is_used_up(self) -> bool:
        """Pass over spaces, and return whether nothing follows them."""
        while True:
            while self._place < len(self._text):
                if self._text[self._place] not in _SPACE:
                    return False
                self._place += 1
            if self._is_whole:
                return True
            self._read(_READ)

    def skip(self) -> None:
        """Pass over one character."""
        self._place += 1

    def comma_before(self, end: str) -> None:
        """Pass over the comma between two members; after the last one is the end."""
        if self.peek() == ",":
            self.skip()
            if self.peek() == end:
                self.refuse("Illegal trailing comma")
        elif self.peek() != end:
            self.refuse("Expecting ',' delimiter")

    def value(self) -> Any:
        """Read the next value."""
        self.peek()
        while True:
            try:
                value, end = self._scan(self._text, self._place)
                if end < len(self._text) or self._is_whole:  # a number may go on
                    self._place = end
                    return value
            except json.JSONDecodeError as error:
                unread = len(self._text) - self._place
                if self._is_whole or unread > _LONGEST:
                    self._place = error.pos
                    self.refuse(error.msg)
            except RecursionError as error:
                raise ReaderError(
                    f"{self._file}: JSON nested too deeply to be a catalog"
                ) from error
            self._read(max(_READ, len(self._text) - self._place))

    def refuse(self, why: str) -> None:
        """Raise the error of the place where the text is."""
        before = self._text[: self._place]
        line = self._line + before.count("\n")
        last = before.rfind("\n")
        column = self._place - last if last >= 0 else self._column + self._place
        raise ReaderError(
            f"{self._file}, line {line}, column {column}: not JSON ({why}); correct it or export "
            "it again"
        )

    def _read(self, size: int) -> None:
        """Drop what is used, and read on."""
        used = self._text[: self._place]
        lines = used.count("\n")
        self._line += lines
        self._column = len(used) - used.rfind("\n") if lines else self._column + len(used)
        data = self._read_bytes(size)
        self._is_whole = not data
        try:
            self._text = self._text[self._place :] + self._decode(data, self._is_whole)
        except UnicodeDecodeError as error:
            raise ReaderError(
                f"{self._file} is not UTF-8 ({error.reason}); save it as UTF-8"
            ) from error
        self._place = 0
