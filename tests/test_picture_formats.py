"""Formats of other packages, kinds that are not supported, and faults that cost no pixel."""

import io
import re
import struct
import sys
from importlib.metadata import PackageNotFoundError

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from artsim.datatypes import FORMATS, format_of
from artsim.errors import ImageError, UnsupportedImageError
from artsim.images import decode, describe, packages

RED = (200, 30, 30)
PICTURE = Image.radial_gradient("L").resize((48, 32)).convert("RGB")
XMP_TURNED = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description tiff:Orientation="6"/>'
    b"</rdf:RDF></x:xmpmeta>"
)


def saved(picture, fmt, **options):
    file = io.BytesIO()
    picture.save(file, fmt, **options)
    return file.getvalue()


def difference(data):
    pixels = decode(data).pixels.astype(int)
    assert pixels.shape == (32, 48, 3)
    return np.abs(pixels - np.asarray(PICTURE)).mean()


def without_package(monkeypatch, module):
    monkeypatch.setitem(sys.modules, module, None)
    packages._imported.cache_clear()


# ---- the files of a camera, as small as LibRaw reads them ----


def entry(tag, kind, *values):
    """An entry of a TIFF directory: tag, type, number of values, bytes."""
    layout = {1: "B", 2: "s", 3: "H", 4: "I", 5: "II", 10: "ii"}[kind]
    if kind == 2:
        return tag, kind, len(values[0]), values[0]
    if kind in (5, 10):
        return tag, kind, len(values), b"".join(struct.pack("<" + layout, *each) for each in values)
    return tag, kind, len(values), struct.pack(f"<{len(values)}{layout}", *values)


def directory(place, entries):
    head, values = struct.pack("<H", len(entries)), b""
    behind = place + 2 + 12 * len(entries) + 4
    for tag, kind, count, raw in sorted(entries):
        head += struct.pack("<HHI", tag, kind, count)
        head += raw.ljust(4, b"\0") if len(raw) <= 4 else struct.pack("<I", behind + len(values))
        values += b"" if len(raw) <= 4 else raw + bytes(len(raw) % 2)
    return head + bytes(4) + values


def dng(preview=None):
    """A camera file of 96 x 64 red pixels, and a preview on its first page."""
    sensor = np.zeros((64, 96), np.uint16)
    sensor[::2, ::2], sensor[::2, 1::2], sensor[1::2, ::2] = 50000, 4000, 4000
    raw = sensor.tobytes()
    identity = [(1, 1) if i % 4 == 0 else (0, 1) for i in range(9)]
    camera = [
        *(entry(50706, 1, 1, 4, 0, 0), entry(50708, 2, b"Toy\0"), entry(50721, 10, *identity)),
        *(entry(271, 2, b"Toy\0"), entry(272, 2, b"Toy\0"), entry(50728, 5, *3 * [(1, 1)])),
    ]
    cfa = [
        *(entry(254, 4, 0), entry(256, 4, 96), entry(257, 4, 64), entry(258, 3, 16)),
        *(entry(259, 3, 1), entry(262, 3, 32803), entry(273, 4, 8), entry(277, 3, 1)),
        *(entry(278, 4, 64), entry(279, 4, len(raw)), entry(50717, 4, 65535)),
        *(entry(33421, 3, 2, 2), entry(33422, 1, 0, 1, 1, 2)),
    ]
    if preview is None:
        return (
            b"II*\0" + struct.pack("<I", 8 + len(raw)) + raw + directory(8 + len(raw), cfa + camera)
        )
    jpeg = saved(preview, "JPEG")
    jpeg += bytes(len(jpeg) % 2)
    sub = directory(8 + len(raw) + len(jpeg), cfa)
    first = 8 + len(raw) + len(jpeg) + len(sub)
    page = [
        *(entry(254, 4, 1), entry(256, 4, preview.width), entry(257, 4, preview.height)),
        *(entry(258, 3, 8, 8, 8), entry(259, 3, 7), entry(262, 3, 6), entry(273, 4, 8 + len(raw))),
        *(entry(277, 3, 3), entry(278, 4, preview.height), entry(279, 4, len(jpeg))),
        entry(330, 4, first - len(sub)),
    ]
    start = b"II*\0" + struct.pack("<I", first)
    return start + raw + jpeg + sub + directory(first, page + camera)


# ---- formats of other packages ----


