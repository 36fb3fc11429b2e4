"""Which columns are labels, on columns that can be judged by eye."""

import pytest

from artsim.evaluation.labels import encode, encode_lists, why_not_label


def test_classes_are_numbered_in_sorted_order_and_missing_is_minus_one():
    labels = encode(["Monet", None, "Degas", "Monet"])
    assert labels.codes.tolist() == [1, -1, 0, 1]
    assert labels.classes == ("Degas", "Monet")


def test_lists_are_numbered_row_after_row_each_member_once():
    members = encode_lists([["oil", "canvas", "oil"], None, [], ["oil"]])
    assert members.classes == ("canvas", "oil")
    assert members.starts.tolist() == [0, 2, 2, 2, 3]
    assert members.codes.tolist() == [0, 1, 1]


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
