"""Decoding within a budget: claims of a header, bytes that threads share, passing shortages."""

import errno
import io
import os
import struct
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from conftest import noise_picture
from PIL import Image, ImageFile

from artsim.errors import ImageError, ResourcesError
from artsim.images import MAX_BYTES, Budget, Decoders, decode, describe, read_bytes
from artsim.images.claims import check_claims
from artsim.images.decoding import decode_here, needed
from artsim.loader import Unloadable, load


def saved(picture, fmt, **options):
    out = io.BytesIO()
    picture.save(out, fmt, **options)
    return out.getvalue()


def noise(side=64, mode="RGB"):
    values = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    return Image.fromarray(values).convert(mode)


def png_claiming(width, height, *, kind=2, bits=8):
    """Return a PNG of a few bytes whose header claims a size."""

    def chunk(name, data):
        sum_ = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + sum_

    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    rows = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + rows + chunk(b"IEND", b"")


def scans(count):
    """Return a progressive JPEG whose last scan comes again and again."""
    data = saved(noise(), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * count + data[-2:]


def tiles(count, side=64):
    """Return a JPEG 2000 of count x count tiles of which the first alone is there."""
    data = bytearray(saved(Image.new("RGB", (side, side)), "JPEG2000", no_jp2=True))
    struct.pack_into(">II", data, 12 - 4, side * count, side * count)
    return bytes(data)


# ---- claims ----


@pytest.mark.parametrize("size", [(16_384, 16_384), (1, 2**28), (2**28, 1)])
def test_a_file_too_small_for_its_picture_is_refused_unread(monkeypatch, size):
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda *_: pytest.fail("decoded"))
    data = png_claiming(*size)
    with pytest.raises(ImageError) as caught:
        decode(data)
    assert str(caught.value) == (
        f"{len(data)} bytes cannot hold {size[0]:,} x {size[1]:,} pixels; get the file again"
    )


def test_a_blank_page_is_no_bomb():
    data = saved(Image.new("1", (8_200, 8_200), 1), "PNG")
    check_claims(Image.open(io.BytesIO(data)), data)


def test_a_jpeg_of_too_many_scans_is_refused():
    assert decode(scans(20)).width == 64
    with pytest.raises(ImageError, match=r"has \d+ scans, more than the limit of 100"):
        decode(scans(200))


