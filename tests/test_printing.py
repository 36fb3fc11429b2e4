"""What artsim prints acts on no terminal, and what it writes runs in no spreadsheet."""

import csv
import errno
import json
import re
import signal
import subprocess
import sys
import warnings

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import ROOT
from search_toys import at, make_store

from artsim.cli import cli
from artsim.cli.cutting import cut_apart
from artsim.cli.output import print_table
from artsim.report.map import draw_points
from artsim.store import csv_text
from artsim.training import Run, RunPlan, save_report

CONTROLS = {
    "clipboard": "\x1b]52;c;ZXZpbA==\x07",
    "color": "\x1b[31mred",
    "bell and delete": "\x07\x7f",
    "C1": "\x9b2J\x9d0;title\x9c",
    "reordered": "\u202egnp.exe\u202c \u2066x\u2069",
    "over the line": "harmless\rhidden",
}
ACTING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """An index whose titles are what a terminal acts on, and an id of them too."""
    titles = list(CONTROLS.values())
    return make_store(
        tmp_path_factory.mktemp("hostile") / "index",
        ["a", *(f"w{n}" for n in range(len(titles) - 2)), "\x1b[2Jid\u202e"],
        {"compass": at(*range(len(titles)))},
        {"title": titles, "artist": ["x", "y", "\x9bA"] * (len(titles) // 3)},
    ).path


def run(*command, code=0):
    done = CliRunner().invoke(cli, [str(each) for each in command])
    assert done.exit_code == code, done.output
    return done


@pytest.mark.parametrize(
    "command",
    [
        ("similar", "--id", "a"),
        ("similar", "--id", "\x1b[2Jid\u202e"),
        ("info",),
        ("label", "evil = artist"),
        ("knn-eval", "--label", "artist", "-k", "1"),
        ("dupes", "--threshold", "0.5"),
    ],
    ids=lambda command: " ".join(command).encode("ascii", "replace").decode(),
)
@pytest.mark.parametrize("form", ["--table", "--json"])
def test_no_title_of_an_index_acts_on_the_terminal(hostile, command, form):
    form = [] if command[0] in ("label",) else [form]
    done = run(command[0], "--index", hostile, *command[1:], *form)
    assert ACTING.findall(done.output) == []
    assert len(done.output) > 20


def test_json_keeps_the_title_as_it_is(hostile):
    lines = run("similar", "--id", "a", "--index", hostile, "--json").stdout.splitlines()
    shown = {json.loads(line)["title"] for line in lines}
    assert shown == {*list(CONTROLS.values())[1:]}


def test_an_error_shows_the_code_of_a_character_that_acts(hostile):
    done = run("similar", "--id", "no\x9b2J", "--index", hostile, code=1)
    assert done.output.startswith("Error: no picture has the id 'no\\x9b2J'")
    named = run("knn-eval", "--index", hostile, "--label", "no\x1b]52;x", code=1).output
    assert ACTING.findall(named) == []
    usage = run("similar", "--index", hostile, "--id", "a", "--oops\x1b[2J", code=2).output
    assert ACTING.findall(usage) == []


def test_a_table_keeps_one_line_a_row(tmp_path):
    made = make_store(
        tmp_path / "i", ["a", "b"], {"compass": at(0, 9)}, {"title": ["A", "one\ntwo\tthree"]}
    )
    lines = run("similar", "--id", "a", "--index", made.path, "--table").output.splitlines()
    assert [line for line in lines if "one two three" in line] != []


FORMULAS = ["=1+1", "+1", "-1+1", "@SUM(1)", "\t=1", " =1", "\N{FULLWIDTH EQUALS SIGN}1"]


@pytest.fixture(scope="module")
def formulas(tmp_path_factory):
    """An index whose ids, titles and classes are formulas."""
    return make_store(
        tmp_path_factory.mktemp("formulas") / "index",
        FORMULAS,
        {"compass": at(*range(len(FORMULAS)))},
        {"title": FORMULAS, "artist": (["=A", "@B"] * 4)[: len(FORMULAS)], "=year": [*range(7)]},
    ).path


@pytest.mark.parametrize(
    "command",
    [
        ("similar", "--id", "=1+1", "--csv"),
        ("similar", "=1+1", "+1", "-o"),
        ("dupes", "--threshold", "0.5", "-o"),
        ("knn-eval", "--label", "artist", "-k", "1", "--predictions"),
        ("leaderboard", "--label", "artist", "--csv"),
    ],
    ids=" ".join,
)
def test_no_cell_of_a_csv_file_is_a_formula(formulas, tmp_path, command):
    out = tmp_path / "out.csv"
    run(command[0], formulas, *command[1:], out)
    rows = list(csv.reader(out.read_text(encoding="utf-8-sig").splitlines()))
    cells = [cell for row in rows for cell in row]
    assert len(rows) > 1
    assert [cell for cell in cells if re.match(r"\s*[=+@\uff1d]|-\D|-\d+\+|\t", cell)] == []
    if command[0] != "leaderboard":
        assert {f"'{each}" for each in FORMULAS} & set(cells)


def test_a_zero_byte_is_written_as_a_character_that_can_be_read():
    assert csv_text(["id"], [["a\0b"]]).splitlines() == ["id", "a\ufffdb"]


def test_numbers_are_no_formulas():
    rows = [[-5, "-5", "-5.25", "-1e-07", -0.5, None, "5-3", "a=b", "-", "- Title", "+31 20"]]
    assert csv_text(["=a", "b"], rows).splitlines() == [
        "'=a,b",
        "-5,-5,-5.25,-1e-07,-0.5,,5-3,a=b,'-,'- Title,'+31 20",
    ]


def test_one_writer_writes_every_csv_file():
    """No module but that of the writer uses csv's, or pandas'."""
    pattern = re.compile(r"csv\.writer\(|DictWriter|\.to_csv\(|write_csv\(pa|csv\.write_csv")
    found = [
        str(file.relative_to(ROOT))
        for file in (ROOT / "artsim").rglob("*.py")
        if pattern.search(file.read_text(encoding="utf-8"))
    ]
    assert found == ["artsim/store/csv_files.py"]


def test_a_progress_bar_takes_any_name(monkeypatch, capsys):
    from artsim.cli.output import show_progress

    monkeypatch.setenv("FORCE_COLOR", "1")

    with show_progress("a {brace} [red]\x1b[2J") as progress:
        progress(1, 2, 0)
    shown = capsys.readouterr().err
    assert "a {brace} [red]\\u001b[2J" in shown
    assert "\x1b[2J" not in shown


INTERRUPTS = [
    signal.SIGINT,
    signal.SIGTERM,
    *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else []),
]


@pytest.mark.skipif(sys.platform == "win32", reason="sends signals")
@pytest.mark.parametrize("sent", INTERRUPTS)
def test_an_interrupt_while_a_command_starts_ends_with_130(hostile, sent, tmp_path):
    """As the network is loaded, before there is work."""
    code = (
        "import os, sys\n"
        "from artsim.cli import cli, embed\n"
        "import artsim.readers\n"
        f"def late(*_, **__): os.kill(os.getpid(), {int(sent)})\n"
        "artsim.readers.read_collection = late\n"
        f"cli(['embed', {str(tmp_path)!r}])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (130, ""), done.stderr
    assert done.stderr == "\nStopped.\n"


@pytest.mark.skipif(sys.platform == "win32", reason="sends signals")
def test_an_interrupt_while_python_imports_shows_no_traceback():
    code = (
        "import builtins, os, signal\n"
        "before = builtins.__import__\n"
        "def slow(name, *more):\n"
        "    if name == 'cloup': os.kill(os.getpid(), signal.SIGINT)\n"
        "    return before(name, *more)\n"
        "builtins.__import__ = slow\n"
        "from artsim.__main__ import main\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "")


def test_no_memory_while_python_imports_is_one_line():
    code = (
        "import builtins\n"
        "before = builtins.__import__\n"
        "def scarce(name, *more):\n"
        "    if name == 'cloup': raise MemoryError\n"
        "    return before(name, *more)\n"
        "builtins.__import__ = scarce\n"
        "from artsim.__main__ import main\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "Error: not enough memory to start artsim\n")


SAFE = (
    "what is finished is safe: check the disk and the folder's permissions, then run the same "
    "command again"
)


@pytest.mark.parametrize(
    ("fault", "line"),
    [
        (OSError(errno.EIO, "Input/output error"), f"the disk: Input/output error; {SAFE}"),
        (PermissionError(errno.EACCES, "No", "a/b\x9b"), f"'a/b\\x9b': No; {SAFE}"),
        (
            FileNotFoundError(errno.ENOENT, "No", "marks.csv"),
            "no file or folder 'marks.csv'; check the path, and that its disk is there",
        ),
    ],
)
def test_a_disk_that_fails_anywhere_is_one_line(monkeypatch, tmp_path, fault, line):
    def fail(*_, **__):
        raise fault

    monkeypatch.setattr("artsim.sample.make_sample", fail)
    assert run("sample", tmp_path / "m", code=1).output == f"Error: {line}\n"


def test_an_interrupt_within_compiled_code_is_an_interrupt(monkeypatch, tmp_path):
    """As numba reports one: an error "returned a result with an exception set"."""

    def stopped(*_, **__):
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt as error:
            raise SystemError("returned a result with an exception set") from error

    monkeypatch.setattr("artsim.sample.make_sample", stopped)
    assert run("sample", tmp_path / "m", code=130).output == "\nStopped.\n"


def test_ctrl_c_while_duckdb_searches_ends_as_any_other(monkeypatch, tmp_path):
    """DuckDB makes a RuntimeError of it, with the text that the command line knows."""
    code = """
import os, signal, threading
from artsim.labels import connect
database = connect()
threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
try:
    for _ in range(1000):  # it looks for signals between parts of a query only
        database.execute("select count(*) from range(1000000) where random() < 0").fetchone()
except BaseException as error:
    from artsim.cli.stopping import was_interrupted
    print(type(error).__name__, was_interrupted(error))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout in ("RuntimeError True\n", "KeyboardInterrupt True\n"), done.stderr

    def interrupted(*_, **__):
        raise RuntimeError("Query interrupted")

    monkeypatch.setattr("artsim.sample.make_sample", interrupted)
    assert run("sample", tmp_path / "m", code=130).output == "\nStopped.\n"


def test_nothing_that_pillow_logs_is_printed():
    code = (
        "import logging\n"
        "from artsim.cli import cli\n"
        "cli(['readers'], standalone_mode=False)\n"
        "logging.getLogger('PIL.TiffImagePlugin').error('More samples per pixel than ...')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_nohup_is_respected():
    code = (
        "import os, signal\n"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "from artsim.cli.stopping import end_as_ctrl_c\n"
        "end_as_ctrl_c(); os.kill(os.getpid(), signal.SIGHUP); print('goes on')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "goes on\n"


def test_no_written_text_acts_on_the_terminal_that_shows_it(hostile, tmp_path):
    manifest = tmp_path / "m.json"
    run("similar", "--id", "a", "--index", hostile, "--iiif", manifest, "--json")
    plan = RunPlan(recipe="\x9b2J", index="i", settings={"a": "\u202e"}, seed=0)
    report = Run(path=tmp_path, plan=plan)
    save_report(report, [f"- {title}" for title in CONTROLS.values()])
    report.write_json("values.json", CONTROLS)
    for file in (manifest, tmp_path / "report.md", tmp_path / "values.json"):
        assert ACTING.findall(file.read_bytes().decode()) == []
    assert json.loads((tmp_path / "values.json").read_text()) == CONTROLS
    assert CONTROLS["C1"] in json.dumps(json.loads(manifest.read_text()), ensure_ascii=False)


def test_names_that_tell_rows_apart_are_cut_in_the_middle_and_stay_apart(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    indexes = ["antiquities", "antiquities-lite1", "antiquities-random"]
    taps = ["blocks.4/gram", "blocks.6/gram", "embedding"]
    rows = [(index, tap, *["0.123"] * 5) for index in indexes for tap in taps]
    numbers = ["dims", "probe val", "probe test", "kNN val", "kNN test"]
    print_table(["index", "tap", *numbers], rows, right=numbers, names=["index", "tap"])
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert max(map(len, lines)) <= 80
    shown = [tuple(line.split()[:2]) for line in lines if "0.123" in line]
    assert len(set(shown)) == len(shown) == 9
    assert shown[3] == ("ant…te1", "blocks.4/gram")


def test_names_are_cut_no_more_than_keeps_them_apart():
    assert cut_apart(["blocks.4/gram", "blocks.6/gram", "embedding"], 8) == [
        "block…4/gram",
        "block…6/gram",
        "embedding",
    ]
    assert cut_apart(["paintings-lite0", "paintings-lite1"], 8) == ["pai…ite0", "pai…ite1"]
    assert cut_apart(["one", "one"], 8) == ["one", "one"]


def test_headings_of_a_table_act_on_no_terminal(capsys):
    print_table(["\x9b2Jcolumn", "[bold]n"], [["a", 1]])
    shown = capsys.readouterr().out
    assert ACTING.findall(shown) == []
    assert "\\u009b2Jcolumn" in shown
    assert "[bold]n" in shown


def test_a_warning_of_other_code_is_one_line_without_its_place(hostile, monkeypatch):
    def warn(*_):
        with warnings.catch_warnings(action="always"):
            warnings.warn(f"old\n{CONTROLS['clipboard']}", DeprecationWarning, stacklevel=1)
        return {}

    monkeypatch.setattr("artsim.labels.derived_labels", warn)
    assert run("label", hostile).stderr.splitlines()[0] == (
        "Warning: old \\u001b]52;c;ZXZpbA==\\u0007"
    )


def test_a_map_shows_classes_that_act_or_whose_letters_its_font_lacks(tmp_path, caplog):
    pytest.importorskip("matplotlib")
    classes = [*CONTROLS.values(), "\u6d6e\u4e16\u7d75", "$x^$"]
    points = np.random.default_rng(0).random((len(classes), 2), dtype=np.float32)
    draw_points(tmp_path / "a.png", points, [*CONTROLS.values(), "a", "b"])
    assert caplog.messages == []
    draw_points(tmp_path / "b.png", points, classes)
    assert caplog.messages == ["the font lacks letters of some classes, which are drawn as boxes"]
