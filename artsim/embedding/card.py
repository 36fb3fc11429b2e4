"""JPEGs decoded and resized on a GPU, many at a time, between the loader and the network."""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchvision.io import ImageReadMode, decode_jpeg
from torchvision.transforms.v2 import functional

from artsim import images
from artsim.datatypes import Preprocessing
from artsim.loader import Loaded, Pixels, Unloadable, decode_left, is_long, resized_size, submit

_THREADS = 2  # one decodes while the other resizes
_TOGETHER = 64  # pictures that a thread takes
_AHEAD = 4  # times as many are decoded or wait for the network
_MOST = 2**27  # pixels of the JPEGs that are decoded at once: 400 MB
_RESIZED = 2**25  # the same of those that are resized at once, in float32

Pictures = Generator[Loaded | Unloadable]


def decode_on(
    device: torch.device,
    pictures: Pictures,
    preprocessing: Preprocessing,
    *,
    max_pixels: int = images.MAX_PIXELS,
) -> Pictures:
    """Decode the JPEGs that the loader has left, in two threads; the order stays.

    What the device cannot decode the CPU decodes, or refuses.
    """
    streams = threading.local()

    def work(group: list[Loaded | Unloadable]) -> list[Loaded | Unloadable]:
        left = [
            n for n, each in enumerate(group) if isinstance(each, Loaded) and each.jpeg is not None
        ]
        with _stream_of(streams, device):
            found = _fitted([group[n] for n in left], preprocessing, device)  # type: ignore[misc]  # they are loaded
        for n, pixels in zip(left, found, strict=True):
            picture = group[n]
            assert isinstance(picture, Loaded)
            if pixels is None:
                group[n] = decode_left(picture, preprocessing, max_pixels=max_pixels)
            else:
                group[n] = replace(picture, pixels=pixels, jpeg=None)
        return group

    waiting: deque[Future[list[Loaded | Unloadable]]] = deque()
    with closing(pictures), ThreadPoolExecutor(_THREADS, thread_name_prefix="artsim-jpegs") as pool:
        try:
            for group in _groups(pictures):
                waiting.append(submit(pool, work, group))
                if len(waiting) >= _AHEAD:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _stream_of(streams: threading.local, device: torch.device) -> AbstractContextManager[Any]:
    """Return this thread's stream of a GPU, as a context."""
    if device.type != "cuda":
        return nullcontext()
    if not hasattr(streams, "own"):
        streams.own = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]  # torch's
    return torch.cuda.stream(streams.own)


def _groups(pictures: Iterator[Loaded | Unloadable]) -> Iterator[list[Loaded | Unloadable]]:
    group: list[Loaded | Unloadable] = []
    pixels = 0
    for picture in pictures:
        more = picture.width * picture.height if isinstance(picture, Loaded) else 0
        if group and (len(group) == _TOGETHER or pixels + more > _MOST):
            yield group
            group, pixels = [], 0
        group.append(picture)
        pixels += more
    if group:
        yield group


def _fitted(
    pictures: Sequence[Loaded], preprocessing: Preprocessing, device: torch.device
) -> list[Pixels | None]:
    """Decode JPEGs and fit them to the network's input; None for those that it cannot."""
    if not pictures:
        return []
    files = [np.require(each.jpeg, requirements="W") for each in pictures]  # torch warns otherwise
    try:
        decoded = decode_jpeg(
            [torch.from_numpy(file) for file in files], ImageReadMode.RGB, device=device
        )
        sizes = [(picture.width, picture.height) for picture in pictures]
        return list(_fit(decoded, sizes, preprocessing).cpu().numpy())
    except RuntimeError:  # of one of them, or there is no memory for all
        if device.type == "cuda":
            # The decoder has a stream of its own, which does not wait for what was begun on this
            # one, and may write to memory that is still in use there.
            torch.cuda.synchronize(device)
        if len(pictures) == 1:
            return [None]
    return [_fitted([each], preprocessing, device)[0] for each in pictures]


def _fit(
    decoded: Sequence[Tensor], sizes: Sequence[tuple[int, int]], preprocessing: Preprocessing
) -> Tensor:
    """Resize, then cut or pad, as the loader does; those of one size together: (N, 3, H, W).

    Raises:
        RuntimeError: If one is not of its header's size, or too long to be resized here.
    """
    fitted = decoded[0].new_empty((len(decoded), 3, *preprocessing.size))
    rows_of: dict[tuple[int, int], list[int]] = defaultdict(list)
    for row, (image, size) in enumerate(zip(decoded, sizes, strict=True)):
        resized = resized_size(size, preprocessing)
        if image.shape[1:] != size[::-1] or is_long(resized, preprocessing.size):
            raise RuntimeError("left to the CPU")
        rows_of[size].append(row)
    for size, rows in rows_of.items():
        width, height = resized_size(size, preprocessing)
        most = max(_RESIZED // (size[0] * size[1]), 1)
        for some in (rows[start : start + most] for start in range(0, len(rows), most)):
            batch = functional.resize(
                torch.stack([decoded[row] for row in some]),
                [height, width],
                functional.InterpolationMode(preprocessing.interpolation),
                antialias=True,
            )
            fitted[some] = _cut_or_pad(batch, preprocessing)
    return fitted


def _cut_or_pad(batch: Tensor, preprocessing: Preprocessing) -> Tensor:
    y, x = (max(preprocessing.size[side] - batch.shape[2 + side], 0) for side in (0, 1))
    if x or y:
        edges = [x // 2, y // 2, x - x // 2, y - y // 2]
        batch = functional.pad(batch, edges, fill=list(preprocessing.fill))
    cut: Tensor = functional.center_crop(batch, list(preprocessing.size))
    return cut
