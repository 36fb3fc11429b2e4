"""How long work tells its caller how far it is."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """What a long task calls now and then, in the caller's thread."""

    def __call__(self, done: int, total: int, failures: int, /) -> None:
        """Take the number of items done so far, of all (0 where unknown), and of those failed."""


def no_progress(done: int, total: int, failures: int, /) -> None:
    """Report nothing. A lambda could not be sent to the processes that share the work."""
