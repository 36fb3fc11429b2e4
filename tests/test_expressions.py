"""Derived labels: SQL with values read by eye, the old language, and the real MoMA rows."""

from contextlib import suppress
from pathlib import Path

import hypothesis.strategies as st
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings

from artsim.errors import EvaluationError
from artsim.labels import derived_labels, sql, values_of
from artsim.labels.expressions import is_derivation, parse_label, short_name
from artsim.labels.old_expressions import to_sql
from artsim.readers import read_collection
from artsim.store import Store

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
        ("m = medium ILIKE '%lithograph%'", ["m", None, "not m", "m"]),
        ("m = medium NOT ILIKE '%LITHOGRAPH%'", ["not m", None, "m", "not m"]),
        ("m = medium = 'Lithograph'", ["m", None, "not m", "not m"]),
        ("m = medium", ["Lithograph", None, "Oil on canvas", "color LITHOGRAPHY"]),
        ("century = floor(year / 100) + 1", ["19", "20", None, "-4"]),
        ("century = floor(YEAR / 100) + 1", ["19", "20", None, "-4"]),
        ("c = century(year)", ["19", "19", None, "-5"]),
        ("c = CENTURY(years)", ["17", None, "18", "1"]),
        ("c = century(years.begin) = 16", ["c", None, "not c", "not c"]),
        ("c = year / 100", ["18.99", "19", None, "-4.3"]),
        ("c = year - 1.5", ["1897.5", "1898.5", None, "-431.5"]),
        ("c = 3 / height", ["2", None, "1.5", None]),
        ("c = year / 0", [None, None, None, None]),
        ("c = floor(height / 0.0)", [None, None, None, None]),
        ("c = year % 0", [None, None, None, None]),
        ("big = 1 / height > 0.6", ["big", None, "not big", None]),
        ("big = year >= 1900", ["not big", "big", None, "not big"]),
        ("x = year in (-430, 1900)", ["not x", "x", None, "x"]),
        ("x = \"Object type\" in ('Print', 'it''s')", ["x", "not x", None, "x"]),
        ('"old print" = year < 1900', ["old print", "not old print", None, "old print"]),
        ("x = years.begin >= 1600 and years.end < 1750", ["x", None, None, "not x"]),
        ("x = years.begin", ["1600", None, "1800", "1"]),
        ("x = public", ["x", "not x", None, "x"]),
        ("x = NOT public OR year > 0", ["x", "x", None, "not x"]),
        ("x = list_contains(tags, 'oil')", ["x", None, "not x", "not x"]),
        ("x = array_to_string(tags, '; ')", ["oil; wood", None, None, "Oil paint"]),
        ("x = list_filter(tags, lambda t: t ILIKE '%oil%')[1]", ["oil", None, None, "Oil paint"]),
        ("x = CASE WHEN year < 0 THEN 'BCE' ELSE 'CE' END", ["CE", "CE", "CE", "BCE"]),
    ],
)
def test_an_expression_gives_a_class_a_row(text, expected):
    assert derived(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x = tags = 'oil'", ["x", None, None, "not x"]),
        ("x = 'wood' = TAGS", ["x", None, None, "not x"]),
        ("x = tags <> 'oil'", ["not x", None, None, "x"]),
        ("x = NOT tags = 'oil'", ["not x", None, None, "x"]),
        ("x = tags IN ('wood', 'ink')", ["x", None, None, "not x"]),
        ("x = tags NOT IN ('wood', 'ink')", ["not x", None, None, "x"]),
        ("x = tags LIKE 'o%'", ["x", None, None, "not x"]),
        ("x = tags ILIKE '%OIL%'", ["x", None, None, "x"]),
        ("x = tags NOT ILIKE '%WOOD%'", ["not x", None, None, "x"]),
        ("x = tags NOT LIKE '!o%' ESCAPE '!'", ["not x", None, None, "x"]),
        ("x = tags = lower(medium) || 'x' OR tags = 'oil'", ["x", None, None, "not x"]),
        ("x = CASE tags WHEN 'oil' THEN 'O' ELSE '-' END", ["O", "-", "-", "-"]),
        ("x = tags = 'it''s' OR tags = 'value' OR \"Object type\" = 'Print'",
         ["x", None, None, "not x"]),
        ("x = len(list_filter([tags], lambda tags: tags = ['oil', 'wood']))", ["1", "0", "0", "0"]),
        ("x = len(list_filter([medium], lambda tags: tags = 'Lithograph'))", ["1", "0", "0", "0"]),
        ("x = tags = ['oil', 'wood']", ["x", None, "not x", "not x"]),
        ("x = tags = tags", ["x", None, "x", "x"]),
        ("x = tags = NULL", [None, None, None, None]),
    ],
)  # fmt: skip
def test_a_list_is_compared_with_text_by_each_of_its_values(text, expected):
    table = WORKS.append_column("value", pa.array(["a", "b", "c", "d"]))
    assert derived(text, table) == expected