@pytest.mark.parametrize(
    ("name", "fmt"),
    [(each.name, each.name) for each in FORMATS if each.package == ""],
)
def test_a_file_is_recognized_by_its_first_bytes(name, fmt):
    if name == "PSD":  # which Pillow does not write
        assert format_of(b"8BPS\0\1").name == name
    else:
        assert format_of(saved(PICTURE, fmt)).name == name


@pytest.mark.parametrize(
    ("start", "name"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIF"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "HEIF"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif", "AVIF"),
        (b"\xff\x0a\x37\x22", "JXL"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JXL"),
        (b"II*\0\x10\0\0\0CR\2\0", "RAW"),
        (b"FUJIFILMCCD-RAW 0201", "RAW"),
        (b"\0\0\0\x18ftypcrx \0\0\0\1", "RAW"),
    ],
)
def test_formats_of_other_packages_are_recognized(start, name):
    assert format_of(start).name == name


def test_no_suffix_is_of_two_formats():
    suffixes = [suffix for each in FORMATS for suffix in each.suffixes]
    assert len(set(suffixes)) == len(suffixes)


def test_a_heic_is_decoded():
    pytest.importorskip("pillow_heif").register_heif_opener()
    data = saved(PICTURE, "HEIF", quality=95)
    assert difference(data) < 3
    described = describe(data)
    assert (described.format, described.width, described.height) == ("HEIF", 48, 32)


@pytest.mark.parametrize("size", [(48, 32), (8, 8), (31, 200), (256, 300), (1024, 768)])
@pytest.mark.parametrize("container", [False, True])
def test_a_jpeg_xl_is_decoded_and_its_size_known_before(size, container):
    pytest.importorskip("pillow_jxl")
    data = saved(PICTURE.resize(size), "JXL", quality=95, use_container=container, effort=1)
    assert packages._jxl_size(data) == size
    assert decode(data).pixels.shape == (size[1], size[0], 3)
    with pytest.raises(ImageError, match="more than the limit of 63; raise it with --max-pixels"):
        decode(data, max_pixels=63)


def test_a_jpeg_xl_has_the_colors_of_the_picture():
    pytest.importorskip("pillow_jxl")
    assert difference(saved(PICTURE, "JXL", quality=95)) < 3


def test_the_large_preview_of_a_camera_file_is_decoded():
    pytest.importorskip("rawpy")
    data = dng(Image.new("RGB", (1200, 800), RED))
    picture = decode(data)
    assert (picture.width, picture.height) == (1200, 800)
    assert np.abs(picture.pixels.astype(int) - RED).max() <= 3
    described = describe(data)
    assert (described.format, described.width, described.height) == ("RAW", 1200, 800)


@pytest.mark.parametrize("preview", [None, Image.new("RGB", (64, 48))])
def test_a_camera_file_without_one_is_developed(preview):
    pytest.importorskip("rawpy")
    pixels = decode(dng(preview)).pixels
    assert pixels.shape == (32, 48, 3)  # half of the sensor's
    red, green, blue = pixels[16, 24].tolist()
    assert red > 200
    assert max(green, blue) < 100


@pytest.mark.parametrize(
    ("data", "module", "package", "name"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "pillow_heif", "pillow-heif", "HEIF"),
        (b"\xff\x0a\x37\x22", "pillow_jxl", "pillow-jxl-plugin", "JXL"),
        (dng(), "rawpy", "rawpy", "RAW"),
    ],
)
def test_a_missing_package_is_named_with_its_extra(monkeypatch, data, module, package, name):
    without_package(monkeypatch, module)
    expected = (
        f"unsupported without {package}: a file of the format {name}; pip install 'artsim[formats]'"
    )
    for read in (decode, describe):
        with pytest.raises(UnsupportedImageError) as refused:
            read(data)
        assert str(refused.value) == expected
    packages._imported.cache_clear()


def test_what_can_be_decoded_depends_on_the_packages(monkeypatch):
    from artsim.embedding import EmbedSettings

    versions = {"rawpy": "0.28.0", "pillow-heif": "1.8.1"}

    def version(package):
        if package not in versions:
            raise PackageNotFoundError
        return versions[package]

    monkeypatch.setattr(packages, "version", version)
    assert packages.versions() == "pillow-heif 1.8.1, rawpy 0.28.0"
    assert ", pillow-heif 1.8.1, rawpy 0.28.0, at most" in EmbedSettings().decoding
    versions.clear()
    assert "heif" not in EmbedSettings().decoding


