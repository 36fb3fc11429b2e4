"""Files to pixels: read, decoded and resized in threads, returned in order.

Pillow's decoders, torch's resize and the hash all release the GIL, so threads are enough. The
number of pictures in flight is bounded, so memory does not grow with the collection. Pillow resizes
what is not many pictures: to import torch takes longer.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from artsim import images
from artsim.datatypes import Box, Fit, Preprocessing, tile_boxes
from artsim.errors import ImageError, ResourcesError, shortage_of

Pixels: TypeAlias = NDArray[np.uint8]
T = TypeVar("T")
Resize: TypeAlias = Callable[[Pixels, tuple[int, int], Preprocessing], Pixels]

# Resizes from which torch's are worth its import, which takes 1.4 s. Of a painting of 300 x 400
# pixels it saves 0.2 ms, of a scan that was decoded at 600 x 800 1.3 ms, shared by the threads.
_MANY = 3_000
_LONG = 16  # times the network's input: longer pictures are cut before they are resized
_AHEAD = 64  # pictures a worker may be ahead of the network: two batches
_FILES_AHEAD = 16  # the same of undecoded files, which may be large


@dataclass(frozen=True)
class Loaded:
    """A picture, ready for the network."""

    key: int  # as given
    pixels: Pixels  # (3, H, W)
    content_hash: str  # sha256 of the file
    width: int  # of the file, upright, in pixels
    height: int
    seconds: dict[str, float] = field(default_factory=dict, compare=False)  # CPU time by stage
    tiles: Pixels | None = None  # (T, 3, H, W); see `tile_boxes`
    fault: str = ""  # of the file, that costs no pixel
    is_transparent: bool = False  # everywhere; its opaque pixels are taken
    jpeg: Pixels | None = field(default=None, repr=False)  # the file, if it was left undecoded


@dataclass(frozen=True)
class Unloadable:
    """A picture that cannot be read or decoded."""

    key: int
    stage: str  # read, decode or resources
    reason: str


def load(
    files: Iterable[tuple[int, Path]],
    preprocessing: Preprocessing | Callable[[int], Preprocessing],
    *,
    workers: int,
    max_pixels: int = images.MAX_PIXELS,
    tiles: int = 0,
    leave_jpegs: bool = False,
    by_torch: bool = True,
) -> Generator[Loaded | Unloadable, None, None]:
    """Load pictures in threads and yield them in the order given.

    Args:
        files: Pairs of a key, which is yours to choose, and a path.
        preprocessing: For all pictures, or a function that returns it for a key.
        workers: Threads.
        max_pixels: Larger pictures are refused before they are decoded.
        tiles: Per side: also cut each picture into tiles x tiles; 0 for none.
        leave_jpegs: Leave those that another decoder may decode, for `decode_left`.
        by_torch: Resize by torch, not by Pillow; see `are_many`.
    """
    resize = _by_torch if by_torch else _by_pillow
    waiting: deque[Future[Loaded | Unloadable]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="artsim-loader")
    most = (_FILES_AHEAD if leave_jpegs else _AHEAD) * workers
    with pool, images.ReadAhead() as ahead:
        try:
            for key, path in files:
                wanted = preprocessing(key) if callable(preprocessing) else preprocessing
                read = ahead.reading(path)
                one = (key, read, wanted, max_pixels, tiles, leave_jpegs, resize)
                waiting.append(submit(pool, _load_one, *one))
                if len(waiting) >= most:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def are_many(pictures: int, tiles: int = 0) -> bool:
    """Return whether so many pictures, and their tiles, are resized sooner by torch."""
    return pictures * (1 + tiles**2) >= _MANY


def submit(pool: ThreadPoolExecutor, work: Callable[..., T], *values: Any) -> Future[T]:
    """Let a thread of a pool work, or this one where no other can be started."""
    try:
        return pool.submit(work, *values)
    except RuntimeError as error:
        if not shortage_of(error):
            raise
        done: Future[T] = Future()
        done.set_result(work(*values))
        return done


def preprocess(
    data: bytes,
    preprocessing: Preprocessing,
    *,
    box: Box | None = None,
    max_pixels: int = images.MAX_PIXELS,
) -> tuple[Pixels, images.Picture]:
    """Decode a picture, or a detail of it, and fit it to the network's input, without torch.

    Returns:
        Its pixels, (3, H, W) uint8, and the picture as it was decoded.

    Raises:
        ImageError: If it is not a picture or is damaged.
        SearchError: If the box lies outside the picture.
    """
    if box is not None:
        picture = images.decode(data, max_pixels=max_pixels)
        left, top, right, bottom = box.edges(picture.width, picture.height)
        detail = np.ascontiguousarray(picture.pixels[top:bottom, left:right])
        return _fit(detail, (right - left, bottom - top), preprocessing, _by_pillow), picture
    picture = _decode(data, preprocessing, max_pixels)
    size = (picture.width, picture.height)
    return _fit(picture.pixels, size, preprocessing, _by_pillow), picture


def resized_size(size: tuple[int, int], preprocessing: Preprocessing) -> tuple[int, int]:
    """Return the size that a picture of (width, height) is resized to before it is cut or padded.

    The rounding is torchvision's Resize (crop) and timm's ResizeKeepRatio (pad, and crop to a
    shape that is not square): half a pixel changes a vector.
    """
    width, height = size
    scale_height, scale_width = preprocessing.scale
    if preprocessing.fit == Fit.SQUASH:
        return scale_width, scale_height
    if preprocessing.fit == Fit.CROP and scale_height == scale_width:
        short = scale_width
        if width <= height:
            return short, max(int(short * height / width), 1)
        return max(int(short * width / height), 1), short
    ratios = height / scale_height, width / scale_width
    ratio = min(ratios) if preprocessing.fit == Fit.CROP else max(ratios)
    return max(round(width / ratio), 1), max(round(height / ratio), 1)


def is_long(size: tuple[int, int], shown: tuple[int, int]) -> bool:
    """Return whether a picture is so long that its middle is cut out before it is resized.

    Args:
        size: The width and height that it is resized to.
        shown: The height and width that the network sees.
    """
    return any(new > _LONG * each for new, each in zip(size[::-1], shown, strict=True))


def _load_one(
    key: int,
    read: Callable[[], bytes],
    preprocessing: Preprocessing,
    max_pixels: int,
    tiles: int,
    leave_jpegs: bool,
    resize: Resize,
) -> Loaded | Unloadable:
    clock = time.thread_time()
    try:
        data = read()
    except ImageError as error:
        return _unloadable(key, "read", error)
    content_hash = hashlib.sha256(data).hexdigest()
    size = images.plain_jpeg_size(data, max_pixels) if leave_jpegs else None
    blank = np.empty(0, np.uint8)
    seconds = {"read": time.thread_time() - clock}
    left = np.frombuffer(data, np.uint8) if size else None
    read_ = Loaded(key, blank, content_hash, *(size or (0, 0)), seconds, jpeg=left)
    return read_ if size else _decode_one(read_, data, preprocessing, max_pixels, tiles, resize)


def decode_left(
    picture: Loaded, preprocessing: Preprocessing, *, max_pixels: int = images.MAX_PIXELS
) -> Loaded | Unloadable:
    """Decode a picture of which only the file was read, and fit it to the network's input."""
    assert picture.jpeg is not None
    return _decode_one(picture, picture.jpeg.tobytes(), preprocessing, max_pixels, 0, _by_torch)


