"""A stranger's picture decoded in a process of its own, which may end badly."""

from __future__ import annotations

import json
import subprocess
import sys

from artsim.errors import ImageError, ResourcesError
from artsim.images.decoding import decode
from artsim.images.memory import Budget

_PROGRAM = "from artsim.images.apart import main; main()"
_MORE = 256 << 20  # bytes of address space for the process itself, beside those for decoding


def check_apart(
    data: bytes, *, max_pixels: int, max_memory: int, seconds: float
) -> tuple[int, int]:
    """Decode a picture in another process; return its width and height.

    Raises:
        ImageError: If `decode` refuses it, or it takes more memory or time than allowed.
        ResourcesError: If no process can be started now.
    """
    command = [sys.executable, "-c", _PROGRAM, str(max_pixels), str(max_memory)]
    try:
        done = subprocess.run(
            command, input=data, capture_output=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        raise ImageError(
            f"it takes more than {seconds:g} s to decode; send a smaller copy"
        ) from None
    except (OSError, MemoryError) as error:
        raise ResourcesError("no process could be started to decode it; try again") from error
    if done.returncode or not done.stdout:
        raise ImageError("its decoder broke off; send it as a JPEG or PNG")
    found = json.loads(done.stdout)
    if "error" in found:
        raise ImageError(str(found["error"]))
    width, height = found["size"]
    return int(width), int(height)


def main() -> None:
    """Decode what comes in, and write its size or what is wrong with it."""
    max_pixels, max_memory = map(int, sys.argv[1:])
    _limit_memory(max_memory)
    try:
        picture = decode(
            sys.stdin.buffer.read(),
            at_least=lambda width, height: (max(1, width // 8), max(1, height // 8)),
            max_pixels=max_pixels,
            budget=Budget(max_memory),
        )
    except (ImageError, MemoryError) as error:
        found: dict[str, object] = {"error": str(error) or "it takes too much memory to decode"}
    else:
        found = {"size": [picture.width, picture.height]}
    sys.stdout.write(json.dumps(found))


def _limit_memory(size: int) -> None:
    try:
        import resource
        from pathlib import Path

        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except (ImportError, OSError):  # not Linux: the budget alone holds it
        return
    most = pages * resource.getpagesize() + size + _MORE
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
