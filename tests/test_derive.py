"""Derived labels: expressions read by eye, faults that are pointed at, and the real MoMA rows."""

from contextlib import suppress

import hypothesis.strategies as st
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given

from artsim.errors import EvaluationError
from artsim.labels.expressions import is_derivation, parse_label
from artsim.readers import read_collection

YEARS = pa.struct([("begin", pa.int32()), ("end", pa.int32())])

WORKS = pa.table(
    {
        "medium": ["Lithograph", None, "Oil on canvas", "color LITHOGRAPHY"],
        "year": pa.array([1899, 1900, None, -430], pa.int64()),
        "height": [1.5, float("nan"), 2.0, 0.0],
        "tags": [["oil", "wood"], None, [], ["Oil paint", None]],
        "years": pa.array(
            [{"begin": 1600, "end": 1610}, None, {"begin": 1800}, {"begin": 1, "end": 2}], YEARS
        ),
        "Object type": ["Print", "Drawing", None, "it's"],
        "public": [True, False, None, True],
    }
)


def derived(text, table=WORKS):
    return parse_label(text).values(table)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("m = medium ~ 'lithograph'", ["m", None, "not m", "m"]),
        ("m = medium !~ 'LITHOGRAPH'", ["not m", None, "m", "not m"]),
        ("m = medium = 'Lithograph'", ["m", None, "not m", "not m"]),
        ("m = medium != 'Lithograph'", ["not m", None, "m", "m"]),
        ("m = medium", ["Lithograph", None, "Oil on canvas", "color LITHOGRAPHY"]),
        ("century = year // 100 + 1", ["19", "20", None, "-4"]),
        ("c = year / 100", ["18.99", "19", None, "-4.3"]),
        ("c = -year // 100", ["-19", "-19", None, "4"]),
        ("c = year - 1 - 1", ["1897", "1898", None, "-432"]),
        ("c = year - (1 - 1) * 2", ["1899", "1900", None, "-430"]),
        ("c = 1 + 2 * year", ["3799", "3801", None, "-859"]),
        ("c = 3 / height", ["2", None, "1.5", None]),
        ("c = height // 1", ["1", None, "2", "0"]),
        ("c = year // 0", [None, None, None, None]),
        ("big = year >= 1900", ["not big", "big", None, "not big"]),
        ("x = year in (-430, 1900)", ["not x", "x", None, "x"]),
        ("x = \"Object type\" in ('Print', 'it''s')", ["x", "not x", None, "x"]),
        ("x = \"Object type\" not in ('Print')", ["not x", "x", None, "x"]),
        ('"old print" = year < 1900', ["old print", "not old print", None, "old print"]),
        ("x = years.begin >= 1600 and years.end < 1750", ["x", None, None, "not x"]),
        ("x = public", ["x", "not x", None, "x"]),
        ("x = NOT public OR year > 0", ["x", "x", None, "not x"]),
    ],
)
def test_an_expression_gives_a_class_a_row(text, expected):
    assert derived(text) == expected


def test_missing_stays_missing_unless_the_rest_decides():
    assert derived("x = year > 0 and medium ~ 'litho'") == ["x", None, "not x", "not x"]
    assert derived("x = year > 0 or medium ~ 'oil'") == ["x", "x", "x", "not x"]
    assert derived("x = not medium ~ 'oil'")[1] is None


def test_of_several_values_any_counts():
    assert derived("x = tags ~ 'oil'") == ["x", None, None, "x"]
    assert derived("x = tags = 'oil'") == ["x", None, None, "not x"]
    assert derived("x = tags in ('wood', 'iron')") == ["x", None, None, "not x"]
    assert derived("x = tags !~ 'wood'") == ["not x", None, None, "x"]


