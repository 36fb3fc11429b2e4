"""CSV files of scores: a row as in the JSON, and below a row for each class."""

import csv

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st

from artsim.cli.score_files import write_scores
from artsim.labels import multiclass
from artsim.metrics import METRICS, Predictions, class_scores


def predicted(truth, codes):
    label = multiclass("kind", truth)
    return Predictions(truth=label, learned=label, ranked=np.array(codes)[:, None])


def test_each_class_has_its_precision_recall_and_f1():
    found = class_scores(predicted(["a", "a", "a", "b"], [0, 0, 1, 1]))
    assert found == [
        {"class": "a", "n": 3, "precision": 1.0, "recall": pytest.approx(2 / 3), "f1": 0.8},
        {"class": "b", "n": 1, "precision": 0.5, "recall": 1.0, "f1": pytest.approx(2 / 3)},
    ]


def test_a_class_that_is_never_predicted_has_no_precision():
    (one, other) = class_scores(predicted(["a", "b"], [0, -1]))
    assert one == {"class": "a", "n": 1, "precision": 1.0, "recall": 1.0, "f1": 1.0}
    assert other == {"class": "b", "n": 1, "precision": None, "recall": 0.0, "f1": 0.0}


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(-1, 2)), min_size=1))
def test_the_scores_are_those_of_scikit_learn_and_their_mean_is_macro_f1(pairs):
    truth = ["a", "b", "c", *(name for name, _ in pairs)]  # so that the codes are 0, 1 and 2
    codes = [0, 1, 2, *(code for _, code in pairs)]
    predictions = predicted(truth, codes)
    found = class_scores(predictions)
    names = ["abc-"[code] for code in codes]
    report = sklearn.metrics.classification_report(
        truth, names, labels=list("abc"), output_dict=True, zero_division=0
    )
    for row in found:
        expected = report[row["class"]]
        assert row["n"] == expected["support"]
        for one, other in (("precision", "precision"), ("recall", "recall"), ("f1", "f1-score")):
            assert (row[one] or 0) == pytest.approx(expected[other])
    assert np.mean([row["f1"] for row in found]) == pytest.approx(
        METRICS["macro_f1"].compute(predictions)
    )


def test_rows_of_different_columns_are_one_table_without_what_is_deeper(tmp_path):
    file = tmp_path / "scores.csv"
    rows = [
        {"label": "style", "top1": 0.5, "seeds": [0, 1], "few": [{"shots": 1}], "AP": {"a": 1.0}},
        {"label": "style", "class": "a", "f1": float("nan")},
    ]
    write_scores(file, rows)
    assert list(csv.reader(file.read_text().splitlines())) == [
        ["label", "top1", "seeds", "class", "f1"],
        ["style", "0.5", "0|1", "", ""],
        ["style", "", "", "a", ""],
    ]
    write_scores(None, rows)  # nothing asked, nothing written
