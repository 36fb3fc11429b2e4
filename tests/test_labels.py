"""Which columns are labels, on columns that can be checked by eye."""

import numpy as np
import pytest
from search_toys import at, make_store

from artsim.datatypes import column_named
from artsim.errors import EvaluationError
from artsim.evaluation.knn import KnnPlan, knn_eval
from artsim.evaluation.probe import ProbePlan, probe
from artsim.labels import (
    LabelKind,
    encode,
    group_codes,
    multiclass,
    multilabel,
    number,
    read_label,
    read_multiclass,
    values_of,
    why_not_label,
)
from artsim.splits import SplitPlan, make_split, read_stored_split


def test_classes_are_numbered_in_sorted_order_and_missing_is_minus_one():
    codes, classes = encode(["Monet", None, "Degas", "Monet"])
    assert codes.tolist() == [1, -1, 0, 1]
    assert classes == ("Degas", "Monet")


@pytest.mark.parametrize(
    ("name", "found"),
    [("Maker", "Maker"), ("maker", "Maker"), ("DATE", "DATE"), ("date", "date"), ("Date", "Date")],
)
def test_a_column_is_named_in_any_case_if_only_one_is_meant(name, found):
    assert column_named(name, ["Maker", "date", "DATE"]) == found  # Date may be either


def test_labels_groups_and_splits_of_columns_in_another_case_have_their_names(tmp_path):
    columns = {"Maker": ["a", "b"] * 4, "School": ["x", "x", "y", "y"] * 2}
    store = make_store(tmp_path / "i", [*"12345678"], {"t": at(*range(8))}, columns)
    assert read_label(store, "maker").name == "Maker"
    assert values_of(store, "SCHOOL") == columns["School"]
    assert group_codes(store, "school").tolist() == [0, 0, 1, 1] * 2
    (found,) = knn_eval(store, KnnPlan(tap="t", labels=("maker", "Maker"), groups=("school",)))
    assert (found.label.name, found.split.resampled_by) == ("Maker", "School")
    made = make_split(store, "s", SplitPlan(fractions=(0.5, 0.5), group="maker", stratify="school"))
    assert made.plan is not None
    assert (made.plan.group, made.plan.stratify) == ("Maker", "School")
    assert read_stored_split(store, "school").name == "School"
    with pytest.raises(EvaluationError, match="'Maker' cannot be both label and group"):
        list(probe(store, ProbePlan(tap="t", labels=("maker",), group="MAKER")))


def test_lists_are_numbered_row_by_row_each_class_once():
    label = multilabel("media", [["oil", "canvas", "oil"], None, [], ["oil"]])
    assert label.classes == ("canvas", "oil")
    assert label.starts.tolist() == [0, 2, 2, 2, 3]
    assert label.codes.tolist() == [0, 1, 1]
    assert label.strata.tolist() == [0, -1, -1, 1]
    assert label.matrix.tolist() == [[True, True], [False, False], [False, False], [False, True]]
    assert label.counts.tolist() == [1, 2]


def test_labels_of_any_kind_know_their_rows_and_can_be_masked():
    some = np.array([True, False, True, True])
    text = multiclass("a", ["a", "b", None, "b"])
    lists = multilabel("b", [["a"], ["b"], None, ["b", "a"]])
    years = number("c", np.array([1.0, 2, np.nan, 4]), np.array([1.0, 3, np.nan, 4]))
    for label in (text, lists, years):
        assert label.known.tolist() == [True, True, False, True]
        assert label.keep(some).known.tolist() == [True, False, False, True]
        assert label.take(np.array([2, 3])).labeled.tolist() == [1]
    assert lists.keep(some).codes.tolist() == [0, 0, 1]
    assert lists.take(np.array([3, 2, 1])).starts.tolist() == [0, 2, 2, 3]
    assert lists.take(np.array([3, 2, 1])).codes.tolist() == [0, 1, 1]
    assert years.numbers[:2].tolist() == [1, 2.5]
    assert years.are_ranges
    assert not years.take(np.array([0, 3])).are_ranges


