"""``artsim train`` and ``artsim recipes``: what is printed, left behind and refused."""

import json
import re
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest
from click.testing import CliRunner
from conftest import noise_picture

from artsim.cli import cli
from artsim.errors import StoreError, TrainingError
from artsim.recipes import RECIPES, TrainingOptions, resume_training, run_command, train
from artsim.store import Store
from artsim.training import Stopped, only_process, read_metrics, read_plan

TINY = ["tasks=class", "size=16", "channels=2,2,2,2", "hidden=4", "batch_size=4", "epochs=1"]
TINY = [part for setting in TINY for part in ("--set", setting)]


def run(*args, code=0):
    result = CliRunner().invoke(cli, [str(arg) for arg in args], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture(scope="module")
def squares(tmp_path_factory):
    """Twenty pictures of noise in two folders, as a collection."""
    folder = tmp_path_factory.mktemp("cli") / "squares"
    for i in range(20):
        file = folder / ("odd" if i % 2 else "even") / f"{i}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        noise_picture(file, (20, 20), seed=i)
    return folder


def test_the_recipes_are_listed_with_the_caveats_of_their_figures():
    rows = [json.loads(line) for line in run("recipes").splitlines()]
    assert [row["name"] for row in rows] == list(RECIPES)
    assert all(row["published"] and row["caveat"] for row in rows)
    assert "85.71% is on the training pictures" in run("recipes", "--table")


def test_a_collection_is_embedded_trained_on_stopped_and_resumed(squares, tmp_path, monkeypatch):
    @contextmanager
    def terminated_at_the_second_step(what):
        def progress(done, total, failures):
            if what == "wikiart-conv-recurrent" and done == 2:
                signal.raise_signal(signal.SIGTERM)

        yield progress

    path = tmp_path / "run"
    with monkeypatch.context() as patched:
        # not artsim.cli.train, which is the command
        module = sys.modules["artsim.cli.train"]
        patched.setattr(module, "show_progress", terminated_at_the_second_step)
        said = run("train", "wikiart-conv-recurrent", squares, "--output", path, "--device", "cpu",
                   *TINY, code=130)  # fmt: skip
    assert f"Stopped; continue with 'artsim train --resume {path}'" in said
    assert not (path / "model.json").exists()
    said = run("train", "--resume", path, "--device", "cpu", "--set", "dropout=0.25")
    assert "| class | top1 |" in said
    assert json.loads((path / "config.json").read_text())["settings"]["dropout"] == "0.25"
    assert {"model.json", "model.safetensors", "predictions.parquet", "metrics.json", "report.md",
            "report.html", "outliers.csv", "curves.csv", "curves.png", "config.json",
            "confusion-class.csv", "confusion-class.png",
            "environment.json", "log.txt", "index", "checkpoints", ".lock"
            } == {file.name for file in path.iterdir()}  # fmt: skip
    for name in ("curves.png", "confusion-class.png"):
        assert (path / name).read_bytes().startswith(b"\x89PNG")
    found = json.loads((path / "metrics.json").read_text())
    assert found["steps"] == 4
    assert found["tasks"][0]["baselines"]["split"] == "run.class"
    layers = [json.loads(line) for line in run("layers", f"run:{path}").splitlines()]
    assert {"conv2d", "conv2d_1", "conv2d_2", "conv2d_3"} <= {row["layer"] for row in layers}
    run(
        "embed", squares, "-m", f"run:{path}@conv2d_3", "-o", tmp_path / "by-run", "--device", "cpu"
    )
    info = json.loads(run("info", "--index", tmp_path / "by-run"))
    assert info["rows"] == 20
    assert info["passport"]["spec"] == f"run:{path}@conv2d_3"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["train"], "name a RECIPE, see 'artsim recipes', and COLLECTION or --index"),
        (["train", "moma-lithograph", ".", "--index", "x"], "name a RECIPE"),
        (["train", "poetry", "."], "no recipe 'poetry'; choose from moma-lithograph,"),
        (
            ["train", "moma-lithograph", ".", "--set", "lr=quick"],
            "lr=quick: expected a valid number",
        ),
        (["train", "--resume", "gone"], "'gone' is not a training run (config.json: missing)"),
        (["train", "--resume", "gone", "--seed", "1"], "--resume uses the run's own settings"),
        (["train", "moma-lithograph", "--index", "gone"], "no index at"),
        (
            ["train", "moma-lithograph", ".", "--set", "epochs=0"],
            "epochs=0: expected a number greater than or equal to 1",
        ),
        (["layers", "run:gone"], "no trained network in 'gone'; train one with 'artsim train'"),
    ],
)
def test_misuse_gives_a_one_line_error(args, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(cli, args)
    assert result.exit_code in (1, 2)
    assert said in " ".join(result.output.split())
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_use_is_not_trained_into(squares, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    said = run("train", "moma-lithograph", squares, "--output", tmp_path, code=1)
    assert "is not empty; name another --output, or continue with 'artsim train --resume" in said


def test_a_missing_package_names_the_extra(squares):
    hidden = (
        "import sys\n"
        "sys.modules['lightning'] = sys.modules['pydantic'] = None\n"
        "from artsim.cli import cli\n"
        "for stand_in in (None, sys):  # Lightning itself is slow to import\n"
        "    sys.modules['lightning'] = stand_in\n"
        "    try: cli()\n"
        "    except SystemExit as end: assert end.code == 1\n"
    )
    words = [sys.executable, "-c", hidden, "train", "moma-lithograph", str(squares)]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert re.findall("training needs (.*)", done.stderr) == [
        f"{package}; install it with pip install 'artsim[train]'"
        for package in ("lightning", "pydantic")
    ]


def test_training_is_one_library_call_that_returns_scores(squares, tmp_path):
    settings = {"tasks": ("class",), "size": 16, "channels": (2, 2, 2, 2), "hidden": 4}
    settings |= {"batch_size": 4, "epochs": 1}
    options = TrainingOptions(device="cpu", workers=1)
    found = train(
        squares, "wikiart-conv-recurrent", settings, folder=tmp_path / "a", options=options
    )
    assert found.path == tmp_path / "a"
    assert found.model == f"run:{tmp_path / 'a'}"
    assert "| class | top1 |" in found.report.read_text()
    (row,) = found.to_pandas().to_dict("records")
    (task,) = found.metrics["tasks"]
    assert (row["task"], row["metric"]) == ("class", "top1")
    assert (row["test"], row["probe"]) == (task["test"]["top1"], task["baselines"]["probe"])
    # Its index, with the same settings as text and a seed of its own, gives the same network.
    texts = {name: ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
             for name, value in settings.items()}  # fmt: skip
    again = train(Store.open(found.path / "index"), "wikiart-conv-recurrent", texts,
                  folder=tmp_path / "b", options=options)  # fmt: skip
    assert (again.path / "model.safetensors").read_bytes() == (
        found.path / "model.safetensors"
    ).read_bytes()
    assert not (again.path / "index").exists()
    assert run_command(read_plan(again.path)).startswith(
        f"artsim train wikiart-conv-recurrent --index {found.path / 'index'} --set tasks=class "
    )


def test_a_stopped_training_is_resumed_by_a_library_call(squares, tmp_path):
    settings = dict(pair.split("=") for pair in TINY[1::2])
    polls = iter(range(100))
    options = TrainingOptions(device="cpu", workers=1)
    stopping = TrainingOptions(device="cpu", workers=1, should_stop=lambda: next(polls) >= 2)
    folder = tmp_path / "run"
    with pytest.raises(Stopped, match=f"continue with 'artsim train --resume {folder}'"):
        train(squares, "wikiart-conv-recurrent", settings, folder=folder, options=stopping)
    with only_process(folder), pytest.raises(StoreError, match="another 'artsim train' works in"):
        resume_training(folder, options=options)
    found = resume_training(folder, options=options)
    assert found.metrics["steps"] == 4
    with pytest.raises(TrainingError, match="is not empty"):
        train(squares, "wikiart-conv-recurrent", settings, folder=folder, options=options)


def test_scores_of_an_older_run_are_read_by_todays_names(tmp_path):
    ends = {"value_low": 0.4, "value_high": 0.6}
    several = {"n": 9, "metric": "mAP", "value": 0.5, **ends, "per_image": 0.7}
    first = {"n": 9, "metric": "top1", "value": 0.5, "interval": [0.25, 0.75], "top5": 1.0}
    tasks = [
        {"task": "terms", "train": several, "val": {"n": 0}, "test": several},
        {"task": "style", "train": {"n": 0}, "val": {"n": 0}, "test": first},
    ]
    (tmp_path / "metrics.json").write_text(json.dumps({"tasks": tasks, "ways": [1]}))
    found = read_metrics(tmp_path)
    terms, style = found["tasks"]
    assert found["methods"] == [1]
    assert terms["val"] == {"n": 0}
    assert terms["train"] == terms["test"] == {
        "n": 9, "metric": "mAP", "mAP": 0.5, "mAP_low": 0.4, "mAP_high": 0.6, "iMAP": 0.7
    }  # fmt: skip
    assert style["test"] == {
        "n": 9, "metric": "top1", "top1": 0.5, "top5": 1.0, "top1_low": 0.25, "top1_high": 0.75
    }  # fmt: skip