def test_a_missing_list_may_hide_values_and_a_table_may_be_a_slice():
    offsets, missing = pa.array([0, 1, 2, 3], pa.int32()), pa.array([False, True, False])
    tags = pa.ListArray.from_arrays(offsets, pa.array(["a", "a", "b"]), mask=missing)
    table = pa.table({"tags": tags})
    assert derived("x = tags = 'a'", table) == ["x", None, "not x"]
    assert derived("x = tags = 'a'", table.slice(1)) == [None, "not x"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("= 3", "at character 1 (= 3): expected NAME = EXPRESSION"),
        ("and = year", "at character 1 (and = year): expected a name for the label"),
        ("x = 3", "at character 5 (3): expected a column in it"),
        ("x = year //", "at its end: expected a column, a number, text in '...' or '('"),
        ("x = (year + 1", "at its end: expected an operator or ')'"),
        ("x = year 3", "at character 10 (3): expected an operator"),
        ("x = year $ 3", "at character 10 ($ 3): expected"),
        ("x = medium ~ 'a", "at character 14 ('a): expected a closing '"),
        ("x = medium ~ tags", "at character 14 (tags): expected text in '...' after ~"),
        ("x = medium not ~ 'a'", "expected 'in' after 'not'"),
        ("x = years.mid", "at character 11 (mid): expected begin or end after '.'"),
        ("x = medium.begin = 3", "expected a range of years before '.begin', found text"),
        ("x = year ~ '1'", "at character 5 (year ~ '1'): expected text before ~, found a number"),
        ("x = year = '1900'", "at character 12 ('1900'): expected a number after =, found text"),
        ("x = medium < 3", "at character 5 (medium < 3): expected a number beside <, found text"),
        ("x = year in (1, 'a')", "at character 17 ('a')): expected a number, as before 'in'"),
        ("x = year in ()", "at character 14 ()): expected a number or text in '...'"),
        ("x = not year", "at character 9 (year): expected a condition after 'not'"),
        ("x = year and public", "expected a condition beside 'and', found a number"),
        ("x = medium + 1", "expected a number beside '+', found text"),
        ("x = tags", "expected one value a picture, found several values a picture"),
        ("x = years", "found a range of years (write COLUMN.begin or COLUMN.end)"),
        ("x = year < 1 < 2", "at character 14 (< 2): expected an operator"),
        ("x = year + 99999999999999999999", "expected a number below 2**63"),
        ("x = year * 99999999999999999", "cannot be computed: overflow"),
        ("x = " + "(" * 100 + "year", "expected at most 30 levels of brackets"),
        ("x = " + "year + " * 1000 + "1", "expected an expression of at most 200 words"),
    ],
)
def test_a_fault_is_one_line_that_points_at_it(text, message):
    with pytest.raises(EvaluationError) as caught:
        derived(text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_column_names_the_known():
    with pytest.raises(EvaluationError) as caught:
        derived("x = yeer // 100")
    assert str(caught.value) == (
        "label 'x = yeer // 100', at character 5 (yeer // 100): expected a column; they are "
        "medium, year, height, tags, years, Object type, public"
    )


def test_types_are_checked_where_there_is_no_row():
    assert derived("x = year > 3", WORKS.slice(0, 0)) == []
    with pytest.raises(EvaluationError, match="expected text before ~"):
        derived("x = year ~ '3'", WORKS.slice(0, 0))


def test_text_is_only_ever_text():
    table = pa.table({"t": ["a') or true --", '"', "\\", "%", None]})
    assert derived("x = t ~ 'a'') or true --'", table) == ["x", *["not x"] * 3, None]
    assert derived("x = t ~ '%'", table)[2:4] == ["not x", "x"]
    assert derived("x = t ~ '.'", table) == [*["not x"] * 4, None]


def test_a_derivation_is_told_from_a_column():
    assert is_derivation("century = year // 100")
    assert is_derivation('"a b"=year')
    assert not any(map(is_derivation, ["medium", "a == b", "1 = 2", "medium ~ 'x = y'", ""]))


@given(st.lists(st.integers(-3000, 3000) | st.none(), max_size=20), st.integers(-7, 7))
def test_whole_numbers_divide_as_in_python(years, divisor):
    table = pa.table({"year": pa.array(years, pa.int64())})
    expected = [None if y is None or divisor == 0 else str(y // divisor) for y in years]
    assert derived(f"x = year // {divisor}", table) == expected


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text):
    with suppress(EvaluationError):
        assert parse_label(text).columns


@pytest.mark.parametrize(
    ("file", "count"), [("Artworks_2015_sample.csv", 1788), ("Artworks_29col.csv", 25)]
)
def test_the_lithographs_of_moma(museum_data, file, count):
    catalog = read_collection(f"moma:{museum_data / 'moma' / file}")
    table = pa.Table.from_batches(catalog.batches(), schema=catalog.schema)
    values = derived("lithograph = medium ~ 'lithograph'", table)
    assert values.count("lithograph") == count
    assert values.count(None) == pc.sum(pc.is_null(table.column("medium"))).as_py()
