"""The map: like pictures lie together, every row keeps its own place, and what is drawn is that."""

import json
import shutil
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from PIL import Image
from search_toys import make_store

from artsim.cli import cli
from artsim.errors import EvaluationError, StoreError
from artsim.index.layout import (
    LayoutPlan,
    lay_out,
    layout_file,
    make_layout,
    read_layout,
    write_table,
)
from artsim.report.map import nearest_to_cells

OF_CLUSTER = np.repeat(np.arange(3), 20)
CLUSTERS = 4 * np.eye(3, 8, dtype=np.float32)[OF_CLUSTER]
CLUSTERS += np.random.default_rng(0).normal(scale=0.3, size=CLUSTERS.shape).astype(np.float32)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("museum")
    for cluster, color in enumerate(("red", "green", "blue")):
        Image.new("RGB", (20, 10), color).save(folder / f"{cluster}.png")
    ids = [f"work {row}" for row in range(60)]
    images = [f"{cluster}.png" for cluster in OF_CLUSTER]
    clusters = {"cluster": [f"cluster {cluster}" for cluster in OF_CLUSTER]}
    taps = {"rgb": CLUSTERS}
    return make_store(folder / "index", ids, taps, clusters, images=images, root=folder)


def purity(points):
    """The share of points whose nearest point is of their own cluster."""
    apart = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    return float((OF_CLUSTER[apart.argmin(axis=1)] == OF_CLUSTER).mean())


def test_similar_pictures_are_close_on_the_map():
    points = lay_out(CLUSTERS)
    assert points.shape == (60, 2)
    assert purity(points) == 1
    assert np.abs(points).max() == pytest.approx(1, abs=1e-5)


def test_the_same_seed_gives_the_same_map():
    assert np.array_equal(lay_out(CLUSTERS), lay_out(CLUSTERS))


def test_pictures_outside_the_sample_are_placed_near_similar_ones():
    assert purity(lay_out(CLUSTERS, LayoutPlan(sample=30))) > 0.9


def test_a_vector_of_zeros_has_no_place():
    vectors = CLUSTERS.copy()
    vectors[7] = 0
    points = lay_out(vectors)
    assert np.isnan(points).any(axis=1).nonzero()[0].tolist() == [7]


@pytest.mark.parametrize("rows", [3, 4])
def test_a_few_pictures_are_enough(rows):
    assert np.isfinite(lay_out(CLUSTERS[:rows])).all()


def test_two_pictures_are_refused():
    with pytest.raises(EvaluationError, match="a map needs at least 3 pictures, got 2"):
        lay_out(CLUSTERS[:2])


def test_vectors_of_one_number_are_refused():
    with pytest.raises(EvaluationError, match="a map needs vectors of at least 2 numbers, got 1"):
        lay_out(np.ones((30, 1), dtype=np.float32))


def test_without_umap_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(EvaluationError, match=r"pip install 'artsim\[map\]'"):
        lay_out(CLUSTERS)


def test_a_stored_map_has_a_place_for_each_row(store):
    points = make_layout(store, "rgb")
    assert np.array_equal(read_layout(store, "rgb"), points)
    table = pq.read_table(layout_file(store, "rgb"))
    assert table.column("id").to_pylist() == store.read(["id"]).column("id").to_pylist()
    assert np.array_equal(table.column("x").to_numpy(), points[:, 0])


def test_a_map_of_other_rows_is_not_read(store, tmp_path):
    make_layout(store, "rgb")
    other = make_store(tmp_path / "other", list("abcde"), {"rgb": CLUSTERS[:5]})
    layout_file(other, "rgb").parent.mkdir()
    shutil.copy(layout_file(store, "rgb"), layout_file(other, "rgb"))
    assert read_layout(other, "rgb") is None
    with pytest.raises(EvaluationError, match="run 'artsim map'"):
        write_table(other, "rgb", tmp_path / "viewer.parquet")


@pytest.mark.parametrize("damage", ["torn", "empty", "no y", "few rows"])
def test_a_damaged_map_is_an_error_until_it_is_drawn_again(store, tmp_path, damage):
    points, file = make_layout(store, "rgb"), layout_file(store, "rgb")
    table = pq.read_table(file)
    if damage == "torn":
        file.write_bytes(file.read_bytes()[:-100])
    elif damage == "empty":
        file.write_bytes(b"")
    else:
        pq.write_table(table.select(["id", "x"]) if damage == "no y" else table[:5], file)
    message = r"layouts/rgb.parquet' is damaged \(.+\); run 'artsim map' again$"
    with pytest.raises(StoreError, match=message) as error:
        read_layout(store, "rgb")
    assert "\n" not in str(error.value)
    with pytest.raises(StoreError, match=message):
        write_table(store, "rgb", tmp_path / "viewer.parquet")
    assert np.array_equal(make_layout(store, "rgb"), points)
    assert np.array_equal(read_layout(store, "rgb"), points)


def test_a_viewer_gets_the_metadata_with_the_places(store, tmp_path):
    points = make_layout(store, "rgb")
    write_table(store, "rgb", tmp_path / "viewer.parquet")
    table = pq.read_table(tmp_path / "viewer.parquet")
    assert table.column_names == ["id", "image", "cluster", "x", "y"]
    assert np.array_equal(table.column("y").to_numpy(), points[:, 1])


def test_each_cell_of_the_wall_holds_the_point_nearest_to_its_middle():
    points = np.array([[0, 0], [0.5, 0.5], [2, 0.4], [np.nan, 0], [0.1, 2]])
    assert nearest_to_cells(points, 2).tolist() == [[4, -1], [1, 2]]


def test_the_command_draws_points_and_pictures(store, tmp_path):
    for flags, file in ((["--label", "cluster"], "points.png"), (["--pictures"], "wall.png")):
        done = CliRunner().invoke(
            cli,
            ["map", "--index", str(store.path), "--png", str(tmp_path / file), *flags],
            catch_exceptions=False,
        )
        assert done.exit_code == 0, done.output
        row = json.loads(done.stdout)
        assert (row["pictures"], row["index"]) == (60, str(store.path))
        assert len(Image.open(tmp_path / file).getcolors(1 << 24)) > 3


def test_the_table_names_the_index_and_every_file(store, tmp_path):
    done = CliRunner().invoke(
        cli, ["map", str(store.path), "--png", str(tmp_path / "map.png"), "--table"]
    )
    first, layout, png = done.stdout.splitlines()
    assert first == f"Map of {store.path} (60 pictures, by {store.tap(None).name})"
    assert layout.startswith(f"Written to {store.path / 'layouts'}")
    assert png == f"Written to {tmp_path / 'map.png'}"


def test_pictures_without_a_file_to_draw_to_are_refused(store):
    done = CliRunner().invoke(cli, ["map", "--index", str(store.path), "--pictures"])
    assert done.exit_code == 2
    assert "--pictures needs --png FILE" in done.output


def test_open_without_the_viewer_names_the_extra(store, monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("artsim.index.make_layout", lambda *_: pytest.fail("the map was made"))
    done = CliRunner().invoke(cli, ["map", "--index", str(store.path), "--open"])
    assert done.exit_code == 1
    assert "pip install 'artsim[atlas]'" in done.output


def test_drawing_without_matplotlib_names_the_extra_before_the_map_is_made(store, monkeypatch):
    monkeypatch.setattr("artsim.index.make_layout", lambda *_: pytest.fail("the map was made"))
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    done = CliRunner().invoke(cli, ["map", "--index", str(store.path), "--png", "map.png"])
    assert done.exit_code == 1
    assert "pip install 'artsim[report]'" in done.output
