"""JPEGs decoded and resized on a GPU, many at a time, between the loader and the network."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, nullcontext
from dataclasses import replace

import torch
from torch import Tensor
from torchvision.io import ImageReadMode, decode_jpeg
from torchvision.transforms.v2 import functional

from artsim import images
from artsim.datatypes import Preprocessing
from artsim.loader import Loaded, Pixels, Unloadable, decode_left, is_long, resized_size, submit

_TOGETHER = 64  # pictures that a thread takes
_AHEAD = 3  # times as many wait for the network
_MOST = 2**27  # pixels of the JPEGs that are decoded at once: 400 MB

Pictures = Generator[Loaded | Unloadable]


def decode_on(
    device: torch.device,
    pictures: Pictures,
    preprocessing: Preprocessing,
    *,
    max_pixels: int = images.MAX_PIXELS,
) -> Pictures:
    """Decode the JPEGs that the loader has left, in a thread; the order stays.

    What the device cannot decode the CPU decodes, or refuses.
    """
    stream = torch.cuda.Stream(device) if device.type == "cuda" else None  # type: ignore[no-untyped-call]  # torch's

    def work(group: list[Loaded | Unloadable]) -> list[Loaded | Unloadable]:
        left = [n for n, each in enumerate(group) if isinstance(each, Loaded) and each.jpeg]
        with torch.cuda.stream(stream) if stream is not None else nullcontext():
            found = _fitted([group[n] for n in left], preprocessing, device)  # type: ignore[misc]  # they are loaded
        for n, pixels in zip(left, found, strict=True):
            picture = group[n]
            assert isinstance(picture, Loaded)
            if pixels is None:
                group[n] = decode_left(picture, preprocessing, max_pixels=max_pixels)
            else:
                group[n] = replace(picture, pixels=pixels, jpeg=b"")
        return group

    waiting: deque[Future[list[Loaded | Unloadable]]] = deque()
    with closing(pictures), ThreadPoolExecutor(1, thread_name_prefix="artsim-jpegs") as pool:
        try:
            for group in _groups(pictures):
                waiting.append(submit(pool, work, group))
                if len(waiting) >= _AHEAD:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


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
    data = [torch.frombuffer(bytearray(each.jpeg), dtype=torch.uint8) for each in pictures]
    try:
        decoded = decode_jpeg(data, ImageReadMode.RGB, device=device)
        fitted = [
            _fit(image, (picture.width, picture.height), preprocessing)
            for image, picture in zip(decoded, pictures, strict=True)
        ]
        return list(torch.stack(fitted).cpu().numpy())
    except RuntimeError:  # of one of them, or there is no memory for all
        if device.type == "cuda":
            # The decoder has a stream of its own, which does not wait for what was begun on this
            # one, and may write to memory that is still in use there.
            torch.cuda.synchronize(device)
        if len(pictures) == 1:
            return [None]
    return [_fitted([each], preprocessing, device)[0] for each in pictures]


def _fit(image: Tensor, size: tuple[int, int], preprocessing: Preprocessing) -> Tensor:
    """Resize, then cut or pad, (3, H, W), as the loader does.

    Raises:
        RuntimeError: If the picture is not of its header's size, or too long to be resized here.
    """
    width, height = resized_size(size, preprocessing)
    if image.shape[1:] != size[::-1] or is_long((width, height), preprocessing.size):
        raise RuntimeError("left to the CPU")
    image = functional.resize(
        image,
        [height, width],
        functional.InterpolationMode(preprocessing.interpolation),
        antialias=True,
    )
    y, x = (max(preprocessing.size[side] - image.shape[1 + side], 0) for side in (0, 1))
    if x or y:
        edges = [x // 2, y // 2, x - x // 2, y - y // 2]
        image = functional.pad(image, edges, fill=list(preprocessing.fill))
    fitted: Tensor = functional.center_crop(image, list(preprocessing.size))
    return fitted
