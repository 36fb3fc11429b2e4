"""Evaluations of a part of a collection: as if the index had only its works."""

import json

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner
from search_toys import make_store

import artsim
from artsim.cli import cli
from artsim.errors import SearchError
from artsim.labels import number, read_label
from artsim.search import Works
from artsim.store import Store

WHERE = "year < 1800"
ROWS = 90
ARTISTS = ["Ada", "Bob", "Cyd"]  # of all years; Dan is late, and so are half of the others' works


def make_museum(path, kept=slice(None)):
    """Write 90 works, of which every third has the file of the one before, or some of them."""
    rng = np.random.default_rng(0)
    artist = rng.integers(0, 3, ROWS)
    late = np.arange(ROWS) % 2 == 1
    vectors = np.eye(4)[artist] + 0.8 * rng.standard_normal((ROWS, 4))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    names = np.where(late & (np.arange(ROWS) % 10 == 1), "Dan", np.array(ARTISTS)[artist])
    years = np.where(late, 1850, 1700) + rng.integers(0, 40, ROWS)
    rows = np.arange(ROWS)[kept]
    columns = {
        "artist": [None if row == 4 else str(names[row]) for row in rows],
        "artist_qualifier": ["after" if row in (2, 3, 6) else None for row in rows],
        "era": ["late" if late[row] else "early" for row in rows],
        "tags": [["x", str(names[row])] for row in rows],
        "year": pa.array([int(years[row]) for row in rows], pa.int64()),
        "sitter": [f"s{row // 4}" for row in rows],
        "side": [["train", "train", "val", "test"][row // 2 % 4] for row in rows],
    }
    hashes = [f"file {row - (row % 6 == 2) * 2 - (row % 9 == 4)}" for row in rows]
    return make_store(
        path, [f"w{row}" for row in rows], {"embedding": vectors[rows]}, columns, hashes=hashes
    )


@pytest.fixture
def museum(tmp_path):
    return make_museum(tmp_path / "museum")


@pytest.fixture
def early(tmp_path):
    return make_museum(tmp_path / "early", slice(None, None, 2))


def run(command, store, *args, code=0):
    args = [command, "--index", str(store.path), *args]
    result = CliRunner().invoke(cli, args, catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result


def rows(command, store, *args):
    found = [json.loads(line) for line in run(command, store, *args).stdout.splitlines()]
    for row in found:
        row.pop("index", None)
    return found


@pytest.mark.parametrize(
    "command",
    [
        ("knn-eval", "--label", "artist,tags,year", "-k", "1,5"),
        ("knn-eval", "--label", "artist", "--group", "sitter", "--unlabeled", "count"),
        ("knn-eval", "--label", "artist", "--split", "side"),
        ("knn-eval", "--label", "artist", "--split", "side", "--protocol", "met"),
        ("knn-eval", "--label", "artist", "--keep-copies"),
        ("probe", "--label", "artist,tags,year", "--no-save"),
        ("probe", "--label", "artist", "--no-save", "--group", "sitter"),
        ("probe", "--label", "artist", "--split", "side", "--no-save"),
        ("probe", "--label", "artist", "--splits", "2"),
        ("leaderboard", "--label", "artist,year"),
        ("retrieval-eval", "--label", "artist,tags", "--junk", "sitter"),
        ("retrieval-eval", "--label", "artist", "--split", "side"),
    ],
)
def test_a_part_is_evaluated_as_an_index_of_its_works_alone(museum, early, command):
    expected = rows(command[0], early, *command[1:])
    found = rows(command[0], museum, *command[1:], "--where", WHERE)
    assert all(row.pop("where") == WHERE for row in found if "mean_of" not in row)
    if command[0] == "leaderboard":
        assert {row.pop("index", None) for row in (*found, *expected)} <= {None}
    assert found == expected
    assert len(found) > 0


def test_a_label_of_a_part_has_its_classes_alone(museum):
    early = np.arange(ROWS) % 2 == 0
    artist = read_label(museum, "artist").among(early)
    assert artist.classes == ("Ada", "Bob", "Cyd")
    assert not artist.known[1::2].any()
    tags = read_label(museum, "tags")
    assert (tags.classes, tags.among(early).classes) == (
        ("Ada", "Bob", "Cyd", "Dan", "x"),
        ("Ada", "Bob", "Cyd", "x"),
    )
    year = read_label(museum, "year").among(early)
    assert year.begin[~np.isnan(year.begin)].max() < 1800
    alone = number("year", year.begin[early])
    assert year.strata[early].tolist() == alone.strata.tolist()  # tenths of the part


def test_the_output_says_which_part_and_how_much_of_the_collection_it_is(museum):
    for command in ("knn-eval", "probe", "retrieval-eval", "leaderboard"):
        head = run(command, museum, "--label", "artist", "--where", WHERE, "--table").stdout
        assert f"45 of {ROWS} pictures where {WHERE}" in head.splitlines()[0], command


def test_labels_that_nobody_named_have_two_classes_in_the_part(museum):
    found = rows("probe", museum, "--no-save", "--where", WHERE)
    assert {row["label"] for row in found if "label" in row} == {"artist", "side", "sitter"}
    text = run("knn-eval", museum, "-k", "1", "--where", WHERE, "--table").stdout
    assert "Not a label: era (one class only: 'early')" in text


@pytest.mark.parametrize("command", ["knn-eval", "probe", "retrieval-eval", "leaderboard"])
def test_an_empty_part_and_wrong_sql_are_refused(museum, command):
    text = run(command, museum, "--where", "year < 1000", code=1).output
    assert "no work of" in text
    assert "meets the condition year < 1000; change it, or leave it out" in text
    text = run(command, museum, "--where", "artist = Goya", code=1).output
    assert "there is no column 'Goya'; text goes in single quotes" in text
    one = ("--label", "artist", "--where", "artist = 'Ada'")
    refused = run(command, museum, *one, code=1).stderr.splitlines()
    assert (
        refused[0] == "Note: 1 picture has no value in 'artist', so conditions on that leave it out"
    )
    assert len(refused) == 2


def test_a_split_without_test_works_of_the_part_is_refused(museum):
    args = ("--label", "artist", "--split", "side", "--where", "side = 'train'")
    text = run("knn-eval", museum, *args, code=1).output
    assert "no row of 'test' meets the condition side = 'train'; choose another --split" in text


def test_a_probe_of_a_part_does_not_replace_that_of_the_whole(museum):
    run("probe", museum, "--label", "artist")
    before = (museum.path / "heads" / "artist.json").read_bytes()
    part = run("probe", museum, "--label", "artist", "--where", WHERE)
    assert "a probe of some of the works is saved only under a name: --head NAME" in part.stderr
    assert (museum.path / "heads" / "artist.json").read_bytes() == before
    run("probe", museum, "--label", "artist", "--where", WHERE, "--head", "early")
    saved = json.loads((museum.path / "heads" / "early.json").read_text())
    assert saved["tasks"][0]["scores"]["where"] == WHERE


def test_works_of_unknown_values_are_noted(museum):
    args = ("--label", "era", "-k", "1", "--where", "artist <> 'Dan'")
    assert "1 picture has no value in 'artist', so conditions on that leave it out" in (
        run("knn-eval", museum, *args).stderr
    )


def test_python_takes_the_condition_too(museum, early):
    scores = ("top1", "n", "bank", "copies_left_out", "qualified_left_out")
    for index, part in ((museum, {"where": WHERE}), (early, {})):
        found = artsim.knn_eval(index, "artist", ks=[5], **part).rows[0]
        kept = artsim.probe(index, "artist", keep_qualified=True, **part).rows[0]
        if part:
            first = ([found[name] for name in scores], kept["probe"])
    assert ([found[name] for name in scores], kept["probe"]) == first
    with pytest.raises(SearchError, match="meets the condition year < 1000"):
        artsim.leaderboard([museum], "artist", where="year < 1000")
    with pytest.raises(TypeError, match="condition"):
        artsim.knn_eval(museum, "artist", condition=WHERE)
    assert Works(Store.open(museum.path)).among(None) is None
