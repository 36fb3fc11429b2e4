"""Trees of classes: read, scored and backed off, on paths that can be counted by hand."""

import json
import math

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner
from scipy.sparse import csr_array
from search_toys import at, make_store

from artsim.cli import cli
from artsim.errors import EvaluationError
from artsim.labels.trees import place, read_hierarchy
from artsim.metrics import (
    SureNodes,
    back_off,
    choose_least,
    hierarchy_scores,
    node_sets,
    nodes_of,
    sum_up,
)
from artsim.report import study_page
from artsim.report.tables import study_tables
from artsim.study import StudyPlan, study

MEDIA = """child,parent
chalk,drawing
red chalk,chalk
black chalk,chalk
ink,drawing
oil,painting
drawing,work
painting,work
"""
CLASSES = ("black chalk", "ink", "oil", "red chalk")
SKOS = """
@prefix skos: <http://www.w3.org/2004/02/skos/core#> .
@prefix aat: <http://vocab.getty.edu/aat/> .
aat:1 skos:prefLabel "drawing"@en .
aat:2 skos:prefLabel "Kreide"@de, "chalk"@en ; skos:broader aat:1 .
aat:3 skos:prefLabel "red chalk"@en ; skos:altLabel "sanguine"@fr ; skos:broader aat:2 .
aat:2 skos:narrower aat:4 .
aat:4 skos:prefLabel "black chalk"@en ; skos:altLabel "crayon"@fr .
aat:5 skos:prefLabel "wax crayon"@en ; skos:altLabel "crayon"@fr ; skos:broader aat:1 .
"""


@pytest.fixture
def media(tmp_path):
    file = tmp_path / "media.csv"
    file.write_text(MEDIA)
    return file


