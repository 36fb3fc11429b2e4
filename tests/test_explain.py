"""Why two pictures match: shares that add up to the cosine, on the regions that made it."""

import numpy as np
import pytest
import torch
from conftest import toy_passport
from PIL import Image, ImageDraw
from torch import nn

from artsim.datatypes import Box, Fit, Preprocessing, Tap, parse_spec
from artsim.embedding import EmbedSettings, embed_collection
from artsim.errors import ModelError
from artsim.explain import AverageExplainer, Explainer, explain_answer, seen_box
from artsim.explain.regions import _add
from artsim.models import (
    BackendName,
    Compute,
    Extractor,
    Network,
    Precision,
    TappedNetwork,
    load_extractor,
)
from artsim.models.backends import TorchBackend
from artsim.readers import read_collection
from artsim.search import Aspect, IndexEncoder, Searcher, SearchRequest, Term
from artsim.store import Store

TORCH = Compute(backend=BackendName.TORCH, precision=Precision.F32)
SIZE = 2


class Pixels(nn.Module):
    """Positions are pixels, channels their colors: what each gives is read by eye."""

    def __init__(self):
        super().__init__()
        self.map = nn.Conv2d(3, 3, 1, bias=False)
        self.map.weight.data = torch.eye(3)[:, :, None, None]

    def forward(self, images):
        return self.map(images).mean(dim=(2, 3))


def extractor_of(module, *taps, size=SIZE):
    prepared = Preprocessing(
        size=(size, size),
        scale=(size, size),
        fit=Fit.SQUASH,
        interpolation="bilinear",
        mean=(0.0, 0.0, 0.0),
        std=(1 / 255, 1 / 255, 1 / 255),  # what the network sees is 0..255
        fill=(0, 0, 0),
    )
    network = Network(module.eval().requires_grad_(False), prepared, "none", layout="NCHW")
    tapped = TappedNetwork(network, taps)
    backend = TorchBackend(tapped, torch.device("cpu"), torch.float32)
    return Extractor(backend, toy_passport(tapped.taps, preprocessing=prepared))


def picture(*rows):
    """A picture of one batch of rows of colors."""
    return torch.tensor(rows, dtype=torch.uint8).permute(2, 0, 1)[None]


RED, GREEN, BLACK = (30, 0, 0), (0, 40, 0), (0, 0, 0)
ONLY_RED = np.float32([[1, 0, 0]])


def test_only_features_of_both_pictures_count():
    # The mean is (15, 10, 0) x 1/2: red is 3/5 of a right triangle's 3, 4, 5.
    one = picture([RED, RED], [GREEN, GREEN])
    (found,) = Explainer(extractor_of(Pixels(), Tap("map", "avg")), "map/avg").explain(
        one, ONLY_RED
    )
    assert found.score == pytest.approx(0.6)
    assert found.contributions == pytest.approx(np.array([[0.3, 0.3], [0, 0]]), abs=1e-6)
    assert (found.layer, found.explained) == ("map", pytest.approx(0.6))


def test_max_attributes_all_to_the_largest_value_and_gem_most_of_it():
    one = picture([(60, 0, 0), (30, 0, 0)], [BLACK, BLACK])
    extractor = extractor_of(Pixels(), Tap("map", "max"), Tap("map", "gem"))
    (largest,) = Explainer(extractor, "map/max").explain(one, ONLY_RED)
    assert largest.contributions.tolist() == [[1.0, 0.0], [0.0, 0.0]]
    (gem,) = Explainer(extractor, "map/gem").explain(one, ONLY_RED)
    assert gem.contributions == pytest.approx(np.array([[8 / 9, 1 / 9], [0, 0]]), abs=1e-5)


def test_the_output_is_explained_by_the_last_layer_that_has_positions():
    one = picture([RED, BLACK], [BLACK, GREEN])
    (found,) = Explainer(extractor_of(Pixels(), Tap()), "embedding").explain(one, ONLY_RED)
    assert found.layer == "map"
    assert found.contributions == pytest.approx(np.array([[0.6, 0], [0, 0]]), abs=1e-6)


def test_a_network_without_positions_says_so():
    module = nn.Sequential(nn.Flatten(), nn.Linear(12, 3, bias=False))
    explainer = Explainer(extractor_of(module, Tap()), "embedding")
    with pytest.raises(
        ModelError, match="'embedding' has no layer before it with an output for each pos"
    ):
        explainer.explain(picture([RED, RED], [RED, RED]), ONLY_RED)


def test_extractors_without_torch_name_the_backend_to_use(toy):
    with pytest.raises(ModelError, match="not by toy; use --backend torch"):
        Explainer(toy, "rgb")


TAPS = "blocks.3/avg+blocks.4/gem+blocks.5/max+blocks.2/gram64+blocks.6/flatten+embedding"


@pytest.fixture(scope="module")
def lite0():
    return load_extractor(parse_spec(f"lite0@{TAPS}"), compute=TORCH)


def noise(seed):
    small = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((224, 224), Image.Resampling.BICUBIC)


