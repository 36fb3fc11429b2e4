"""JPEGs by simplejpeg and by Pillow: the same pixels, and the same files refused."""

import io

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import example, given, settings
from PIL import Image
from test_images import LINEAR, SWAPPED

from artsim.errors import ImageError
from artsim.images import decode, jpeg

simplejpeg = pytest.importorskip("simplejpeg")


def by_pillow(data, **options):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(jpeg, "_simplejpeg", lambda: None)
        return decode(data, **options)


def noise(width, height, mode="RGB"):
    """A smooth picture with grain: all coefficients occur."""
    random = np.random.default_rng(width * 1000 + height)
    bands = len(Image.new(mode, (1, 1)).getbands())
    small = random.integers(0, 256, (4, 4, bands), dtype=np.uint8).squeeze()
    large = Image.fromarray(small, mode).resize((width, height), Image.Resampling.BICUBIC)
    pixels = np.asarray(large).astype(int)
    grain = random.normal(0, 12, pixels.shape).astype(int)
    return Image.fromarray((pixels + grain).clip(0, 255).astype(np.uint8), mode)


def saved(picture, **options):
    file = io.BytesIO()
    picture.save(file, "JPEG", **options)
    return file.getvalue()


@settings(max_examples=60, deadline=None)
@example(3, 3, "4:4:4", False, 5, 3, 1)
@given(
    width=st.integers(1, 130),
    height=st.integers(1, 130),
    subsampling=st.sampled_from(["4:4:4", "4:2:2", "4:2:0"]),
    progressive=st.booleans(),
    quality=st.integers(5, 100),
    scale=st.integers(1, 9),
    turn=st.integers(1, 8),
)
def test_the_pixels_are_those_of_pillow(
    width, height, subsampling, progressive, quality, scale, turn
):
    exif = Image.Exif()
    exif[0x0112] = turn
    options = {"subsampling": subsampling, "progressive": progressive, "quality": quality}
    data = saved(noise(width, height), exif=exif, **options)

    def at_least(wide, high):
        return -(-wide // scale), -(-high // scale)

    found, expected = decode(data, at_least=at_least), by_pillow(data, at_least=at_least)
    assert np.array_equal(found.pixels, expected.pixels)
    assert (found.width, found.height) == (expected.width, expected.height)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK", "YCbCr"])
@pytest.mark.parametrize("has_profile", [False, True])
def test_other_modes_and_profiles_are_those_of_pillow(mode, has_profile):
    options = {"icc_profile": LINEAR} if has_profile else {}
    data = saved(noise(70, 50, mode), quality=90, **options)
    assert np.array_equal(decode(data).pixels, by_pillow(data).pixels)


def test_a_profile_is_applied():
    data = saved(Image.new("RGB", (64, 64), (255, 0, 0)), quality=95, icc_profile=SWAPPED)
    assert np.abs(decode(data).pixels[5, 5].astype(int) - (0, 255, 0)).max() <= 3


def test_a_plain_color_jpeg_is_decoded_by_simplejpeg(monkeypatch):
    data = saved(noise(64, 48))
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("Pillow decodes it"))
    assert decode(data).pixels.shape == (48, 64, 3)


@pytest.mark.parametrize("kept", [0.2, 0.5, 0.9, 0.99])
def test_a_file_that_ends_early_is_refused_as_by_pillow(kept):
    data = saved(noise(200, 200), quality=95)
    cut = data[: int(len(data) * kept)]
    messages = []
    for each in (decode, by_pillow):
        with pytest.raises(ImageError) as refused:
            each(cut)
        messages.append(str(refused.value))
    assert messages[0] == messages[1]


@settings(max_examples=60, deadline=None)
@given(place=st.floats(0, 1), value=st.integers(0, 255))
def test_a_changed_byte_is_refused_or_decoded_as_by_pillow(place, value):
    data = bytearray(saved(noise(90, 70), quality=80))
    data[int(place * (len(data) - 1))] = value
    results = []
    for each in (decode, by_pillow):
        try:
            results.append(each(bytes(data)).pixels.tolist())
        except ImageError as error:
            results.append(str(error))
    assert results[0] == results[1]
