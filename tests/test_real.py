"""The whole way on real museum pictures: the figures of the docs, and pixels beside the peers'."""

import json
import re
import shlex

import numpy as np
import open_clip
import pytest
import timm
import torch
from click.testing import CliRunner
from conftest import ROOT
from PIL import Image
from test_knn import dino_top1

from artsim.cli import cli
from artsim.datatypes import parse_spec
from artsim.labels import codes_of
from artsim.loader import load, preprocess
from artsim.models import BackendName, Compute, Precision, load_extractor
from artsim.splits import read_stored_split
from artsim.store import Store

pytestmark = pytest.mark.slow
EVALUATE = (ROOT / "docs/guides/evaluate.md").read_text(encoding="utf-8")
SEARCH = (ROOT / "docs/guides/search.md").read_text(encoding="utf-8")
TORCH = Compute(backend=BackendName.TORCH, precision=Precision.F32)


def run(*args):
    result = CliRunner().invoke(cli, [str(arg) for arg in args], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def top1(index, *args):
    """Return top-1 by label and k."""
    rows = map(json.loads, run("knn-eval", "--index", index, *args).splitlines())
    return {(row["label"], row["k"]): row["top1"] for row in rows}


@pytest.fixture(scope="module")
def paintings(real_index):
    return real_index("paintings")


@pytest.fixture(scope="module")
def antiquities(real_index):
    return real_index("antiquities")


def test_every_painting_is_in_the_index(paintings):
    store = Store.open(paintings)
    assert store.rows == 2273
    assert store.failures().num_rows == 0
    table = store.read(["id", "artist", "width", "height", "width_catalog", "height_catalog"])
    assert len(set(table.column("artist").to_pylist())) == 24
    for side in ("width", "height"):
        assert table.column(side).to_pylist() == table.column(f"{side}_catalog").to_pylist()


def test_neighbors_predict_artists_styles_and_types_as_in_the_readme(paintings, antiquities):
    found = top1(paintings, "-k", "1", "-k", "5", "-k", "20")
    assert found["artist", 1] >= 0.54
    assert found["style", 1] >= 0.62
    for label in ("artist", "style", "genre"):
        table = EVALUATE.partition(f"\n{label}: ")[2]
        for k in (1, 5, 20):
            printed = re.findall(rf"^ +{k}   (0\.\d+)", table, re.MULTILINE)[0]
            assert found[label, k] == pytest.approx(float(printed), abs=0.01)
    assert top1(antiquities, "-k", "1")["object_type", 1] >= 0.74


def test_style_without_the_artist_scores_as_in_the_readme(paintings):
    found = top1(paintings, "--label", "style", "--group", "artist", "-k", "1")
    assert found["style", 1] == pytest.approx(0.294, abs=0.01)


def test_dino_accuracy_on_the_paintings_equals_an_independent_loop_exactly(paintings):
    run("split", "--index", paintings, "--name", "halves", "--fractions", "80/20")
    store = Store.open(paintings)
    train, test = (read_stored_split(store, "halves").rows(side) for side in ("train", "test"))
    codes = codes_of(store, "artist")
    vectors = store.vectors("embedding").astype(np.float64)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    options = ("--split", "halves", "--protocol", "dino", "-k", "10,20,100,200", "--keep-copies")
    found = top1(paintings, "--label", "artist", *options)
    expected = {
        ("artist", k): dino_top1(vectors[train], codes[train], vectors[test], codes[test], k)
        / len(test)
        for k in (10, 20, 100, 200)
    }
    assert found == expected


@pytest.mark.parametrize(
    "asked",
    [
        "0304b5def7 -k 5",
        '0304b5def7 -k 4 --not-same artist --max-per artist=1 --where "year >= 1850"',
    ],
)
def test_the_matches_of_the_readme_are_found(paintings, asked):
    block = re.split(r"```|\n\$ ", SEARCH.partition(f"$ artsim similar {asked}\n")[2])[0]
    printed = re.findall(r"^ +\d   (0\.\d{3}) +(\d+\.\d\d)   (\w{10})", block, re.MULTILINE)
    found = map(json.loads, run("similar", *shlex.split(asked), "--index", paintings).splitlines())
    assert printed == [
        (f"{match['score']:.3f}", f"{match['percentile']:.2f}", match["id"]) for match in found
    ]
    assert printed


def real_pictures(museum_data):
    """Return every fortieth painting and antiquity."""
    files = [
        file
        for name in ("paintings", "antiquities")
        for file in sorted((museum_data / name / "images").iterdir())[::40]
    ]
    assert len(files) > 70
    return files


def vectors(network, files, transform):
    """Embed as the network's own library shows: its transform, then the network."""
    batch = torch.stack([transform(Image.open(file).convert("RGB")) for file in files])
    with torch.inference_mode():
        return network(batch)


def stacked(files, extractor):
    """Prepare pictures as `embed` does."""
    loaded = load(enumerate(files), extractor.preprocessing, workers=2)
    return np.stack([each.pixels for each in loaded])


def cosine(a, b):
    return torch.cosine_similarity(a, torch.from_numpy(b))


def enlarge(files, folder):
    """Write the pictures as the large JPEGs that museums have."""
    for number, file in enumerate(files):
        picture = Image.open(file).convert("RGB")
        size = tuple(side * 9 for side in picture.size)
        picture.resize(size, Image.Resampling.BICUBIC).save(folder / f"{number}.jpg", quality=90)
    return sorted(folder.iterdir())


def test_exact_vectors_are_those_of_timm(museum_data):
    files = real_pictures(museum_data)[::2]
    extractor = load_extractor(parse_spec("lite0"), compute=TORCH, scaled_decoding=0)
    network = extractor.backend.network.network
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(network))
    pixels = stacked(files, extractor)
    mine = extractor.embed_batch(pixels)["embedding"]
    assert cosine(vectors(network, files, transform), mine).min() > 0.9999


def test_exact_vectors_are_those_of_open_clip(museum_data):
    files = real_pictures(museum_data)[::4]
    extractor = load_extractor(
        parse_spec("open_clip:ViT-B-32.random"), compute=TORCH, scaled_decoding=0
    )
    model, _, transform = open_clip.create_model_and_transforms("ViT-B-32")
    model.eval().visual.load_state_dict(extractor.backend.network.network.visual.state_dict())
    pixels = stacked(files, extractor)
    mine = extractor.embed_batch(pixels)["embedding"]
    assert cosine(vectors(model.encode_image, files, transform), mine).min() > 0.9999


def test_scaled_decoding_hardly_moves_a_vector(museum_data, tmp_path):
    files = enlarge(real_pictures(museum_data)[::6], tmp_path)
    whole, scaled = (
        load_extractor(parse_spec("lite0"), compute=TORCH, scaled_decoding=times)
        for times in (0, 2)
    )
    mine, theirs = (
        extractor.embed_batch(stacked(files, extractor))["embedding"]
        for extractor in (scaled, whole)
    )
    _, picture = preprocess(files[0].read_bytes(), scaled.preprocessing)
    assert picture.pixels.shape[0] < picture.height  # it was decoded smaller
    assert np.mean(cosine(torch.from_numpy(mine), theirs).numpy()) > 0.999
