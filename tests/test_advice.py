"""A command that a message advises works as it is printed, however many indexes there are."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from artsim.cli import cli
from artsim.embedding import embed_collection
from artsim.readers import read_collection


@pytest.fixture
def here(tmp_path, monkeypatch, colors, toy):
    monkeypatch.chdir(tmp_path)
    for name in ("one", "my two"):
        embed_collection(read_collection(colors), tmp_path / "indexes" / name, toy)


def said(*words):
    return CliRunner().invoke(cli, list(words)).output


@pytest.mark.parametrize(
    ("index", "named"), [("one", "indexes/one"), ("indexes/my two", '"indexes/my two"')]
)
def test_an_advised_command_names_its_index_where_there_are_several(here, index, named):
    advised = f"train one with 'artsim probe --index {named} --label LABEL'"
    assert advised in said("predict", "--index", index, "a.jpg")
    pair = "warm/red.png,warm/orange.png,duplicate,warm/red.png"
    Path("decisions.csv").write_text(f"id,other_id,decision,keep\n{pair}\n")
    advised = f"'artsim knn-eval --index {named} --label COLUMN --group same_work'"
    assert advised in said("dupes", "--index", index, "--decisions", "decisions.csv", "--table")


def test_the_only_index_need_not_be_named(here):
    shutil.rmtree("indexes/my two")
    for words in (["--index", "one"], []):
        found = said("predict", *words, "a.jpg")
        assert "train one with 'artsim probe --label LABEL'" in found


def test_json_is_left_as_it_is(here):
    shown = said("info", "--index", "one", "--json")
    assert json.loads(shown.splitlines()[0])


def test_an_advised_command_can_be_pasted_though_its_index_has_a_space(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("v.csv").write_text("id,f0,f1\na,1,0\nb,nan,0\n")
    made = said("import-vectors", "v.csv", "-o", "out of here")
    assert "see 'artsim info \"out of here\" --failures'" in made
    shown = said("info", "out of here", "--failures", "--json")
    assert [json.loads(line)["id"] for line in shown.splitlines()] == ["b"]
    missing = said("info", "no index")
    assert "make one with 'artsim embed COLLECTION -o \"no index\"'" in missing


def test_an_advised_command_that_names_its_index_is_left_as_it_is(here):
    Path("indexes/my two/manifest.json").unlink()
    found = said("info", "indexes/my two")
    assert "'artsim repair \"indexes/my two\"'" in found
