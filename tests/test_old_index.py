"""An index made by version 0.1.0 opens and answers as it did then; its answers are beside it."""

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner

from artsim.cli import cli
from artsim.labels import values_of
from artsim.store import Store

OLD = Path(__file__).parent / "index_0_1"


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    return Path(shutil.copytree(OLD / "index", tmp_path_factory.mktemp("old") / "museum"))


def answers(name):
    text = (OLD / "answers" / f"{name}.json").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def run(index, command, *args):
    done = CliRunner().invoke(cli, [command, "--index", str(index), "--json", *args])
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in done.stdout.splitlines()]


def some(rows, *names):
    return [[row[name] for name in names] for row in rows]


def test_it_is_described_as_before(index):
    (then,), (now,) = answers("info"), run(index, "info")
    for name in ("rows", "complete", "failures", "reader", "source", "fields", "passport"):
        assert now[name] == then[name]


@pytest.mark.parametrize(
    ("name", "args"), [("similar", []), ("similar_where", ["--where", "year < 1930"])]
)
def test_it_finds_the_same_works(index, name, args):
    now = run(index, "similar", "--id", "msw-0009", "-k", "5", *args)
    then = answers(name)
    names = ("rank", "id", "percentile", "title", "artist", "medium", "year")
    assert some(now, *names) == some(then, *names)
    assert [row["score"] for row in now] == pytest.approx([row["score"] for row in then], abs=2e-6)


def test_its_neighbors_predict_as_well(index):
    # The numbers of neighbors that are tried by default have changed since.
    then = {row["k"]: row for row in answers("knn")}
    now = run(index, "knn-eval", "--label", "style", "-k", ",".join(map(str, then)))
    assert {row["k"] for row in now} == set(then)
    for row in now:
        for name in ("top1", "top5", "macro_f1", "balanced_accuracy", "kappa", "majority", "n"):
            assert row[name] == pytest.approx(then[row["k"]][name])


def test_its_derived_labels_and_splits_are_read(index):
    store = Store.open(index)
    assert Counter(values_of(store, "lithograph")) == {"not lithograph": 50, "lithograph": 8}
    assert Counter(values_of(store, "century")) == {"20": 41, "19": 14, None: 3}
    splits = {row["split"]: row for row in run(index, "split")}
    assert set(splits) == {"honest", "cv"}


def test_a_probe_on_its_split_scores_the_same(index):
    then = {row["label"]: row for row in answers("probe")}
    for label in then:
        args = ("--label", label, "--split", "honest", "--no-save")
        (now,) = run(index, "probe", *args)
        for name in ("metric", "baseline", "probe", "strength", "n_train", "n_test"):
            assert now[name] == pytest.approx(then[label][name]), (label, name)


def test_its_saved_probes_predict_the_same(index):
    (now,) = run(index, "predict", "--head", "style-head", "--id", "msw-0009")
    (then,) = answers("predict")
    for name in ("id", "label", "predicted", "confidence", "agrees", "seen"):
        assert now[name] == pytest.approx(then[name])
    assert now["kind"] == "multiclass"  # "classes" then
