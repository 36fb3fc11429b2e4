"""The scripts, run from elsewhere, in a copy of the checkout whose Python only notes its calls."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SCRIPTS = ("scripts/setup", "scripts/check", "scripts/test", "scripts/demo")

pytestmark = pytest.mark.skipif(shutil.which("sh") is None, reason="needs a POSIX shell")

# Answers as Python 3.11; fails where the calls hold what the file 'failing' says.
FAKE_PYTHON = """#!/bin/sh
case "$1" in
    -V) echo "Python 3.11.0"; exit ;;
    -c) exit ;;
esac
here=$(dirname "$0")/../..
echo "$*" >>"$here/calls"
case "$*" in
    *"$(cat "$here/failing")"*) echo "no luck with $*"; exit 3 ;;
esac
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with a .venv that installs, checks and tests nothing."""
    root = tmp_path / "a check out"
    for name in SCRIPTS:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, root / name)
    (root / "artsim").mkdir()
    (root / "artsim/__init__.py").write_text('__version__ = "0.1.0"\n')
    (root / "pyproject.toml").write_text("[project]\n")
    (root / ".venv/bin").mkdir(parents=True)
    (root / ".venv/bin/python").write_text(FAKE_PYTHON)
    (root / ".venv/bin/python").chmod(0o755)
    fail_at(root, "nothing")
    return root


def fail_at(root: Path, text: str) -> None:
    (root / "failing").write_text(text)


def run(script: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [script, *arguments],
        cwd="/",
        env=os.environ | {"ARTSIM_BROWSER": "none is looked for"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def calls(root: Path) -> list[str]:
    """What the Python of the checkout was asked to run since the last look."""
    noted = root / "calls"
    lines = noted.read_text().splitlines() if noted.exists() else []
    noted.unlink(missing_ok=True)
    return lines


@pytest.mark.parametrize("name", SCRIPTS)
def test_script_is_executable_and_posix_shell(name: str) -> None:
    assert os.access(ROOT / name, os.X_OK)
    assert (ROOT / name).read_text().startswith("#!/bin/sh\n")
    assert subprocess.run(["sh", "-n", ROOT / name], check=False).returncode == 0


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_ci_runs_the_tests_and_installs_nothing_itself() -> None:
    script = ROOT / ".ci/run"
    assert os.access(script, os.X_OK)
    assert subprocess.run(["bash", "-n", script], check=False).returncode == 0
    assert script.read_text().splitlines()[-1] == 'exec scripts/test "$@"'


@pytest.mark.parametrize("name", SCRIPTS)
def test_help_describes_a_script(name: str) -> None:
    result = run(ROOT / name, "--help")
    assert (result.returncode, result.stderr) == (0, "")
    assert f"  {name} " in result.stdout


@pytest.mark.parametrize("name", ["scripts/setup", "scripts/check", "scripts/demo"])
def test_unknown_argument_is_refused(name: str, checkout: Path) -> None:
    result = run(checkout / name, "--fast")
    assert result.returncode == 1
    assert "'--fast'" in result.stderr
    assert calls(checkout) == []


def test_setup_installs_once_until_the_project_changes(checkout: Path) -> None:
    assert run(checkout / "scripts/setup").returncode == 0
    assert calls(checkout) == [
        "-m pip --version",
        "-m pip install pip>=25.1",
        "-m pip install -e . --group dev",
    ]
    assert run(checkout / "scripts/setup").returncode == 0
    assert run(checkout / "scripts/setup", "--to-use").returncode == 0
    assert calls(checkout) == []
    (checkout / "pyproject.toml").write_text("[project]\ndependencies = []\n")
    assert run(checkout / "scripts/setup").returncode == 0
    assert calls(checkout)[-1] == "-m pip install -e . --group dev"


def test_setup_to_use_leaves_out_test_packages(checkout: Path) -> None:
    assert run(checkout / "scripts/setup", "--to-use").returncode == 0
    assert calls(checkout)[-1] == "-m pip install -e ."
    assert run(checkout / "scripts/setup").returncode == 0
    assert calls(checkout)[-1] == "-m pip install -e . --group dev"


def test_a_failed_install_names_its_log_and_is_retried(checkout: Path) -> None:
    fail_at(checkout, "-e .")
    for _ in range(2):
        result = run(checkout / "scripts/setup")
        assert result.returncode == 1
        said = result.stderr.splitlines()
        assert said[-2] == "no luck with -m pip install -e . --group dev"
        assert said[-1] == (
            "setup: installing artsim and what it needs failed; "
            f"the whole log is in {checkout}/build/setup.log"
        )


@pytest.fixture
def bare_path(tmp_path: Path) -> Path:
    """A folder of commands without any browser; the user is root, apt-get notes its calls."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sh", "dirname", "cat", "cksum", "mkdir", "tail", "rm"):
        (folder / name).symlink_to(str(shutil.which(name)))
    fakes = {"id": "echo 0", "apt-get": f'echo "$*" >>"{folder}/asked"; exit $(cat "{folder}/rc")'}
    for name, does in fakes.items():
        (folder / name).write_text(f"#!/bin/sh\n{does}\n")
        (folder / name).chmod(0o755)
    (folder / "rc").write_text("0")
    return folder