def _decode_one(
    picture: Loaded,
    data: bytes,
    preprocessing: Preprocessing,
    max_pixels: int,
    tiles: int,
    resize: Resize,
) -> Loaded | Unloadable:
    clock = [time.thread_time()]
    try:
        boxes = tile_boxes(tiles)
        shown = boxes[0].width / 100 if boxes else 1.0  # of each side, in a tile
        found = _decode(data, preprocessing, max_pixels, shown)
        clock.append(time.thread_time())
        pixels = _fit(found.pixels, (found.width, found.height), preprocessing, resize)
        cut = [_cut(found, box, preprocessing, resize) for box in boxes]
        clock.append(time.thread_time())
    except (ImageError, MemoryError, RuntimeError) as error:  # the last is torch's for memory
        return _unloadable(picture.key, "decode", error)
    return Loaded(
        picture.key,
        pixels,
        picture.content_hash,
        found.width,
        found.height,
        picture.seconds | dict(zip(("decode", "resize"), np.diff(clock).tolist(), strict=True)),
        np.stack(cut) if cut else None,
        found.fault,
        found.is_transparent,
    )


def _unloadable(key: int, stage: str, error: Exception) -> Unloadable:
    if isinstance(error, ImageError):
        return Unloadable(
            key, "resources" if isinstance(error, ResourcesError) else stage, str(error)
        )
    return Unloadable(key, "resources", f"no memory for it ({' '.join(str(error).split())[:100]})")


def _cut(picture: images.Picture, box: Box, preprocessing: Preprocessing, resize: Resize) -> Pixels:
    """Fit a tile of a picture to the network's input: (3, H, W)."""
    height, width = picture.pixels.shape[:2]  # as it was decoded
    left, top, right, bottom = box.edges(width, height)
    x0, y0, x1, y1 = box.edges(picture.width, picture.height)
    tile = np.ascontiguousarray(picture.pixels[top:bottom, left:right])
    return _fit(tile, (x1 - x0, y1 - y0), preprocessing, resize)


