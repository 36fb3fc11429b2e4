"""Send many bombs at once to a running `artsim serve`; measure its memory and other visitors.

    artsim serve indexes/paintings --port 8765 &
    python scripts/bench/bombs.py $! paintings ID [KIND...]

Bombs of every kind (or of those named) are made and sent --bombs times in turn, all at once, while
another visitor searches by ID, looks at its picture and uploads small ones.
"""

from __future__ import annotations

import argparse
import io
import itertools
import struct
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib import import_module
from pathlib import Path

import httpx2
from PIL import Image

SIDE = 9_999  # pixels: 100 million are the most that are decoded


def png(width: int, height: int, *, channels: int = 3, bits: int = 8, rows: int = SIDE) -> bytes:
    """Return a blank PNG, of which only some rows are there."""

    def chunk(name: bytes, data: bytes) -> bytes:
        sum_ = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + sum_

    row, squeezer = bytes(1 + width * channels * bits // 8), zlib.compressobj()
    data = b"".join(squeezer.compress(row) for _ in range(rows)) + squeezer.flush()
    header = struct.pack(">IIBBBBB", width, height, bits, {3: 2, 4: 6}[channels], 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def saved(picture: Image.Image, fmt: str, **options: object) -> bytes:
    """Return a picture as a file."""
    out = io.BytesIO()
    picture.save(out, fmt, **options)
    return out.getvalue()


def jpeg2000() -> bytes:
    """Return a small JPEG 2000 that claims one tile of 16,384 x 16,384 pixels."""
    data = bytearray(saved(Image.new("L", (8, 8)), "JPEG2000", no_jp2=True))
    for place in (8, 24):  # of the picture's size, and its tiles'
        struct.pack_into(">II", data, place, 16_384, 16_384)
    return bytes(data)


def scans() -> bytes:
    """Return a progressive JPEG whose last scan comes 6,000 times."""
    data = saved(Image.linear_gradient("L"), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * 6_000 + data[-2:]


def frames(fmt: str) -> bytes:
    """Return an animation of 2,000 frames."""
    some = [Image.new("L", (64, 64), n % 251) for n in range(2_000)]
    return saved(some[0], fmt, save_all=True, append_images=some[1:])


def large(fmt: str, **options: object) -> Callable[[], bytes]:
    """Return what makes the largest picture of a format."""
    return lambda: saved(Image.new("RGB", (SIDE, SIDE)), fmt, **options)


KINDS: dict[str, Callable[[], bytes]] = {
    "png": lambda: png(SIDE, SIDE),
    "png-column": lambda: png(1, 2**28),
    "png-rgba16": lambda: png(SIDE, SIDE, channels=4, bits=16),
    "png-frames": lambda: frames("PNG"),
    "gif-frames": lambda: frames("GIF"),
    "jpeg": large("JPEG"),
    "jpeg-progressive": large("JPEG", progressive=True),
    "jpeg-scans": scans,
    "jpeg2000": jpeg2000,
    "jpeg2000-large": large("JPEG2000", quality_layers=[1000], irreversible=True),
    "tiff": large("TIFF", compression="tiff_adobe_deflate"),
    "webp": large("WEBP", quality=0, method=0),
    "avif": large("AVIF", speed=10),
    "heif": large("HEIF", quality=0),
    "jxl": large("JXL", effort=1),
    "svg": lambda: b"<svg xmlns='http://www.w3.org/2000/svg' width='99999' height='99999'/>",
}


def make(kinds: Iterable[str]) -> dict[str, bytes]:
    """Make bombs; kinds that no installed package writes are left out."""
    for package in ("pillow_heif", "pillow_jxl"):
        with suppress(ImportError):
            module = import_module(package)
            getattr(module, "register_heif_opener", int)()
    found = {}
    for kind in kinds:
        try:
            found[kind] = KINDS[kind]()
        except KeyError:  # Pillow's, of a format that it does not write
            print(f"{kind}: not made; its package is not installed")
        else:
            print(f"{kind}: {len(found[kind]):,} bytes")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pid", type=int)
    parser.add_argument("index")
    parser.add_argument("id")
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=", ".join(KINDS))
    parser.add_argument("--bombs", type=int, default=50)
    parser.add_argument("--port", type=int, default=8765)
    options = parser.parse_args()
    address = f"http://127.0.0.1:{options.port}/api/{options.index}"
    bombs = make(options.kinds or KINDS)
    over, memory, numbers = threading.Event(), [resident(options.pid)], itertools.count()
    others = Counter[tuple[str, int]]()
    slowest = 0.0

    def watch() -> None:
        while not over.wait(0.02):
            memory.append(resident(options.pid))

    def visit() -> None:
        nonlocal slowest
        while not over.wait(0.1):
            began = time.monotonic()
            query = {"terms": [{"id": options.id}]}
            found = httpx2.post(f"{address}/search", json=query, timeout=60)
            shown = httpx2.get(f"{address}/picture", params={"id": options.id}, timeout=60)
            sent = httpx2.post(
                f"{address}/uploads",
                content=saved(Image.new("RGB", (400, 300), (next(numbers) % 256, 9, 9)), "JPEG"),
                headers={"content-type": "image/jpeg"},
                timeout=60,
            )
            statuses = (found.status_code, shown.status_code, sent.status_code)
            others.update(zip(("search", "picture", "upload"), statuses, strict=True))
            slowest = max(slowest, time.monotonic() - began)

    def send(number: int, kind: str) -> tuple[str, int]:
        sent = httpx2.post(
            f"{address}/uploads",
            content=bombs[kind] + b"%d" % number,  # the same file is decoded once
            headers={"content-type": "image/png"},
            timeout=300,
        )
        return kind, sent.status_code

    threads = [threading.Thread(target=each) for each in (watch, visit)]
    for thread in threads:
        thread.start()
    with ThreadPoolExecutor(options.bombs) as pool:
        kinds = itertools.islice(itertools.cycle(bombs), options.bombs)
        answers = Counter(pool.map(send, range(options.bombs), kinds))
    over.set()
    for thread in threads:
        thread.join()
    for kind in bombs:
        by_status = {status: count for (own, status), count in answers.items() if own == kind}
        print(f"{kind} by status: {by_status}")
    print(f"another visitor's answers: {dict(others)}, slowest {slowest:.1f} s")
    print(f"memory: {memory[0]} MB idle, {max(memory)} at most, +{max(memory) - memory[0]}")


def resident(pid: int) -> int:
    """Return the memory of a process and its children in MB."""
    total = 0
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    for each in [pid, *(int(child) for task in tasks for child in read(task).split())]:
        lines = read(Path(f"/proc/{each}/status")).splitlines()
        total += sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))
    return total // 1024


def read(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:  # it has ended
        return ""


if __name__ == "__main__":
    main()
