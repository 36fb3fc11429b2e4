"""Pictures loaded by other processes, where threads of one would wait for its interpreter lock.

Files are read, hashed and decoded without the lock, but to open each takes some tenths of a
millisecond with it: the threads of one process load a thousand or two pictures a second, however
many cores there are. A GPU computes more.
"""

from __future__ import annotations

import itertools
import logging
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from io import BufferedReader
from pathlib import Path
from typing import IO, Any, TypeAlias, cast

import numpy as np

from artsim import images
from artsim.datatypes import Preprocessing
from artsim.loader import Loaded, Unloadable, load, submit
from artsim.models import Extractor

logger = logging.getLogger(__name__)

_PROGRAM = "from artsim.embedding.loaders import main; main()"
_THREADS = 4  # of a process
_TOGETHER = 64  # pictures that a process takes
_FILES_TOGETHER = 16  # the same of undecoded files, which may be large
_BUFFER = 1 << 20  # bytes
_MANY = 2_000  # pictures; of fewer, most are loaded before the processes are ready
_AHEAD = 2  # times as many, of each process, are loaded or wait for the network

# What is raised where the other end of a pipe has ended.
_ENDED = (EOFError, OSError, ValueError, pickle.UnpicklingError)

Files: TypeAlias = list[tuple[int, Path]]
Pictures: TypeAlias = list[Loaded | Unloadable]


@dataclass(frozen=True, kw_only=True)
class LoadSettings:
    """How pictures are loaded, see `artsim.loader.load`."""

    preprocessing: Preprocessing
    workers: int
    max_pixels: int = images.MAX_PIXELS
    tiles: int = 0
    leave_jpegs: bool = False
    by_torch: bool = True

    def load(self, files: Iterable[tuple[int, Path]]) -> Generator[Loaded | Unloadable]:
        """Load pictures in threads of this process."""
        return load(
            files,
            self.preprocessing,
            workers=self.workers,
            max_pixels=self.max_pixels,
            tiles=self.tiles,
            leave_jpegs=self.leave_jpegs,
            by_torch=self.by_torch,
        )


def is_worth_processes(pictures: int, workers: int, extractor: Extractor) -> bool:
    """Return whether so many pictures, for a GPU, are loaded sooner by processes."""
    return pictures >= _MANY and workers > _THREADS and extractor.ahead > 0


def load_in_processes(
    files: Iterable[tuple[int, Path]], settings: LoadSettings
) -> Generator[Loaded | Unloadable]:
    """Load pictures in processes of four threads, and yield them in the order given.

    Until the processes are ready, and for one that ends before its time, this one loads pictures.
    """
    count = -(-settings.workers // _THREADS)
    size = _FILES_TOGETHER if settings.leave_jpegs else _TOGETHER
    loaders = [_Loader(replace(settings, workers=_THREADS), count) for _ in range(count)]
    idle: queue.SimpleQueue[_Loader] = queue.SimpleQueue()
    for loader in loaders:
        idle.put(loader)

    def work(group: Files) -> Pictures:
        loader = idle.get()
        try:
            return loader.load(group)
        finally:
            idle.put(loader)

    waiting: deque[Future[Pictures]] = deque()
    with ThreadPoolExecutor(count, thread_name_prefix="artsim-loaders") as pool:
        try:
            for group in _groups(files, size):
                waiting.append(submit(pool, work, group))
                if len(waiting) >= _AHEAD * count:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            for loader in loaders:
                loader.close()


def _groups(files: Iterable[tuple[int, Path]], size: int) -> Iterator[Files]:
    rest = iter(files)
    while group := list(itertools.islice(rest, size)):
        yield group


class _Loader:
    """A process that loads one group of pictures after the other; until it is ready, this does."""

    def __init__(self, settings: LoadSettings, beside: int) -> None:
        self._settings = settings
        self._is_ready, self._is_closed = threading.Event(), False
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=_BUFFER,
        )
        self._send((settings, images.process_budget().total // (beside + 1)))
        self._starting = threading.Thread(target=self._start, daemon=True)
        self._starting.start()

    def load(self, files: Files) -> Pictures:
        """Load pictures, here if there is no process."""
        if not self._is_ready.is_set():
            return list(self._settings.load(files))
        self._send(files)
        try:
            return receive(self._answers)
        except _ENDED:
            if self._is_closed:
                return []
            self._is_ready.clear()
            logger.warning(
                "a process that loads pictures ended (status %d); its pictures are loaded by this",
                self._process.wait(),
            )
            return list(self._settings.load(files))

    def _start(self) -> None:
        with suppress(*_ENDED):
            pickle.load(self._answers)
            self._is_ready.set()

    @property
    def _answers(self) -> BufferedReader:
        return cast("BufferedReader", self._process.stdout)

    def close(self) -> None:
        """End the process, whatever it does."""
        self._is_closed = True
        self._process.kill()
        self._process.wait()
        self._starting.join()
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError, ValueError):
                cast("IO[bytes]", pipe).close()

    def _send(self, message: Any) -> None:
        assert self._process.stdin is not None
        with suppress(OSError, ValueError):  # if it has ended, `load` sees that
            pickle.dump(message, self._process.stdin)
            self._process.stdin.flush()


def receive(source: BufferedReader) -> Pictures:
    """Read pictures that `send` wrote; their arrays share one block of memory.

    Raises:
        EOFError: If the other end of the pipe has ended.
    """
    data, sizes = pickle.load(source)
    block = np.empty(sum(sizes), np.uint8)
    if source.readinto(block.data) < block.nbytes:
        raise EOFError
    ends = np.cumsum(sizes)[:-1]
    pictures: Pictures = pickle.loads(data, buffers=np.split(block, ends))
    return pictures


def send(pictures: Pictures, target: IO[bytes]) -> None:
    """Write pictures, their arrays as they are in memory."""
    arrays: list[pickle.PickleBuffer] = []
    data = pickle.dumps(pictures, protocol=5, buffer_callback=arrays.append)
    raw = [array.raw() for array in arrays]
    pickle.dump((data, [each.nbytes for each in raw]), target)
    for each in raw:
        target.write(each)
    target.flush()


# ---- in the other process ----


def main() -> None:
    """Load the groups of pictures that are read from stdin, until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    target = os.fdopen(os.dup(1), "wb", buffering=_BUFFER)
    os.dup2(2, 1)  # whatever is printed here
    with suppress(EOFError, BrokenPipeError):
        settings, memory = pickle.load(sys.stdin.buffer)
        images.limit_memory(memory)
        if settings.by_torch and not settings.leave_jpegs:
            import torch  # takes seconds

            torch.set_num_threads(1)
        pickle.dump("ready", target)
        target.flush()
        while True:
            send(list(settings.load(pickle.load(sys.stdin.buffer))), target)
