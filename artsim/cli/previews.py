"""Matches in a terminal that draws images: which one it is, and how large its cells are."""

from __future__ import annotations

import contextlib
import os
import re
import select
import shutil
import struct
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from artsim.report import TerminalProtocol

PREVIEWS = ("auto", "kitty", "iterm", "sixel", "none")

_CELL = (10, 20)  # pixels of a character cell if the terminal does not say: a VT340's
_COLUMNS, _ROWS = 12, 5  # cells of an image
_GAP = 2  # columns between an image and its text
_ANSWER_S = 0.2  # that a terminal gets to say what it knows


def find_protocol(chosen: str) -> TerminalProtocol | None:
    """Return how to draw images here: as chosen, else as the terminal can; None: not at all."""
    from artsim.report import TerminalProtocol

    if chosen == "auto" and sys.stdout.isatty():
        chosen = _named(os.environ) or ("sixel" if _answers_sixel() else "none")
    return None if chosen in ("auto", "none") else TerminalProtocol(chosen)


def print_previews(
    pictures: Iterable[tuple[str | None, Sequence[str]]], protocol: TerminalProtocol
) -> None:
    """Print each picture, by its path, as a small image with its lines at the right."""
    from rich.cells import set_cell_size

    from artsim.errors import ImageError
    from artsim.report import beside, encode, file_of, one_line, small_copy

    width, height = _cell()
    for image, lines in pictures:
        file = file_of(image)
        drawn = ""
        if file is not None:
            with contextlib.suppress(ImageError):
                picture = small_copy(file, min(_COLUMNS * width, _ROWS * height), enlarge=True)
                drawn = encode(picture, protocol)
        room = max(shutil.get_terminal_size().columns - _COLUMNS - _GAP, 1)
        shown = [set_cell_size(one_line(line), room).rstrip() for line in lines[:_ROWS]]
        text = beside(drawn, shown, columns=_COLUMNS + _GAP, rows=_ROWS)
        click.echo(text, color=True)  # noqa: TID251 - draws by escapes; its text has none


def _named(environment: dict[str, str] | os._Environ[str]) -> str | None:
    """Infer it from the environment variables of terminals; tmux and screen hide the terminal."""
    if environment.get("TMUX") or environment.get("TERM", "").startswith(("screen", "tmux")):
        return None
    program = environment.get("TERM_PROGRAM", "")
    is_kitty = environment.get("KITTY_WINDOW_ID") or environment.get("TERM") == "xterm-kitty"
    if is_kitty or program == "ghostty":
        return "kitty"
    if program in ("iTerm.app", "WezTerm") or environment.get("LC_TERMINAL") == "iTerm2":
        return "iterm"
    return None


def _answers_sixel() -> bool:
    """Query the terminal for its attributes: attribute 4 is sixel."""
    if not sys.stdin.isatty():
        return False
    with _unbuffered() as fd:
        if fd is None:
            return False
        sys.stdout.write("\x1b[c")
        sys.stdout.flush()
        answer, end = b"", time.monotonic() + _ANSWER_S
        while not answer.endswith(b"c"):
            left = end - time.monotonic()
            if left <= 0 or not select.select([fd], [], [], left)[0]:
                return False
            answer += os.read(fd, 1)
    found = re.search(rb"\x1b\[\?([\d;]+)c", answer)
    return found is not None and b"4" in found[1].split(b";")


@contextlib.contextmanager
def _unbuffered() -> Iterator[int | None]:
    """Read the reply of the terminal as it comes, without echo; None if that is impossible."""
    try:
        import termios
        import tty
    except ImportError:  # Windows
        yield None
        return
    fd = sys.stdin.fileno()
    before = termios.tcgetattr(fd)
    try:
        tty.setcbreak(fd, termios.TCSANOW)  # what was typed ahead is not thrown away
        yield fd
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)


def _cell() -> tuple[int, int]:
    """Return width and height of a character cell, in pixels."""
    try:
        import fcntl
        import termios

        size = fcntl.ioctl(sys.stdout.fileno(), termios.TIOCGWINSZ, bytes(8))
    except (ImportError, OSError, ValueError):
        return _CELL
    rows, columns, width, height = struct.unpack("HHHH", size)
    if not (rows and columns and width >= columns and height >= rows):
        return _CELL
    return width // columns, height // rows