def pixels_of(*pictures):
    return torch.stack([torch.from_numpy(np.array(p)).permute(2, 0, 1) for p in pictures])


@pytest.mark.parametrize("tap", TAPS.split("+"))
def test_shares_add_up_to_the_cosine_for_any_pooling(lite0, tap):
    pixels = pixels_of(noise(1), noise(2))
    vectors = lite0.embed_batch(pixels)[tap]
    found = Explainer(lite0, tap).explain(pixels, vectors[::-1].copy())
    own = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    for each in found:
        assert each.score == pytest.approx(own[0] @ own[1], abs=1e-5)
        assert each.explained == pytest.approx(each.score, abs=1e-4)


@pytest.fixture(scope="module")
def converted():
    return load_extractor(parse_spec(f"lite0@{TAPS}"))


@pytest.mark.parametrize("tap", ["blocks.3/avg", "embedding"])
def test_the_shares_of_averages_are_the_same_without_gradients(lite0, converted, tap):
    pixels = np.stack([np.array(noise(seed)).transpose(2, 0, 1) for seed in (1, 2)])
    others = lite0.embed_batch(pixels)[tap][::-1].copy()
    expected = Explainer(lite0, tap).explain(pixels, others)
    found = AverageExplainer(converted.averaged_maps(tap), "layer").explain(pixels, others)
    for each, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(each.contributions, wanted.contributions, atol=1e-5)
        assert each.score == pytest.approx(wanted.score, abs=1e-4)


@pytest.mark.parametrize(
    "tap", ["blocks.4/gem", "blocks.5/max", "blocks.2/gram64", "blocks.6/flatten"]
)
def test_other_poolings_need_gradients(converted, tap):
    assert converted.averaged_maps(tap) is None


def test_explaining_does_not_change_the_network(lite0):
    pixels = pixels_of(noise(1))
    before = lite0.embed_batch(pixels)["embedding"]
    Explainer(lite0, "embedding").explain(pixels, before)
    assert np.array_equal(lite0.embed_batch(pixels)["embedding"], before)


@pytest.mark.parametrize(
    ("spec", "share"), [("timm:test_convnext.random", 0.95), ("timm:test_vit.random@blocks.1", 0)]
)
def test_networks_with_normalization_and_attention_have_a_map(spec, share):
    extractor = load_extractor(parse_spec(spec), compute=TORCH)
    side = extractor.preprocessing.size[0]
    pixels = pixels_of(*(noise(seed).resize((side, side)) for seed in (1, 2)))
    (tap,) = [tap.name for tap in extractor.passport.taps]
    vectors = extractor.embed_batch(pixels)[tap]
    found = Explainer(extractor, tap).explain(pixels, vectors[::-1].copy())
    assert found[0].contributions.any()
    assert found[0].contributions.shape[0] == found[0].contributions.shape[1] > 1
    assert abs(found[0].explained) >= share * abs(found[0].score)


def draw_patch(size):
    """Something that is on no background: rings and a cross in strong colors."""
    patch = Image.new("RGB", (size, size), (250, 220, 30))
    draw = ImageDraw.Draw(patch)
    for ring, color in enumerate(((200, 20, 20), (250, 250, 250), (20, 40, 160), (250, 220, 30))):
        edge = ring * size // 9
        draw.ellipse((edge, edge, size - edge, size - edge), fill=color, outline=(0, 0, 0), width=3)
    draw.line((0, 0, size, size), (0, 0, 0), 5)
    draw.line((0, size, size, 0), (0, 0, 0), 5)
    return patch


def test_the_map_marks_the_patch_that_two_pictures_share(lite0):
    size = 96  # 18 % of each picture
    corners = ((8, 16), (112, 112))
    pictures = [noise(3), Image.new("RGB", (224, 224), (120, 130, 120))]
    for each, corner in zip(pictures, corners, strict=True):
        each.paste(draw_patch(size), corner)
    pixels = pixels_of(*pictures)
    vectors = lite0.embed_batch(pixels)["embedding"]
    found = Explainer(lite0, "embedding").explain(pixels, vectors[::-1].copy())
    for each, (left, top) in zip(found, corners, strict=True):
        whole = np.kron(np.clip(each.contributions, 0, None), np.ones((32, 32)))
        inside = whole[top : top + size, left : left + size].sum() / whole.sum()
        assert inside > 2 * (size / 224) ** 2  # far more than its share of the area
        y, x = np.unravel_index(each.contributions.argmax(), each.contributions.shape)
        assert left <= x * 32 + 16 <= left + size
        assert top <= y * 32 + 16 <= top + size


def test_the_box_is_the_part_that_the_network_sees():
    def prepared(fit, size, scale):
        return Preprocessing(
            size=(size, size), scale=(scale, scale), fit=fit, interpolation="bilinear",
            mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0), fill=(0, 0, 0),
        )  # fmt: skip

    assert seen_box((400, 200), prepared(Fit.CROP, 100, 100)) == (0.25, 0.0, 0.75, 1.0)
    assert seen_box((400, 200), prepared(Fit.CROP, 100, 125)) == pytest.approx((0.3, 0.1, 0.7, 0.9))
    assert seen_box((400, 200), prepared(Fit.PAD, 100, 100)) == (0.0, -0.5, 1.0, 1.5)
    assert seen_box((400, 200), prepared(Fit.SQUASH, 100, 100)) == (0.0, 0.0, 1.0, 1.0)