def test_a_label_can_keep_some_of_its_classes():
    wanted = np.array([True, True, False])
    text = multiclass("a", ["a", "b", "c", "b"]).keep(np.array([False, True, True, True]))
    assert text.keep_classes(wanted).classes == ("b",)  # no row is of class a any more
    assert text.keep_classes(wanted).strata.tolist() == [-1, 0, -1, 0]
    lists = multilabel("b", [["c"], ["b", "c"], None, ["a", "b"]]).keep_classes(wanted)
    assert lists.classes == ("a", "b")
    assert lists.starts.tolist() == [0, 0, 1, 1, 3]
    assert lists.codes.tolist() == [1, 0, 1]


def test_numbers_are_stratified_by_tenths():
    label = number("year", np.append(np.arange(100.0), np.nan))
    assert np.bincount(label.strata[:-1]).tolist() == [10] * 10
    assert label.strata[-1] == -1


def test_a_kind_has_a_metric_and_a_baseline_and_reads_old_names():
    assert [(kind.metric, kind.baseline) for kind in LabelKind] == [
        ("top1", "majority"),
        ("mAP", "chance"),
        ("MAE", "median"),
    ]
    assert LabelKind("classes") is LabelKind.MULTICLASS
    assert LabelKind("members") is LabelKind.MULTILABEL


@pytest.mark.parametrize(
    "values",
    [
        ["Monet", "Degas", "Monet", None],
        ["a", "a", "b", "c"],  # half of the rows share their value
        [["oil", "canvas"], ["oil"], [], None, ["paper"]],
        [("oil",), ("paper", "oil")],
    ],
)
def test_text_and_lists_of_text_that_repeat_are_labels(values):
    assert why_not_label(values) is None


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([], "no row has a value"),
        ([None, []], "no row has a value"),
        (["oil", "oil", None], "one class only: 'oil'"),
        ([["oil"], ["oil", "oil"]], "one class only: 'oil'"),
        (["a", "b", "c"], "all 3 values are different"),
        ([["a", "b"], ["c"]], "all 2 values are different"),
        (["a", "a", "b", "c", "d"], "only 2 of 5 rows share their value with another row"),
        ([1889, 1890, None], "it holds numbers, such as 1889"),
        ([1.5], "it holds numbers, such as 1.5"),
        ([None, {"begin": 1880, "end": 1890}], "it holds dict, not text"),
        ([[1, 2]], "it holds list, not text"),
    ],
)
def test_anything_else_says_why_it_is_no_label(values, reason):
    assert why_not_label(values) == reason


def test_a_label_that_nearly_names_the_pictures_has_a_note():
    names = [f"v{n // 2 if n < 20 else n}" for n in range(40)]
    assert multiclass("shape", names).notes == (
        "shape nearly names the pictures: 30 classes of 40 pictures, 20 of a single one, which "
        "cannot be predicted; group them with 'artsim label'",
    )
    assert multiclass("shape", names[:20]).notes == ()  # 10 classes
    assert multiclass("shape", [f"v{n % 20}" for n in range(60)]).notes == ()


def test_numbers_that_may_be_codes_of_classes_are_noted_with_the_type_to_give(tmp_path):
    columns = {"art style": [0, 1, 2, 0, 1, 2], "year": [1900, 1900, 1901, 1901, 1902, 1902]}
    store = make_store(tmp_path / "i", [*"abcdef"], {"east": at(*range(6))}, columns)
    codes, year = read_label(store, "art style"), read_label(store, "year")
    assert codes.kind == LabelKind.NUMBER
    assert codes.notes == (
        "its numbers may be codes of classes: if so, embed again with --type 'art style'=text",
    )
    assert year.notes == ()
    with pytest.raises(EvaluationError, match="expected classes; embed again with --type 'art"):
        read_multiclass(store, "art style")
    with pytest.raises(EvaluationError, match=r"derive some: --label 'century = floor\(year"):
        read_multiclass(store, "year")
