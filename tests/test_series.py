"""Titles that several works share: what a model may know of a test picture."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from artsim.datatypes import title_column
from artsim.evaluation.knn import Titles
from artsim.labels import encode
from artsim.splits import Split

HEAD = Split(train=np.array([0, 1]), validation=np.array([2]), test=np.arange(3, 7), description="")


def titles(*names):
    return Titles("title", encode(names)[0])


def alone(n, groups=None):
    rows = np.arange(n)
    return Split(train=rows, validation=rows[:0], test=rows, description="", groups=groups)


def test_a_title_of_a_training_picture_is_counted_and_the_option_named():
    found = titles("Bead", "Sealing", "Bowl", "Bead", "Bead", "Vase", None)
    (note,) = found.note(HEAD).notes
    assert note == (
        "2 of 4 test pictures share their title with a training picture, as a series or one work "
        "does; scores without that: --group title"
    )


def test_a_title_of_a_validation_picture_is_known_too():
    assert titles("Bead", "Sealing", "Bowl", "Bowl", "Lamp", "Vase", "Cup").count_known(HEAD) == 1


def test_titles_that_are_all_different_or_absent_are_no_series():
    for names in ("abcdefg", [None] * 7, ["a", "a", "a", *"bcde"]):
        assert titles(*names).note(HEAD).notes == ()


def test_one_title_in_eleven_may_be_chance():
    split = Split(
        train=np.array([0]), validation=np.arange(0), test=np.arange(1, 12), description=""
    )
    assert titles("a", "a", *map(str, range(10))).note(split).notes == ()
    ten = Split(train=np.array([0]), validation=np.arange(0), test=np.arange(1, 11), description="")
    assert titles("a", "a", *map(str, range(10))).note(ten).notes[0].startswith("1 of 10 ")


def test_leave_one_out_counts_what_may_be_a_neighbor():
    found = titles("Bead", "Bead", "Bowl", None, None)
    assert found.note(alone(5)).notes == (
        "2 of 5 pictures share their title with another picture, as a series or one work does; "
        "scores without that: --group title",
    )
    by_title = np.array([[0], [0], [1], [-1], [-1]])
    assert found.note(alone(5, by_title)).notes == ()


@given(st.data(), st.integers(2, 12))
def test_the_count_is_that_of_every_pair(data, n):
    codes = np.array(data.draw(st.lists(st.integers(-1, 3), min_size=n, max_size=n)))
    groups = data.draw(st.lists(st.tuples(*2 * [st.integers(-1, 2)]), min_size=n, max_size=n))
    groups = np.array(groups)
    expected = sum(
        any(
            i != j
            and codes[i] == codes[j] >= 0
            and not ((groups[i] == groups[j]) & (groups[i] >= 0)).any()
            for j in range(n)
        )
        for i in range(n)
    )
    assert Titles("title", codes).count_known(alone(n, groups)) == expected


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (["id", "Title", "artist"], "Title"),
        (["Object Title", "label"], "Object Title"),
        (["label", "object_name", "name"], None),  # may be the kinds of works
    ],
)
def test_only_a_title_names_a_series(columns, expected):
    assert title_column(columns) == expected
