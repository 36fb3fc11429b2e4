"""The loader: pixels as timm and open_clip would have them, in order, bad pictures reported."""

from dataclasses import replace

import hypothesis.strategies as st
import numpy as np
import open_clip
import pytest
import timm
from conftest import PREPROCESSING, noise_picture
from hypothesis import given, settings
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from torchvision.transforms import Compose

from artsim.datatypes import Fit, parse_spec
from artsim.errors import ImageError
from artsim.loader import Loaded, Unloadable, _by_torch, load, preprocess, resized_size
from artsim.models import build_network

SEEN_BY_LITE0 = replace(
    PREPROCESSING, size=(224, 224), scale=(256, 256), fit=Fit.CROP, interpolation="bicubic"
)


def peer_pixels(transform, path):
    """Run a torchvision transform up to its tensor: (3, H, W), 0 to 255."""
    steps = [step for step in transform.transforms if type(step).__name__ != "Normalize"]
    tensor = Compose(steps)(Image.open(path).convert("RGB"))
    return ((tensor * 255).round() if tensor.is_floating_point() else tensor).int().numpy()


def prepared(path, seen):
    """Prepare a picture as one of many, and as one of a few, which Pillow resizes."""
    many, few = (
        next(load([(0, path)], seen, workers=1, by_torch=by_torch)).pixels
        for by_torch in (True, False)
    )
    np.testing.assert_array_equal(few, preprocess(path.read_bytes(), seen)[0])
    return many, few


def colors(pixels):
    """Return each channel's values: [200, 100, 50] for a picture of one color."""
    return [value for channel in pixels for value in np.unique(channel).tolist()]


@pytest.mark.parametrize("size", [(640, 480), (481, 633), (300, 1200), (224, 224), (90, 130)])
@pytest.mark.parametrize(
    "config",
    [
        {"crop_pct": 0.875, "crop_mode": "center", "interpolation": "bicubic"},
        {"crop_pct": 1.0, "crop_mode": "center", "interpolation": "bilinear"},
        {"crop_pct": 0.9, "crop_mode": "squash", "interpolation": "bicubic"},
        {"crop_pct": 1.0, "crop_mode": "border", "interpolation": "bicubic"},
    ],
)
def test_without_scaled_decoding_pixels_are_those_of_timm(tmp_path, size, config):
    path = noise_picture(tmp_path / "p.png", size)
    transform = timm.data.create_transform(
        (3, 224, 224), mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5), **config
    )
    from artsim.models.sources.timm import _timm_preprocessing

    seen = replace(
        _timm_preprocessing(
            {"input_size": (3, 224, 224), "mean": (0.5,) * 3, "std": (0.5,) * 3} | config
        ),
        scaled_decoding=0,
    )
    expected = peer_pixels(transform, path)
    for pixels in prepared(path, seen):
        assert pixels.shape == expected.shape
        assert np.abs(pixels.astype(int) - expected).max() <= 2  # two resizers' rounding


@pytest.mark.parametrize("size", [(640, 480), (481, 633), (90, 130)])
@pytest.mark.parametrize("resize_mode", ["shortest", "longest", "squash"])
def test_without_scaled_decoding_pixels_are_those_of_open_clip(tmp_path, size, resize_mode):
    path = noise_picture(tmp_path / "p.png", size)
    config = PreprocessCfg(size=224, resize_mode=resize_mode)
    from artsim.models.sources.open_clip import _open_clip_preprocessing

    seen = replace(_open_clip_preprocessing(vars(config)), scaled_decoding=0)
    expected = peer_pixels(image_transform_v2(config, is_train=False), path)
    for pixels in prepared(path, seen):
        assert pixels.shape == expected.shape
        assert np.abs(pixels.astype(int) - expected).max() <= 2


def test_preprocessing_is_read_from_the_networks_own_configuration():
    clip = build_network(parse_spec("open_clip:ViT-B-32.random"), meta=True).preprocessing
    assert (clip.size, clip.scale, clip.fit) == ((224, 224), (224, 224), Fit.CROP)
    assert clip.mean == open_clip.OPENAI_DATASET_MEAN
    vgg = build_network(parse_spec("vgg16.random"), meta=True).preprocessing
    assert (vgg.scale, vgg.interpolation) == ((256, 256), "bilinear")
    assert vgg.mean == (0.485, 0.456, 0.406)


@given(st.integers(1, 5000), st.integers(1, 5000), st.sampled_from([160, 224, 256, 384]))
@settings(max_examples=300)
def test_a_crop_resizes_as_torchvision_does(width, height, short):
    seen = replace(SEEN_BY_LITE0, scale=(short, short))
    new = (
        (short, int(short * height / width))
        if width <= height
        else (int(short * width / height), short)
    )
    assert resized_size((width, height), seen) == tuple(max(side, 1) for side in new)


