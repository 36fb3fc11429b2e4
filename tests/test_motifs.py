"""Repeated details: planted ones are found, with their place and whether they are mirrored."""

from __future__ import annotations

import csv
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image, ImageOps

import artsim
from artsim.cli import cli
from artsim.motifs import Cells, verify

BENCH = Path(__file__).parents[1] / "scripts" / "bench" / "motifs.py"


def _cells(random, places, vectors=None, size=10.0):
    """Make cells with random vectors, or given ones, in a picture of 200 x 200 pixels."""
    vectors = random.standard_normal((len(places), 32)) if vectors is None else vectors
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    sizes = np.full(len(places), size)
    return Cells(vectors.astype(np.float16), np.asarray(places, float), sizes, (200.0, 200.0))


def _grid(count, step=10.0):
    y, x = np.mgrid[:count, :count]
    return (np.column_stack([x.ravel(), y.ravel()]) + 0.5) * step


def test_a_detail_that_moved_is_found_with_all_its_points():
    random = np.random.default_rng(0)
    whole = _cells(random, _grid(20))
    inside = (whole.places < 60).all(axis=1)  # 6 x 6 cells
    moved = whole.places[inside] + (90, 40)
    others = random.standard_normal((100, 32))
    noise = random.uniform(0, 200, (100, 2))
    second = _cells(
        random,
        np.concatenate([moved, noise]),
        np.concatenate([whole.vectors[inside].astype(float), others]),
    )
    found = verify(whole, second)
    assert found is not None
    assert found.inliers == 36
    assert found.residual == pytest.approx(0, abs=1e-6)
    assert found.scale == pytest.approx(1)
    np.testing.assert_allclose(found.second - found.first, np.tile((0.45, 0.2), (36, 1)), atol=1e-9)


def test_a_detail_of_half_the_size_has_its_scale():
    random = np.random.default_rng(1)
    whole = _cells(random, _grid(8))
    half = _cells(random, whole.places / 2 + 7, whole.vectors.astype(float), size=5.0)
    found = verify(whole, half)
    assert found is not None
    assert found.inliers == 64
    assert found.scale == pytest.approx(0.5)


def test_similar_cells_without_a_common_place_are_no_detail():
    random = np.random.default_rng(2)
    whole = _cells(random, _grid(8))
    scattered = _cells(random, random.uniform(0, 2000, (64, 2)), whole.vectors.astype(float))
    found = verify(whole, scattered)
    assert found is None or found.score < 6


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """An index of four pictures: a detail of one is mirrored in another."""
    spec = importlib.util.spec_from_file_location("bench_motifs", BENCH)
    bench = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bench)
    folder = tmp_path_factory.mktemp("motifs")
    artsim.make_sample(folder / "museum", pictures=8, seed=3)
    pictures = sorted((folder / "museum").rglob("*.jpg"))[:4]
    made = folder / "made"
    made.mkdir()
    images = [Image.open(each).convert("RGB").resize((240, 240)) for each in pictures]
    random = np.random.default_rng(0)
    detail = images[0].crop((20, 20, 150, 150))
    images[1].paste(bench.altered(detail, "mirrored", random), (90, 60))
    assert bench.altered(detail, "mirrored", random) == ImageOps.mirror(detail)
    for name, image in zip("abcd", images, strict=True):
        image.save(made / f"{name}.png")
    bench.embed(made, folder / "index", 3)
    return folder / "index"


def test_a_mirrored_detail_is_the_first_pair_with_its_place(planted, tmp_path):
    table = tmp_path / "motifs.csv"
    page, sheet = tmp_path / "motifs.html", tmp_path / "motifs.png"
    command = ["motifs", str(planted), "-o", str(table), "--html", str(page), "--sheet", str(sheet)]
    result = CliRunner().invoke(cli, [*command, "--json", "--device", "cpu"])
    assert result.exit_code == 0, result.output
    first = json.loads(result.stdout.splitlines()[0])
    assert (Path(first["id"]).stem, Path(first["other_id"]).stem) == ("a", "b")
    assert first["mirrored"] is True
    assert first["scale"] == pytest.approx(1, abs=0.1)
    x, y, width, height = (float(each.rstrip("%")) for each in first["other_box"].split(","))
    assert 30 <= x <= 52  # pasted from 37.5% to 91.7%, and 25% to 79.2%
    assert 18 <= y <= 40
    assert 75 <= x + width <= 98
    assert 62 <= y + height <= 86
    with table.open(newline="") as lines:
        assert len(list(csv.DictReader(lines))) == len(result.stdout.splitlines())
    assert "data:image/jpeg" in page.read_text()
    with Image.open(sheet) as drawn:
        assert drawn.width > 200


def test_verified_matches_have_their_detail_where_it_lies(planted, tmp_path):
    with Image.open(planted.parent / "made" / "a.png") as picture:
        picture.crop((20, 20, 150, 150)).save(tmp_path / "detail.png")
    command = ["similar", str(tmp_path / "detail.png"), "--index", str(planted), "--details"]
    result = CliRunner().invoke(cli, [*command, "--verify", "--json", "-k", "3"])
    assert result.exit_code == 0, result.output
    own, pasted, other = (json.loads(line) for line in result.stdout.splitlines())
    assert [Path(each["id"]).stem for each in (own, pasted)] == ["a", "b"]
    assert own["evidence"] > pasted["evidence"] > 3 * other["evidence"]
    x, y, width, height = (float(each.rstrip("%")) for each in pasted["box"].split(","))
    assert 30 <= x <= 52  # pasted from 37.5% to 91.7%, and 25% to 79.2%
    assert 18 <= y <= 40
    assert x + width <= 98
    assert y + height <= 86
    for more in ([], ["--details", "-o", "x.csv"]):
        refused = CliRunner().invoke(
            cli, ["similar", "a", "--index", str(planted), "--verify", *more]
        )
        assert refused.exit_code == 2
        assert "--verify needs --details, and one query without --output" in refused.output


def test_a_layer_without_a_map_is_refused_with_the_next_step(planted):
    result = CliRunner().invoke(cli, ["motifs", str(planted), "--layer", "classifier"])
    assert result.exit_code == 1
    assert "'classifier' has no feature map" in result.output