def test_a_jpeg_2000_without_some_of_its_tiles_is_refused():
    assert decode(tiles(1)).width == 64
    with pytest.raises(ImageError, match="15 of the 16 tiles of the JPEG 2000 are missing"):
        decode(tiles(4))
    whole = saved(noise(), "JPEG2000", tile_size=(32, 32))
    assert decode(whole).width == 64
    with pytest.raises(ImageError):
        decode(whole[: len(whole) // 2])


def test_a_jpeg_2000_that_claims_millions_of_tiles_is_refused_before_they_are_counted():
    data = bytearray(tiles(1))
    struct.pack_into(">II", data, 24, 1, 1)  # the size of a tile
    struct.pack_into(">II", data, 8, 8_000, 8_000)  # of the picture
    with pytest.raises(ImageError, match="claims 64,000,000 tiles, more than"):
        decode(bytes(data))


def test_a_png_with_colors_by_number_but_no_palette_is_refused_in_one_line():
    data = saved(Image.new("RGB", (8, 8)).convert("P"), "PNG")
    start = data.index(b"PLTE") - 4
    length = int.from_bytes(data[start : start + 4], "big") + 12
    with pytest.raises(ImageError, match="get the file again"):
        decode(data[:start] + data[start + length :])


# ---- the budget ----


@pytest.mark.parametrize(
    ("picture", "fmt", "options", "per_pixel"),
    [
        (noise(1000), "PNG", {}, 8),
        (noise(1000).convert("RGBA"), "PNG", {}, 19),
        (noise(1000), "JPEG", {}, 8),
        (noise(1000), "JPEG", {"progressive": True}, 15),
        (noise(1000, "L"), "PNG", {}, 13),
        (noise(1000), "WEBP", {"lossless": True, "method": 0}, 26),
    ],
)
def test_what_decoding_takes_is_known_from_the_header(picture, fmt, options, per_pixel):
    data = saved(picture, fmt, **options)
    size = needed(Image.open(io.BytesIO(data)), data, turns=False)
    assert size - 2 * len(data) - 2**23 == pytest.approx(per_pixel * 10**6, rel=0.2)


def test_a_jpeg_reduced_while_it_is_decoded_takes_less():
    data = saved(noise(1000), "JPEG")
    img = Image.open(io.BytesIO(data))
    img.draft(None, (125, 125))
    assert needed(img, data, turns=False) < 2 * len(data) + 2**23 + 200_000


def test_a_picture_above_the_whole_budget_is_refused_and_may_be_tried_again():
    with pytest.raises(ResourcesError, match="takes 15 MB to decode, more than the 10 MB"):
        decode(saved(noise(900), "JPEG"), budget=Budget(10_000_000))


def test_threads_wait_until_their_bytes_are_free():
    budget, together, most = Budget(100), [0], [0]
    lock = threading.Lock()

    def work():
        for _ in range(20):
            with budget.hold(40):
                with lock:
                    together[0] += 1
                    most[0] = max(most[0], together[0])
                time.sleep(0.0005)
                with lock:
                    together[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert most == [2]


def test_a_wait_in_vain_ends():
    budget = Budget(100)
    with budget.hold(80), pytest.raises(ResourcesError, match=r"was free in 0\.01 s"):
        in_thread(lambda: enter(budget.hold(40, seconds=0.01)))


def test_bytes_of_a_picture_count_until_it_is_gone():
    budget = Budget(50_000_000)
    picture = decode(saved(noise(100), "PNG"), budget=budget)
    assert budget._held == 30_000
    del picture
    assert budget._held == 0


def test_pictures_that_are_kept_stop_no_others():
    budget = Budget(12_000_000)
    data = saved(noise(500), "JPEG")
    kept = [decode(data, budget=budget) for _ in range(30)]  # 22 MB
    assert len(kept) == 30


def test_threads_that_hold_bytes_while_they_wait_do_not_wait_for_each_other():
    budget, both = Budget(100), threading.Barrier(2)

    def work():
        with budget.hold(50):
            both.wait(5)
            with budget.hold(60):
                pass

    threads = [threading.Thread(target=work, daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
        assert not thread.is_alive()


def in_thread(function):
    """Call a function in a thread of its own; raise what it raises."""
    found = []

    def call():
        try:
            function()
        except Exception as error:
            found.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    raise found[0]


def enter(context):
    with context:
        pass


# ---- shortages ----


def test_want_of_memory_is_no_damage(monkeypatch):
    def broken(*_):
        raise OSError("broken data stream when reading image file")

    data = saved(noise(), "PNG")
    monkeypatch.setattr(ImageFile.ImageFile, "load", broken)
    with pytest.raises(ImageError, match="cannot be decoded whole"):
        decode(data)
    monkeypatch.setattr("artsim.images.memory.mmap.mmap", broken)
    with pytest.raises(ResourcesError, match="not enough memory to decode it now; try again"):
        decode(data)


@pytest.mark.parametrize(
    ("place", "problem", "short"),
    [
        ("artsim.images.memory.os.open", OSError(errno.EMFILE, "many"), "file descriptors"),
        ("artsim.images.memory.threading.Thread", RuntimeError("can't start"), "threads"),
    ],
)
def test_want_of_threads_and_descriptors_is_no_damage(monkeypatch, place, problem, short):
    def fail(*_, **__):
        raise problem

    data = saved(noise(), "PNG")[:-500]
    monkeypatch.setattr(place, fail)
    with pytest.raises(ResourcesError, match=f"not enough {short} to decode it now; try again"):
        decode(data)


def test_want_of_descriptors_while_reading_is_no_fault_of_the_file(monkeypatch, tmp_path):
    file = noise_picture(tmp_path / "a.png", (20, 20))

    def fail(*_):
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr("artsim.places.opening._open", fail)
    with pytest.raises(ResourcesError, match="cannot be read now"):
        read_bytes(file)


# ---- regular files only ----


@pytest.mark.parametrize("read", [read_bytes, describe])
def test_a_pipe_a_device_and_a_file_of_30_gb_are_not_read(tmp_path, read):
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "zero.jpg").symlink_to("/dev/zero")
    with (tmp_path / "sparse.tif").open("wb") as file:
        file.truncate(30 * 10**9)
    said = {}
    for name in ("pipe.jpg", "zero.jpg", "sparse.tif"):
        with pytest.raises(ImageError) as caught:
            read(tmp_path / name)
        said[name] = str(caught.value).removeprefix(f"'{tmp_path / name}' ")
    assert said == {
        "pipe.jpg": "is a pipe; name a picture file",
        "zero.jpg": "is a device; name a picture file",
        "sparse.tif": f"has 30,000,000,000 bytes, more than the limit of {MAX_BYTES:,}; "
        "make a smaller copy",
    }


def test_the_loader_names_the_stage(monkeypatch, tmp_path):
    from conftest import PREPROCESSING

    file = noise_picture(tmp_path / "a.png", (20, 20))

    def fail(*_, **__):
        raise ResourcesError("not enough memory to decode it now; try again")

    monkeypatch.setattr("artsim.images.decode", fail)
    assert list(load([(7, file)], PREPROCESSING, workers=1)) == [
        Unloadable(7, "resources", "not enough memory to decode it now; try again")
    ]


# ---- in a process of its own ----


@pytest.fixture(scope="module")
def decoders():
    made = Decoders(at_once=1, budget=Budget(200 << 20), max_memory=100 << 20, seconds=30)
    with made.in_use():
        yield made
    made.close()


def process_of(decoders):
    found = decoders._idle.get_nowait()
    decoders._idle.put(found)
    return found


def smaller(width, height):
    return width // 3, height // 3


def test_one_server_that_ends_leaves_the_decoders_of_another_in_use(monkeypatch):
    one = Decoders(at_once=1, budget=Budget(1 << 20), max_memory=1 << 20, seconds=1)
    other = replace(one)
    used = []
    monkeypatch.setattr(Decoders, "decode", lambda self, data, **_: used.append(self))
    with ThreadPoolExecutor(1) as visitor, one.in_use(everywhere=True):
        with other.in_use(everywhere=True):
            visitor.submit(decode, b"").result()
        visitor.submit(decode, b"").result()
    assert [each is one for each in used] == [False, True]


def test_a_picture_decoded_apart_is_the_same(decoders):
    half_clear = noise(50).convert("RGBA")
    half_clear.putalpha(100)
    for data in (
        saved(noise(300), "JPEG"),
        saved(noise(300), "JPEG")[:-2],
        saved(half_clear, "PNG"),
        saved(Image.new("RGBA", (9, 5), (1, 2, 3, 0)), "PNG"),
    ):
        apart, here = decode(data, at_least=smaller), decode_here(data, at_least=smaller)
        assert np.array_equal(apart.pixels, here.pixels)
        assert replace(apart, pixels=None) == replace(here, pixels=None)
    assert decoders.budget._held == apart.pixels.nbytes


@pytest.mark.parametrize(
    "data", [b"", b"<html>", saved(noise(), "PNG")[:500], png_claiming(1, 2**28), b"%PDF-1.7"]
)
def test_what_cannot_be_decoded_apart_has_the_same_reason(decoders, data):
    with pytest.raises(ImageError) as here:
        decode_here(data)
    with pytest.raises(ImageError) as apart:
        decode(data)
    assert (type(apart.value), str(apart.value)) == (type(here.value), str(here.value))


def test_a_process_decodes_many_pictures_but_ends_after_a_large_one(decoders):
    decode(saved(noise(), "PNG"))
    first = process_of(decoders)
    decode(saved(noise(), "JPEG"))
    assert process_of(decoders) is first
    decode(saved(Image.new("RGB", (3_500, 3_500)), "PNG", compress_level=1))
    assert process_of(decoders) is None
    assert not first.is_running


def test_a_picture_that_takes_more_than_its_share_is_refused_apart(decoders):
    with pytest.raises(ImageError, match="more than the 105 MB that may be used here") as caught:
        decode(saved(Image.new("RGB", (4_000, 4_000)), "PNG", compress_level=1))
    assert not isinstance(caught.value, ResourcesError)


def test_a_decoder_that_ends_badly_or_late_costs_one_picture(decoders):
    decode(saved(noise(), "PNG"))
    process_of(decoders)._process.kill()
    process_of(decoders)._process.wait()
    decode(saved(noise(), "PNG"))
    late = Decoders(at_once=1, budget=Budget(200 << 20), max_memory=100 << 20, seconds=0.001)
    with late.in_use(), pytest.raises(ImageError, match=r"takes more than 0\.001 s to decode"):
        decode(saved(noise(2500), "PNG"))
    assert process_of(late) is None


def test_no_process_outlives_its_decoders():
    made = Decoders(at_once=2, budget=Budget(200 << 20), max_memory=100 << 20, seconds=30)
    with made.in_use():
        decode(saved(noise(), "PNG"))
    process = process_of(made)._process
    made.close()
    assert process.returncode is not None


def test_want_of_processes_is_no_fault_of_the_picture(monkeypatch):
    def fail(*_, **__):
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr("subprocess.Popen", fail)
    made = Decoders(at_once=1, budget=Budget(200 << 20), max_memory=100 << 20, seconds=30)
    with made.in_use(), pytest.raises(ResourcesError, match="no process could be started"):
        decode(saved(noise(), "PNG"))
