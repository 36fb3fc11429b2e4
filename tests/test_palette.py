"""The palette: colors against scikit-image, similarity as seen by the eye, a tap among others."""

import json

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from conftest import PREPROCESSING, toy_passport
from PIL import Image
from search_toys import at, make_store
from skimage.color import deltaE_cie76, rgb2lab
from torch import nn

from artsim.cli import cli
from artsim.datatypes import PALETTE, Tap, TapInfo, parse_spec
from artsim.embedding import embed_collection
from artsim.errors import ModelError
from artsim.models import BackendName, Compute, Network, TappedNetwork, load_extractor
from artsim.models.backends import convert
from artsim.models.converted import OpenVinoBackend
from artsim.models.palette import PALETTE_DIM, ColorHistogram, lab
from artsim.readers import read_collection

COLORS = {
    "black": (0, 0, 0),
    "white": (255, 255, 255),
    "gray": (119, 119, 119),
    "red": (220, 20, 30),
    "dark red": (120, 10, 20),
    "orange": (250, 140, 20),
    "yellow": (250, 230, 40),
    "green": (20, 160, 60),
    "blue": (20, 40, 220),
    "navy": (5, 10, 90),
    "ochre": (204, 119, 34),
}


def flat(*names, size=8):
    """Return pictures of one color each, (B, 3, H, W)."""
    colors = torch.tensor([COLORS[name] for name in names], dtype=torch.uint8)
    return colors[:, :, None, None].expand(-1, 3, size, size)


def palettes(pixels):
    return ColorHistogram()(pixels.float()).numpy()


def similarity(one, other):
    first, second = palettes(flat(one, other))
    return float(first @ second)


# --- Lab ----------------------------------------------------------------------------------


def test_black_gray_and_white_have_no_color():
    axes = lab(flat("black", "gray", "white").float())[:, :, 0, 0]
    assert axes[:, 1:].abs().max() < 1e-4
    assert axes[:, 0].tolist() == pytest.approx([0, 50.03, 100], abs=0.01)


def test_lab_is_that_of_scikit_image():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (1, 3, 40, 50), dtype=np.uint8)
    pixels[0, :, 0] = np.arange(50) // 5  # where sRGB's curve is a line
    ours = lab(torch.from_numpy(pixels).float())[0].permute(1, 2, 0).numpy()
    assert np.abs(ours - rgb2lab(pixels[0].transpose(1, 2, 0))).max() < 0.05


# --- the histogram ------------------------------------------------------------------------


def test_a_palette_has_length_one():
    noise = torch.randint(0, 256, (5, 3, 9, 7), generator=torch.Generator().manual_seed(0))
    vectors = palettes(noise)
    assert vectors.shape == (5, PALETTE_DIM) == (5, 660)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)


def test_red_is_nearer_to_dark_red_than_to_blue():
    to_dark, to_orange, to_blue = (
        similarity("red", each) for each in ("dark red", "orange", "blue")
    )
    assert to_dark > 0.3 > to_orange > to_blue
    assert to_blue < 0.01
    assert similarity("blue", "navy") > similarity("blue", "green")
    assert similarity("yellow", "orange") > similarity("yellow", "blue")


@pytest.mark.parametrize(
    ("one", "other"),
    [("red", "dark red"), ("ochre", "orange"), ("gray", "green"), ("gray", "gray")],
)
def test_the_similarity_of_single_colors_follows_their_distance(one, other):
    distance = deltaE_cie76(*(rgb2lab(np.array(COLORS[each]) / 255) for each in (one, other)))
    assert similarity(one, other) == pytest.approx(np.exp(-(distance**2) / (8 * 15**2)), abs=0.02)


def test_a_picture_of_two_colors_is_half_as_similar_to_each():
    half = flat("red").clone()
    half[..., 4:] = flat("blue")[..., 4:]
    mixed, red, blue = palettes(torch.cat([half, flat("red"), flat("blue")]))
    assert [mixed @ red, mixed @ blue] == pytest.approx([0.5**0.5] * 2, abs=0.01)


def test_the_position_of_a_color_does_not_matter():
    noise = torch.randint(0, 256, (1, 3, 8, 8), generator=torch.Generator().manual_seed(0))
    one, other = palettes(torch.cat([noise, noise.flip(3)]))
    assert one == pytest.approx(other, abs=1e-5)


def test_a_batch_equals_its_pictures_one_by_one():
    noise = torch.randint(0, 256, (32, 3, 24, 24), generator=torch.Generator().manual_seed(0))
    together = palettes(noise)
    alone = np.concatenate([palettes(each[None]) for each in noise])
    assert np.abs(together - alone).max() < 1e-6


# --- as a tap -----------------------------------------------------------------------------