def test_maps_of_several_grids_add_up():
    fine, coarse = np.float32([[1, 0], [0, 1]]), np.float32([[4]])
    assert _add([fine, coarse]).tolist() == [[2, 1], [1, 2]]


@pytest.fixture
def searcher(tmp_path, paint):
    folder = tmp_path / "pictures"
    for name, top, bottom in (
        ("a.png", RED, GREEN),
        ("b.png", GREEN, RED),
        ("c.png", RED, (0, 0, 90)),
    ):
        paint(folder / name, top, (2, 2))
        with Image.open(folder / name) as half:
            half.paste(bottom, (0, 1, 2, 2))
            half.save(folder / name)
    extractor = extractor_of(Pixels(), Tap("map", "avg"), Tap("map", "max"))
    embed_collection(read_collection(folder), tmp_path / "index", extractor)
    store = Store.open(tmp_path / "index")
    encoder = IndexEncoder(store)
    encoder.__dict__["_extractor"] = encoder.__dict__["_explained"] = extractor
    return Searcher(store, encoder=encoder), encoder


def test_a_match_is_explained_in_the_query_and_in_itself(searcher):
    index, encoder = searcher
    answer = index.search(SearchRequest(terms=(Term(id="a.png"),), k=2))
    assert [match.id for match in answer.matches] == ["b.png", "c.png"]
    same, other = explain_answer(answer, encoder)
    assert [part.name for part in same] == ["a.png", "b.png"]
    assert [part.contributions.sum() for part in same] == pytest.approx([1, 1], abs=1e-5)
    # Of red over blue, red alone is in the query, where it lies at the top too.
    assert other[0].contributions[1] == pytest.approx(0, abs=1e-5)
    assert other[1].contributions[1] == pytest.approx(0, abs=1e-5)
    assert other[1].contributions.sum() == pytest.approx(answer.matches[1].score, abs=1e-3)
    assert other[1].box == (0.0, 0.0, 1.0, 1.0)


def test_several_aspects_add_up(searcher):
    index, encoder = searcher
    by = (Aspect("map/avg", 1.0), Aspect("map/max", 3.0))
    answer = index.search(SearchRequest(terms=(Term(id="a.png"),), k=1, by=by))
    ((_, itself),) = explain_answer(answer, encoder)
    assert itself.contributions.sum() == pytest.approx(answer.matches[0].score, abs=1e-3)


def test_missing_pictures_are_left_out(searcher):
    index, encoder = searcher
    answer = index.search(SearchRequest(terms=(Term(id="a.png"),), k=2))
    (index.store.path.parent / "pictures" / "b.png").unlink()
    gone, other = explain_answer(answer, encoder)
    assert gone == ()
    assert [part.name for part in other] == ["a.png", "c.png"]


def test_a_detail_is_explained_in_its_place(searcher):
    index, encoder = searcher
    term = Term(id="a.png", box=Box(0, 0, 2, 1))  # the red half
    answer = index.search(SearchRequest(terms=(term,), k=1))
    ((detail, _),) = explain_answer(answer, encoder)
    assert detail.box == (0.0, 0.0, 1.0, 0.5)
    assert detail.contributions.sum() == pytest.approx(answer.matches[0].score, abs=1e-3)


def test_a_tile_that_was_found_is_explained_in_its_place(tmp_path, paint):
    folder = tmp_path / "pictures"
    with Image.open(paint(folder / "a.png", (0, 0, 90), (4, 4))) as blue:
        blue.save(folder / "b.png")
        blue.paste(RED, (2, 2, 3, 4))  # a quarter of it is half red, half green
        blue.paste(GREEN, (3, 2, 4, 4))
        blue.save(folder / "a.png")
        blue.crop((2, 2, 4, 4)).save(tmp_path / "quarter.png")
    extractor = extractor_of(Pixels(), Tap("map", "avg"))
    embed_collection(
        read_collection(folder), tmp_path / "index", extractor, settings=EmbedSettings(tiles=3)
    )
    store = Store.open(tmp_path / "index")
    encoder = IndexEncoder(store)
    encoder.__dict__["_extractor"] = encoder.__dict__["_explained"] = extractor
    terms = (Term(file=tmp_path / "quarter.png"),)
    answer = Searcher(store, encoder=encoder).search(SearchRequest(terms=terms, k=2, details=True))
    (quarter, tile), (_, other) = explain_answer(answer, encoder)
    assert (quarter.box, tile.box) == ((0.0, 0.0, 1.0, 1.0), (0.5, 0.5, 1.0, 1.0))
    np.testing.assert_array_equal(tile.contributions, quarter.contributions)
    assert tile.contributions.sum() == pytest.approx(1, abs=1e-5)
    assert other.contributions.sum() == pytest.approx(0, abs=1e-5)
