"""How a long task reports its progress."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called now and then by a long task, in the caller's thread."""

    def __call__(self, done: int, total: int, failures: int, /) -> None:
        """Take the numbers of items done, of all items (0 if unknown) and of failed ones."""


def no_progress(done: int, total: int, failures: int, /) -> None:
    """Report nothing. A lambda could not be sent to the processes that share the work."""
