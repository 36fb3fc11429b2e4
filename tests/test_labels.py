"""Which columns are labels, on columns that can be judged by eye."""

import numpy as np
import pytest

from artsim.labels.values import Ranges, encode, encode_lists, has_value, keep, why_not_label


def test_classes_are_numbered_in_sorted_order_and_missing_is_minus_one():
    labels = encode(["Monet", None, "Degas", "Monet"])
    assert labels.codes.tolist() == [1, -1, 0, 1]
    assert labels.classes == ("Degas", "Monet")


def test_lists_are_numbered_row_after_row_each_member_once():
    members = encode_lists([["oil", "canvas", "oil"], None, [], ["oil"]])
    assert members.classes == ("canvas", "oil")
    assert members.starts.tolist() == [0, 2, 2, 2, 3]
    assert members.codes.tolist() == [0, 1, 1]


def test_labels_of_any_kind_know_who_has_one_and_can_be_taken_away():
    some = np.array([True, False, True, True])
    text = encode(["a", "b", None, "b"])
    lists = encode_lists([["a"], ["b"], None, ["b", "a"]])
    years = Ranges(np.array([1.0, 2, np.nan, 4]), np.array([1.0, 3, np.nan, 4]))
    for values in (text, lists, years):
        assert has_value(values).tolist() == [True, True, False, True]
        assert has_value(keep(values, some)).tolist() == [True, False, False, True]
    assert keep(lists, some).codes.tolist() == [0, 0, 1]
    assert lists.take(np.array([3, 2, 1])).starts.tolist() == [0, 2, 2, 3]
    assert lists.take(np.array([3, 2, 1])).codes.tolist() == [0, 1, 1]
    assert years.middle[:2].tolist() == [1, 2.5]
    assert years.are_ranges
    assert not years.take(np.array([0, 3])).are_ranges


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
def test_anything_else_says_why_not(values, reason):
    assert why_not_label(values) == reason
