"""``artsim index``, and embed keeping what was asked of it: deletions, renames and additions."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from artsim.cli import cli
from artsim.embedding import EmbedSettings, embed_collection
from artsim.index import open_index, read_note
from artsim.readers import read_collection
from artsim.store import Store

COLORS = {"red": (250, 10, 10), "lime": (10, 250, 10), "navy": (5, 5, 120), "gold": (250, 200, 10)}


def embed(folder, path, extractor):
    settings = EmbedSettings(batch_size=2, workers=1, part_rows=3, allow_loss=True)
    embed_collection(read_collection(folder), path, extractor, settings=settings)
    return Store.open(path)


def run(*arguments):
    return CliRunner().invoke(cli, ["index", *map(str, arguments)])


@pytest.fixture
def indexed(colors, tmp_path, toy):
    embed(colors, tmp_path / "i", toy)
    return tmp_path / "i"


def everything_found(store):
    """Ask by every picture: the kind, the ids of all by the id that asked, cosines in its order."""
    ids = store.read(["id"]).column("id").to_pylist()
    index = open_index(store, "rgb")
    scores, rows = index.search(store.vectors("rgb"), store.rows)
    names = [[ids[row] for row in places] for places in rows]
    found = dict(zip(ids, names, strict=True))
    return index.info.kind, found, scores[np.argsort(ids)]


@pytest.mark.parametrize("kind", ["flat", "pq", "ivf"])
def test_search_covers_the_pictures_in_the_index(indexed, colors, tmp_path, toy, paint, kind):
    assert run(indexed, "--kind", kind).exit_code == 0
    before, *_ = everything_found(Store.open(indexed))
    for change in (
        lambda: (colors / "warm/red.png").unlink(),
        lambda: (colors / "cold/blue.png").rename(colors / "cold/zaffre.png"),
        lambda: [paint(colors / f"new/{name}.png", color) for name, color in COLORS.items()],
        lambda: paint(colors / "cold/cyan.png", (0, 130, 130)),
    ):
        change()
        store = embed(colors, indexed, toy)
        fresh = embed(colors, tmp_path / f"fresh{store.rows}{store.fingerprint[:8]}", toy)
        now, found, scores = everything_found(store)
        _, expected, cosines = everything_found(fresh)
        assert found == expected
        np.testing.assert_allclose(scores, cosines, atol=1e-6)
        assert now == before
        assert read_note(store, "rgb").fingerprint == store.fingerprint
    assert sorted(found) == [
        "cold/cyan.png",
        "cold/navy.png",
        "cold/zaffre.png",
        "new/gold.png",
        "new/lime.png",
        "new/navy.png",
        "new/red.png",
        "warm/orange.png",
        "warm/yellow.png",
    ]


def test_the_built_index_is_described_as_json(indexed):
    (row,) = map(json.loads, run(indexed, "--kind", "pq").output.splitlines())
    assert row.pop("latency") > 0
    assert row.pop("faiss")
    assert row == {
        "index": str(indexed),
        "tap": "rgb",
        "kind": "PQ3x4fs",
        "metric": "cosine",
        "rows": 6,
        "dim": 3,
        "recall_at_10": 1.0,
        "queries": 6,
        "k_factor": 1,
        "nprobe": 0,
        "memory": 12,
        "trained_rows": 6,
        "why": "requested",
        "goals": {"recall": 0.98, "memory": None, "latency": 0.02, "kind": "pq"},
    }


def test_the_built_index_is_described_as_a_table(indexed):
    output = run(indexed, "--table").output
    assert output.splitlines()[0] == f"Search index of {indexed} (6 pictures)"
    cells = "rgb Flat 1.000 0.0 exact search is fast enough"
    assert cells in " ".join(output.split())


def test_options_that_are_not_given_keep_their_values(indexed):
    run(indexed, "--recall", "0.9", "--memory", "4GB", "--latency", "5 ms")
    (row,) = map(json.loads, run(indexed, "--recall", "0.95").output.splitlines())
    goals = {"recall": 0.95, "memory": 4 * 10**9, "latency": 0.005, "kind": "auto"}
    assert row["goals"] == goals
    assert row["kind"] == "Flat"


def test_info_says_how_the_index_is_searched(indexed):
    run(indexed, "--kind", "pq")
    shown = CliRunner().invoke(cli, ["info", "--table", "--index", str(indexed)]).output
    assert "search      rgb by PQ3x4fs, recall@10 1.000 on 6 queries" in shown
    run(indexed, "--kind", "auto")
    shown = CliRunner().invoke(cli, ["info", "--table", "--index", str(indexed)]).output
    assert "search      rgb by Flat, exact\n" in shown
    found = json.loads(CliRunner().invoke(cli, ["info", "--json", "--index", str(indexed)]).output)
    assert [(each["tap"], each["kind"]) for each in found["search"]] == [("rgb", "Flat")]
    (indexed / "faiss" / "rgb.json").unlink()
    shown = CliRunner().invoke(cli, ["info", "--table", "--index", str(indexed)]).output
    advised = f"build an index with 'artsim index --index {indexed}'"
    assert f"search      exact, in memory; {advised}\n" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--memory", "4"], "'4': expected a number and one of kB, MB, GB, TB, such as 4GB"),
        (["--memory", "many"], "'many': expected a number and one of kB, MB, GB, TB"),
        (["--latency", "20GB"], "'20GB': expected a number and one of ms, s, such as 20ms"),
        (["--latency", "0ms"], "latency must be more than 0 s, got 0"),
        (["--recall", "98"], "recall must be above 0 and at most 1, got 98"),
        (["--tap", "bgr"], "has no tap 'bgr'; choose from rgb"),
        (["--kind", "hnsw"], "'hnsw' is not one of 'auto', 'flat', 'pq', 'ivf'"),
    ],
)
def test_misuse_gives_a_one_line_error(indexed, arguments, message):
    done = run(indexed, *arguments)
    assert done.exit_code != 0
    assert message in done.output.splitlines()[-1]


def test_a_folder_that_is_not_an_index_is_named(tmp_path):
    done = run(tmp_path / "none")
    assert done.exit_code == 1
    assert done.output.startswith(f"Error: no index at '{tmp_path / 'none'}'")


def test_a_vector_that_is_all_zeros_is_found_last(tmp_path, toy, colors, paint):
    paint(colors / "black.png", (0, 0, 0))
    store = embed(colors, tmp_path / "i", toy)
    for kind in ("flat", "pq", "ivf"):
        assert run(tmp_path / "i", "--kind", kind).exit_code == 0
        scores, _ = open_index(store, "rgb").search(np.array([[1, 1, 1]], np.float32), 7)
        assert scores[0, -1] == 0