def run(*args, code=0):
    result = CliRunner().invoke(cli, [str(arg) for arg in args], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.output


def scores(truth, predicted, placed):
    rows = np.arange(len(truth))
    truth, predicted = (placed.codes[np.array(each)] for each in (truth, predicted))
    return hierarchy_scores(
        node_sets(rows, truth, placed.above, len(rows)),
        node_sets(rows, predicted, placed.above, len(rows)),
        placed.depths,
    )


def test_the_example_of_kiritchenko_has_a_precision_of_a_half_and_a_recall_of_a_quarter():
    """An instance of G, below B, C and E, is classified as F, below C: 1 of 2 and 1 of 4.

    Kiritchenko, Matwin and Famili 2005, section 4; Silla and Freitas 2011 use the same measure.
    """
    b, c, e, f, g = range(5)
    above = np.eye(5, dtype=bool)
    above[f, c] = above[g, b] = above[g, c] = above[g, e] = True
    above = csr_array(above)
    one = np.array([0])
    found = hierarchy_scores(
        node_sets(one, np.array([g]), above, 1),
        node_sets(one, np.array([f]), above, 1),
        depths=np.array([1, 1, 2, 2, 3]),
    )
    assert (found.precision, found.recall, found.f1) == (1 / 2, 1 / 4, 1 / 3)


def test_a_wrong_class_counts_by_what_it_shares_with_the_true_one(media):
    placed = place(read_hierarchy(media), CLASSES)
    black, ink, oil, red = range(4)
    # paths of 3, 3, 2 and 2 nodes; shared: 3, 2, 1 and 0
    found = scores([black, red, ink, oil], [black, black, red, ink], placed)
    assert found.precision == 6 / (3 + 3 + 3 + 2)
    assert found.recall == 6 / (3 + 3 + 2 + 2)
    assert found.f1 == pytest.approx(2 * 6 / 21)
    assert (found.on_path.value, found.on_path.n) == (1 / 4, 4)
    # red chalk for black chalk, and red chalk for ink, miss the last level only
    assert (found.near.value, found.near.n) == (2 / 3, 3)
    # depths: drawing or painting, then chalk or ink or oil, then the chalks
    assert [(each.value, each.n) for each in found.depths] == [(3 / 4, 4), (2 / 4, 4), (1 / 2, 2)]
    assert found.mean_depth == (3 + 3 + 3 + 2) / 4


def test_what_is_above_all_classes_is_no_level_and_a_missing_class_is_a_tree_of_its_own(media):
    placed = place(read_hierarchy(media), (*CLASSES, "bronze"))
    assert placed.path(placed.codes[3]) == ("work", "drawing", "chalk", "red chalk")
    assert placed.path(placed.codes[4]) == ("bronze",)
    assert placed.notes == (
        f"1 of 5 classes is not in {media} ('bronze'); each counts as a tree of its own",
    )
    placed = place(read_hierarchy(media), ("Black  Chalk", "red chalk"))
    assert placed.nodes == ("black chalk", "red chalk")
    assert place(read_hierarchy(media), ("bronze", "glass")) is None


def test_the_deepest_level_that_is_sure_enough_is_predicted(media):
    placed = place(read_hierarchy(media), CLASSES)
    probabilities = np.array(
        [
            [0.05, 0.03, 0.02, 0.9],
            [0.4, 0.1, 0.05, 0.45],
            [0.2, 0.3, 0.3, 0.2],
            [0.1, 0.1, 0.7, 0.1],
        ]
    )
    sure = sum_up(probabilities, placed.codes, placed.above)
    nodes, sums = back_off(sure, placed.depths, 0.8)
    assert [placed.nodes[node] if node >= 0 else None for node in nodes] == [
        "red chalk",
        "chalk",
        None,
        None,
    ]
    np.testing.assert_allclose(sums, [0.9, 0.85, np.nan, np.nan])
    nodes, sums = back_off(sure, placed.depths, 0.7)
    assert [placed.nodes[node] for node in nodes] == ["red chalk", "chalk", "drawing", "oil"]
    np.testing.assert_allclose(sums, [0.9, 0.85, 0.7, 0.7])


def test_the_least_probability_is_that_at_which_nine_in_ten_answers_are_right():
    # twenty classes without a tree; answers of probability 0.62 are wrong, of 0.72 right
    n = 20
    sure = SureNodes(
        n=n,
        rows=np.arange(n),
        nodes=np.arange(n) % 2,
        probabilities=np.where(np.arange(n) < 5, 0.62, 0.72),
    )
    above, depths = csr_array(np.eye(2, dtype=bool)), np.array([1, 1])
    true = np.arange(n) % 2
    true[:5] = 1 - true[:5]
    assert choose_least(sure, nodes_of(true, above), above, depths) == 0.65
    true[:] = 1 - np.arange(n) % 2  # never right
    assert choose_least(sure, nodes_of(true, above), above, depths) == 0.99


def test_nothing_predicted_has_no_precision():
    above = csr_array(np.eye(2, dtype=bool))
    truth = nodes_of(np.array([0, 1]), above)
    found = hierarchy_scores(truth, nodes_of(np.array([-1, -1]), above), np.array([1, 1]))
    assert math.isnan(found.precision)
    assert (found.recall, found.f1, found.mean_depth) == (0, 0, 0)


@pytest.mark.parametrize(
    ("code", "path"),
    [
        ("25F23(LION)(+12)", "2 25 25F 25F2 25F23 25F23(LION) 25F23(LION)(+1) 25F23(LION)(+12)"),
        ("11HH(MARY)3", "1 11 11H 11HH 11HH(MARY) 11HH(MARY)3"),
        ("98", "9 98"),
    ],
)
def test_an_iconclass_notation_is_its_path(code, path):
    hierarchy = read_hierarchy("iconclass")
    assert hierarchy.find(f" {code} ") == code
    found = [code]
    while above := hierarchy.parents(found[0]):
        found = [*above, *found]
    assert found == path.split()


def test_a_long_row_of_digits_is_read_at_once():
    assert (
        read_hierarchy("iconclass").find("25F" + "1" * 200 + "x") is None
    )  # 2 to the 100 steps, if digits were grouped
    assert read_hierarchy("iconclass").find("25F" + "1" * 200) == "25F" + "1" * 200


@pytest.mark.parametrize("text", ["", "oil on canvas", "25F23(", "25F23 lions", "F25", "25J2"])
def test_other_text_is_no_iconclass_notation(text):
    assert read_hierarchy("iconclass").find(text) is None


def test_skos_is_read_with_all_names_and_an_ambiguous_name_is_none(tmp_path):
    pytest.importorskip("rdflib")
    file = tmp_path / "aat.ttl"
    file.write_text(SKOS)
    placed = place(read_hierarchy(file), ("Sanguine", "black chalk", "wax crayon", "crayon"))
    assert placed.path(placed.codes[0]) == ("drawing", "chalk", "red chalk")
    assert placed.path(placed.codes[1]) == ("drawing", "chalk", "black chalk")
    assert placed.missing == ("crayon",)
    orange = """@prefix skos: <http://www.w3.org/2004/02/skos/core#> .
        <urn:1> skos:prefLabel "orange" . <urn:2> skos:broader <urn:4> ; skos:prefLabel "Orange" .
        <urn:3> skos:broader <urn:1> ; skos:prefLabel "apricot" ; skos:altLabel "orange" ."""
    file.write_text(orange)  # two show it: it is not read as the third's other name
    assert place(read_hierarchy(file), ("orange", "apricot")).missing == ("orange",)
    assert read_hierarchy(file).find("http://vocab.getty.edu/aat/2") == read_hierarchy(file).find(
        "2"
    )


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "name,above\na,b\n", "has the columns name, above; expected child and parent"),
        ("a.csv", "child,parent\na,b\nb,c\nc,a\n", "puts a class above itself: "),
        ("a.csv", "child,parent\na,\n", "names no parent of a class"),
        ("a.csv", "child,parent\n,b\n", "line 2: it names no child"),
        ("a.ttl", "@prefix nonsense", "is no valid ttl: "),
        ("none.csv", None, "cannot read the hierarchy"),
    ],
)
def test_a_hierarchy_that_cannot_be_read_says_why(tmp_path, name, text, message):
    if name.endswith(".ttl"):
        pytest.importorskip("rdflib")
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(EvaluationError) as error:
        read_hierarchy(tmp_path / name)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


