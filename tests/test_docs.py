"""What the README and --help promise is there."""

import re
import subprocess
import sys

import pytest
from conftest import ROOT

from artsim.cli import cli

README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = (ROOT / "docs/commands.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", cli.commands)
def test_a_command_is_documented(name):
    assert f"## artsim {name}\n" in COMMANDS


@pytest.mark.parametrize("command", cli.commands.values(), ids=lambda command: command.name)
def test_a_commands_help_has_an_example(command):
    assert f"artsim {command.name}" in command.help.partition("Example:")[2]


@pytest.mark.parametrize("command", cli.commands.values(), ids=lambda command: command.name)
def test_every_option_has_help(command):
    assert [
        param.name
        for param in command.params
        if param.param_type_name == "option" and not param.help
    ] == []


def test_the_command_reference_equals_the_help():
    done = subprocess.run(
        [
            *(sys.executable, "-m", "cogapp", "--check"),
            *("docs/commands.md", "docs/guides/museums.md", "docs/reference/recipes.md"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


# Words with an ordinary meaning in code, but not for what artsim does: predicted, query, training
# set, test set, method. scripts/words.txt has those that are refused everywhere.
RETIRED = re.compile(
    r"\b(told|tells|telling|asked|asks|judged|judges|sides|brings up|learn(ed|s)? from)\b",
    re.IGNORECASE,
)
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
TEMPLATES = sorted((ROOT / "artsim/report/templates").glob("*.html"))


@pytest.mark.parametrize("file", [*PAGES, *TEMPLATES], ids=lambda file: file.name)
def test_pages_use_the_words_of_the_field(file):
    lines = file.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if RETIRED.search(line)] == []


@pytest.mark.parametrize("command", cli.commands.values(), ids=lambda command: command.name)
def test_help_uses_the_words_of_the_field(command):
    texts = [command.help, *(getattr(param, "help", None) for param in command.params)]
    assert [text for text in texts if text and RETIRED.search(text)] == []


def test_the_readme_is_short():
    assert len(README.splitlines()) <= 200


@pytest.mark.parametrize("page", sorted((ROOT / "docs").rglob("*.md")), ids=lambda page: page.name)
def test_python_examples_compile(page):
    for example in re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        compile(example, page.name, "exec")


NEEDED = {  # by extra: a command that fails without it
    "web": r"artsim serve\b",
    "map": r"artsim map\b",
    "lance": "lance:",
    "milvus": "milvus:",
    "ray": "--engine ray",
    "fetch": r"artsim fetch\b",
    "s3": "s3://",
}


def commands(kind, block):
    """Return the commands of a block, without what they print."""
    lines = block.splitlines()
    return "\n".join(line for line in lines if kind == "sh" or line.startswith("$ "))


def missing_installs(text):
    """Return the extras that a command in a page needs before the page installs them."""
    missing = []
    for extra, needs in NEEDED.items():
        blocks = re.finditer(r"```(sh|console)\n(.*?)```", text, re.DOTALL)
        first = next(
            (text[: b.end()] for b in blocks if re.search(needs, commands(*b.groups()))), None
        )
        if first and not re.search(rf"(?:pip install|Install) .*\[[a-z0-9,]*\b{extra}\b", first):
            missing.append(extra)
    return missing


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.name != "commands.md"], ids=lambda page: page.name
)
def test_a_page_installs_what_its_commands_need_before_them(page):
    assert missing_installs(page.read_text(encoding="utf-8")) == []


def test_a_page_that_does_not_is_found():
    served = "```sh\nartsim serve\n```\n"
    assert missing_installs(f"```sh\npip install .\n```\n{served}") == ["web"]
    assert missing_installs(f"`pip install 'artsim[fetch,web]'`\n{served}") == []
    assert missing_installs(f"{served}`pip install 'artsim[web]'`") == ["web"]


def test_the_docs_show_the_true_output_on_the_sample_museum():
    done = subprocess.run(
        [sys.executable, ROOT / "scripts/examples.py", "--place", "museum"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_rooms_of_the_architecture_are_those_of_the_code():
    named = set(
        re.findall(r"`(\w+)`", (ROOT / "ARCHITECTURE.md").read_text().partition("| room")[2])
    )
    rooms = {path.stem for path in (ROOT / "artsim").iterdir() if not path.name.startswith("_")}
    assert rooms - {"py"} <= named


@pytest.mark.parametrize("file", ["README.md", "CONTRIBUTING.md", "ARCHITECTURE.md"])
def test_links_to_files_are_valid(file):
    for link in re.findall(r"\]\((?!http)([^)#]+)\)", (ROOT / file).read_text(encoding="utf-8")):
        assert (ROOT / link).exists(), link
