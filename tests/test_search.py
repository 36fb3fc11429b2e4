"""Search: neighbours read by eye, queries by id and by file, and queries that must be refused."""

import numpy as np
import pytest
from conftest import noise_picture

from artsim.datatypes import parse_spec
from artsim.embed import EmbedSettings, embed_collection
from artsim.errors import ImageError, ModelError, PassportError, SearchError, StoreError
from artsim.models.extractor import BackendName, Compute, Precision, load_extractor
from artsim.readers import read_collection
from artsim.search import (
    find_index,
    load_index_extractor,
    query_by_id,
    query_by_picture,
    similar,
)
from artsim.store import Store

TORCH = Compute(backend=BackendName.TORCH, precision=Precision.F32)


@pytest.fixture
def store(colors, tmp_path, toy):
    embed_collection(read_collection(colors), tmp_path / "index", toy)
    return Store.open(tmp_path / "index")


def found(store, query, k=10):
    return [match.id for match in similar(store, query, "rgb", k=k)]


def test_like_colours_come_first_and_the_query_itself_not(store):
    assert found(store, query_by_id(store, "cold/blue.png", "rgb"), 2) == [
        "cold/navy.png",
        "cold/cyan.png",
    ]
    assert found(store, query_by_id(store, "warm/red.png", "rgb"), 2) == [
        "warm/orange.png",
        "warm/yellow.png",
    ]


def test_a_match_says_everything_of_the_picture(store, colors):
    (match,) = similar(store, query_by_id(store, "cold/blue.png", "rgb"), "rgb", k=1)
    assert (match.rank, match.id, match.metadata) == (1, "cold/navy.png", {"class": "cold"})
    assert match.image == str(colors / "cold/navy.png")
    blue, navy = np.float32([10, 10, 250]), np.float32([5, 5, 120])
    expected = blue @ navy / np.linalg.norm(blue) / np.linalg.norm(navy)
    assert match.score == pytest.approx(expected, abs=1e-6)


def test_all_others_are_found_when_more_are_asked_for(store):
    assert len(found(store, query_by_id(store, "cold/blue.png", "rgb"), 100)) == 5


def test_a_file_of_the_index_is_found_without_its_network(store, colors):
    query = query_by_picture(store, colors / "warm/red.png", "rgb")  # there is no network 'toy:'
    assert found(store, query, 2) == ["warm/red.png", "warm/orange.png"]


def test_an_unknown_id_names_like_ones(store):
    with pytest.raises(SearchError, match=r"no picture has the id 'blue.png' .*'cold/blue.png'"):
        query_by_id(store, "blue.png", "rgb")


def test_k_below_one_is_refused(store):
    with pytest.raises(SearchError, match="k must be at least 1, got 0"):
        similar(store, query_by_id(store, "cold/blue.png", "rgb"), "rgb", k=0)


def test_an_index_of_nothing_says_so(tmp_path, colors, toy):
    for file in colors.rglob("*.png"):
        file.write_bytes(b"")
    embed_collection(read_collection(colors), tmp_path / "index", toy)
    store = Store.open(tmp_path / "index")
    with pytest.raises(SearchError, match="has the id"):
        query_by_id(store, "cold/blue.png", "rgb")


def test_the_newest_index_is_found(tmp_path, colors, toy):
    with pytest.raises(StoreError, match="no index in"):
        find_index(tmp_path)
    for name in ("b", "a"):
        embed_collection(read_collection(colors), tmp_path / name, toy)
    assert find_index(tmp_path) == tmp_path / "a"


# --- with a real network ------------------------------------------------------------------


@pytest.fixture(scope="module")
def resnet(tmp_path_factory):
    """An index of five random pictures by timm's smallest network, untrained."""
    folder = tmp_path_factory.mktemp("resnet")
    for seed in range(5):
        (folder / "pictures").mkdir(exist_ok=True)
        noise_picture(folder / "pictures" / f"{seed}.jpg", (200, 180), seed)
    extractor = load_extractor(parse_spec("timm:test_resnet.random"), compute=TORCH)
    embed_collection(read_collection(folder / "pictures"), folder / "index", extractor)
    return Store.open(folder / "index")


