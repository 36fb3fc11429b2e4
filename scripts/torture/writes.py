"""Every place where artsim writes, so that a trial can stop or fail at any one of them."""

from __future__ import annotations

import builtins
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np


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


def on_allocation(nth: int, act: Callable[[], None]) -> None:
    """Act before the n-th array that NumPy is asked to make by one of its usual functions."""
    seen = -1

    def watched(make: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal seen
            seen += 1
            if seen == nth:
                act()
            return make(*args, **kwargs)

        return call

    for name in ("empty", "zeros", "concatenate", "stack", "array", "frombuffer"):
        setattr(np, name, watched(getattr(np, name)))


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
