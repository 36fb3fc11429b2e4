"""Pictures decoded in processes of their own, which may end badly: a server decodes no other way.

A process reads a picture's file and answers in lines of JSON: it asks for the size that is useful
(`decode`'s ``at_least``) and for the memory that it needs, and sends the pixels.
"""

from __future__ import annotations

import faulthandler
import json
import os
import queue
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from io import BufferedReader
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from artsim.errors import ImageError, ResourcesError, UnsupportedImageError
from artsim.images.decoding import Picture, SmallestSize, decode_here
from artsim.images.memory import Budget
from artsim.images.opening import MAX_PIXELS

_PROGRAM = "from artsim.images.apart import main; main()"
_MORE = 256 << 20  # bytes of address space for the process itself, beside those for decoding
_LARGE = 64 << 20  # bytes: a process that took more for a picture ends, so that they are free
_ENDING_S = 2.0  # that a process may take to end whose input has ended
_BROKEN = 2  # the status of a process that a bug ends
# That of one that took too long, see `_set_clock`.
_LATE = -signal.SIGALRM if hasattr(signal, "SIGALRM") else 1


class _TooLargeError(ImageError):
    """A picture takes more memory than one may."""


# How a process names what is wrong with a picture, and what that is then; any other is damage.
_KINDS = {UnsupportedImageError: "unsupported", ResourcesError: "large", MemoryError: "large"}
_ERRORS = {"unsupported": UnsupportedImageError, "large": _TooLargeError, "": ImageError}

_of_this_thread: ContextVar[Decoders | None] = ContextVar("_of_this_thread", default=None)
_of_the_process: list[Decoders] = []


def decode(
    data: bytes,
    *,
    at_least: SmallestSize | None = None,
    max_pixels: int = MAX_PIXELS,
    budget: Budget | None = None,
) -> Picture:
    """Decode a picture as `decode_here` does, in another process where `Decoders` are in use."""
    decoders = _of_this_thread.get() or (_of_the_process[-1] if _of_the_process else None)
    if decoders is None:
        return decode_here(data, at_least=at_least, max_pixels=max_pixels, budget=budget)
    return decoders.decode(data, at_least=at_least, max_pixels=max_pixels)


@dataclass(kw_only=True, eq=False)
class Decoders:
    """Processes that decode pictures, started when they are needed; for many threads."""

    at_once: int  # pictures
    budget: Budget  # shared with whatever else decodes
    max_memory: int  # bytes, for a picture
    max_pixels: int = MAX_PIXELS
    seconds: float  # for a picture
    wait_seconds: float | None = None  # until memory is free; None: as long as it takes
    passes_on: bool = False  # others decode a picture that takes more: it is a ResourcesError

    def __post_init__(self) -> None:
        """Start no process yet."""
        self._idle: queue.LifoQueue[_Decoder | None] = queue.LifoQueue()
        self._closed = False
        for _ in range(self.at_once):
            self._idle.put(None)

    def decode(self, data: bytes, *, at_least: SmallestSize | None, max_pixels: int) -> Picture:
        """Decode a picture; see `decode_here`.

        Raises:
            ImageError: Also if it takes more memory or time than allowed.
            ResourcesError: If no process can be started, or no memory was free in time.
        """
        try:
            return self._decode(data, at_least, min(max_pixels, self.max_pixels))
        except _TooLargeError as error:
            raise (ResourcesError if self.passes_on else ImageError)(str(error)) from None

    def _decode(self, data: bytes, at_least: SmallestSize | None, max_pixels: int) -> Picture:
        decoder = self._idle.get()
        try:
            if decoder is None or not decoder.is_running:
                decoder = _Decoder(self.max_memory, self.seconds)
            with ExitStack() as held:

                def hold(size: int) -> None:
                    held.close()  # of a version of the file that was no good
                    held.enter_context(self.budget.hold(size, self.wait_seconds))

                picture = decoder.decode(data, at_least, max_pixels, hold)
                self.budget.keep(picture.pixels)
                return picture
        finally:
            if decoder is not None and (self._closed or not decoder.is_idle):
                decoder.end()
                decoder = None
            self._idle.put(decoder)

    @contextmanager
    def in_use(self, *, everywhere: bool = False) -> Iterator[None]:
        """Let `decode` use these in this thread, or in all threads that have no others."""
        if everywhere:
            _of_the_process.append(self)
            try:
                yield
            finally:
                _of_the_process.remove(self)
            return
        token = _of_this_thread.set(self)
        try:
            yield
        finally:
            _of_this_thread.reset(token)

    def close(self) -> None:
        """End the processes that are idle; the others end when they are done."""
        self._closed = True
        idle = []
        with suppress(queue.Empty):
            while True:
                idle.append(self._idle.get_nowait())
        for decoder in idle:
            if decoder is not None:
                decoder.end()
            self._idle.put(None)