NAMES = st.sampled_from(["a", "A", "ab", "b", "it's", '"', "%", "é"])


@settings(max_examples=15, deadline=None)
@given(st.lists(st.lists(NAMES, max_size=3), min_size=1, max_size=4), NAMES, st.booleans())
def test_a_list_meets_what_one_of_its_values_meets(lists, wanted, opposite):
    table = pa.table({"artist": pa.array(lists, pa.list_(pa.string()))})
    sign, no, yes = ("<>", "x", "not x") if opposite else ("=", "not x", "x")
    text = wanted.replace("'", "''")
    expected = [(yes if wanted in names else no) if names else None for names in lists]
    assert derived(f"x = artist {sign} '{text}'", table) == expected


def test_a_century_before_christ_has_a_hundred_years_as_any_other():
    years = [-401, -400, -360, -301, -300, -1, 0, 1, 100, 101, 1800, 1801, 1900]
    found = derived("c = century(year)", pa.table({"year": years}))
    wanted = ["-5", "-4", "-4", "-4", "-3", "-1", None, "1", "1", "2", "18", "19", "19"]
    assert found == wanted
    dynasty = pa.table({"period": pa.array([{"begin": -380, "end": -343}, {"end": -343}], YEARS)})
    assert derived("c = century(period)", dynasty) == ["-4", "-4"]
    assert derived("c = century(title)", pa.table({"title": ["1900", "x"]})) == ["19", None]


