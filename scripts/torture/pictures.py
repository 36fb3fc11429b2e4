"""Mutate pictures of many formats: each is decoded or refused in one line, in bounded memory."""

from __future__ import annotations

import contextlib
import io
import os
import resource
import signal
import struct
from pathlib import Path

import numpy as np
import pillow_heif
import pillow_jxl  # noqa: F401 - registers itself
from PIL import Image
from trials import Findings

from artsim.errors import ImageError
from artsim.images import decode

MEMORY = 3 << 30  # bytes of address space, beside what the process has at its start
SECONDS = 60  # of processor time for a batch
_BATCH = 25
_FORMATS: tuple[tuple[str, str, dict[str, object]], ...] = (
    ("JPEG", "RGB", {}),
    ("JPEG", "L", {"progressive": True}),
    ("JPEG", "CMYK", {}),
    ("PNG", "RGBA", {}),
    ("PNG", "P", {}),
    ("PNG", "I;16", {}),
    ("GIF", "P", {}),
    ("WEBP", "RGB", {}),
    ("TIFF", "RGB", {}),
    ("TIFF", "RGB", {"compression": "tiff_lzw"}),
    ("TIFF", "CMYK", {"compression": "tiff_adobe_deflate"}),
    ("WEBP", "RGBA", {"lossless": True}),
    ("AVIF", "RGB", {}),
    ("HEIF", "RGB", {}),
    ("JXL", "RGB", {}),
    ("PSD", "RGB", {}),
    ("BMP", "RGB", {}),
    ("JPEG2000", "RGB", {}),
    ("PPM", "RGB", {}),
)


def mutate_pictures(_museum: Path, trials: int, seed: int) -> Findings:
    """Decode mutated files, in processes with little memory.

    Faults: any error but an ImageError of one line, a crash, a hang, too much memory.
    """
    pillow_heif.register_heif_opener()
    findings, rng = Findings(), np.random.default_rng(seed)
    whole = [_encode(*each, rng) for each in _FORMATS]
    mutants = [_mutate(whole[trial % len(whole)], rng) for trial in range(trials)]
    for first in range(0, trials, _BATCH):
        batch = mutants[first : first + _BATCH]
        results = _decode(batch)
        if results is None:  # some picture of the batch ended the process: find it
            results = [(_decode([each]) or ["fault the process ended"])[0] for each in batch]
        for number, result in enumerate(results, first):
            findings.counts[result.split()[0]] += 1
            if result.startswith("fault"):
                name = _FORMATS[number % len(whole)]
                findings.add([f"mutant {number} of {name[0]} {name[1]}: {result}"])
    return findings


def _encode(kind: str, mode: str, options: dict[str, object], rng: np.random.Generator) -> bytes:
    ramp = np.linspace(0, 200, 96 * 128 * 3).reshape(96, 128, 3)
    pixels = (ramp + rng.integers(0, 55, ramp.shape)).astype(np.uint8)
    image = Image.fromarray(pixels)
    image = (
        Image.fromarray(pixels[..., 0].astype(np.uint16) * 257)
        if mode == "I;16"
        else (image.convert(mode))
    )
    if kind == "PSD":  # which Pillow reads and does not write: a header, three empty blocks
        header = b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, *pixels.shape[:2], 8, 3)
        return header + bytes(12 + 2) + pixels.transpose(2, 0, 1).tobytes()
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def _mutate(data: bytes, rng: np.random.Generator) -> bytes:
    """Flip, overwrite, cut, insert or double bytes, more of them near the headers."""
    mutant = bytearray(data)
    for _ in range(int(rng.integers(1, 6))):
        at = (
            int(min(rng.exponential(200), len(mutant) - 1))
            if rng.random() < 0.6
            else int(rng.integers(len(mutant)))
        )
        match int(rng.integers(5)):
            case 0:
                mutant[at] ^= 1 << int(rng.integers(8))
            case 1:
                mutant[at : at + 4] = rng.bytes(4)
            case 2:
                del mutant[at + 1 :]
            case 3:
                mutant[at:at] = rng.bytes(int(rng.integers(1, 64)))
            case _:
                mutant[at : at + 4] = b"\xff\xff\xff\x7f"
    return bytes(mutant)


def _decode(batch: list[bytes]) -> list[str] | None:
    """Decode in a process of its own; None if that process did not come to its end."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        limit = MEMORY + resource.getpagesize() * int(
            Path("/proc/self/statm").read_text().split()[0]
        )
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        with contextlib.suppress(BaseException), os.fdopen(writing, "w") as pipe:
            pipe.write("\n".join(_result(each) for each in batch))
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        lines = pipe.read().splitlines()
    status = os.waitpid(child, 0)[1]
    return lines if status == 0 and len(lines) == len(batch) else None


def _result(data: bytes) -> str:
    try:
        picture = decode(data)
    except ImageError as error:
        return "refused" if "\n" not in str(error) else "fault a message of several lines"
    except Exception as error:
        return f"fault {type(error).__name__}: {error}".replace("\n", " ")
    return "decoded" if picture.pixels.shape[2] == 3 else "fault no RGB pixels"
