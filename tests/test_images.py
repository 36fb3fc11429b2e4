"""Small pictures of known colors in every format and mode that collections hold, and damaged."""

import errno
import io
import os
import struct
import threading
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from PIL import Image, ImageCms, ImageFile

from artsim.errors import ImageError
from artsim.images import MAX_PIXELS, Description, Profile, decode, describe, read_bytes
from artsim.images.color import _read

DATA = Path(os.environ.get("ARTSIM_DATA", Path(__file__).parents[1] / "../shared/data"))

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
WHITE, GRAY, BLACK = (255, 255, 255), (128, 128, 128), (0, 0, 0)
# Two rows of three: no turn or flip of it looks like another.
FLAG = np.array([[RED, GREEN, BLUE], [WHITE, GRAY, BLACK]], np.uint8)
ORIENTATION = 0x0112


def saved(picture, fmt, **options):
    """The bytes of a file. `picture` is an array or a Pillow image."""
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    file = io.BytesIO()
    image.save(file, fmt, **options)
    return file.getvalue()


def plain(mode, color, size=(16, 16)):
    return Image.new(mode, size, color)


def blocks(picture, side=16):
    """Each pixel as a block, so that lossy formats keep its color."""
    return np.asarray(picture).repeat(side, 0).repeat(side, 1)


def colors(data, **options):
    """The pixels as nested lists."""
    return decode(data, **options).pixels.tolist()


def color(data, **options):
    """The one color of a plain picture."""
    pixels = decode(data, **options).pixels
    assert (pixels == pixels[0, 0]).all()
    return tuple(pixels[0, 0].tolist())


def near(expected, by=3):
    return pytest.approx(expected, abs=by)


def photo(width=64, height=48):
    """Smooth colors, as in a photograph."""
    small = np.random.default_rng(0).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


# ---- files that Pillow does not write, by hand ----


def png(width, height, depth, color_type, rows, *extra):
    """A PNG of raw rows. https://www.w3.org/TR/png-3/#11IHDR."""

    def chunk(kind, body):
        return (
            struct.pack(">I4s", len(body), kind) + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    chunks = [(b"IHDR", header), *extra, (b"IDAT", pixels), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, body) for kind, body in chunks)


def tiff(width, height, pixels, *, photometric, bits, samples=1, extra_samples=None, more=()):
    """A little-endian TIFF of one uncompressed strip. Tags: number, type (3: short), values."""
    tags = [
        (256, 4, [width]),
        (257, 4, [height]),
        (258, 3, [bits] * samples),
        (262, 3, [photometric]),
        (273, 4, [8]),
        (277, 3, [samples]),
        (278, 4, [height]),
        (279, 4, [len(pixels)]),
        *([(338, 3, [extra_samples])] if extra_samples is not None else []),
        *more,
    ]
    directory = 8 + len(pixels)
    values_at = directory + 2 + 12 * len(tags) + 4
    entries, values = b"", b""
    for number, kind, numbers in tags:
        packed = struct.pack(f"<{len(numbers)}{'HI'[kind - 3]}", *numbers)
        if len(packed) > 4:
            packed, values = struct.pack("<I", values_at + len(values)), values + packed
        entries += struct.pack("<HHI", number, kind, len(numbers)) + packed.ljust(4, b"\0")
    body = struct.pack("<H", len(tags)) + entries + bytes(4) + values
    return b"II*\0" + struct.pack("<I", directory) + pixels + body


def icc(space, tags, *, kind=b"mntr", connection=b"XYZ "):
    """An ICC profile, version 2. https://www.color.org/icc32.pdf."""
    table, bodies, at = struct.pack(">I", len(tags)), b"", 132 + 12 * len(tags)
    for name, body in tags.items():
        table += struct.pack(">4sII", name, at + len(bodies), len(body))
        bodies += body.ljust(-len(body) % 4 + len(body), b"\0")
    d50 = struct.pack(">iii", 0xF6D6, 0x10000, 0xD32D)
    size = 128 + len(table) + len(bodies)
    header = struct.pack(">I4xI4s4s4s12x4s", size, 0x02400000, kind, space, connection, b"acsp")
    return header.ljust(68, b"\0") + d50.ljust(60, b"\0") + table + bodies


def curve(gamma):
    return b"curv" + struct.pack(">IIH", 0, 1, round(gamma * 256))


def xyz(*numbers):
    return b"XYZ " + struct.pack(">I3i", 0, *(round(x * 65536) for x in numbers))


# The primaries of sRGB, adapted to D50: http://www.brucelindbloom.com/Eqn_RGB_XYZ_Matrix.html
PRIMARIES = {
    b"rXYZ": xyz(0.43607, 0.22249, 0.01392),
    b"gXYZ": xyz(0.38515, 0.71687, 0.09708),
    b"bXYZ": xyz(0.14307, 0.06061, 0.71410),
}
WHITE_POINT = {b"wtpt": xyz(0.9642, 1, 0.8249)}


def rgb_profile(*, gamma=1.0, red=b"rXYZ", green=b"gXYZ"):
    curves = {b"rTRC": curve(gamma), b"gTRC": curve(gamma), b"bTRC": curve(gamma)}
    swapped = PRIMARIES | {b"rXYZ": PRIMARIES[red], b"gXYZ": PRIMARIES[green]}
    return icc(b"RGB ", WHITE_POINT | swapped | curves)