def test_a_new_picture_is_embedded_as_the_index_was(resnet, tmp_path):
    file = noise_picture(tmp_path / "again.png", (200, 180), seed=3)
    query = query_by_picture(resnet, file, "embedding")
    (best, *_) = similar(resnet, query, "embedding")
    assert best.id == "3.jpg"
    assert best.score > 0.999


def test_a_query_by_another_model_is_refused_with_what_differs(resnet, tmp_path):
    file = noise_picture(tmp_path / "query.png", (200, 180))
    with pytest.raises(
        PassportError, match=r"which has spec: timm:test_resnet.random, not timm:test_vit.random"
    ):
        query_by_picture(resnet, file, "embedding", model="timm:test_vit.random")


def test_a_query_by_other_weights_is_refused_with_what_differs(resnet, tmp_path):
    import timm
    import torch

    torch.manual_seed(99)
    torch.save(timm.create_model("test_resnet").state_dict(), tmp_path / "other.pth")
    with pytest.raises(PassportError, match="weights_sha256: "):
        load_index_extractor(resnet, weights=tmp_path / "other.pth")


def test_a_query_by_another_preprocessing_is_refused_with_what_differs(
    resnet, tmp_path, monkeypatch
):
    from dataclasses import replace

    from artsim.models import extractor

    build = extractor.build_network

    def build_otherwise(*args, **options):
        network = build(*args, **options)
        return replace(network, preprocessing=replace(network.preprocessing, mean=(0, 0, 0)))

    monkeypatch.setattr(extractor, "build_network", build_otherwise)
    file = noise_picture(tmp_path / "query.png", (200, 180))
    with pytest.raises(PassportError, match=r"mean: \(0.5, 0.5, 0.5\), not \(0, 0, 0\)"):
        query_by_picture(resnet, file, "embedding")


def test_weights_that_are_gone_are_asked_for(colors, tmp_path):
    import timm
    import torch

    torch.save(timm.create_model("test_resnet").state_dict(), tmp_path / "mine.pth")
    extractor = load_extractor(
        parse_spec("timm:test_resnet"), weights=tmp_path / "mine.pth", compute=TORCH
    )
    embed_collection(read_collection(colors), tmp_path / "index", extractor)
    store = Store.open(tmp_path / "index")
    assert load_index_extractor(store).passport.differences(extractor.passport) == []
    (tmp_path / "mine.pth").rename(tmp_path / "moved.pth")
    with pytest.raises(ModelError, match=r"mine.pth', which are not there; pass --weights FILE"):
        load_index_extractor(store)
    again = load_index_extractor(store, weights=tmp_path / "moved.pth")
    assert again.passport.differences(extractor.passport) == []


def test_a_query_that_is_no_picture_names_the_file(resnet, tmp_path):
    (tmp_path / "page.jpg").write_text("<html>")
    with pytest.raises(ImageError, match=r"page\.jpg") as error:
        query_by_picture(resnet, tmp_path / "page.jpg", "embedding")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("settings", [EmbedSettings(half_precision=False), EmbedSettings()])
def test_stored_vectors_are_those_of_the_network(tmp_path, settings):
    files = [tmp_path / "p" / f"{seed}.png" for seed in range(3)]
    (tmp_path / "p").mkdir()
    for seed, file in enumerate(files):
        noise_picture(file, (170, 190), seed)
    extractor = load_extractor(parse_spec("timm:test_resnet.random"), compute=TORCH)
    embed_collection(read_collection(tmp_path / "p"), tmp_path / "i", extractor, settings=settings)
    from artsim.loader import preprocess

    stored = Store.open(tmp_path / "i").vectors("embedding")
    for file, vector in zip(files, stored, strict=True):
        pixels, _ = preprocess(file.read_bytes(), extractor.preprocessing)
        expected = extractor.embed_batch(pixels[None])["embedding"][0]
        tolerance = 2**-11 if settings.half_precision else 1e-5
        np.testing.assert_allclose(vector, expected, rtol=tolerance, atol=1e-5)
