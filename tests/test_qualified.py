"""Works "after" or of the "workshop of" an artist are not the artist's, in every evaluation."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner
from PIL import Image
from recipe_runs import embedded, metrics
from recipe_runs import run as train
from test_knn_eval import make_museum

import artsim
from artsim.cli import cli
from artsim.labels import read_label
from artsim.readers import read_collection
from artsim.study import StudyPlan, study

LEFT_OUT = "4 qualified values are left out"


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """60 pictures by two artists, red and blue; four of them are copies."""
    folder = tmp_path_factory.mktemp("museum")
    rng, lines = np.random.default_rng(0), ["id,image,artist"]
    for i in range(60):
        name = ("Rembrandt", "Vermeer")[i % 2]
        color = np.array([200, 40, 40] if i % 2 else [40, 40, 200]) + rng.integers(0, 40, 3)
        Image.new("RGB", (16, 16), tuple(color.tolist())).save(folder / f"{i}.png")
        lines.append(f"p{i},{i}.png,{'after ' if i < 4 else ''}{name}")
    (folder / "objects.csv").write_text("\n".join(lines))
    return embedded(read_collection(folder / "objects.csv"), folder / "index")


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("knn-eval", ["-k", "1"]),
        ("probe", ["--no-save"]),
        ("retrieval-eval", ["-k", "1"]),
        ("leaderboard", []),
        ("report", ["--group", "artist", "-o", "report.html"]),
    ],
)
def test_every_command_leaves_qualified_rows_out_and_says_so(
    index, tmp_path, monkeypatch, command, options
):
    monkeypatch.chdir(tmp_path)
    words = [command, str(index), "--label", "artist", *options]
    shown = CliRunner().invoke(cli, [*words, "--table"], catch_exceptions=False).output
    page = Path("report.html").read_text() if command == "report" else shown
    assert LEFT_OUT in page
    if command != "report":
        found = CliRunner().invoke(cli, [*words, "--json"], catch_exceptions=False).output
        first = json.loads(found.splitlines()[0])
        assert first["qualified_left_out"] == 4
        kept = CliRunner().invoke(cli, [*words, "--json", "--qualified", "keep"]).output
        assert json.loads(kept.splitlines()[0])["qualified_left_out"] == 0


def test_the_api_leaves_qualified_rows_out_and_says_so(index):
    for found in (
        artsim.knn_eval(index, "artist", ks=[1]),
        artsim.probe(index, "artist"),
        artsim.retrieval_eval(index, "artist", ks=[1]),
        artsim.leaderboard([index], "artist"),
    ):
        assert any(LEFT_OUT in note for note in found.notes)
        assert found.rows[0]["qualified_left_out"] == 4
    assert artsim.knn_eval(index, "artist", ks=[1]).rows[0]["n"] == 56
    kept = artsim.knn_eval(index, "artist", ks=[1], keep_qualified=True)
    assert (kept.rows[0]["n"], kept.notes) == (60, ())


def test_a_report_keeps_qualified_rows_on_request(index):
    store = artsim.store.Store.open(index)
    plan = StudyPlan(tap="rgb", labels=("artist",))
    (label,) = study(store, plan).labels
    assert any(LEFT_OUT in note for note in label.split.notes)
    (label,) = study(store, StudyPlan(tap="rgb", labels=("artist",), keep_qualified=True)).labels
    assert not any("qualified" in note for note in label.split.notes)


def test_recipes_leave_qualified_rows_out_and_say_so(index, tmp_path):
    settings = {
        "label": "artist",
        "backbone": "timm:test_resnet.random",
        "max_steps": 1,
        "size": 32,
    }
    (task,) = metrics(train(tmp_path / "run", "finetune", index, **settings))["tasks"]
    assert task["qualified_left_out"] == 4
    assert any(LEFT_OUT in note for note in task["notes"])
    kept = train(tmp_path / "kept", "finetune", index, **settings, keep_qualified=True)
    (task,) = metrics(kept)["tasks"]
    assert task["qualified_left_out"] == 0
    assert sum(task[part]["n"] for part in ("train", "val", "test")) == 60


def test_lists_of_artists_keep_their_places(tmp_path):
    store = make_museum(
        tmp_path / "index",
        extra=[
            pa.field("makers", pa.list_(pa.string())),
            pa.field("makers_qualifier", pa.list_(pa.string())),
            pa.field("media_qualifier", pa.string()),
        ],
        makers=[["A", "B"], ["A", "B"], ["A"], ["B"], None, ["A", "B"], ["A"], ["B"]],
        makers_qualifier=[["after", None], None, [None], ["after"], None, ["after"], None, [None]],
        # one word for all values of a row
        media_qualifier=["after", None, None, "after", None, None, None, None],
    )
    makers = read_label(store, "makers")
    members = [[makers.classes[c] for c in makers.take(np.array([i])).codes] for i in range(8)]
    assert members == [["B"], ["A", "B"], ["A"], [], [], [], ["A"], ["B"]]
    assert makers.qualified == 4
    media = read_label(store, "media")
    assert media.known.tolist() == [False, True, True, False, True, True, True, True]
    assert read_label(store, "makers", keep_qualified=True).known.sum() == 7