def cmyk_profile():
    """Where any cyan ink is a middle gray (L* 50), black ink is black, and the rest is white."""
    ramp = bytes(range(256))
    nodes = b"".join(
        bytes([0 if k else 128 if c else 255, 128, 128])  # L*, a*, b*
        for c in (0, 1)
        for _m in (0, 1)
        for _y in (0, 1)
        for k in (0, 1)
    )
    identity = struct.pack(">9i", *(65536 * (i % 4 == 0) for i in range(9)))
    lut = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + identity + ramp * 4 + nodes + ramp * 3
    return icc(b"CMYK", WHITE_POINT | {b"A2B0": lut}, kind=b"prtr", connection=b"Lab ")


LINEAR = rgb_profile()  # gamma 1: its 128 is sRGB's 188
SWAPPED = rgb_profile(gamma=2.2, red=b"gXYZ", green=b"rXYZ")  # its red is sRGB's green
LINEAR_GRAY = icc(b"GRAY", WHITE_POINT | {b"kTRC": curve(1)})
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


# ---- sizes ----


def test_a_plain_picture_is_decoded_unchanged():
    picture = decode(saved(FLAG, "PNG"))
    assert picture.pixels.tolist() == FLAG.tolist()
    assert (picture.width, picture.height) == (3, 2)
    assert picture.pixels.dtype == np.uint8
    assert picture.pixels.flags.c_contiguous
    assert picture.pixels.flags.writeable  # torch.from_numpy warns of others


@pytest.mark.parametrize(
    ("width", "height"), [(1024, 512), (1024, 513), (1000, 1300), (2**19 + 1, 2)]
)
def test_a_picture_of_several_strips_is_whole(width, height):
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    assert (decode(saved(pixels, "BMP")).pixels == pixels).all()


@pytest.mark.parametrize(
    ("wanted", "shape"),
    [
        ((640, 480), (480, 640)),
        ((321, 240), (480, 640)),
        ((320, 240), (240, 320)),
        ((160, 121), (240, 320)),
        ((160, 120), (120, 160)),
        ((80, 60), (60, 80)),
        ((1, 1), (60, 80)),
        ((9999, 1), (480, 640)),
    ],
)
@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_is_decoded_at_the_smallest_sufficient_scale(wanted, shape, progressive):
    data = saved(photo(640, 480), "JPEG", progressive=progressive)
    picture = decode(data, at_least=lambda width, height: wanted)
    assert picture.pixels.shape == (*shape, 3)
    assert (picture.width, picture.height) == (640, 480)