def test_a_damaged_file_of_another_package_gives_one_line():
    for data in (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", b"\xff\x0a\x37\x22", dng()[:9000]):
        with pytest.raises(ImageError) as refused:
            decode(data)
        assert "\n" not in str(refused.value)


# ---- kinds that are not supported ----


def tiff(bits, color, *, kind=1, extra=(), compression=1):
    samples = len(bits)
    pixels = bytes(4 * 4 * sum(bits) // 8)
    entries = [
        *(entry(256, 4, 4), entry(257, 4, 4), entry(258, 3, *bits), entry(259, 3, compression)),
        *(entry(262, 3, color), entry(273, 4, 8), entry(277, 3, samples), entry(278, 4, 4)),
        *(entry(279, 4, len(pixels)), entry(339, 3, *samples * [kind])),
        *([entry(338, 3, *extra)] if extra else []),
    ]
    place = 8 + len(pixels)
    return b"II*\0" + struct.pack("<I", place) + pixels + directory(place, entries)


def psd(bits, mode, version=1):
    return struct.pack(">4sH6xHIIHH", b"8BPS", version, 3, 4, 4, bits, mode) + bytes(200)


def jpeg(*, marker=0xC0, bits=8):
    data = bytearray(saved(PICTURE, "JPEG"))
    place = data.index(b"\xff\xc0")
    data[place + 1], data[place + 4] = marker, bits
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (tiff([16] * 3, 8), "a TIFF of 16-bit Lab"),
        (tiff([8] * 5, 5, extra=(2,)), "a TIFF of 8-bit CMYK with 1 more channel"),
        (tiff([32] * 3, 2, kind=3), "a TIFF of 32-bit float RGB"),
        (psd(16, 3), "a PSD of 16-bit RGB"),
        (psd(32, 9), "a PSD of 32-bit Lab"),
        (psd(8, 3, version=2), "a large Photoshop picture (PSB)"),
        (jpeg(bits=12), "a JPEG of 12 bits a channel"),
        (jpeg(marker=0xC3), "a lossless JPEG"),
        (b"\xff\xd8\xff\xf7" + bytes(50), "a JPEG-LS picture"),
        (b"<?xml version='1.0'?>\n<svg xmlns=''/>", "an SVG drawing"),
        (b"%PDF-1.7\n", "a PDF document"),
        (bytes(128) + b"DICM" + bytes(20), "a DICOM picture"),
        (b"P7\nWIDTH 2\n", "a PAM picture"),
        (b"\0\0\0\x18ftypisom" + bytes(20), "a video"),
    ],
)
def test_a_sound_file_of_an_unsupported_kind_is_named(data, kind):
    expected = f"unsupported: {kind}; convert it to a PNG or JPEG of 8 bits a channel"
    with pytest.raises(UnsupportedImageError) as refused:
        decode(data)
    assert str(refused.value) == expected
    if "lossless" not in kind:  # of which the header is read
        with pytest.raises(UnsupportedImageError) as refused:
            describe(data)
        assert str(refused.value) == expected


@pytest.mark.parametrize("data", [saved(PICTURE, "TIFF")[:-4000], tiff([8] * 3, 2)[:-60]])
def test_a_damaged_tiff_of_a_supported_kind_is_not_called_unsupported(data):
    with pytest.raises(ImageError) as refused:
        decode(data)
    assert "get the file again" in str(refused.value)


def test_a_compression_that_libtiff_lacks_is_named_and_nothing_printed(capfd):
    data = tiff([8] * 3, 2, compression=34661)
    with pytest.raises(ImageError):
        decode(data)
    damaged = bytearray(saved(PICTURE, "TIFF", compression="tiff_lzw"))
    damaged[8:200] = bytes(range(192))
    with pytest.raises(ImageError, match="get the file again"):
        decode(bytes(damaged))
    assert capfd.readouterr().err == ""


# ---- faults that cost no pixel ----


def with_text(size, *, compressed):
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", "x" * size, zip=compressed)
    return saved(PICTURE, "PNG", pnginfo=info)


def with_late_text(size):
    data = with_text(size, compressed=True)
    start = data.index(b"iTXt") - 4
    length = 12 + int.from_bytes(data[start : start + 4], "big")
    return data[:start] + data[start + length : -12] + data[start : start + length] + data[-12:]


def with_wrong_sum():
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "hello")
    data = bytearray(saved(PICTURE, "PNG", pnginfo=info))
    data[data.index(b"tEXt") + 16] ^= 1
    return bytes(data)


