"""What ends a command: Ctrl-C, SIGTERM, and SIGHUP, which a terminal sends when it closes."""

from __future__ import annotations

import signal
from types import FrameType

_INTERRUPTED = "Query interrupted"  # what DuckDB says; other code raises a SystemError from Ctrl-C


def stop_signals() -> list[signal.Signals]:
    """List the signals that end a command, those that exist here and are not ignored (nohup)."""
    names = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows lacks the last
    known = [getattr(signal, name) for name in names if hasattr(signal, name)]
    return [each for each in known if signal.getsignal(each) is not signal.SIG_IGN]


def end_as_ctrl_c() -> None:
    """End on every such signal as on Ctrl-C: nothing half-written, and a hint how to resume."""
    for each in stop_signals():
        if each is not signal.SIGINT:
            signal.signal(each, _interrupt)


def was_interrupted(error: BaseException | None) -> bool:
    """Return whether an error is Ctrl-C, or what compiled code has made of it."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        if isinstance(error, RuntimeError) and str(error) == _INTERRUPTED:
            return True
        error = error.__cause__ or error.__context__
    return error is not None


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