@given(st.integers(1, 99), st.integers(1, 99), st.integers(1, 99), st.integers(1, 99))
def test_a_scaled_jpeg_is_never_smaller_than_wanted(width, height, wanted_width, wanted_height):
    data = saved(plain("RGB", RED, (width, height)), "JPEG")
    picture = decode(data, at_least=lambda w, h: (wanted_width, wanted_height))
    fitting = [s for s in (8, 4, 2) if width / s >= wanted_width and height / s >= wanted_height]
    scale = max(fitting, default=1)
    assert picture.pixels.shape == (-(-height // scale), -(-width // scale), 3)
    assert (picture.width, picture.height) == (width, height)


def test_a_scaled_jpeg_has_the_colors_of_the_whole():
    data = saved(blocks(FLAG, 64), "JPEG", quality=95)
    picture = decode(data, at_least=lambda width, height: (width // 8, height // 8))
    assert np.abs(picture.pixels[4::8, 4::8].astype(int) - FLAG).max() <= 3


def test_at_least_sees_the_upright_size():
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    sizes = []

    def at_least(width, height):
        sizes.append((width, height))
        return 120, 160

    picture = decode(saved(photo(640, 480), "JPEG", exif=exif), at_least=at_least)
    assert sizes == [(480, 640)]
    assert picture.pixels.shape == (160, 120, 3)
    assert (picture.width, picture.height) == (480, 640)


def test_only_jpegs_are_scaled():
    assert decode(saved(photo(), "PNG"), at_least=lambda w, h: (1, 1)).pixels.shape == (48, 64, 3)


def test_an_error_in_at_least_is_raised_unchanged():
    with pytest.raises(ZeroDivisionError):
        decode(saved(FLAG, "JPEG"), at_least=lambda w, h: (w // 0, h))


# ---- EXIF orientation ----

# What is stored so that the orientation turns it into FLAG.
STORED = {
    1: FLAG,
    2: np.fliplr(FLAG),
    3: np.rot90(FLAG, 2),
    4: np.flipud(FLAG),
    5: FLAG.transpose(1, 0, 2),
    6: np.rot90(FLAG, 1),
    7: np.rot90(FLAG, 2).transpose(1, 0, 2),
    8: np.rot90(FLAG, -1),
}


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize(
    ("fmt", "options"), [("PNG", {}), ("TIFF", {}), ("WEBP", {"lossless": True})]
)
def test_exif_orientation_is_applied(fmt, options, orientation):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    picture = decode(saved(STORED[orientation], fmt, exif=exif, **options))
    assert picture.pixels.tolist() == FLAG.tolist()
    assert (picture.width, picture.height) == (3, 2)
    assert picture.pixels.flags.c_contiguous


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("scale", [1, 4])
def test_exif_orientation_is_applied_to_a_jpeg_at_any_scale(orientation, scale):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    data = saved(blocks(STORED[orientation], 32), "JPEG", exif=exif, quality=95, subsampling=0)
    picture = decode(data, at_least=lambda width, height: (width // scale, height // scale))
    side = 32 // scale
    middles = picture.pixels[side // 2 :: side, side // 2 :: side]
    assert np.abs(middles.astype(int) - FLAG).max() <= 4
    assert (picture.width, picture.height) == (96, 64)


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_invalid_orientation_is_ignored(orientation):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    assert colors(saved(FLAG, "PNG", exif=exif)) == FLAG.tolist()


@given(st.data())
@settings(max_examples=200)
def test_broken_exif_turns_the_picture_at_most(data):
    exif = Image.Exif()
    exif[ORIENTATION], exif[0x010F], exif[0x011A], exif[0x0128] = 6, "maker", 72.5, 2
    body = bytearray(exif.tobytes())
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(6, len(body) - 1))  # the name 'Exif' stays
        body[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(8, len(body)))
    file = saved(photo(16, 8), "JPEG", exif=bytes(body[:cut]))
    assert decode(file).pixels.shape in [(8, 16, 3), (16, 8, 3)]


def test_exif_with_an_invalid_resolution_is_ignored():
    # XResolution, of type ASCII and empty: Pillow 13 lets an IndexError out of it
    entry = struct.pack("<HHI4s", 0x011A, 2, 1, b"\0\0\0\0") + struct.pack("<HHII", 0x0128, 3, 1, 2)
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + entry + bytes(4)
    assert color(saved(plain("RGB", GRAY), "JPEG", exif=exif)) == near(GRAY)


# ---- ICC profiles ----


def test_an_rgb_profile_is_converted_to_srgb():
    assert color(saved(plain("RGB", GRAY), "PNG", icc_profile=LINEAR)) == near((188, 188, 188), 1)
    assert color(saved(plain("RGB", RED), "PNG", icc_profile=SWAPPED)) == near(GREEN)
    assert color(saved(plain("RGB", RED), "JPEG", icc_profile=SWAPPED, quality=95)) == near(
        GREEN, 5
    )
    assert color(saved(plain("RGB", RED), "TIFF", icc_profile=SWAPPED)) == near(GREEN)
    assert color(saved(plain("RGB", RED), "WEBP", icc_profile=SWAPPED, lossless=True)) == near(
        GREEN
    )


def test_a_profile_is_also_applied_to_a_scaled_jpeg():
    data = saved(plain("RGB", RED, (64, 64)), "JPEG", icc_profile=SWAPPED, quality=95)
    assert color(data, at_least=lambda w, h: (8, 8)) == near(GREEN, 5)


def test_an_srgb_profile_changes_no_pixel():
    picture = photo()
    assert colors(saved(picture, "PNG", icc_profile=SRGB)) == colors(saved(picture, "PNG"))
    assert _read(SRGB)[-1] is None  # and costs nothing
    assert _read(LINEAR)[-1] is _read(bytes(bytearray(LINEAR)))[-1]  # others are made once


def test_a_gray_profile_is_converted():
    expected = near((188, 188, 188), 1)
    assert color(saved(plain("L", 128), "PNG", icc_profile=LINEAR_GRAY)) == expected
    assert color(saved(plain("L", 128), "JPEG", icc_profile=LINEAR_GRAY)) == expected
    assert color(saved(plain("LA", (128, 255)), "PNG", icc_profile=LINEAR_GRAY)) == expected
    sixteen = Image.fromarray(np.full((4, 4), 128 * 257, np.uint16))
    assert color(saved(sixteen, "PNG", icc_profile=LINEAR_GRAY)) == expected


def test_gray_with_an_rgb_profile_is_converted():
    assert color(saved(plain("L", 128), "JPEG", icc_profile=LINEAR)) == near((188, 188, 188), 1)


def test_a_palette_and_transparent_colors_are_converted():
    palette = plain("RGB", GRAY).quantize(2)
    assert color(saved(palette, "PNG", icc_profile=LINEAR)) == near((188, 188, 188), 1)
    half = plain("RGBA", (*GRAY, 128))  # 188 on white: 255 - (255 - 188) * 128 / 255
    assert color(saved(half, "PNG", icc_profile=LINEAR)) == near((221, 221, 221), 1)


@pytest.mark.parametrize("fmt", ["JPEG", "TIFF"])
def test_a_cmyk_profile_is_converted(fmt):
    profile = cmyk_profile()
    for inks, expected in [
        ((0, 0, 0, 0), WHITE),
        ((0, 255, 0, 0), WHITE),  # this press prints magenta as white
        ((255, 0, 0, 0), (119, 119, 119)),  # L* 50
        ((0, 0, 0, 255), BLACK),
    ]:
        data = saved(plain("CMYK", inks), fmt, icc_profile=profile)
        assert color(data) == near(expected)


@pytest.mark.parametrize(
    "profile",
    [b"no profile", LINEAR[:200], LINEAR[:300], b"", icc(b"RGB ", {}), LINEAR_GRAY, cmyk_profile()],
    ids=["text", "torn", "torn later", "empty", "without tags", "for gray", "for CMYK"],
)
def test_a_broken_or_unsuitable_profile_is_ignored(profile):
    assert colors(saved(FLAG, "PNG", icc_profile=profile)) == FLAG.tolist()
    assert colors(saved(FLAG, "TIFF", icc_profile=profile)) == FLAG.tolist()


# ---- modes ----


def test_cmyk_without_a_profile_is_converted_by_the_usual_formula():
    for fmt in ("JPEG", "TIFF"):
        assert color(saved(plain("CMYK", (0, 0, 0, 0)), fmt)) == near(WHITE)
        assert color(saved(plain("CMYK", (255, 0, 255, 0)), fmt)) == near(GREEN)
        assert color(saved(plain("CMYK", (0, 0, 0, 127)), fmt)) == near(GRAY)


def test_a_cmyk_jpeg_of_adobe_is_not_a_negative():
    # Pillow writes them as Photoshop does, with Adobe's marker and the inks turned around.
    data = saved(plain("CMYK", (0, 255, 255, 0), (64, 64)), "JPEG", quality=95)
    assert b"Adobe" in data
    assert color(data) == near(RED)
    assert color(data, at_least=lambda w, h: (8, 8)) == near(RED)


@pytest.mark.parametrize("expected", [WHITE, GRAY, BLACK, (200, 60, 40), (10, 60, 90)])
def test_lab_is_converted(expected):
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    picture = ImageCms.profileToProfile(plain("RGB", expected), srgb, lab, outputMode="LAB")
    assert color(saved(picture, "TIFF")) == near(expected)


GRAYS16 = np.array([[0, 128 * 257, 200 * 257, 65535]], np.uint16)
GRAYS8 = [[[0] * 3, [128] * 3, [200] * 3, [255] * 3]]


@pytest.mark.parametrize(
    ("picture", "fmt"),
    [
        (Image.fromarray(GRAYS16), "PNG"),
        (Image.fromarray(GRAYS16), "TIFF"),
        (Image.frombytes("I;16B", (4, 1), GRAYS16.astype(">u2").tobytes()), "PNG"),
        (Image.frombytes("I;16B", (4, 1), GRAYS16.astype(">u2").tobytes()), "TIFF"),
        (Image.fromarray(GRAYS16.astype(np.int32)), "TIFF"),
        (Image.fromarray(GRAYS16.astype(np.int32)), "PPM"),
        (Image.fromarray(GRAYS16.astype(np.float32)), "TIFF"),
        (Image.fromarray(GRAYS16.astype(np.float32) / 257), "TIFF"),
        (Image.fromarray(GRAYS16.astype(np.float32) / 65535), "TIFF"),
    ],
    ids=["16", "16 TIFF", "16B", "16B TIFF", "I", "I PGM", "F", "F of 255", "F of 1"],
)
def test_deep_gray_is_scaled_and_not_clipped(picture, fmt):
    assert colors(saved(picture, fmt)) == GRAYS8


def test_16_bit_gray_is_rounded():
    levels = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    expected = np.rint(levels / 257).astype(np.uint8)
    assert (decode(saved(levels, "PNG")).pixels == expected[..., None]).all()


@pytest.mark.parametrize(
    ("dtype", "fmt"), [(np.uint16, "PNG"), (np.uint16, "TIFF"), (np.int32, "PPM")]
)
def test_dark_16_bit_gray_stays_dark(dtype, fmt):
    data = saved(np.array([[0, 128, 255]], dtype), fmt)
    assert colors(data) == [[[0] * 3, [0] * 3, [1] * 3]]


@pytest.mark.parametrize(
    ("values", "grays"),
    [
        ([-1, 0, 1], [0, 128, 255]),
        ([0, 50_000, 100_000], [0, 128, 255]),
        ([7_000_000, 7_000_000, 7_000_000], [0, 0, 0]),
        ([0, 0, 0], [0, 0, 0]),
        ([np.nan, np.inf, -np.inf], [0, 255, 0]),
        ([np.nan, 0.2, 1], [0, 51, 255]),
    ],
)
def test_float_gray_of_an_unusual_range_is_scaled_to_its_range(values, grays):
    picture = Image.fromarray(np.array([values], np.float32))
    assert colors(saved(picture, "TIFF")) == [[[gray] * 3 for gray in grays]]


def test_16_bit_gray_with_zero_as_white_is_inverted():
    data = tiff(4, 1, GRAYS16.tobytes(), photometric=0, bits=16)
    assert colors(data) == [[[255] * 3, [127] * 3, [55] * 3, [0] * 3]]


def test_12_bit_gray_is_scaled():
    packed = bytes([0x00, 0x08, 0x00, 0xFF, 0xF0, 0x00])  # 0, 0x800, 0xFFF, 0
    data = tiff(4, 1, packed, photometric=1, bits=12)
    assert colors(data) == [[[0] * 3, [128] * 3, [255] * 3, [0] * 3]]


def test_16_bit_color_is_scaled():
    row = struct.pack(">6H", 65535, 128 * 257, 0, 257, 514, 771)
    assert colors(png(2, 1, 16, 2, [row])) == [[[255, 128, 0], [1, 2, 3]]]


def test_a_transparent_gray_is_white():
    key = (b"tRNS", struct.pack(">H", 128 * 257))
    row = GRAYS16.astype(">u2").tobytes()
    assert colors(png(4, 1, 16, 0, [row], key)) == [[[0] * 3, [255] * 3, [200] * 3, [255] * 3]]
    key = (b"tRNS", struct.pack(">H", 128))
    assert colors(png(3, 1, 8, 0, [b"\0\x80\xc8"], key)) == [[[0] * 3, [255] * 3, [200] * 3]]
    key = (b"tRNS", struct.pack(">3H", *RED))
    assert colors(png(2, 1, 8, 2, [bytes([*RED, *BLUE])], key)) == [[list(WHITE), list(BLUE)]]


@pytest.mark.parametrize("fmt", ["PNG", "TIFF", "BMP", "PPM"])
def test_bilevel_is_black_and_white(fmt):
    picture = Image.fromarray(np.array([[True, False, True]]))
    assert colors(saved(picture, fmt)) == [[[255] * 3, [0] * 3, [255] * 3]]


@pytest.mark.parametrize("fmt", ["PNG", "GIF", "TIFF", "BMP"])
def test_a_palette_becomes_its_colors(fmt):
    assert colors(saved(Image.fromarray(FLAG).quantize(8), fmt)) == FLAG.tolist()


def two_of_a_palette():
    picture = Image.new("P", (2, 1))
    picture.putpalette([*RED, *BLUE])
    picture.putpixel((1, 0), 1)
    return picture


@pytest.mark.parametrize(
    ("fmt", "transparency", "expected"),
    [
        ("PNG", 0, [WHITE, BLUE]),
        ("GIF", 0, [WHITE, BLUE]),
        ("PNG", bytes([255, 0]), [RED, WHITE]),
        ("PNG", bytes([51, 255]), [(255, 204, 204), BLUE]),
    ],
)
def test_transparent_palette_entries_are_on_white(fmt, transparency, expected):
    data = saved(two_of_a_palette(), fmt, transparency=transparency)
    assert colors(data) == [list(map(list, expected))]


@pytest.mark.parametrize(
    ("mode", "opaque", "fmt", "expected"),
    [
        ("RGBA", (255, 0, 0, 255), "PNG", RED),
        ("RGBA", (255, 0, 0, 51), "PNG", (255, 204, 204)),
        ("RGBA", (255, 0, 0, 51), "TIFF", (255, 204, 204)),
        ("RGBA", (255, 0, 0, 51), "WEBP", (255, 204, 204)),
        ("LA", (0, 51), "PNG", (204, 204, 204)),
        ("LA", (0, 51), "TIFF", (204, 204, 204)),
        ("PA", (0, 51), "TIFF", (204, 204, 204)),
    ],
)
def test_alpha_is_on_white(mode, opaque, fmt, expected):
    options = {"lossless": True, "exact": True} if fmt == "WEBP" else {}
    assert color(saved(plain(mode, opaque), fmt, **options)) == expected


def test_premultiplied_alpha_is_on_white():
    # 51 of 255 opaque, already multiplied: 255 * 51 / 255 and 0
    gray = tiff(1, 1, bytes([0, 51]), photometric=1, bits=8, samples=2, extra_samples=1)
    assert color(gray) == (204, 204, 204)
    red = tiff(1, 1, bytes([51, 0, 0, 51]), photometric=2, bits=8, samples=4, extra_samples=1)
    assert color(red) == (255, 204, 204)


@pytest.mark.parametrize("fmt", ["TIFF", "GIF", "WEBP", "PNG"])
def test_only_the_first_page_counts(fmt):
    data = saved(plain("RGB", RED), fmt, save_all=True, append_images=[plain("RGB", BLUE)])
    assert color(data) == near(RED)


def test_the_first_picture_of_an_mpo_counts():
    pages = [plain("RGB", RED, (64, 64)), plain("RGB", BLUE, (64, 64))]
    data = saved(pages[0], "MPO", save_all=True, append_images=pages[1:])
    with Image.open(io.BytesIO(data)) as image:
        assert (image.format, image.n_frames) == ("MPO", 2)
    assert color(data) == near(RED)
    assert color(data, at_least=lambda w, h: (8, 8)) == near(RED)


@pytest.mark.parametrize(
    ("fmt", "options"),
    [("JPEG", {"progressive": True}), ("JPEG2000", {}), ("AVIF", {}), ("WEBP", {}), ("BMP", {})],
)
def test_other_formats_are_decoded(fmt, options):
    pixels = decode(saved(photo(), fmt, quality=95, **options)).pixels
    assert np.abs(pixels.astype(int) - np.asarray(photo())).mean() < 3


# ---- the cap ----

BOMB = png(60_000, 60_000, 8, 2, [b"tiny"])


def test_a_bomb_is_refused_before_decoding():
    with pytest.raises(ImageError) as refused:
        decode(BOMB)
    assert str(refused.value) == (
        "60,000 x 60,000 = 3,600,000,000 pixels, more than the limit of 268,435,456; "
        "raise it with --max-pixels if you trust the file"
    )


def test_a_jpeg_bomb_is_refused_at_any_scale():
    data = saved(plain("RGB", RED), "JPEG").replace(
        struct.pack(">BHH", 8, 16, 16), struct.pack(">BHH", 8, 60_000, 60_000)
    )
    with pytest.raises(ImageError, match=r"60,000 x 60,000 .* --max-pixels"):
        decode(data, at_least=lambda w, h: (8, 8))


def test_the_cap_is_the_largest_size_allowed():
    data = saved(FLAG, "PNG")
    assert decode(data, max_pixels=6).pixels.shape == (2, 3, 3)
    with pytest.raises(ImageError, match=r"^3 x 2 = 6 pixels, more than the limit of 5; "):
        decode(data, max_pixels=5)


@pytest.mark.parametrize("fmt", ["PNG", "TIFF", "JPEG", "GIF", "WEBP", "BMP"])
def test_pillows_own_limit_is_bypassed_and_restored(monkeypatch, fmt):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(Image.DecompressionBombError):
        Image.open(io.BytesIO(saved(photo(), fmt)))
    assert decode(saved(photo(), fmt)).pixels.shape == (48, 64, 3)
    with pytest.raises(ImageError, match="not a picture"):
        decode(b"not a picture")
    with pytest.raises(ImageError, match="--max-pixels"):
        decode(BOMB)
    assert Image.MAX_IMAGE_PIXELS == 10


def test_the_default_cap_is_above_pillows_warning():
    assert MAX_PIXELS > Image.MAX_IMAGE_PIXELS


# ---- what is no picture, or not a whole one ----


def refusal(data, **options):
    with pytest.raises(ImageError) as refused:
        decode(data, **options)
    message = str(refused.value)
    assert "\n" not in message
    return message


def decoded_or_refused(data, **options):
    try:
        return decode(data, **options)
    except ImageError as refused:
        return str(refused)


EXPECTED = (
    "expected JPEG, PNG, RAW, TIFF, WEBP, GIF, BMP, JPEG2000, AVIF, HEIF, JXL, PPM, PSD: "
    "get it again"
)


@pytest.mark.parametrize(
    ("data", "start"),
    [
        (b"<!DOCTYPE html>\n<html><body>404</body></html>", "'<!DOCTYPE html> <html><b'"),
        (b"\xef\xbb\xbf\r\n <html>", "'<html>'"),
        (b"not a picture at all, but a text file", "'not a picture at all, bu'"),
        ("Übersicht über 'alles'".encode(), "\"Übersicht über 'alles'\""),
        (bytes(1000), "the bytes 00 00 00 00 00 00 00 00"),
        (b"\x1f\x8b\x08\x00\x01\x02\x03\x04\x05", "the bytes 1f 8b 08 00 01 02 03 04"),
        (b"\xff", "the bytes ff"),
        (b"   ", "the bytes 20 20 20"),
    ],
)
def test_a_file_that_is_not_a_picture_is_named_by_its_first_bytes(data, start):
    assert refusal(data) == f"not a picture: the file begins with {start}; {EXPECTED}"


def test_an_empty_file_is_refused():
    assert refusal(b"") == "the file is empty (0 bytes); get it again"


@pytest.mark.parametrize("fmt", ["JPEG", "GIF", "TIFF"])
def test_a_file_truncated_in_its_header_is_named_by_its_format(fmt):
    assert refusal(saved(FLAG, fmt)[:20]) == (
        f"the file begins like a {fmt} but its header is damaged; get the file again"
    )


@pytest.mark.parametrize("fmt", ["PNG", "BMP", "JPEG2000"])
def test_pillows_complaint_about_a_header_is_quoted(fmt):
    message = refusal(saved(FLAG, fmt)[:20])
    assert message.startswith("the file's header cannot be read (")
    assert message.endswith("); get the file again")


@pytest.mark.parametrize("scale", [1, 8])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_truncated_jpeg_is_refused_at_any_scale(progressive, scale):
    data = saved(photo(160, 120), "JPEG", progressive=progressive)
    for cut in (0.5, 0.9, 0.99):
        message = refusal(
            data[: int(len(data) * cut)], at_least=lambda w, h: (w // scale, h // scale)
        )
        assert message.startswith("the JPEG cannot be decoded whole (image file is truncated (")
        assert message.endswith(" bytes not processed)); get the file again")


@pytest.mark.parametrize("fmt", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF"])
def test_a_truncated_file_is_refused(fmt):
    data = saved(photo(), fmt)
    assert "get the file again" in refusal(data[: len(data) // 2])


@pytest.mark.parametrize("fmt", ["JPEG", "PNG"])
def test_a_file_that_ends_in_zeros_is_refused(fmt):
    data = saved(photo(160, 120), fmt)
    most = len(data) * 3 // 4
    assert "cannot be decoded whole" in refusal(data[:most].ljust(len(data), b"\0"))


def test_one_wrong_byte_anywhere_in_a_png_is_detected():
    data = saved(photo(), "PNG")
    whole = decode(data).pixels
    for at in range(len(data)):
        outcome = decoded_or_refused(data[:at] + bytes([data[at] ^ 16]) + data[at + 1 :])
        assert isinstance(outcome, str) or (outcome.pixels == whole).all()


def test_a_damaged_png_chunk_is_named():
    data = bytearray(saved(photo(), "PNG"))
    data[data.index(b"IDAT") + 500] ^= 1
    assert "(wrong checksum in the chunk at byte 33);" in refusal(bytes(data))


SOME_ERRORS = [
    SyntaxError("broken PNG file (chunk b'x')"),
    struct.error("unpack requires a buffer of 4 bytes"),
    ValueError("two\nlines\tof it"),
    EOFError(),
    OSError(errno.EIO, "Input/output error"),
    Image.DecompressionBombError("bomb"),
    IndexError("index out of range"),
    KeyError("CMYK"),
    RecursionError(),
    UserWarning("turned into an error"),
]


@pytest.mark.parametrize("problem", SOME_ERRORS, ids=lambda problem: type(problem).__name__)
def test_any_error_of_pillow_gives_a_one_line_error(monkeypatch, problem):
    def fail(*_args, **_options):
        raise problem

    said = " ".join(str(problem).split()) or type(problem).__name__
    with monkeypatch.context() as patch:
        patch.setattr(ImageFile.ImageFile, "load", fail)
        assert refusal(saved(FLAG, "PNG")) == (
            f"the PNG cannot be decoded whole ({said}); get the file again"
        )
    monkeypatch.setattr(Image, "open", fail)
    assert refusal(saved(FLAG, "PNG")) == (
        f"the file's header cannot be read ({said}); get the file again"
    )


FILES = {
    "jpeg": saved(photo(), "JPEG"),
    "progressive": saved(photo(), "JPEG", progressive=True, icc_profile=LINEAR),
    "png": saved(photo(), "PNG"),
    "palette": saved(photo().quantize(16), "PNG", transparency=b"\0\x80"),
}


@given(st.sampled_from(sorted(FILES)), st.data())
@settings(max_examples=300, deadline=None)
def test_a_damaged_file_gives_a_picture_or_one_line(name, data):
    file = bytearray(FILES[name])
    for _ in range(data.draw(st.integers(0, 5))):
        file[data.draw(st.integers(0, len(file) - 1))] = data.draw(st.integers(0, 255))
    file = bytes(file[: data.draw(st.integers(0, len(file)))])
    outcome = decoded_or_refused(file, at_least=lambda w, h: (20, 15), max_pixels=2**20)
    if isinstance(outcome, str):
        assert "\n" not in outcome
        assert len(outcome) < 300
    else:
        assert outcome.pixels.dtype == np.uint8
        assert outcome.pixels.shape[2:] == (3,)


@given(st.sampled_from(sorted(FILES)), st.data())
@settings(max_examples=200, deadline=None)
def test_a_truncated_file_is_refused_or_as_good_as_whole(name, data):
    cut = data.draw(st.integers(0, len(FILES[name]) - 1))
    outcome = decoded_or_refused(FILES[name][:cut])
    assert isinstance(outcome, str) or (outcome.pixels == decode(FILES[name]).pixels).all()


# ---- warnings and threads ----

# The unit of its resolution comes twice: Pillow warns of it.
ODD_TIFF = tiff(1, 1, b"\x80", photometric=1, bits=8, more=[(296, 3, [2, 2])])


def test_decoding_warnings_are_silenced_and_others_are_not():
    with pytest.warns(UserWarning, match="too many entries"):
        Image.open(io.BytesIO(ODD_TIFF))
    with warnings.catch_warnings(record=True) as caught:
        for action in ("always", "error"):
            warnings.simplefilter(action)
            assert color(ODD_TIFF) == GRAY
        warnings.simplefilter("always")
        warnings.warn("someone else's", stacklevel=1)
    assert [str(warning.message) for warning in caught] == ["someone else's"]


def test_a_caller_in_another_thread_sees_its_warnings():
    done = threading.Event()

    def decode_on():
        while not done.is_set():
            decode(ODD_TIFF)

    with warnings.catch_warnings(record=True) as caught, ThreadPoolExecutor(4) as pool:
        warnings.simplefilter("always")
        running = [pool.submit(decode_on) for _ in range(4)]
        try:
            for number in range(500):
                warnings.warn(str(number), stacklevel=1)
        finally:
            done.set()
        for future in running:
            future.result()
    assert [str(warning.message) for warning in caught] == [str(n) for n in range(500)]


def test_warning_filters_do_not_accumulate():
    done = threading.Event()

    def decode_on():
        while not done.is_set():
            decode(ODD_TIFF)

    with warnings.catch_warnings(record=True), ThreadPoolExecutor(4) as pool:
        warnings.simplefilter("always")
        before = len(warnings.filters)
        running = [pool.submit(decode_on) for _ in range(4)]
        try:
            for _ in range(500):
                warnings.simplefilter("always")
                warnings.simplefilter("default")
        finally:
            done.set()
        for future in running:
            future.result()
        assert len(warnings.filters) <= before + 2  # 'default' and ours


def test_pillows_limit_stays_when_two_threads_lift_it_at_once(monkeypatch):
    limit, real_open = Image.MAX_IMAGE_PIXELS, Image.open
    inside = [threading.Event(), threading.Event()]
    first_left = threading.Event()

    def slow_open(file, formats):
        turn = 1 if inside[0].is_set() else 0
        inside[turn].set()
        # The first waits for the second to come in (it must not), the second for it to leave.
        (first_left if turn else inside[1]).wait(timeout=0.2)
        return real_open(file, formats=formats)

    monkeypatch.setattr(Image, "open", slow_open)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(decode, saved(FLAG, "PNG"))
        assert inside[0].wait(60), "the first does not open its picture"
        second = pool.submit(decode, saved(FLAG, "PNG"))
        first.result()
        first_left.set()
        second.result()
    assert limit == Image.MAX_IMAGE_PIXELS


def test_several_threads_decode_the_same_as_one():
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    picture = photo(200, 150)
    files = [
        saved(picture, "JPEG", exif=exif),
        saved(picture, "JPEG", icc_profile=LINEAR, progressive=True),
        saved(picture, "PNG", icc_profile=SWAPPED),
        saved(picture.convert("CMYK"), "JPEG", icc_profile=cmyk_profile()),
        saved(picture.convert("L"), "TIFF", icc_profile=LINEAR_GRAY),
        saved(picture.convert("RGBA"), "WEBP"),
        saved(picture.quantize(16), "GIF"),
        ODD_TIFF,
        b"<html>",
    ]

    def outcome(data):
        found = decoded_or_refused(data, at_least=lambda w, h: (w // 4, h // 4))
        if isinstance(found, str):
            return found
        return found.width, found.height, found.pixels.shape, found.pixels.tobytes()

    expected = [outcome(data) for data in files]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(outcome, files * 10)) == expected * 10
    assert Image.MAX_IMAGE_PIXELS is not None


# ---- reading ----


def test_a_file_is_read_completely(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"abc")
    assert read_bytes(tmp_path / "a.jpg") == b"abc"


def reading(path):
    with pytest.raises(ImageError) as refused:
        read_bytes(path)
    return str(refused.value)


def test_a_file_that_cannot_be_read_gives_a_one_line_error(tmp_path, monkeypatch):
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    assert reading(Path("none.jpg")) == "no file 'none.jpg'; check the path and its folder"
    assert reading(Path("a\nb")) == r"no file 'a\nb'; check the path and its folder"
    assert reading(Path("empty.jpg/a")) == "no file 'empty.jpg/a'; check the path and its folder"
    assert reading(Path("folder")) == "'folder' is a folder; name a picture file in it"
    assert reading(Path("empty.jpg")) == "'empty.jpg' is empty (0 bytes); get the file again"
    assert "\\x00' cannot be read (" in reading(Path("a\0"))
    assert "' cannot be read (" in reading(Path("a" * 5000))


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO])
def test_any_other_read_error_gives_a_one_line_error(monkeypatch, number):
    def fail(_name, _flags):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("artsim.places.opening._open", fail)
    assert reading(Path("a.jpg")) == (
        f"'a.jpg' cannot be read ({os.strerror(number)}); check the path and its permissions"
    )


# ---- headers ----


def described(picture, fmt, **options):
    return describe(saved(picture, fmt, **options))


def test_a_header_describes_everything_but_the_pixels():
    assert described(plain("RGB", RED, (30, 20)), "JPEG") == Description(
        format="JPEG",
        mode="RGB",
        width=30,
        height=20,
        orientation=1,
        profile=Profile.NONE,
        profile_name="",
        bits=8,
        has_pages=False,
    )


@pytest.mark.parametrize("fmt", ["JPEG", "TIFF", "PNG", "WEBP"])
@pytest.mark.parametrize(("orientation", "size"), [(1, (30, 20)), (3, (30, 20)), (6, (20, 30))])
def test_width_and_height_are_described_upright(fmt, orientation, size):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    found = described(plain("RGB", RED, (30, 20)), fmt, exif=exif)
    assert (found.orientation, found.width, found.height) == (orientation, *size)


@pytest.mark.parametrize(
    ("mode", "profile", "expected"),
    [
        ("RGB", SRGB, (Profile.SRGB, "sRGB built-in")),
        ("RGB", SWAPPED, (Profile.OTHER, "no name")),
        ("L", LINEAR_GRAY, (Profile.OTHER, "no name")),
        ("L", SRGB, (Profile.SRGB, "sRGB built-in")),
        ("CMYK", cmyk_profile(), (Profile.OTHER, "no name")),
        ("RGB", LINEAR_GRAY, (Profile.UNUSABLE, "no name")),
        ("RGB", cmyk_profile(), (Profile.UNUSABLE, "no name")),
        ("RGB", b"junk", (Profile.UNUSABLE, "")),
        ("RGB", SWAPPED[:200], (Profile.UNUSABLE, "")),
    ],
)
def test_a_profile_is_described_by_its_effect(mode, profile, expected):
    found = described(plain(mode, 0), "TIFF", icc_profile=profile)
    assert (found.profile, found.profile_name) == expected


def test_bit_depth_is_that_of_the_file_and_not_of_the_mode():
    def bits(picture, fmt):
        return described(picture, fmt).bits

    deep, deepest = np.zeros((4, 4), np.uint16), np.zeros((4, 4), np.int32)
    assert [bits(deep, fmt) for fmt in ("PNG", "TIFF")] == [16, 16]
    assert bits(deepest, "TIFF") == 32
    assert describe(png(1, 1, 16, 2, [bytes(6)])).bits == 16
    assert describe(b"P6 1 1 65535 " + bytes(6)).bits == 16
    assert describe(b"P6 1 1 255 " + bytes(3)).bits == 8
    assert [bits(plain("1", 0), fmt) for fmt in ("PNG", "TIFF")] == [8, 8]


@pytest.mark.parametrize("fmt", ["TIFF", "GIF", "WEBP", "PNG"])
def test_pages_and_frames_are_counted(fmt):
    pages = [plain("RGB", RED), plain("RGB", BLUE)]
    assert described(pages[0], fmt, save_all=True, append_images=pages[1:]).has_pages
    assert not described(pages[0], fmt).has_pages


def test_the_previews_of_an_mpo_are_no_pages():
    found = described(
        plain("RGB", RED), "MPO", save_all=True, append_images=[plain("RGB", BLUE, (8, 8))]
    )
    assert (found.format, found.has_pages) == ("JPEG", False)


def test_a_picture_too_large_to_decode_is_described():
    found = describe(png(100_000, 100_000, 8, 2, []))
    assert (found.width, found.height) == (100_000, 100_000)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the file is empty (0 bytes); get it again"),
        (b"<html>not found", "not a picture: the file begins with '<html>not found'; expected"),
        (b"\xff\xd8\xff\xe0", "the file begins like a JPEG but its header is damaged"),
    ],
)
def test_a_file_without_a_header_gives_a_one_line_error(tmp_path, data, message):
    (tmp_path / "a.jpg").write_bytes(data)
    for source in (data, tmp_path / "a.jpg"):
        with pytest.raises(ImageError) as caught:
            describe(source)
        assert str(caught.value).startswith(message)
        assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_opened_is_named_by_its_path(tmp_path):
    with pytest.raises(ImageError, match=r"no file '.*gone\.jpg'"):
        describe(tmp_path / "gone.jpg")
    with pytest.raises(ImageError, match="is a folder"):
        describe(tmp_path)


def test_invalid_exif_does_not_prevent_a_description():
    entry = struct.pack("<HHI4s", 0x011A, 2, 1, b"\0\0\0\0") + struct.pack("<HHII", 0x0128, 3, 1, 2)
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + entry + bytes(4)
    found = described(plain("RGB", RED, (30, 20)), "JPEG", exif=exif)
    assert (found.format, found.width, found.height) == ("JPEG", 30, 20)


@settings(deadline=None, max_examples=200)
@given(
    st.sampled_from(["JPEG", "PNG", "TIFF", "GIF", "WEBP", "BMP"]),
    st.integers(0, 400),
    st.integers(0, 255),
)
def test_a_header_with_a_wrong_byte_is_described_or_refused(fmt, place, value):
    data = bytearray(saved(plain("RGB", RED, (9, 7)), fmt))
    data[place % len(data)] = value
    with suppress(ImageError):
        found = describe(bytes(data))
        assert min(found.width, found.height) > 0


# ---- real pictures ----


@pytest.mark.skipif(not DATA.is_dir(), reason=f"no real data in {DATA}; set ARTSIM_DATA")
@pytest.mark.parametrize(("name", "count"), [("paintings", 2273), ("antiquities", 968)])
def test_real_pictures_are_decoded_as_pillow_does(name, count):
    files = sorted((DATA / name / "images").iterdir())
    assert len(files) == count
    for file in files[::5]:
        data = read_bytes(file)
        with Image.open(io.BytesIO(data)) as image:
            expected = np.asarray(image.convert("RGB"))
        assert (decode(data).pixels == expected).all()
