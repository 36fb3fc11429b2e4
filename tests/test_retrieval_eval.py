"""Retrieval on an index of six colours: scores read by eye, misuse refused."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import MeanColor, toy_passport

from artsim.cli import cli
from artsim.embed import embed_collection
from artsim.evaluation.retrieval import evaluate
from artsim.index import unit
from artsim.models.extractor import Extractor
from artsim.readers import read_collection
from artsim.retrieving import RetrievalPlan, retrieve
from artsim.store import Store


def run(*args, code=0):
    result = CliRunner().invoke(cli, [str(arg) for arg in args], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture
def path(tmp_path, paint):
    """Two plates of each of three colours, told by a table; red and green share an object."""
    rows = {
        "red-1": ((250, 10, 10), "warm", "vase"),
        "red-2": ((240, 20, 10), "warm", "vase"),
        "orange": ((250, 90, 10), "warm", "dish"),
        "blue": ((10, 10, 250), "cold", "cup"),
        "navy": ((10, 20, 200), "cold", "jug"),
        "olive": ((130, 120, 10), "cold", ""),  # its colour is warm
    }
    lines = ["id,image,temper,object,year"]
    for number, (name, (color, temper, thing)) in enumerate(rows.items()):
        paint(tmp_path / "c" / f"{name}.png", color)
        lines.append(f"{name},{name}.png,{temper},{thing},{1900 + number // 2}")
    (tmp_path / "c" / "objects.csv").write_text("\n".join(lines))
    embed_collection(
        read_collection(tmp_path / "c"), tmp_path / "i", Extractor(MeanColor(), toy_passport())
    )
    return tmp_path / "i"


def retrieved(path, **options):
    return list(retrieve(Store.open(path), RetrievalPlan(tap="rgb", **options)))


def test_scores_are_those_of_the_rankings(path):
    (found,) = retrieved(path, labels=("temper",), ks=(1, 2))
    overall = found.scores.overall
    # red and red, orange and red, blue and navy find each other first; olive finds orange
    assert overall["P@1"] == pytest.approx(5 / 6)
    assert overall["HitRate@2"] == pytest.approx(5 / 6)
    # the third relevant of blue and navy is olive, which stands before the reds
    assert overall["R-precision"] == pytest.approx((5 * 2 / 2 + 0) / 6)
    assert overall["MRR@2"] == pytest.approx(5 / 6)


def test_scores_are_those_of_the_pure_function(path):
    store = Store.open(path)
    (found,) = retrieved(path, labels=("temper",), ks=(1, 3), junk="object")
    table = store.read(["temper", "object"])
    expected = evaluate(
        unit(store.vectors("rgb")),
        "temper",
        table.column("temper").to_pylist(),
        groups=table.column("object").to_pylist(),
        ks=(1, 3),
    )
    assert found.scores.overall == expected.overall
    assert found.scores.relevant.tolist() == [1, 1, 2, 2, 2, 2]


def test_pairs_of_one_class_are_more_alike(path):
    (found,) = retrieved(path, labels=("temper",))
    assert found.true_pairs.mean() > found.other_pairs.mean()
    higher = (found.true_pairs[:300, None] > found.other_pairs[None, ::50]).mean()
    assert 0 < higher < found.told_apart < 1  # the first true pairs are the lowest
    np.testing.assert_array_equal(found.true_pairs, np.sort(found.true_pairs))


def test_pairs_of_one_object_are_not_drawn(path):
    (found,) = retrieved(path, labels=("temper",), junk="object")
    store = Store.open(path)
    red, again = unit(store.vectors("rgb"))[[store.find("red-1"), store.find("red-2")]]
    assert not np.isclose(found.true_pairs, red @ again, atol=1e-6).any()


def test_default_ranks_are_those_that_there_are_pictures_for(path):
    (found,) = retrieved(path, labels=("temper",))
    assert [name for name in found.scores.overall if name.startswith("P@")] == ["P@1", "P@5"]


def test_the_command_prints_a_table_with_classes(path):
    output = run(
        "retrieval-eval", "--index", path, "--label", "temper", "-k", "1,2", "--table",
        "--per-class",
    )  # fmt: skip
    lines = [line.split() for line in output.splitlines()]
    assert ["temper:", "2", "classes,", "6", "queries"] in lines
    assert ["k", "P@k", "HitRate@k", "mAP@k", "nDCG@k"] in lines
    assert ["1", "0.833", "0.833", "0.833", "0.833"] in lines
    assert ["cold", "3", "0.667", "0.667", "0.667"] in lines
    assert ["warm", "3", "1.000", "1.000", "1.000"] in lines
    assert output.index("\n cold") < output.index("\n warm")  # the worst first


def test_the_command_prints_json_lines_in_a_pipe(path):
    output = run("retrieval-eval", "--index", path, "-k", "1", "--per-class", "--junk", "object")
    temper, *classes = map(json.loads, output.splitlines())
    assert (temper["label"], temper["queries"], temper["skipped"]) == ("temper", 6, 0)
    assert (temper["tap"], temper["junk"]) == ("rgb", "object")
    assert set(temper["true_pairs"]) == {"5 %", "25 %", "50 %", "75 %", "95 %"}
    assert [(row["class"], row["queries"]) for row in classes] == [("cold", 3), ("warm", 3)]
    assert np.mean([row["P@1"] for row in classes]) == pytest.approx(temper["P@1"])


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--label", "nation"), "no column 'nation'; choose from temper, object, year"),
        (("--label", "year"), "'year' holds numbers, expected classes; derive some"),
        (("--label", "object"), "'object' cannot be a label: only 2 of 5 rows share their value"),
        (("--label", "none = year < 1900"), "cannot be a label: one class only: 'not none'"),
        (("--label", "temper", "--junk", "temper"), "cannot be both label and junk"),
        (("--label", "temper", "--junk", "nation"), "no column 'nation'"),
        (("--label", "temper", "-k", "1,6"), "ks must be between 1 and 5, the other rows"),
        (("--label", "temper", "--tap", "z"), "has no tap 'z'"),
    ],
)
def test_misuse_is_one_line(path, args, message):
    output = run("retrieval-eval", "--index", path, *args, code=1)
    assert output.startswith("Error: ")
    assert message in output
    assert output.count("\n") == 1


@pytest.mark.parametrize("ks", ["0", "1,x", "1,,2"])
def test_ranks_that_are_none_are_explained(path, ks):
    assert "is not a rank from 1" in run("retrieval-eval", "--index", path, "-k", ks, code=2)
