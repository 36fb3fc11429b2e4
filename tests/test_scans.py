"""Files are examined as they are: headers, ends, and what cannot be read."""

import io

from PIL import Image
from test_images import SWAPPED

from artsim.images import describe
from artsim.inspection.scans import InspectSettings, look_at

ORIENTATION = 0x0112


def saved(format_, mode="RGB", size=(40, 30), **options):
    stream = io.BytesIO()
    Image.new(mode, size).save(stream, format_, **options)
    return stream.getvalue()


def looks(files, tails=None):
    return list(look_at([str(file) for file in files], tails=tails or [True] * len(files)))


def test_headers_of_any_length_and_format_are_read(tmp_path):
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    kinds = {
        "short.jpg": saved("JPEG", exif=exif),
        "long.jpg": saved("JPEG", icc_profile=SWAPPED * 60),
        "endless.jpg": saved("JPEG", icc_profile=SWAPPED * 700),
        "a.png": saved("PNG", exif=exif, icc_profile=SWAPPED),
        "long.png": saved("PNG", icc_profile=SWAPPED * 900),
        "a.webp": saved("WEBP"),
        "a.tif": saved("TIFF", "CMYK"),
        "filled.jpg": saved("JPEG").replace(b"\xff\xdb", b"\xff\xff\xdb", 1),
    }
    for name, data in kinds.items():
        (tmp_path / name).write_bytes(data)
    found = looks([tmp_path / name for name in kinds])
    assert [look.header for look in found] == [describe(data) for data in kinds.values()]
    assert (found[0].header.width, found[0].header.height) == (30, 40)


def test_unreadable_files_say_why(tmp_path):
    (tmp_path / "empty.jpg").write_bytes(b"")
    names = ["empty.jpg", "gone.jpg", "", "\0"]
    reasons = [look.header for look in looks([tmp_path / name for name in names])]
    assert [text.partition(";")[0].replace(str(tmp_path), "") for text in reasons] == [
        "the file is empty (0 bytes)",
        "no file '/gone.jpg'",
        "'' is a folder",
        "'/\\x00' cannot be read (embedded null byte)",
    ]


def test_the_ends_of_files_of_one_size_differ_if_their_bytes_do(tmp_path):
    for name, end in {"a": b"1", "b": b"2", "c": b"1"}.items():
        for size in (100, 20_000):
            (tmp_path / f"{name}{size}").write_bytes(saved("JPEG") + bytes(size) + end)
    for size in (100, 20_000):
        tails = [look.tail for look in looks([tmp_path / f"{name}{size}" for name in "abc"])]
        assert (tails[0] == tails[2], tails[0] == tails[1]) == (True, False)
    assert looks([tmp_path / "a100"], tails=[False])[0].tail == b""


def test_a_file_is_decoded_only_with_hashes_and_up_to_the_limit(tmp_path):
    (tmp_path / "a.jpg").write_bytes(saved("JPEG"))
    file = str(tmp_path / "a.jpg")
    limits = (InspectSettings(), InspectSettings(hashes=True, max_pixels=100))
    for settings in (*limits, InspectSettings(hashes=True)):
        (look,) = look_at([file], tails=[False], settings=settings)
        assert bool(look.content) == settings.hashes
        assert (look.aspect > 0) == (settings.hashes and settings.max_pixels > 100)