def test_missing_values_stay_missing_unless_the_rest_decides():
    assert derived("x = year > 0 and medium ILIKE '%litho%'") == ["x", None, "not x", "not x"]
    assert derived("x = year > 0 or medium ILIKE '%oil%'") == ["x", "x", "x", "not x"]
    assert derived("x = not medium ILIKE '%oil%'")[1] is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("= 3", "label '= 3': expected NAME = EXPRESSION"),
        ('" " = year', "expected a name for the label"),
        ("x = 3", "it uses no column, so every row would have the same value"),
        ("x = (year + 1", "it cannot be read at '1'; text goes in single quotes"),
        ("x = year 3", "it cannot be read at '3'; text goes in single quotes"),
        ("x = year; select 1", "it is more than one statement"),
        ("x = year, height", "only a single expression"),
        ("x = year limit 1", "is not an expression"),
        ("x = years.mid", 'Could not find key "mid"'),
        ("x = medium + 1", "'+(text, number)' does not exist"),
        ("x = year < 'a'", "'a' is no number"),
        ("x = tags", "it gives varchar[], expected one value a row: write COLUMN.begin"),
        ("x = years", "expected one value a row"),
        ("x = tags < 'oil'", "several values a row with =, <>, IN, LIKE or ILIKE"),
        ("x = lower(tags) = 'oil'", "use list_contains(COLUMN, 'text')"),
        ("x = list_filter(tags, lambda t: tags = t)[1]", "a list is not text"),
        ("x = tags = 3", "label 'x = tags = 3': "),
        ("x = year * 99999999999999999", "Overflow in multiplication"),
        ("x = year + " + "year + " * 1000 + "1", "Max expression depth"),
        ("x = max(year)", "aggregates use other rows"),
        ("x = row_number() over (order by year)", "window functions use other rows"),
        ("x = unnest(tags)", "UNNEST not supported here"),
        ("x = year > random()", "random() gives another value each time"),
        ("x = *", "* is not a column"),
        ("x = columns('year')", "* is not a column"),
        ("x = year in (select 1)", "it reads another table"),
        ("x = (select content from read_text('/etc/hostname')) || medium", "reads another table"),
        ("x = read_text(medium)", "read_text"),
        ("x = year -- in a comment", "begin a comment"),
        ("x = year" + " + 1" * 20_000, "at most 50,000 are read"),
        ("x = year \ud800", "cannot encode"),
    ],
)
def test_a_mistake_gives_a_one_line_error(text, message):
    with pytest.raises(EvaluationError) as caught:
        derived(text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_column_lists_the_known_ones():
    with pytest.raises(EvaluationError) as caught:
        derived("x = yeer / 100")
    assert str(caught.value) == (
        "label 'x = yeer / 100': no column 'yeer'; choose from "
        'medium, year, height, tags, years, "Object type", public'
    )


def test_parameters_of_a_lambda_are_no_columns():
    text = 'x = list_filter(tags, lambda year: year = medium)[1] || "Object type" || years.begin'
    assert parse_label(text).columns == ("tags", "medium", "Object type", "years")
    assert parse_label("x = list_filter(tags, lambda t: t > '') = [t]").columns == ("tags", "t")


def test_columns_that_differ_only_in_case_cannot_be_combined():
    table = pa.table({"Year": [1], "year": [2]})
    assert derived("x = Year", table) == ["1"]
    assert derived("x = year", table) == ["2"]
    with pytest.raises(EvaluationError, match="differ only in their case"):
        derived("x = Year + year", table)
    with pytest.raises(EvaluationError, match="'YEAR' may be 'Year' or 'year'"):
        derived("x = YEAR", table)


def test_types_are_checked_even_without_rows():
    assert derived("x = year > 3", WORKS.slice(0, 0)) == []
    with pytest.raises(EvaluationError, match="does not exist"):
        derived("x = year ILIKE list_value(3)", WORKS.slice(0, 0))


def test_an_expression_that_takes_too_long_is_stopped(monkeypatch):
    monkeypatch.setattr(sql, "_SECONDS", 0.2)
    slow = "x = len(list_filter(range(100000000), lambda i: i % 7 = year))"
    with pytest.raises(EvaluationError, match=r"it takes longer than 0\.2 seconds"):
        derived(slow)


def test_many_rows_that_take_too_long_are_stopped(monkeypatch):
    monkeypatch.setattr(sql, "_SECONDS", 0.05)
    connection = sql.connect()
    with (
        pytest.raises(EvaluationError, match=r"^it takes longer than 0\.05 seconds$"),
        sql.time_limit(connection, EvaluationError),
    ):
        connection.execute("SELECT sum(a.range * b.range) FROM range(9999999) a, range(9999999) b")


def test_a_call_that_would_take_all_memory_is_stopped(monkeypatch):
    monkeypatch.setattr(sql, "_SECONDS", 10)  # on a busy machine it is stopped by its time
    with pytest.raises(EvaluationError, match=r"it takes (too much memory|longer than)"):
        derived("x = length(repeat('x', 4000000000)) + year")


def test_an_expression_of_very_many_parts_is_refused():
    with pytest.raises(EvaluationError, match="too many parts depend on each other"):
        parse_label("x = year + " + " + ".join(["1"] * 900))


@pytest.mark.parametrize(
    ("expression", "quick"),
    [
        ("medium ILIKE '%lithograph%'", True),
        ("floor(year / 100) + 1", True),
        ("list_contains(materials, 'oil') AND years.begin >= 1600", True),
        ("medium ~ 'oil.*'", True),
        ("medium LIKE '%a%a%a%a%b'", False),
        ("medium LIKE 'a_%'", False),
        ("medium LIKE E'a\\x5f%'", False),
        ("repeat(medium, 9)", False),
        ("list_filter(materials, lambda m: m ILIKE '%oil%')[1]", True),
        ("len(list_filter(range(year), lambda i: i = 3))", False),
        ("year IN (" + ",".join(["1"] * 1000) + ")", False),
    ],
)
def test_what_may_take_long_is_evaluated_in_another_process_first(expression, quick):
    assert sql.parse_sql(expression).error == ""
    assert sql.parse_sql(expression).is_quick is quick


def test_rows_keep_their_order_in_many_batches():
    table = pa.table({"year": pa.array(range(300_000))})
    assert derived("x = year + 1", table) == [str(i) for i in range(1, 300_001)]


def test_a_derivation_is_distinguished_from_a_column():
    assert is_derivation("century = year / 100")
    assert is_derivation('"a b"=year')
    assert is_derivation("on paper = medium ILIKE '%paper%'")
    assert not any(map(is_derivation, ["medium", "a == b", "1 = 2", "medium ~ 'x = y'", ""]))
    assert short_name('"a ""b" = whatever ~ that') == 'a "b'
    assert short_name("on paper = true") == "on paper"
    assert short_name("medium") == "medium"


@settings(max_examples=30)
@given(st.lists(st.integers(-3000, 3000) | st.none(), max_size=20), st.integers(-7, 7))
def test_floor_divides_as_python_does(years, divisor):
    table = pa.table({"year": pa.array(years, pa.int64())})
    expected = [None if y is None or divisor == 0 else str(y // divisor) for y in years]
    assert derived(f"x = floor(year / {divisor})", table) == expected


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text):
    with suppress(EvaluationError):
        assert parse_label(text).columns
    with suppress(EvaluationError):
        assert parse_label(f"x = year {text}").columns


# --- the language before SQL ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "new"),
    [
        ("c = year // 100 + 1", "c = floor(year / 100) + 1"),
        ("c = year - years.begin // 7 * 2", "c = year - floor(years.begin / 7) * 2"),
        ("m = medium ~ 'oil'", "m = medium ILIKE '%oil%'"),
        ("m = medium !~ 'oil' and year > 3", "m = medium NOT ILIKE '%oil%' and year > 3"),
        ("m = medium ~ '50%'", "m = contains(lower(medium), lower('50%'))"),
    ],
)
def test_old_signs_are_refused_with_the_new_form(text, new):
    with pytest.raises(EvaluationError) as caught:
        parse_label(text)
    assert f"labels are SQL, without //, ~ and !~; write {new!r}" in str(caught.value)
    assert parse_label(new).columns


@pytest.mark.parametrize(
    ("old", "expected"),
    [
        ("medium ~ 'lithograph'", ["x", None, "not x", "x"]),
        ("medium !~ 'LITHOGRAPH'", ["not x", None, "x", "not x"]),
        ("not (medium ~ 'lithograph')", ["not x", None, "x", "not x"]),
        ("year // 100 + 1", ["19", "20", None, "-4"]),
        ("-year // 100", ["-19", "-19", None, "4"]),
        ("2 - year // 100", ["-16", "-17", None, "7"]),
        ("(year + 1) // 100 // 2", ["9", "9", None, "-3"]),
        ("height // 1", ["1", None, "2", "0"]),
        ("year // 0", [None, None, None, None]),
        ("tags ~ 'oil'", ["x", None, None, "x"]),
        ("tags !~ 'wood'", ["not x", None, None, "x"]),
        ("tags = 'oil'", ["x", None, None, "not x"]),
        ("tags != 'oil'", ["not x", None, None, "x"]),
        ("tags in ('wood', 'iron')", ["x", None, None, "not x"]),
        ("tags not in ('wood')", ["not x", None, None, "x"]),
        ("\"Object type\" ~ 'it''s' or year // 100 = 18", ["x", "not x", None, "x"]),
        ("year in (1900, -430) and years.begin // 100 = 0", ["not x", None, "not x", "x"]),
    ],
)
def test_a_stored_expression_of_the_old_language_keeps_its_values(old, expected):
    assert derived(f"x = {to_sql(old, ['tags'])}") == expected


def test_labels_of_an_older_index_keep_their_values():
    store = Store.open(Path(__file__).parent / "index_0_1" / "index")
    assert derived_labels(store)["century"] == "floor(year / 100) + 1"
    rows = store.read(["year", "medium"]).to_pylist()
    years = [None if row["year"] is None else str(int(row["year"] // 100 + 1)) for row in rows]
    assert values_of(store, "century") == years
    woodcuts = [any("woodcut" in text.lower() for text in row["medium"]) for row in rows]
    assert sum(woodcuts) == 8
    expected = ["lithograph" if found else "not lithograph" for found in woodcuts]
    assert values_of(store, "lithograph") == expected


def test_sql_is_not_translated():
    for text in ("medium = 'a // b ~ c'", "tags[1] = 'oil'", "medium || 'x'", "year == 3"):
        assert to_sql(text, ["tags"]) == text


@pytest.mark.parametrize(
    ("file", "count"), [("Artworks_2015_sample.csv", 1788), ("Artworks_29col.csv", 25)]
)
def test_the_lithographs_of_moma(museum_data, file, count):
    catalog = read_collection(f"moma:{museum_data / 'moma' / file}")
    table = pa.Table.from_batches(catalog.batches(), schema=catalog.schema)
    values = derived("lithograph = medium ILIKE '%lithograph%'", table)
    assert values.count("lithograph") == count
    assert values.count(None) == pc.sum(pc.is_null(table.column("medium"))).as_py()