def test_pad_shows_the_whole_picture_on_its_fill(tmp_path):
    Image.new("RGB", (40, 20), (200, 100, 50)).save(tmp_path / "wide.png")
    seen = replace(PREPROCESSING, fit=Fit.PAD, fill=(1, 2, 3))
    pixels, _ = preprocess((tmp_path / "wide.png").read_bytes(), seen)
    assert colors(pixels[:, :2]) == [1, 2, 3]
    assert colors(pixels[:, 2:6]) == [200, 100, 50]
    assert colors(pixels[:, 6:]) == [1, 2, 3]


def test_squash_shows_the_whole_picture_and_crop_its_middle(tmp_path):
    picture = np.zeros((8, 24, 3), np.uint8)
    picture[:, :8, 0], picture[:, 8:16, 1], picture[:, 16:, 2] = 255, 255, 255
    Image.fromarray(picture).save(tmp_path / "flag.png")
    data = (tmp_path / "flag.png").read_bytes()
    crop, _ = preprocess(data, replace(PREPROCESSING, fit=Fit.CROP))
    assert crop.mean(axis=(1, 2)).tolist() == [0, 255, 0]
    squash, _ = preprocess(data, PREPROCESSING)
    assert squash[0, :, 0].min() > 200
    assert squash[2, :, -1].min() > 200


def test_scaled_decoding_gives_nearly_the_same_pixels(tmp_path):
    path = noise_picture(tmp_path / "large.jpg", (2400, 1800), quality=90)
    whole, _ = preprocess(path.read_bytes(), replace(SEEN_BY_LITE0, scaled_decoding=0))
    scaled, picture = preprocess(path.read_bytes(), replace(SEEN_BY_LITE0, scaled_decoding=2))
    assert picture.pixels.shape[0] < 1800
    assert (picture.width, picture.height) == (2400, 1800)
    assert np.abs(whole.astype(int) - scaled).mean() < 1.0


def test_rare_interpolations_use_pillow():
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (30, 20, 3), np.uint8))
    seen = replace(PREPROCESSING, size=(8, 8), interpolation="lanczos")
    ours = _by_torch(np.array(picture), (8, 8), seen)
    np.testing.assert_array_equal(ours, np.array(picture.resize((8, 8), Image.Resampling.LANCZOS)))


@pytest.mark.parametrize("workers", [1, 3])
def test_pictures_come_in_order_with_failures_in_place(tmp_path, paint, workers):
    files = []
    for number in range(40):
        file = tmp_path / f"{number}.png"
        if number == 7:
            file.write_bytes(b"")
        elif number == 8:
            file.write_text("<html>not found</html>")
        elif number != 9:
            paint(file, (number, 0, 0), size=(20 + number % 3, 9))
        files.append((number, file))
    loaded = list(load(files, PREPROCESSING, workers=workers))
    assert [each.key for each in loaded] == list(range(40))
    for each in loaded:
        if each.key in (7, 8, 9):
            assert isinstance(each, Unloadable)
        else:
            assert isinstance(each, Loaded)
            assert np.unique(each.pixels).tolist() == sorted({0, each.key})
            assert (each.width, each.height) == (20 + each.key % 3, 9)
    assert [loaded[n].stage for n in (7, 8, 9)] == ["read", "decode", "read"]


def test_a_picture_of_too_many_pixels_is_refused(tmp_path, paint):
    data = paint(tmp_path / "p.png", (1, 2, 3), size=(100, 100)).read_bytes()
    with pytest.raises(ImageError, match="--max-pixels"):
        preprocess(data, PREPROCESSING, max_pixels=9_999)


def test_the_number_of_pictures_in_memory_is_bounded(tmp_path, paint):
    file = paint(tmp_path / "p.png", (1, 2, 3))
    asked = 0

    def endless():
        nonlocal asked
        while True:
            asked += 1
            yield asked, file

    pictures = load(endless(), PREPROCESSING, workers=2)
    next(pictures)
    assert asked <= 128
    pictures.close()


@pytest.mark.parametrize("size", [(3, 9000), (9000, 2), (600, 30_000)])
def test_a_very_long_picture_is_cropped_before_it_is_resized(tmp_path, size):
    Image.new("RGB", size, (200, 100, 50)).save(tmp_path / "long.png")
    pixels, _ = preprocess((tmp_path / "long.png").read_bytes(), SEEN_BY_LITE0)
    assert pixels.shape == (3, 224, 224)
    assert colors(pixels) == [200, 100, 50]
    assert pixels.base is None


def test_a_long_picture_is_cropped_to_its_middle(tmp_path):
    path = noise_picture(tmp_path / "long.png", (300, 30 * 300))
    square = replace(SEEN_BY_LITE0, scale=(224, 224))
    ours, _ = preprocess(path.read_bytes(), square)
    whole = Image.open(path).convert("RGB").resize((224, 30 * 224), Image.Resampling.BICUBIC)
    middle = np.asarray(whole)[(30 * 224 - 224) // 2 :][:224].transpose(2, 0, 1)
    assert np.abs(ours.astype(int) - middle.astype(int)).mean() < 1.5