def test_setup_installs_a_browser_for_tests_if_it_can(checkout: Path, bare_path: Path) -> None:
    result = run(checkout / "scripts/setup", PATH=str(bare_path), ARTSIM_BROWSER="")
    assert result.returncode == 0
    assert (bare_path / "asked").read_text().splitlines() == [
        "update",
        "install -y --no-install-recommends chromium-headless-shell",
    ]
    for name in ("chromium-headless-shell", "chromium"):
        (bare_path / name).symlink_to("/bin/sh")
        (bare_path / "asked").unlink(missing_ok=True)
        again = run(checkout / "scripts/setup", PATH=str(bare_path), ARTSIM_BROWSER="")
        assert again.returncode == 0
        assert not (bare_path / "asked").exists()
        (bare_path / name).unlink()


def test_setup_installs_the_browser_with_windows_where_there_is_no_other(
    checkout: Path, bare_path: Path
) -> None:
    fake = (bare_path / "apt-get").read_text()
    (bare_path / "apt-get").write_text(
        fake.replace("exit", 'case "$*" in *-shell) exit 100 ;; esac; exit', 1)
    )
    result = run(checkout / "scripts/setup", PATH=str(bare_path), ARTSIM_BROWSER="")
    assert result.returncode == 0
    assert "could not be installed" not in result.stderr
    assert (bare_path / "asked").read_text().splitlines() == [
        "update",
        "install -y --no-install-recommends chromium-headless-shell",
        "install -y --no-install-recommends chromium",
    ]


def test_setup_continues_without_a_browser_and_says_what_is_skipped(
    checkout: Path, bare_path: Path
) -> None:
    (bare_path / "rc").write_text("100")
    result = run(checkout / "scripts/setup", PATH=str(bare_path), ARTSIM_BROWSER="")
    assert result.returncode == 0
    assert "Chromium could not be installed" in result.stderr
    (bare_path / "id").write_text("#!/bin/sh\necho 1000\n")
    result = run(checkout / "scripts/setup", PATH=str(bare_path), ARTSIM_BROWSER="")
    assert result.returncode == 0
    assert "name it: ARTSIM_BROWSER=/path/to/chromium" in result.stderr


def test_setup_to_use_needs_no_browser(checkout: Path, bare_path: Path) -> None:
    done = run(checkout / "scripts/setup", "--to-use", PATH=str(bare_path), ARTSIM_BROWSER="")
    assert done.returncode == 0
    assert not (bare_path / "asked").exists()


def test_setup_says_which_python_it_needs(checkout: Path) -> None:
    shutil.rmtree(checkout / ".venv")
    result = run(checkout / "scripts/setup", PYTHON="false")
    assert result.returncode == 1
    assert result.stderr == "setup: PYTHON=false is not Python 3.11 or newer; name one that is\n"
    assert not (checkout / ".venv").exists()


def test_check_without_a_venv_names_the_set_up(checkout: Path) -> None:
    shutil.rmtree(checkout / ".venv")
    result = run(checkout / "scripts/check")
    assert result.returncode == 1
    assert result.stderr == "check: there is no .venv yet; run scripts/setup\n"


def test_check_runs_everything_and_names_failed_checks(checkout: Path) -> None:
    fail_at(checkout, "ruff")
    result = run(checkout / "scripts/check")
    assert result.returncode == 1
    assert result.stderr == "check: failed: format (ruff format .), lint (ruff check .)\n"
    assert calls(checkout) == [
        "-m ruff format --check .",
        "-m ruff check .",
        "-m mypy",
        "scripts/page_types.py",
        ".venv/bin/codespell --dictionary=- --dictionary=scripts/words.txt .",
        ".venv/bin/lint-imports --no-cache",
        "-m cogapp --check --diff docs/commands.md docs/guides/museums.md "
        "docs/reference/recipes.md",
        "-m mkdocs build --strict --quiet",
    ]


def test_test_names_the_failed_steps_and_hands_arguments_to_pytest(checkout: Path) -> None:
    result = run(checkout / "scripts/test", "-k", "a sheet")
    assert result.returncode == 0
    assert "-m pytest -n 2 --dist worksteal -k a sheet" in calls(checkout)
    assert "check: all passed" in result.stdout
    fail_at(checkout, "-m mypy")
    result = run(checkout / "scripts/test")
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1] == "test: failed: scripts/check"
    assert "no luck with -m mypy" in result.stdout
    assert "-m pytest -n 2 --dist worksteal" in calls(checkout)
    fail_at(checkout, "-m ")
    result = run(checkout / "scripts/test")
    assert result.stderr.splitlines()[-1] == "test: failed: pytest, scripts/check"


def test_test_stops_when_the_set_up_fails(checkout: Path) -> None:
    fail_at(checkout, "pip install")
    result = run(checkout / "scripts/test")
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1] == "test: the set-up failed, nothing was tested"
    assert calls(checkout) == ["-m pip --version", "-m pip install pip>=25.1"]


def test_demo_starts_over_and_names_the_contact_sheet(checkout: Path) -> None:
    old = checkout / "demo/museum/objects.csv"
    old.parent.mkdir(parents=True)
    old.write_text("object_id\n")
    result = run(checkout / "scripts/demo")
    assert result.returncode == 0
    assert not old.exists()
    assert result.stdout.splitlines()[-1] == f"The contact sheet is {checkout}/demo/similar.png"
    assert [call.split()[2] for call in calls(checkout) if "artsim" in call] == [
        "sample",
        "embed",
        "similar",
        "knn-eval",
    ]


def test_demo_says_which_command_failed(checkout: Path) -> None:
    fail_at(checkout, "-m artsim embed")
    result = run(checkout / "scripts/demo")
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1] == ("demo: 'artsim embed' failed; see its message above")
    assert "The contact sheet" not in result.stdout
