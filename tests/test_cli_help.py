"""The help: grouped, uncut, and of one mind about options of the same meaning."""

from collections import defaultdict

import click
import pytest
from click.shell_completion import BashComplete
from click.testing import CliRunner
from search_toys import at, make_store

from artsim.cli import cli

COMMANDS = list(cli.commands.values())

# Options that say what they do in their command: which file it writes, what it trains.
OF_THEIR_OWN = {
    *("--csv", "--html", "--output", "--sheet", "--strict", "--pictures"),
    *("--index", "--tap", "--label", "--split", "--group", "--per-class", "--k", "-k", "--seed"),
    *("--model", "--precision", "--head", "--name", "--set", "--id-column", "--ids", "--exclude"),
    *("--collection", "--json"),  # of embed: its summary
    "--gpus",  # what they share: a batch, or a collection
}


def help_of(*args):
    result = CliRunner().invoke(cli, [*args, "--help"], env={"COLUMNS": "80"}, terminal_width=80)
    assert result.exit_code == 0
    return result.output


def options(command):
    return [param for param in command.params if isinstance(param, click.Option)]


def test_commands_are_in_groups_with_one_line_summaries():
    lines = help_of().splitlines()
    titles = [line for line in lines if line.endswith(":") and not line.startswith(" ")]
    assert titles == ["Options:", "Collect:", "Index:", "Search:", "Evaluate:", "Train:", "Look:"]
    summaries = [line.split(maxsplit=1) for line in lines[lines.index("Collect:") :]]
    named = [words for words in summaries if words and words[0] in cli.commands]
    assert [name for name, _ in named] == list(cli.commands)
    assert all(summary.endswith(".") and "..." not in summary for _, summary in named)


def test_the_help_fits_80_columns_and_mentions_shell_completion():
    lines = help_of().splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[-1].startswith("Shell completion (bash): ")


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_option_is_in_a_named_group(command):
    assert [option.name for option in options(command) if option.group is None] == []


def test_options_of_one_name_are_the_same_in_every_command():
    found = defaultdict(set)
    for command in COMMANDS:
        for option in options(command):
            name = max(option.opts, key=len)
            found[name].add((option.help, option.metavar, option.type.name))
    differing = {name for name, kinds in found.items() if len(kinds) > 1}
    assert differing == OF_THEIR_OWN


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_number_and_file_has_a_short_metavar(command):
    assert "INTEGER" not in help_of(command.name)
    assert "FLOAT" not in help_of(command.name)


@pytest.fixture
def museum(tmp_path, monkeypatch):
    columns = {"artist": ["Ada", "Bob"], "style": ["x", "y"]}
    make_store(tmp_path / "indexes" / "museum", ["a", "b"], {"east": at(0, 9)}, columns)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("kn", ["knn-eval"]),
        ("info m", ["museum"]),
        ("knn-eval indexes/m", ["indexes/museum"]),
        ("similar --index m", ["museum"]),
        ("knn-eval museum --label art", ["artist"]),
        ("probe --label artist,s", ["artist,style"]),
        ("split --group st", ["style"]),
        ("similar --tap e", ["east"]),
        ("embed pictures -m li", ["lite0", "lite1", "lite2"]),
    ],
)
def test_a_shell_completes_commands_indexes_and_their_names(museum, words, completed):
    *args, incomplete = words.split()
    bash = BashComplete(cli, {}, "artsim", "_ARTSIM_COMPLETE")
    assert [item.value for item in bash.get_completions(args, incomplete)] == completed


def test_a_shell_completes_the_names_of_the_index_that_comes_first(museum, tmp_path):
    make_store(tmp_path / "indexes" / "prints", ["a"], {"west": at(0)}, {"press": ["x"]})
    bash = BashComplete(cli, {}, "artsim", "_ARTSIM_COMPLETE")
    for words, completed in (
        ("knn-eval prints --label", "press"),
        ("similar museum --tap", "east"),
    ):
        assert [item.value for item in bash.get_completions(words.split(), "")] == [completed]
    assert bash.get_completions(["knn-eval", "--label"], "") == []  # of which index?
