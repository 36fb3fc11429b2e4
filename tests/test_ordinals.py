"""Places in an order: their endings in English, and percentiles that are never 100."""

import pytest

from artsim.datatypes import ordinal, percentile


def test_ordinals_have_the_endings_of_english():
    numbers = (1, 2, 3, 4, 11, 12, 13, 21, 102, 111, 1013)
    assert [ordinal(number) for number in numbers] == [
        "1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "102nd", "111th", "1013th",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (91, "91.00"), (46.3, "46.30"), (46.28751, "46.29"), (0, "0.00"), (99.98, "99.98"),
        (99.9949, "99.99"), (99.995, ">99.99"), (100, ">99.99"),
    ],
)  # fmt: skip
def test_percentiles_have_two_decimals_and_the_highest_is_not_100(value, text):
    assert percentile(value) == text
