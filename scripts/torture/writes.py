"""Every place where artsim writes or allocates, so that a trial can stop or fail at any of them."""

from __future__ import annotations

import builtins
import io
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any


def on_write(nth: int, act: Callable[[], None]) -> None:
    """Act before the n-th write of this process: an opening to write, a rename, a sync, a removal.

    Args:
        nth: From 0.
        act: Kills the process or raises.
    """
    seen = -1

    def noticed(_name: str) -> None:
        nonlocal seen
        seen += 1
        if seen == nth:
            act()

    _watch_writes(noticed)


def count_writes(log: Path) -> None:
    """Log each write of this process as a line."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    _watch_writes(lambda name: os.write(descriptor, f"{name}\n".encode()))


def on_line(site: str, nth: int, act: Callable[[], None]) -> None:
    """Act when a line of artsim, `FILE:NUMBER`, is about to run for the n-th time in a thread."""
    seen = -1

    def noticed(line: str) -> None:
        nonlocal seen
        if line == site:
            seen += 1
            if seen == nth:
                act()

    _watch_lines(noticed)


def log_lines(log: Path) -> None:
    """Log each line of artsim that this process runs, once."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    seen = set()

    def noticed(line: str) -> None:
        if line not in seen:
            seen.add(line)
            os.write(descriptor, f"{line}\n".encode())

    _watch_lines(noticed)


def _watch_lines(noticed: Callable[[str], object]) -> None:
    """Call back before each line of artsim, in every thread."""
    import artsim

    root = f"{Path(artsim.__file__).parent}/"

    def entered(frame: FrameType, _event: str, _arg: object) -> Any:
        file = frame.f_code.co_filename
        if not file.startswith(root):
            return None
        name = file.removeprefix(root)

        def stepped(frame: FrameType, event: str, _arg: object) -> Any:
            if event == "line":
                noticed(f"{name}:{frame.f_lineno}")
            return stepped

        return stepped

    threading.settrace(entered)
    sys.settrace(entered)


def _watch_writes(noticed: Callable[[str], object]) -> None:
    """Call back before each system call by which Python code changes the disk."""

    def watched(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def with_notice(*args: Any, **kwargs: Any) -> Any:
            noticed(name)
            return call(*args, **kwargs)

        return with_notice

    def opened(call: Callable[..., Any]) -> Callable[..., Any]:
        def with_notice(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
            if set(mode) & set("wxa+") and not str(file).endswith(".log"):
                noticed("open")
            return call(file, mode, *args, **kwargs)

        return with_notice

    for name in ("replace", "rename", "unlink", "fsync", "mkdir"):
        setattr(os, name, watched(name, getattr(os, name)))
    builtins.open = io.open = opened(builtins.open)  # pathlib calls io.open
