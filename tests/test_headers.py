"""A glance at a JPEG header says what Pillow says, or nothing: made, mangled and real files."""

import io
import struct

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings
from PIL import Image
from test_images import SWAPPED, cmyk_profile

from artsim.errors import ImageError
from artsim.images import Description, Profile, describe
from artsim.inspection.headers import glance
from artsim.inspection.scans import look_at

ORIENTATION, RESOLUTION, UNIT, MAKER = 0x0112, 0x011A, 0x0128, 0x010F
XMP = b"http://ns.adobe.com/xap/1.0/\0"


def saved(format_, mode="RGB", size=(40, 30), **options):
    stream = io.BytesIO()
    Image.new(mode, size).save(stream, format_, **options)
    return stream.getvalue()


def exif(orientation, order="<"):
    exif = Image.Exif()
    exif.endian = order
    exif[ORIENTATION], exif[MAKER], exif[RESOLUTION], exif[UNIT] = orientation, "Scanner", 300.0, 2
    return exif


def segment(marker, content):
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def told_by_pillow(data):
    try:
        return describe(data)
    except ImageError:
        return None


# ---- plain files ----


def test_a_jpeg_is_described_at_a_glance():
    assert glance(saved("JPEG", exif=exif(6), icc_profile=SWAPPED)) == Description(
        format="JPEG",
        mode="RGB",
        width=30,
        height=40,
        orientation=6,
        profile=Profile.OTHER,
        profile_name=describe(saved("JPEG", icc_profile=SWAPPED)).profile_name,
        bits=8,
        has_pages=False,
    )


plain = st.fixed_dictionaries(
    {"size": st.tuples(st.integers(1, 300), st.integers(1, 300))},
    optional={
        "exif": st.builds(exif, st.integers(0, 9), st.sampled_from("<>")),
        "icc_profile": st.sampled_from([SWAPPED, cmyk_profile(), b"junk", SWAPPED * 30]),
        "dpi": st.just((300, 300)),
    },
)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["RGB", "L", "CMYK"]), plain, st.booleans())
def test_every_plain_jpeg_is(mode, options, progressive):
    data = saved("JPEG", mode, progressive=progressive, comment=b"no", **options)
    assert glance(data) == describe(data)


def test_a_glance_needs_no_pixels():
    jpeg = saved("JPEG")
    assert glance(jpeg[: jpeg.index(b"\xff\xda") + 20]) == describe(jpeg)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xd8\xff",
        b"GIF89a",
        saved("JPEG")[:300],  # the header goes on
        saved("JPEG").replace(b"\xff\xdb", b"\xff\xff\xdb", 1),  # a marker that is filled up
        saved("PNG"),
    ],
)
def test_the_unusual_is_left_to_pillow(data):
    assert glance(data) is None


# ---- mangled files ----


@st.composite
def directories(draw):
    """EXIF with entries of right and wrong types, sizes and values, sometimes cut off."""
    order = draw(st.sampled_from("<>"))
    number = st.sampled_from([0, 1, 2, 3, 5, 6, 8, 9, 26, 40, 2**16 + 6, 2**31])
    entry = st.tuples(
        st.sampled_from([ORIENTATION, ORIENTATION, RESOLUTION, UNIT, MAKER, 0x8769]),
        st.sampled_from([3, 3, 5, 0, 1, 2, 4, 7, 10, 12, 13]),
        st.sampled_from([1, 1, 1, 0, 2, 9]),
        st.one_of(number, number.map(lambda n: n % 2**16 << 16 if order == ">" else n)),
    )
    entries = draw(st.lists(entry, max_size=4))
    data = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(order + "IH", 8, len(entries))
    data += b"".join(struct.pack(order + "HHII", *each) for each in entries)
    data += draw(st.sampled_from([bytes(20), struct.pack(order + "II", 300, 1) * 4, b""]))
    return data[: draw(st.sampled_from([None, None, None, -1, 9, 20]))]


def joined(pieces):
    return st.lists(pieces, max_size=4).map(b"".join)


def cut(content):
    return st.one_of(st.just(content), st.integers(0, len(content)).map(lambda n: content[:n]))