def _decode(
    data: bytes, preprocessing: Preprocessing, max_pixels: int, shown: float = 1.0
) -> images.Picture:
    """Decode a picture at the smallest useful size; ``shown`` is the share of each side used."""

    def at_least(width: int, height: int) -> tuple[int, int]:
        resized = resized_size((width, height), preprocessing)
        scale = preprocessing.scaled_decoding / shown
        return tuple(math.ceil(side * scale) for side in resized)  # type: ignore[return-value]  # two sides in, two out

    smaller = at_least if preprocessing.scaled_decoding else None
    return images.decode(data, at_least=smaller, max_pixels=max_pixels)


def _fit(
    pixels: Pixels, full_size: tuple[int, int], preprocessing: Preprocessing, resize: Resize
) -> Pixels:
    """Resize, then cut or pad to the network's size: (H, W, 3) -> (3, H, W).

    The new size follows from the file's full size, whatever scale it was decoded at.
    """
    size = resized_size(full_size, preprocessing)
    pixels, size = _middle_band(pixels, size, preprocessing.size)
    if (pixels.shape[1], pixels.shape[0]) != size:
        pixels = resize(pixels, size, preprocessing)
    # A copy: a view would keep all of a long scroll in memory for the middle of it.
    return np.ascontiguousarray(_cut_or_pad(pixels, preprocessing).transpose(2, 0, 1))


def _middle_band(
    pixels: Pixels, size: tuple[int, int], shown: tuple[int, int]
) -> tuple[Pixels, tuple[int, int]]:
    """Cut a very long picture to its middle before it is resized, and reduce the new size too.

    Resized to 256 pixels on its short side, a picture of 60,000 x 3 would become 5 million long,
    and the network sees 224 of them. Twice that is kept, so the cut itself is never visible.
    """
    width, height = size
    cut = list(pixels.shape[:2])
    new = [height, width]
    for axis in (0, 1):
        if new[axis] > _LONG * shown[axis]:
            kept = math.ceil(cut[axis] * 2 * shown[axis] / new[axis]) + 2
            kept += (cut[axis] - kept) % 2  # the same number of pixels goes on both sides
            new[axis] = round(new[axis] * kept / cut[axis])
            start = (cut[axis] - kept) // 2
            pixels = pixels[start : start + kept] if axis == 0 else pixels[:, start : start + kept]
    return np.ascontiguousarray(pixels), (new[1], new[0])


def _by_pillow(pixels: Pixels, size: tuple[int, int], preprocessing: Preprocessing) -> Pixels:
    """Resize with antialiasing to (width, height), and give the middle that the network sees."""
    height, width = pixels.shape[:2]
    columns, rows = (min(sides) for sides in zip(size, preprocessing.size[::-1], strict=True))
    left, top = round((size[0] - columns) / 2), round((size[1] - rows) / 2)
    box = (
        left * width / size[0],
        top * height / size[1],
        (left + columns) * width / size[0],
        (top + rows) * height / size[1],
    )
    method = Image.Resampling[preprocessing.interpolation.upper()]
    return np.asarray(Image.fromarray(pixels).resize((columns, rows), method, box=box))


def _by_torch(pixels: Pixels, size: tuple[int, int], preprocessing: Preprocessing) -> Pixels:
    """Resize with antialiasing to (width, height), within rounding of Pillow, and faster."""
    interpolation = preprocessing.interpolation
    if interpolation not in ("bilinear", "bicubic"):
        return _by_pillow(pixels, size, preprocessing)
    import torch
    from torch.nn.functional import interpolate

    pixels = np.require(pixels, requirements="W")  # torch warns of memory it may not write
    batch = torch.from_numpy(pixels).permute(2, 0, 1).unsqueeze(0)  # (1, 3, H, W), channels last
    resized = interpolate(batch, size[::-1], mode=interpolation, antialias=True)
    found: Pixels = resized.squeeze(0).permute(1, 2, 0).numpy()
    return found


def _cut_or_pad(pixels: Pixels, preprocessing: Preprocessing) -> Pixels:
    """Crop the middle of sides that are too large and pad those that are too small: (H, W, 3)."""
    height, width = preprocessing.size
    missing_y, missing_x = height - pixels.shape[0], width - pixels.shape[1]
    if missing_x > 0 or missing_y > 0:
        y, x = max(missing_y, 0), max(missing_x, 0)
        rows, columns = pixels.shape[:2]
        padded = np.full((rows + y, columns + x, 3), preprocessing.fill, np.uint8)
        padded[y // 2 : y // 2 + rows, x // 2 : x // 2 + columns] = pixels
        pixels = padded
    top = round((pixels.shape[0] - height) / 2)
    left = round((pixels.shape[1] - width) / 2)
    return pixels[top : top + height, left : left + width]