METADATA = "metadata that is damaged or above 1 MiB"


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (with_text(2_000_000, compressed=True), METADATA),
        (with_late_text(2_000_000), METADATA),
        (with_text(100_000_000, compressed=True), METADATA),
        (with_text(2_000_000, compressed=False), ""),
        (with_wrong_sum(), METADATA),
        (b"\r\n" + saved(PICTURE, "PNG"), "blanks before its first byte"),
    ],
    ids=["text", "late text", "huge text", "plain text", "wrong sum", "blanks"],
)
def test_a_png_is_read_whatever_its_metadata(data, fault):
    picture = decode(data)
    assert picture.fault == fault
    assert picture.pixels.tolist() == np.asarray(PICTURE).tolist()


def test_a_large_color_profile_of_a_png_is_applied():
    from test_images import SWAPPED  # red is stored as green

    data = saved(Image.new("RGB", (8, 8), (255, 0, 0)), "PNG", icc_profile=SWAPPED + bytes(2**21))
    assert np.abs(decode(data).pixels[0, 0].astype(int) - (0, 255, 0)).max() <= 3
    assert describe(data).fault == METADATA


@pytest.mark.parametrize("lost", [1, 2])
@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_without_its_end_is_read(lost, mode, progressive):
    data = saved(PICTURE.convert(mode), "JPEG", progressive=progressive)
    picture = decode(data[:-lost])
    assert picture.fault == "without its last bytes, which hold no pixel"
    assert picture.pixels.tolist() == decode(data).pixels.tolist()


@pytest.mark.parametrize(
    "options", [{}, {"optimize": True}, {"restart_marker_blocks": 4}, {"progressive": True}]
)
@pytest.mark.parametrize("color", ["white", "gray", None])
def test_a_jpeg_without_pixels_is_never_read_as_another_picture(options, color):
    data = saved(Image.new("RGB", (200, 100), color) if color else PICTURE, "JPEG", **options)
    whole = decode(data).pixels.tolist()
    scans = [len(data) - match.start() for match in re.finditer(rb"\xff\xda|\xff\xc4", data)]
    for lost in [*range(1, 250, 11), *scans]:
        try:
            assert decode(data[:-lost]).pixels.tolist() == whole
        except ImageError:
            continue


def test_a_wholly_transparent_picture_is_opaque():
    transparent = PICTURE.convert("RGBA")
    transparent.putalpha(0)
    for fmt in ("PNG", "TIFF"):
        picture = decode(saved(transparent, fmt))
        assert picture.is_transparent
        assert picture.pixels.tolist() == np.asarray(PICTURE).tolist()
    transparent.putpixel((0, 0), (0, 0, 0, 1))
    picture = decode(saved(transparent, "PNG"))
    assert not picture.is_transparent
    assert picture.pixels[1:].min() == 255


# ---- orientation ----


@pytest.mark.parametrize(
    ("fmt", "options"),
    [
        ("JPEG", {"xmp": XMP_TURNED}),
        ("JPEG", {"xmp": XMP_TURNED, "exif": Image.Exif().tobytes()}),
        ("WEBP", {"xmp": XMP_TURNED}),
        ("TIFF", {"tiffinfo": {700: XMP_TURNED}}),
        ("TIFF", {"tiffinfo": {700: XMP_TURNED}, "compression": "tiff_lzw"}),
        ("PNG", {"pnginfo": "xmp"}),
    ],
)
def test_the_orientation_of_xmp_is_ignored(fmt, options):
    if "pnginfo" in options:
        options = {"pnginfo": PngImagePlugin.PngInfo()}
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", XMP_TURNED.decode())
    data = saved(PICTURE, fmt, **options)
    assert decode(data).pixels.shape == (32, 48, 3)
    described = describe(data)
    assert (described.width, described.height, described.orientation) == (48, 32, 1)


def test_exif_that_imagemagick_writes_as_text_is_exif():
    exif = Image.Exif()
    exif[0x0112] = 6
    raw = b"Exif\0\0" + exif.tobytes().removeprefix(b"Exif\0\0")
    info = PngImagePlugin.PngInfo()
    info.add_text("Raw profile type exif", f"\nexif\n{len(raw):8}\n{raw.hex()}\n", zip=True)
    assert decode(saved(PICTURE, "PNG", pnginfo=info)).pixels.shape == (48, 32, 3)