class _Decoder:
    """A process that decodes one picture after the other."""

    def __init__(self, max_memory: int, seconds: float) -> None:
        self._seconds = seconds
        self.is_idle = True  # and fit for another picture
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM, str(max_memory), str(seconds)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for the server
            )
        except (OSError, MemoryError) as error:
            raise ResourcesError("no process could be started to decode it; try again") from error
        self.end = weakref.finalize(self, _end, self._process)

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def decode(
        self,
        data: bytes,
        at_least: SmallestSize | None,
        max_pixels: int,
        hold: Callable[[int], None],
    ) -> Picture:
        self.is_idle, is_large = False, False
        try:
            self._send({"bytes": len(data), "max_pixels": max_pixels, "at_least": bool(at_least)})
            self._send(data)
            while True:
                found = self._next()
                if "size" in found and at_least is not None:
                    self._send({"at_least": at_least(*found["size"])})
                elif "memory" in found:
                    is_large |= found["memory"] > _LARGE
                    hold(found["memory"])
                    self._send({})
                elif "error" in found:
                    self.is_idle = not is_large
                    raise _ERRORS[found["kind"]](found["error"])
                else:
                    pixels = self._pixels(found.pop("shape"))
                    self.is_idle = not is_large
                    return Picture(pixels, **found)
        except (OSError, EOFError, ValueError) as error:
            raise ImageError(self._why_ended()) from error

    def _send(self, message: dict[str, Any] | bytes) -> None:
        assert self._process.stdin is not None
        _write(self._process.stdin, message)

    def _next(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        return _read(self._process.stdout)

    def _pixels(self, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
        source = cast("BufferedReader", self._process.stdout)
        pixels = np.empty(shape, np.uint8)
        if source.readinto(pixels.data) < pixels.nbytes:
            raise EOFError
        return pixels

    def _why_ended(self) -> str:
        self.end()
        if self._process.returncode == _LATE:
            return f"it takes more than {self._seconds:g} s to decode; make a smaller copy"
        return "its decoder broke off; save it as a JPEG or PNG"


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process; one that is ending has time, on a busy machine too, to show why."""
    assert process.stdin is not None
    assert process.stdout is not None
    with suppress(OSError):
        process.stdin.close()
    process.stdout.close()
    try:
        process.wait(_ENDING_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


# ---- in the other process ----


def main() -> None:
    """Decode one picture after the other, until there are no more."""
    max_memory, seconds = int(sys.argv[1]), float(sys.argv[2])
    _limit_memory(max_memory)
    source, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever libraries print
    try:
        while True:
            wanted = _read(source)
            data = source.read(wanted["bytes"])
            asking = _Asking(max_memory, seconds, source, answers)
            asking.go_on()
            _answer(asking, data, wanted)
            asking.pause()
            del data
    except (EOFError, OSError):  # the server needs no more
        return
    except Exception:  # a bug: Python's own status may be that of a picture that is late
        os._exit(_BROKEN)


def _set_clock(seconds: float) -> None:
    """End this process after some seconds, whatever it does then; 0: never."""
    # faulthandler reads the frames of the thread that decodes, and may crash there.
    if hasattr(signal, "setitimer"):
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, seconds)
    elif seconds:
        faulthandler.dump_traceback_later(seconds, exit=True)
    else:
        faulthandler.cancel_dump_traceback_later()


def _answer(asking: _Asking, data: bytes, wanted: dict[str, Any]) -> None:
    try:
        picture = decode_here(
            data,
            at_least=asking.at_least if wanted["at_least"] else None,
            max_pixels=wanted["max_pixels"],
            budget=asking,
        )
    except (ImageError, MemoryError) as error:
        text = str(error) or "it takes too much memory to decode"
        _write(asking.answers, {"error": text, "kind": _KINDS.get(type(error), "")})
        return
    facts = {"width": picture.width, "height": picture.height, "fault": picture.fault}
    facts |= {"is_transparent": picture.is_transparent, "shape": picture.pixels.shape}
    _write(asking.answers, facts)
    _write(asking.answers, picture.pixels.data)


class _Asking(Budget):
    """A budget whose bytes another process gives."""

    def __init__(self, total: int, seconds: float, source: IO[bytes], answers: IO[bytes]) -> None:
        super().__init__(total)
        self._seconds = seconds  # that are left for the picture
        self._source, self.answers = source, answers

    def go_on(self) -> None:
        """End this process if what follows takes too long."""
        self._since = time.monotonic()
        _set_clock(max(self._seconds, 0.001))

    def pause(self) -> None:
        """Stop the clock."""
        _set_clock(0)
        self._seconds -= time.monotonic() - self._since

    @contextmanager
    def hold(self, size: int, seconds: float | None = None) -> Iterator[None]:
        """Take bytes when the other process has them; nobody else is here."""
        with super().hold(size, seconds):
            self._ask({"memory": size})
            yield

    def at_least(self, width: int, height: int) -> tuple[int, int]:
        """Ask for the smallest size that is useful."""
        wide, high = self._ask({"size": (width, height)})["at_least"]
        return wide, high

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        _write(self.answers, question)
        self.pause()  # others may have the memory
        answer = _read(self._source)
        self.go_on()
        return answer


def _write(file: IO[bytes], message: dict[str, Any] | bytes | memoryview) -> None:
    file.write(json.dumps(message).encode() + b"\n" if isinstance(message, dict) else message)
    file.flush()


def _read(file: IO[bytes]) -> dict[str, Any]:
    line = file.readline()
    if not line.endswith(b"\n"):
        raise EOFError
    message: dict[str, Any] = json.loads(line)
    return message


def _limit_memory(size: int) -> None:
    try:
        import resource
        from pathlib import Path

        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except (ImportError, OSError):  # not Linux: the budget alone holds it
        return
    most = pages * resource.getpagesize() + size + _MORE
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