TURNED = st.sampled_from([b"<x/>", b'<x tiff:Orientation="6"/>', b"<tiff:Orientation>8</x>"])
RESOURCES = b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0\0\0\0\4abcd" * 2
segments = joined(
    st.one_of(
        directories().map(lambda data: segment(0xE1, b"Exif\0\0" + data)),
        TURNED.map(lambda text: segment(0xE1, XMP + text)),
        cut(b"\1\1" + SWAPPED).map(lambda part: segment(0xE2, b"ICC_PROFILE\0" + part)),
        st.permutations([b"\1\2" + SWAPPED[:90], b"\2\2" + SWAPPED[90:]]).map(
            lambda parts: b"".join(segment(0xE2, b"ICC_PROFILE\0" + part) for part in parts)
        ),
        directories().map(lambda data: segment(0xE2, b"MPF\0" + data)),
        cut(RESOURCES).map(lambda data: segment(0xED, data)),
        cut(b"JFIF\0\1\1\1\0\x48\0\x48\0\0").map(lambda data: segment(0xE0, data)),
        cut(b"Adobe\0\x64\0\0\0\0\1").map(lambda data: segment(0xEE, data)),
        cut(bytes(130)).map(lambda data: segment(0xDB, data)),
        st.builds(segment, st.integers(0xC0, 0xFE), st.binary(max_size=12)),
        st.binary(min_size=1, max_size=2),
    )
)
flips = st.lists(st.tuples(st.integers(0, 700), st.integers(0, 255)), max_size=2)


def flipped(data, changes):
    mangled = bytearray(data)
    for place, value in changes:
        mangled[place % len(mangled)] = value
    return bytes(mangled)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([saved("JPEG"), saved("JPEG", "L"), saved("JPEG", "CMYK")]), segments, flips)
def test_a_mangled_jpeg_is_what_pillow_takes_it_for(data, between, changes):
    mangled = flipped(data[:2] + between + data[2:], changes)
    assert glance(mangled) in (None, told_by_pillow(mangled))


# ---- files ----


def looks(files, **changes):
    settings = {"tails": [True] * len(files), "whole": False, "max_pixels": 10**9, "workers": 2}
    return list(look_at([str(file) for file in files], **settings | changes))


def test_long_headers_and_other_formats_are_read_as_well(tmp_path):
    kinds = {
        "short.jpg": saved("JPEG"),
        "long.jpg": saved("JPEG", icc_profile=SWAPPED * 60),  # longer than what is read first
        "endless.jpg": saved("JPEG", icc_profile=SWAPPED * 700),
        "a.png": saved("PNG", exif=exif(6), icc_profile=SWAPPED),
        "long.png": saved("PNG", icc_profile=SWAPPED * 900),
        "a.webp": saved("WEBP"),
        "a.tif": saved("TIFF", "CMYK"),
        "filled.jpg": saved("JPEG").replace(b"\xff\xdb", b"\xff\xff\xdb", 1),
    }
    for name, data in kinds.items():
        (tmp_path / name).write_bytes(data)
    found = looks([tmp_path / name for name in kinds])
    assert [look.header for look in found] == [describe(data) for data in kinds.values()]


def test_what_cannot_be_read_says_why(tmp_path):
    (tmp_path / "empty.jpg").write_bytes(b"")
    names = ["empty.jpg", "gone.jpg", "", "\0"]
    said = [look.header for look in looks([tmp_path / name for name in names])]
    assert [text.partition(";")[0].replace(str(tmp_path), "") for text in said] == [
        "the file is empty (0 bytes)",
        "no file '/gone.jpg'",
        "'' is a folder",
        "'/\\x00' cannot be read (embedded null byte)",
    ]


def test_ends_tell_files_of_one_size_apart(tmp_path):
    for name, end in {"a": b"1", "b": b"2", "c": b"1"}.items():
        for size in (100, 20_000):
            (tmp_path / f"{name}{size}").write_bytes(saved("JPEG") + bytes(size) + end)
    tails = [look.tail for look in looks([tmp_path / f"{n}100" for n in "abc"])]
    assert (tails[0] == tails[2], tails[0] == tails[1]) == (True, False)
    tails = [look.tail for look in looks([tmp_path / f"{n}20000" for n in "abc"])]
    assert (tails[0] == tails[2], tails[0] == tails[1]) == (True, False)
    assert looks([tmp_path / "a100"], tails=[False])[0].tail == b""


def test_every_real_picture_is_told_at_a_glance(museum_data):
    for file in museum_data.glob("*/images/*.jpg"):
        data = file.read_bytes()
        assert glance(data) == describe(data)