class Mean(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Identity()
        self.factor = nn.Parameter(torch.ones(()))
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        return self.features(x * self.factor).mean(dim=(2, 3))


@pytest.fixture
def mean():
    return Network(Mean().eval(), PREPROCESSING, "none")


def test_the_palette_is_a_tap_like_any_other(mean):
    tapped = TappedNetwork(mean, (Tap(), Tap(PALETTE), Tap("features", "max")))
    assert tapped.taps[1] == TapInfo(name="palette", layer="palette", pooling="palette", dim=660)
    with torch.inference_mode():
        embedding, palette, _ = tapped(flat("red", "blue"))
    assert embedding.numpy() == pytest.approx(
        np.array([COLORS["red"], COLORS["blue"]]) / 255, abs=1e-6
    )
    assert palette.numpy() == pytest.approx(palettes(flat("red", "blue")), abs=1e-6)


def test_the_palette_alone_needs_no_forward_pass(mean):
    tapped = TappedNetwork(mean, (Tap(PALETTE),))
    calls = mean.module.calls
    tapped(flat("red"))
    assert mean.module.calls == calls


def test_openvino_computes_the_same_palette(mean):
    tapped = TappedNetwork(mean, (Tap(), Tap(PALETTE)))
    noise = torch.randint(0, 256, (3, 3, 8, 8), dtype=torch.uint8)
    model, expected = convert(tapped, (8, 8))
    _, computed = OpenVinoBackend(model, "float32", (8, 8), expected)(noise.numpy())
    assert np.abs(computed - palettes(noise)).max() < 1e-4


def test_the_palette_takes_no_pooling(mean):
    with pytest.raises(ModelError, match="'palette' is a vector already; write it without /max"):
        TappedNetwork(mean, (Tap(PALETTE, "max"),))


# --- asked --------------------------------------------------------------------------------


def run(*args, code=0):
    result = CliRunner().invoke(cli, [str(arg) for arg in args], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result


@pytest.fixture
def painted(tmp_path):
    folder = tmp_path / "colors"
    folder.mkdir()
    for name, color in COLORS.items():
        Image.new("RGB", (24, 24), color).save(folder / f"{name.replace(' ', '-')}.png")
    return folder


def test_an_index_with_a_palette_is_searched_by_color(painted, tmp_path):
    index = tmp_path / "index"
    run("embed", painted, "-m", "lite0@embedding+palette", "-o", index, "--backend", "torch")
    asked = ["similar", "--index", index, "red.png", "-k", "3", "--json"]
    by_color = [json.loads(line) for line in run(*asked, "--by", "palette").stdout.splitlines()]
    assert [row["id"] for row in by_color][:2] == ["dark-red.png", "ochre.png"]
    mixed = run(*asked, "--by", "palette=0.5,content=0.5").stdout.splitlines()
    assert set(json.loads(mixed[0])["shares"]) == {"palette", "content"}
    file = tmp_path / "query.png"
    Image.new("RGB", (30, 20), (225, 25, 30)).save(file)
    outside = run("similar", "--index", index, file, "-k", "1", "--by", "palette", "--json").stdout
    assert json.loads(outside)["id"] == "red.png"


def test_content_is_neither_style_nor_palette(tmp_path):
    vectors = {"embedding": at(0, 10, 20), "palette": at(0, 20, 10), "a/gram": at(0, 5, 90)}
    store = make_store(
        tmp_path / "three", list("xyz"), vectors, poolings={"palette": "palette", "a/gram": "gram"}
    )
    for name, nearest in (("content", "y"), ("palette", "z"), ("style", "y")):
        asked = ("similar", "--index", store.path, "x", "-k", "1", "--by", name, "--json")
        assert json.loads(run(*asked).stdout)["id"] == nearest


def test_without_a_palette_the_error_says_how_to_add_it(tmp_path):
    store = make_store(tmp_path / "none", ["a", "b"], {"embedding": at(0, 10)})
    error = run("similar", "--index", store.path, "a", "--by", "palette", code=1).stderr
    assert error.startswith("Error: ")
    assert "has no colors to compare by; make another index with 'artsim embed" in error
    assert "-m toy:mean-color@embedding+palette -o DIR'" in error


def test_an_index_can_have_only_the_palette(painted, tmp_path):
    extractor = load_extractor(
        parse_spec("lite0@palette"), compute=Compute(backend=BackendName.TORCH)
    )
    assert extractor.passport.taps[0].dim == PALETTE_DIM
    summary = embed_collection(read_collection(painted), tmp_path / "index", extractor)
    assert summary.rows == len(COLORS)


def test_the_palette_is_part_of_the_passport(mean):
    plain = TappedNetwork(mean, (Tap(),)).taps
    with_palette = TappedNetwork(mean, (Tap(), Tap(PALETTE))).taps
    (difference,) = toy_passport(plain).differences(toy_passport(with_palette))
    assert "palette (palette, palette, 660)" in difference
