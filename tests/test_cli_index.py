"""Which index a command reads: named first or by --index, by ARTSIM_INDEX, else the only one."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from search_toys import at, make_store
from test_index import store_of

from artsim.cli import cli
from artsim.store import lock_index
from artsim.store.checksums import sealed, unsealed

# A command of each kind, with the words that it needs beside the index.
COMMANDS = {
    "info": [],
    "label": [],
    "split": [],
    "similar": ["a"],
    "dupes": ["--threshold", "0.5"],
    "leaks": ["--split", "side", "--no-pictures"],
    "knn-eval": ["-k", "1"],
    "retrieval-eval": ["-k", "1"],
    "index": [],
    "find": ["ada"],
    "probe": ["--label", "side"],
    "review": [],
    "leaderboard": ["--label", "artist"],
}
WITHOUT = {  # they make an index, read a collection, or need neither
    *("fetch", "inspect", "readers", "sample", "embed", "import-vectors", "models", "layers"),
    *("recipes", "train", "compare", "estimate", "pack"),
}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ARTSIM_INDEX", raising=False)


def museum(name):
    columns = {"artist": ["Ada", "Ada", "Bob", "Bob"], "side": ["train", "test", "train", "test"]}
    path = Path("indexes") / name
    return make_store(path, ["a", "b", "c", "d"], {"east": at(0, 9, 80, 89)}, columns)


def run(command, *args, code=0, env=None):
    words = [command, *args, *COMMANDS.get(command, []), "--table"]
    result = CliRunner().invoke(cli, words, env=env, catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.output


@pytest.mark.parametrize("command", sorted(set(cli.commands) - WITHOUT))
def test_every_command_takes_its_index_by_one_rule(command):
    params = {param.name: param for param in cli.commands[command].params}
    option = params.get("index") or params["indexes"]
    assert (option.opts, option.envvar) == (["--index"], "ARTSIM_INDEX")
    (first, *_) = cli.commands[command].params
    assert first.metavar.startswith("[INDEX]")
    assert first.is_eager


def test_the_commands_without_an_index_have_no_option_for_it():
    for command in WITHOUT:
        params = {param.name: param for param in cli.commands[command].params}
        assert "index" not in params or params["index"].envvar is None


@pytest.mark.parametrize("command", COMMANDS)
def test_an_index_is_named_by_argument_option_or_environment(command, tmp_path):
    museum("met")
    museum("moma")
    by_path = run(command, "indexes/moma")
    assert "indexes/moma" in by_path
    for output in (
        run(command, "moma"),
        run(command, "--index", "moma"),
        run(command, env={"ARTSIM_INDEX": "moma"}),
        run(command, "moma", env={"ARTSIM_INDEX": "met"}),
    ):
        assert "indexes/moma" in output
        assert "indexes/met" not in output
    both = run(command, "moma", "--index", "met", code=2)
    assert "'moma' and --index both name an index; use one" in both


@pytest.mark.parametrize("command", COMMANDS)
def test_the_only_index_is_the_default_and_several_are_listed(command):
    assert "no index in 'indexes'; make one with 'artsim embed" in run(command, code=1)
    museum("met")
    assert "indexes/met" in run(command)
    museum("moma")
    assert run(command, code=2).splitlines()[-3:] == [
        "Error: indexes/ has 2 indexes; name one with --index DIR, or set ARTSIM_INDEX:",
        "  indexes/met",
        "  indexes/moma",
    ]


@pytest.mark.parametrize("command", ["knn-eval", "info", "dupes"])
def test_a_name_that_is_no_index_leads_to_what_it_may_mean(command):
    museum("met")
    museum("moma")
    assert run(command, "mat", code=1) == (
        "Error: no index at 'mat'; those in indexes/ are 'met', 'moma'\n"
    )
    assert run(command, "artist", code=1) == (
        "Error: no index at 'artist'; indexes/met has a column of that name, which options such as "
        "--label take\n"
    )
    assert "no index at 'some/mat'; make one with" in run(command, "some/mat", code=1)


@pytest.mark.parametrize("command", ["knn-eval", "retrieval-eval", "leaks", "label", "split"])
def test_rows_of_json_name_their_index(command):
    store = museum("met")
    if command == "label":
        CliRunner().invoke(cli, ["label", "ada = artist = 'Ada'"])
    if command == "split":
        CliRunner().invoke(cli, ["split", "--name", "half"])
    words = [command, *COMMANDS[command], "--json", *(["--group", "artist"] * (command == "leaks"))]
    lines = CliRunner().invoke(cli, words, catch_exceptions=False).stdout.splitlines()
    assert lines
    assert {json.loads(line)["index"] for line in lines} == {str(store.path)}


def test_a_folder_of_queries_is_not_mistaken_for_an_index(tmp_path):
    museum("met")
    (tmp_path / "met").mkdir()
    assert (
        "the folder 'met' holds many queries" in CliRunner().invoke(cli, ["similar", "met"]).output
    )


def test_two_labels_are_one_too_many():
    museum("met")
    output = CliRunner().invoke(cli, ["label", "met", "a = 1", "b = 2"]).output
    assert "Error: unexpected argument 'b = 2'" in output


def test_a_run_predicts_even_if_the_environment_names_an_index(monkeypatch):
    monkeypatch.setenv("ARTSIM_INDEX", "met")
    words = ["predict", "--run", "gone", "a.jpg"]
    assert "leave out" not in CliRunner().invoke(cli, words).output
    assert "leave out --head, --index" in CliRunner().invoke(cli, [*words, "--index", "met"]).output


def test_an_index_without_pictures_does_not_count_as_one_of_several(tmp_path):
    museum("met")
    make_store(Path("indexes") / "empty", [], {"east": at()}, {"artist": []})
    assert "indexes/met" in run("info")


def test_an_unfinished_index_says_whether_it_is_being_embedded(tmp_path):
    path = tmp_path / "new"
    store_of(path, np.eye(3, dtype=np.float32))
    command = ["info", str(path)]
    result = CliRunner().invoke(cli, command)
    assert "is unfinished (3 pictures so far); run 'artsim embed' again to finish" in result.stderr
    with lock_index(path):
        result = CliRunner().invoke(cli, command)
    assert "is being embedded now (3 pictures so far)" in result.stderr
    assert "again" not in result.stderr


def test_a_collection_named_as_an_index_is_answered_with_its_index(tmp_path):
    (tmp_path / "broken" / "a").mkdir(parents=True)
    store = museum("a")
    manifest = store.path / "manifest.json"
    values = unsealed(manifest.read_text())
    manifest.write_bytes(sealed({**values, "source": str(tmp_path / "broken" / "a")}))
    assert run("info", "broken/a", code=1) == (
        "Error: 'broken/a' is a collection; its index is 'indexes/a'\n"
    )


def test_names_are_checked_before_pictures_are_hashed():
    store = museum("met")
    words = ["leaks", "--split", "side", "--group", "gone"]
    assert "no column 'gone'" in CliRunner().invoke(cli, words).output
    assert not (store.path / "hashes.parquet").exists()


@pytest.mark.parametrize(
    "command",
    [
        ("info", "ftp://museum/index"),
        ("fetch", "objects.csv", "s3://bucket/pictures"),
        ("similar", "1", "-o", "hf://datasets/rows.csv"),
    ],
)
def test_an_output_in_an_object_store_is_refused_before_a_folder_of_its_name_is_made(
    command, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(cli, command)
    assert result.exit_code == 2
    (address,) = (word for word in command if "://" in word)
    assert f"{address!r} is not on this machine" in result.output
    assert list(tmp_path.iterdir()) == []