N = 60
SIDES = ["train", "train", "train", "val", "test"] * (N // 5)


@pytest.fixture(scope="module")
def museum(tmp_path_factory):
    """Chalks that point almost the same way, and ink and oil that do not."""
    path = tmp_path_factory.mktemp("media") / "index"
    kinds = ["red chalk", "black chalk", "ink", "oil"]
    medium = [kinds[i * 4 // N] for i in range(N)]
    angle = {"red chalk": 0, "black chalk": 0, "ink": 45, "oil": 90}
    noise = np.random.default_rng(0).uniform(-10, 10, N)
    vectors = at(*(angle[kind] + more for kind, more in zip(medium, noise, strict=True)))
    columns = {"medium": pa.array(medium), "side": pa.array(SIDES), "media": pa.array(
        [[kind, "paper"] if kind != "oil" else [kind] for kind in medium]
    )}  # fmt: skip
    return make_store(path, [f"w{i}" for i in range(N)], {"rgb": vectors}, columns)


def test_knn_scores_show_chalk_for_chalk_as_near(museum, media):
    args = ("knn-eval", museum.path, "--label", "medium", "--split", "side", "-k", "5")
    (row,) = map(json.loads, run(*args, "--hierarchy", media).splitlines())
    found = row["hierarchy"]
    wrong = round(12 * (1 - row["top1"]))
    assert wrong == 2  # the other chalk, of paths of 3 + 3 + 2 + 2 nodes, three pictures each
    assert found["precision"] == found["recall"] == pytest.approx((30 - wrong) / 30)
    assert found["near"] == 1
    assert [each["accuracy"] for each in found["depths"]] == [1, 1, (6 - wrong) / 6]
    assert found["back_off"]["on_path"] == 1
    assert found["back_off"]["answered"] == 1
    table = run(*args, "--hierarchy", media, "--table")
    assert "hF" in table
    assert "sure 0." in table
    # without validation rows nothing says what is sure enough
    args = ("knn-eval", museum.path, "--label", "medium", "-k", "5", "--hierarchy", media)
    assert json.loads(run(*args))["hierarchy"]["back_off"] is None


def test_several_classes_a_picture_are_scored_by_the_nodes_of_all(museum, media):
    args = ("knn-eval", museum.path, "--label", "media", "-k", "10", "--hierarchy", media)
    found = json.loads(run(*args))["hierarchy"]
    assert found["missing"] == ["paper"]
    assert 0.8 < found["f1"] < 1
    assert found["depths"][0]["accuracy"] == 1


def test_a_probe_backs_off_and_predicts_so(museum, media, tmp_path):
    args = ("probe", museum.path, "--label", "medium", "--split", "side")
    (row, *_) = run(*args, "--hierarchy", media).splitlines()
    row = json.loads(row)
    found = row["hierarchy"]
    assert found["f1"] == pytest.approx(1 - 12 * (1 - row["probe"]) / 30)  # only chalks are wrong
    assert found["back_off"]["chosen_on"] == 12
    predict = ("predict", "--index", museum.path, "--id", "w4")
    (one,) = map(
        json.loads, run(*predict, "--hierarchy", media, "--min-confidence", "0.7").splitlines()
    )
    assert (one["predicted"], one["path"]) == ("chalk", ["drawing", "chalk"])
    assert (one["catalog"], one["shared"], one["agrees"]) == ("red chalk", "chalk", True)
    text = run(*predict, "--hierarchy", media, "--min-confidence", "0.7", "--table")
    assert "medium: drawing > chalk (0." in text
    run(*predict, "--hierarchy", media, "-o", tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text().splitlines()[0].endswith(",neighbors,path,shared")
    error = run(*predict, "--hierarchy", media, "--min-confidence", "0.3", code=1)
    assert "with a hierarchy the least confidence is 0.5, got 0.3" in error
    assert "path" not in json.loads(run(*predict))
    run(*args, "--head", "plain")
    error = run(*predict, "--head", "plain", "--hierarchy", media, code=1)
    assert "head 'plain' was trained without a hierarchy" in error


def test_a_hierarchy_without_any_of_the_classes_is_refused(museum, media):
    for command in ("knn-eval", "probe"):
        args = (command, museum.path, "--label", "side", "--hierarchy", media)
        error = run(*args, code=1)
        assert f"'{media}' has no class of side, such as 'test'" in error
    args = ("knn-eval", museum.path, "--label", "medium", "--split", "side", "--protocol", "met")
    assert "leave out --hierarchy" in run(*args, "--hierarchy", media, code=1)


def test_a_report_has_the_scores_of_the_probe(museum, media):
    hierarchy = read_hierarchy(media)
    plan = StudyPlan(tap="rgb", labels=("medium",), split="side", hierarchy=hierarchy)
    found = study(museum, plan)
    (label,) = found.labels
    wrong = round(12 * (1 - label.method("probe").value))
    assert label.hierarchy.scores.f1 == pytest.approx((30 - wrong) / 30)
    tables = {table.name: table for table in study_tables(found)}
    (row, sure) = tables["hierarchy"].rows
    assert row[:2] == ("medium", "class")
    assert sure[1] == f"sure {label.hierarchy.backed_off.least:.2f}"
    assert [row[2] for row in tables["depths"].rows] == [1, 2, 3, 1, 2, 3]
    page, _ = study_page(found, "artsim report")
    assert "<h3>By the classes above</h3>" in page
