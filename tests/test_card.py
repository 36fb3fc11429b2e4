"""JPEGs decoded as a GPU does, by the same code on the CPU, beside the loader's own pictures."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import PREPROCESSING, noise_picture
from PIL import Image, ImageCms

from artsim.datatypes import Fit, parse_spec
from artsim.embedding import EmbedSettings, card, embed_collection
from artsim.errors import ModelError
from artsim.images import plain_jpeg_size
from artsim.loader import Loaded, Unloadable, load
from artsim.models import Compute, Decoder, NetworkRequest, load_extractor, loading
from artsim.readers import read_collection
from artsim.store import Store

# torchvision calls its decoders deprecated, and offers those of another package.
pytestmark = pytest.mark.filterwarnings("ignore:.*TorchVision:DeprecationWarning")

CPU = torch.device("cpu")
BICUBIC = replace(
    PREPROCESSING, size=(64, 64), scale=(72, 72), fit=Fit.CROP, interpolation="bicubic"
)


def both(files, preprocessing, **options):
    """Load files by the loader alone, and by the decoder of a GPU."""
    plain = list(load(enumerate(files), preprocessing, workers=2, **options))
    left = load(enumerate(files), preprocessing, workers=2, leave_jpegs=True, **options)
    return plain, list(card.decode_on(CPU, left, preprocessing, **options))


def enlarged(file, side, folder):
    """Save a picture as a scan of this longer side, with grain."""
    with Image.open(file) as picture:
        scale = side / max(picture.size)
        size = [round(each * scale) for each in picture.size]
        pixels = np.asarray(picture.convert("RGB").resize(size), dtype=np.float32)
    grain = np.random.default_rng(0).normal(0, 6, pixels.shape)
    new = folder / file.name
    Image.fromarray((pixels + grain).clip(0, 255).astype(np.uint8)).save(new, quality=90)
    return new


@pytest.fixture
def saved(tmp_path):
    def save(name, mode="RGB", size=(300, 200), **options):
        made = noise_picture(tmp_path / "made.png", size)
        with Image.open(made) as picture:
            picture.convert(mode).save(tmp_path / name, **options)
        made.unlink()
        return tmp_path / name

    return save


def turned(number):
    exif = Image.Exif()
    exif[0x0112] = number
    return exif


@pytest.fixture
def odd(saved, tmp_path):
    """Files that are left to the loader."""
    wide_gamut = ImageCms.createProfile("LAB")
    files = [
        saved("turned.jpg", exif=turned(6)),
        saved("gray.jpg", "L"),
        saved("cmyk.jpg", "CMYK"),
        saved("lossless.png"),
        saved("profile.jpg", icc_profile=ImageCms.ImageCmsProfile(wide_gamut).tobytes()),
    ]
    whole = saved("whole.jpg").read_bytes()
    for name, data in {
        "cut.jpg": whole[: len(whole) // 2],
        "half.jpg": whole[: len(whole) // 2] + b"\xff\xd9",
        "text.jpg": b"not a picture",
        "empty.jpg": b"",
    }.items():
        (tmp_path / name).write_bytes(data)
        files.append(tmp_path / name)
    return files


def test_only_plain_jpegs_are_left_to_a_gpu(saved, odd):
    left = {
        file.name: plain_jpeg_size(file.read_bytes(), max_pixels=10**6)
        for file in [saved("plain.jpg"), saved("progressive.jpg", progressive=True), *odd]
    }
    assert left.pop("plain.jpg") == left.pop("progressive.jpg") == (300, 200)
    assert left.pop("half.jpg") == (300, 200)  # it has an end, and Pillow decodes it too
    assert left.pop("profile.jpg") == (300, 200)  # not of RGB, and ignored
    assert set(left.values()) == {None}
    assert plain_jpeg_size(saved("large.jpg").read_bytes(), max_pixels=300 * 200 - 1) is None


def test_what_is_left_to_the_loader_is_the_same_and_in_its_place(saved, odd):
    files = [saved("a.jpg"), *odd, saved("b.jpg")]
    plain, found = both(files, BICUBIC)
    assert [each.key for each in found] == list(range(len(files)))
    for mine, theirs in zip(found, plain, strict=True):
        assert type(mine) is type(theirs)
        if isinstance(theirs, Unloadable):
            assert mine == theirs
        else:
            assert (mine.width, mine.height, mine.content_hash) == (
                theirs.width,
                theirs.height,
                theirs.content_hash,
            )
            assert mine.jpeg is None
            exact = files[mine.key].name not in ("a.jpg", "b.jpg", "profile.jpg", "half.jpg")
            difference = np.abs(mine.pixels.astype(int) - theirs.pixels)
            assert difference.max() <= (0 if exact else 12)
            assert difference.mean() <= 2
    lost = [files[each.key].name for each in found if isinstance(each, Unloadable)]
    assert lost == ["cut.jpg", "text.jpg", "empty.jpg"]


@pytest.mark.parametrize("fit", list(Fit))
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [(300, 200), (201, 333), (30, 20), (500, 64), (3000, 20)])
def test_pictures_are_fitted_as_by_the_loader(saved, fit, interpolation, size):
    preprocessing = replace(BICUBIC, fit=fit, interpolation=interpolation, fill=(7, 8, 9))
    if fit == Fit.PAD:
        preprocessing = replace(preprocessing, scale=(64, 64))
    (plain,), (found,) = both([saved("a.jpg", size=size, subsampling=0)], preprocessing)
    assert found.pixels.shape == (3, 64, 64)
    difference = np.abs(found.pixels.astype(int) - plain.pixels)
    assert difference.mean() <= 0.6
    assert difference.max() <= 4


def test_one_that_cannot_be_decoded_does_not_cost_the_others(saved, monkeypatch):
    files = [saved(f"{n}.jpg", size=(200 + n, 200)) for n in range(5)]
    plain, _ = both(files, BICUBIC)
    tried = []

    def decode(data, mode, device):
        tried.append(len(data))
        images = real(data, mode, device=device)
        if any(each.shape[2] == 203 for each in images):
            raise RuntimeError("nvjpeg: bad JPEG")
        return images

    real = card.decode_jpeg
    monkeypatch.setattr(card, "decode_jpeg", decode)
    _, found = both(files, BICUBIC)
    assert tried == [5, 1, 1, 1, 1, 1]
    assert np.array_equal(found[3].pixels, plain[3].pixels)  # by the CPU
    assert all(isinstance(each, Loaded) for each in found)


def test_large_pictures_are_decoded_few_at_a_time(saved, monkeypatch):
    files = [saved(f"{n}.jpg", size=(100, 100)) for n in range(7)]
    sizes = []
    real = card.decode_jpeg

    def decode(data, mode, device):
        sizes.append(len(data))
        return real(data, mode, device=device)

    monkeypatch.setattr(card, "decode_jpeg", decode)
    monkeypatch.setattr(card, "_MOST", 3 * 100 * 100)
    both(files, BICUBIC)
    assert sizes == [3, 3, 1]


def test_a_run_that_stops_ends_the_threads_of_both(saved):
    files = [saved(f"{n}.jpg", size=(100, 100)) for n in range(8)]
    left = load(enumerate(files), BICUBIC, workers=2, leave_jpegs=True)
    found = card.decode_on(CPU, left, BICUBIC)
    assert next(found).key == 0
    found.close()
    with pytest.raises(StopIteration):
        next(left)


@pytest.mark.slow
@pytest.mark.parametrize("side", [None, 1600])
def test_vectors_of_paintings_are_those_of_the_loader_at_full_size(museum_data, tmp_path, side):
    files = sorted((museum_data / "paintings").rglob("*.jpg"))[::40]
    if side is not None:
        files = [enlarged(file, side, tmp_path) for file in files[::3]]
    extractor = load_extractor(parse_spec("lite0"))
    preprocessing = replace(extractor.preprocessing, scaled_decoding=0)
    vectors = [
        extractor.embed_batch(np.stack([each.pixels for each in pictures]))["embedding"]
        for pictures in both(files, preprocessing)
    ]
    mine, theirs = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in vectors)
    cosines = np.vecdot(mine, theirs)
    assert len(files) > (50 if side is None else 15)
    assert cosines.min() > 0.9999


def test_an_index_says_what_decoded_its_pictures(tmp_path, saved, toy, monkeypatch):
    folder = tmp_path / "museum"
    folder.mkdir()
    for n in range(3):
        saved(f"{n}.jpg", size=(40 + n, 40)).rename(folder / f"{n}.jpg")
    (folder / "3.jpg").write_text("not a picture")
    toy.passport = replace(
        toy.passport,
        decoder="nvjpeg",
        preprocessing=replace(PREPROCESSING, interpolation="bilinear"),
    )
    summary = embed_collection(read_collection(folder), tmp_path / "index", toy)
    assert (summary.rows, summary.failures) == (3, 1)
    passport = Store.open(tmp_path / "index").manifest.passport
    assert passport.decoder == "nvjpeg"
    assert passport.differences(replace(passport, decoder="")) == []
    assert "decoder" not in replace(passport, decoder="").to_json()
    with pytest.raises(ModelError, match="leave out --decoder gpu"):
        embed_collection(
            read_collection(folder), tmp_path / "tiles", toy, settings=EmbedSettings(tiles=2)
        )


@pytest.mark.parametrize(("decoder", "scaled"), [(Decoder.CPU, 2), (Decoder.GPU, 0)])
def test_with_jpegs_of_a_gpu_all_pictures_and_queries_are_decoded_at_full_size(decoder, scaled):
    request = NetworkRequest(
        spec=parse_spec("timm:test_vit.random"), compute=Compute(device="cuda", decoder=decoder)
    )
    assert loading._refit(PREPROCESSING, request).scaled_decoding == scaled


def test_a_cpu_is_no_gpu_that_decodes():
    with pytest.raises(ModelError, match="cpu decodes no JPEGs; use --device cuda"):
        load_extractor(
            parse_spec("timm:test_vit.random"), compute=Compute(device="cpu", decoder=Decoder.GPU)
        )
