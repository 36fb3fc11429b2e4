"""Conditions: SQL and structured ones, what they leave, and that they reach nothing else."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from search_toys import WORKS, YEARS, at, make_compass, make_store

from artsim.errors import EvaluationError, SearchError
from artsim.labels import add_label
from artsim.search import Condition, Op, Searcher, SearchRequest, Term
from artsim.store import DerivedLabel, Store

DATED = {
    "medieval": {"begin": 1200, "end": 1300},
    "long": {"begin": 1500, "end": 1700},
    "exact": {"begin": 1650, "end": 1650},
    "open": {"begin": 1800, "end": None},
    "unknown": None,
}


@pytest.fixture(scope="module")
def compass(tmp_path_factory):
    return Searcher(make_compass(tmp_path_factory.mktemp("compass") / "index"))


@pytest.fixture(scope="module")
def dated(tmp_path_factory):
    """Works with ranges of years."""
    columns = {"made": pa.array(list(DATED.values()), YEARS), "number": pa.array(range(5))}
    path = tmp_path_factory.mktemp("dated") / "index"
    return Searcher(make_store(path, list(DATED), {"t": at(0, 10, 20, 30, 40)}, columns))


def left(searcher, where=None, *conditions):
    """Return the ids of the works that meet conditions, in the order of the index."""
    rows = searcher.works.filter.rows(where, conditions)
    return [searcher.works.known([int(row)])[0][0] for row in rows]


def ids(searcher, id_, **options):
    return [m.id for m in searcher.search(SearchRequest(terms=(Term(id=id_),), **options)).matches]


# --- SQL ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("where", "met"),
    [
        ("year < 1650", ["a0", "a10"]),
        ("artist = 'Cyd' and year < 1750", ["c40"]),
        ("artist != 'Ada'", ["b20", "b30", "c40", "c90"]),  # n60 says nothing
        ("year is null", ["b30"]),
        ("list_contains(medium, 'oil')", ["a0", "a10", "n60"]),
        ("medium = 'oil'", ["a0", "a10", "n60"]),
        ("medium != 'oil'", ["b20", "c40", "c90"]),  # b30 says nothing
        ("Medium ilike 'W%' or artist in ('Bob')", ["b20", "b30", "c40", "c90"]),
        ("id like 'a%' or width > 20", ["a0", "a10"]),
        ("\"artist\" = 'Ada' or artist = '-- /*'", ["a0", "a10"]),
        ("false", []),
    ],
)
def test_sql_selects_the_works_that_are_compared(compass, where, met):
    assert left(compass, where) == met
    assert ids(compass, "c90", where=where) == [id_ for id_ in reversed(met) if id_ != "c90"]


@pytest.mark.parametrize(
    ("where", "message"),
    [
        (
            "year <",
            r"cannot read 'year <' as a condition \(it cannot be read at '<'.*; the columns are ",
        ),
        ("", "cannot read '' as a condition"),
        ("color = 'red'", "there is no column 'color'"),
        ("year < 1, year > 2", "cannot read"),
        ("year < 1) or (year > 2", "cannot read"),
        ("true; drop table works", "cannot read"),
        ("year < 1 limit 1", "cannot read"),
        ("avg(year) > 3", "aggregates use other rows"),
        ("artist = Ada Lovelace", "it cannot be read at 'Lovelace'; text goes in single quotes: "),
        ("Object name = 'a'", "a name with spaces in double ones: \"Object name\" = 'vase'"),
        ("artist = 'Ada", "a quote is not closed; text goes in single quotes"),
        ("artist > 3", "text cannot be compared with number"),
        ("lower(year) = 'x'", r"'lower\(number\)' does not exist\)"),
        ("famous(artist)", r"there is no function 'famous'\)"),
        ("year", "it is of type number, expected a condition such as year < 1700"),
        ("artist", "cannot read 'artist' as a condition|'artist' is of type varchar"),
        ("id::int > 3", "'a0' is no number"),
        ("year in (select 1600)", "reads another table; use only the columns"),
        ("exists (from duckdb_settings())", "reads another table"),
        ("exists (from read_csv('/etc/passwd'))", "reads another table"),
        ("exists (from 'works.parquet')", "cannot read"),
        ("\udcff = 1", "cannot read"),
        ("1=1 --", "-- and /\\* begin a comment"),
        ("year < 1650 /* or so", "begin a comment"),
        ("id = '" + "x" * 50_000 + "'", r"it has 50,007 characters, at most 50,000 are read"),
    ],
)
def test_an_invalid_condition_gives_a_one_line_error(compass, where, message):
    with pytest.raises(SearchError, match=message) as error:
        left(compass, where)
    assert "\n" not in str(error.value)


def test_a_column_is_the_one_that_is_spelled_so(tmp_path):
    columns = {"Artist": ["a1", "a2"], "artist": ["b1", "b2"], "artist_": ["c1", "c2"]}
    searcher = Searcher(make_store(tmp_path / "i", ["x", "y"], {"t": at(0, 9)}, columns))
    for column, value in {"Artist": "a2", "artist": "b2", "artist_": "c2", "ARTIST_": "c2"}.items():
        assert left(searcher, f"{column} = '{value}'") == ["y"]
        assert left(searcher, f"\"{column}\" = '{value}' and artist_ != ''") == ["y"]
    for column, value in {"Artist": "a2", "artist": "b2", "artist_": "c2"}.items():
        assert left(searcher, None, Condition(column, Op.EQUAL, value)) == ["y"]
        assert left(searcher, "artist > 'b'", Condition(column, Op.EQUAL, value)) == ["y"]
    with pytest.raises(SearchError, match="'ARTIST' may be 'Artist' or 'artist'; spell it as"):
        left(searcher, "ARTIST = 'b2'")
    with pytest.raises(SearchError, match="differ only in their case; use one of them"):
        left(searcher, "artist = 'b2' or Artist = 'a2'")


def test_a_condition_that_takes_too_long_is_stopped(compass, monkeypatch):
    monkeypatch.setattr("artsim.labels.sql._SECONDS", 0.2)
    with pytest.raises(SearchError, match=r"it takes longer than 0\.2 seconds"):
        left(compass, "len(list_filter(range(4000000), lambda i: i % 7 = year)) > 1")


def test_settings_are_locked_and_python_is_out_of_reach(compass):
    secret = pa.table({"x": [1]})
    with pytest.raises(SearchError, match="secret"):
        left(compass, "exists (from secret)")
    assert secret.num_rows == 1
    with pytest.raises(SearchError, match="cannot read"):
        left(compass, "true; set enable_external_access = true")


def test_a_column_named_row_is_the_catalogs(tmp_path):
    columns = {"row": [7, 8], "Row_": [1, 1], "odd name": ["x", "y"]}
    searcher = Searcher(make_store(tmp_path / "i", ["a", "b"], {"t": at(0, 9)}, columns))
    assert left(searcher, "row = 8") == ["b"]
    with pytest.raises(SearchError, match=r'the columns are .*"odd name"$'):
        left(searcher, "x")


# --- derived labels ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def labeled(tmp_path_factory):
    path = tmp_path_factory.mktemp("labeled") / "index"
    make_compass(path)
    for text in (
        "century = floor(year / 100) + 1",
        "oil = array_to_string(medium, ' ') ILIKE '%oil%'",
        '"a ""b""" = artist',
    ):
        add_label(path, text)
    return Searcher(Store.open(path))


@pytest.mark.parametrize(
    ("where", "met"),
    [
        ("century = '18'", ["c40", "n60"]),
        ("Century::int between 17 and 18 and artist != 'Ada'", ["b20", "c40"]),
        ("oil = 'not oil'", ["b20", "c40", "c90"]),
        ("oil is null", ["b30"]),
        ("century = 17 and oil = 'oil'", ["a0", "a10"]),
        ('"a ""b""" = \'Bob\'', ["b20", "b30"]),
        ("artist = 'century'", []),
    ],
)
def test_derived_labels_can_be_used_like_columns(labeled, where, met):
    assert left(labeled, where) == met


def test_derived_labels_are_filtered_and_limited_like_columns(labeled):
    assert left(labeled, None, Condition("century", Op.IN, ("18", "19"))) == ["c40", "n60", "c90"]
    assert ids(labeled, "a0", max_per={"century": 1}) == ["a10", "b30", "c40", "c90"]


def test_derived_labels_are_listed_with_the_columns(labeled):
    listed = 'year, object, medium, century, oil, "a ""b"""'
    with pytest.raises(SearchError, match=rf"cannot read 'century ='.* the columns are .*{listed}"):
        left(labeled, "century =")
    with pytest.raises(SearchError, match=r"no column 'age'; choose from .*, century, oil, "):
        ids(labeled, "a0", max_per={"age": 1})


def test_a_label_whose_column_is_gone_fails_its_own_request_alone(tmp_path):
    store = make_store(tmp_path / "i", ["a", "b"], {"t": at(0, 10)}, {"year": [1, 2]})
    store.set_labels([DerivedLabel("century", "years // 100")])
    searcher = Searcher(Store.open(store.path))
    terms = (Term(id="a"),)
    broken, fine = searcher.search_many(
        [SearchRequest(terms=terms, where="century = '0'"), SearchRequest(terms=terms)]
    )
    assert isinstance(broken, EvaluationError)
    assert "no column 'years'" in str(broken)
    assert left(searcher, "id = 'century'") == []  # a text is no name
    assert [match.id for match in fine.matches] == ["b"]


# --- structured ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "met"),
    [
        (("artist", "=", "Ada"), ["a0", "a10"]),
        (("artist", "!=", "Ada"), ["b20", "b30", "c40", "c90"]),
        (("artist", "in", ("Ada", "Cyd")), ["a0", "a10", "c40", "c90"]),
        (("artist", "not in", ("Ada", "Cyd")), ["b20", "b30"]),
        (("artist", "contains", "YD"), ["c40", "c90"]),
        (("artist", "missing"), ["n60"]),
        (("artist", "known"), ["a0", "a10", "b20", "b30", "c40", "c90"]),
        (("artist", "=", "' or true --"), []),  # text is never SQL
        (("year", "=", 1650), ["b20"]),
        (("year", "<", 1650), ["a0", "a10"]),
        (("year", "<=", 1650), ["a0", "a10", "b20"]),
        (("year", ">", 1720.5), ["c90"]),
        (("year", ">=", 1720), ["n60", "c90"]),
        (("year", "between", (1610, 1700)), ["a10", "b20", "c40"]),
        (("medium", "=", "oil"), ["a0", "a10", "n60"]),
        (("medium", "!=", "oil"), ["b20", "c40", "c90"]),
        (("medium", "in", ("canvas", "wash")), ["a10", "c40", "c90"]),
        (("medium", "not in", ("canvas", "wash")), ["a0", "b20", "n60"]),
        (("medium", "contains", "AN"), ["a10"]),
        (("medium", "missing"), ["b30"]),
        (("width", "=", 20), list(WORKS)),
    ],
)
def test_a_structured_condition_selects_the_works_that_are_compared(compass, condition, met):
    column, op, *value = condition
    assert left(compass, None, Condition(column, Op(op), *value)) == met


@pytest.mark.parametrize(
    ("op", "value", "met"),
    [
        ("=", 1650, ["long", "exact"]),
        ("!=", 1650, ["medieval", "open"]),
        ("<", 1700, ["medieval", "exact"]),  # long ends in 1700
        ("<=", 1700, ["medieval", "long", "exact"]),
        (">", 1500, ["exact", "open"]),
        (">=", 1500, ["long", "exact", "open"]),
        ("between", (1690, 1800), ["long", "open"]),
        ("missing", None, ["unknown"]),
    ],
)
def test_a_range_of_years_is_compared_as_a_whole(dated, op, value, met):
    assert left(dated, None, Condition("made", Op(op), value)) == met


def test_all_conditions_must_be_met(compass):
    late = Condition("year", Op.AT_LEAST, 1610)
    oil = Condition("medium", Op.EQUAL, "oil")
    assert left(compass, "artist is not null", late, oil) == ["a10"]
    assert ids(compass, "c90", where="artist is not null", conditions=(late, oil)) == ["a10"]


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        (
            ("painter", "=", "Ada"),
            "no column 'painter'; choose from id, image, width, height, art",
        ),
        (("year", "contains", "16"), "'year' is of type number and cannot be compared with"),
        (("medium", "<", "oil"), "'medium' is of type list and cannot be compared with '<'"),
        (("artist", "=", 3), "'artist' = takes text, got 3"),
        (("artist", "=", None), "'artist' = takes text, got None"),
        (("artist", "=", ("Ada",)), r"'artist' = takes one value, got \('Ada',\)"),
        (("artist", "in", "Ada"), "'artist' in takes a list of values, got 'Ada'"),
        (("year", "=", "1650"), "'year' = takes a number, got '1650'"),
        (("year", "<", True), "'year' < takes a number, got True"),
        (("year", "<", float("nan")), "'year' < takes a number, got nan"),
        (("year", "between", (1, 2, 3)), "'year' between takes two values, got 3"),
        (("year", "<", 2**127), f"'year' < takes a number, got {2**127}"),
        (("year", ">", -(10**400)), "'year' > takes a number, got -1000"),
        (("artist", "in", ()), "'artist' in takes one value or more, got none"),
        (("medium", "not in", ()), "'medium' not in takes one value or more, got none"),
        (("artist", "=", "\ud800"), r"'artist' cannot be compared with '\\ud800' \(.*give another"),
    ],
)
def test_an_impossible_condition_is_refused(compass, condition, message):
    column, op, value = condition
    with pytest.raises(SearchError, match=message):
        left(compass, None, Condition(column, Op(op), value))


def test_years_are_not_a_list(dated):
    with pytest.raises(SearchError, match="'made' is of type years and cannot be compared"):
        left(dated, None, Condition("made", Op.IN, (1650,)))


@settings(max_examples=40)
@given(data=st.data())
def test_numbers_are_compared_as_python_does(data, tmp_path_factory):
    years = data.draw(st.lists(st.none() | st.integers(-5, 5), min_size=1, max_size=30))
    value = data.draw(st.integers(-6, 6))
    names = [f"w{n}" for n in range(len(years))]
    column = pa.array(years, pa.int64())
    path = tmp_path_factory.mktemp("years") / "i"
    searcher = Searcher(make_store(path, names, {"t": at(*range(len(years)))}, {"year": column}))
    compared = {
        Op.EQUAL: lambda year: year == value,
        Op.UNEQUAL: lambda year: year != value,
        Op.LESS: lambda year: year < value,
        Op.AT_MOST: lambda year: year <= value,
        Op.MORE: lambda year: year > value,
        Op.AT_LEAST: lambda year: year >= value,
    }
    op = data.draw(st.sampled_from(list(compared)))
    rows = searcher.works.filter.rows(None, [Condition("year", op, value)])
    expected = [n for n, year in enumerate(years) if year is not None and compared[op](year)]
    assert rows.tolist() == expected
    assert searcher.works.filter.rows(f"year {op.value} {value}", []).tolist() == expected


def test_returned_rows_are_read_only(compass):
    rows = compass.works.filter.rows("true", [])
    with pytest.raises(ValueError, match="read-only"):
        rows[0] = 3
    assert np.array_equal(compass.works.filter.rows("true", []), np.arange(7))


# --- relations to what is asked by --------------------------------------------------------


def test_not_the_same_artist_also_leaves_out_unknown_artists(compass):
    assert ids(compass, "a0", not_same=("artist",)) == ["b20", "b30", "c40", "c90"]
    assert ids(compass, "a0", not_same=("artist", "medium")) == ["b20", "c40", "c90"]


def test_works_are_the_same_if_they_share_a_value(compass):
    # of ink and wash: not b20, which is of ink, nor c90, of wash, nor b30, of which nothing is said
    assert ids(compass, "c40", not_same=("medium",)) == ["n60", "a10", "a0"]


def test_not_same_compares_with_every_query_of_positive_weight(compass):
    asked = (Term(id="a0"), Term(id="b20"), Term(id="c90", weight=-0.01))
    answer = compass.search(SearchRequest(terms=asked, not_same=("artist",)))
    assert [match.id for match in answer.matches] == ["c40"]  # b30 and a10 are theirs


def test_a_relation_needs_known_values(compass):
    with pytest.raises(SearchError, match="the artist of the queries is not known"):
        ids(compass, "n60", not_same=("artist",))
    with pytest.raises(SearchError, match="the year of the queries is not known"):
        ids(compass, "b30", contemporary=5)
    with pytest.raises(SearchError, match="the year of 'b30' is not known"):
        ids(compass, "a0", earlier_than="b30")
    with pytest.raises(SearchError, match="no picture has the id 'gone'"):
        ids(compass, "a0", earlier_than="gone")
    with pytest.raises(SearchError, match="no column 'painter'"):
        ids(compass, "a0", not_same=("painter",))
    with pytest.raises(SearchError, match="'width' is not a column of text"):
        ids(compass, "a0", not_same=("width",))


def test_earlier_than_a_year_or_a_work(compass, dated):
    assert ids(compass, "a0", earlier_than=1700) == ["a10", "b20"]
    assert ids(compass, "a0", earlier_than="n60") == ["a10", "b20", "c40"]
    # before 1500, when 'long' begins
    assert ids(dated, "exact", earlier_than="long") == ["medieval"]


def test_contemporary_works_overlap_within_a_number_of_years(compass, dated):
    assert ids(compass, "a0", contemporary=9) == []
    assert ids(compass, "a0", contemporary=10) == ["a10"]
    assert ids(compass, "a0", contemporary=50) == ["a10", "b20"]
    assert ids(dated, "exact", contemporary=0) == ["long"]
    assert ids(dated, "long", contemporary=100) == ["exact", "open"]
    assert ids(dated, "medieval", contemporary=200) == ["long"]


def test_the_column_of_years_can_be_named_and_must_contain_years(compass, dated, tmp_path):
    assert ids(compass, "a0", earlier_than=1700, years="year") == ["a10", "b20"]
    assert ids(dated, "open", earlier_than=2, years="number") == ["long", "medieval"]
    with pytest.raises(SearchError, match="'artist' is of type text, expected years"):
        ids(compass, "a0", earlier_than=1700, years="artist")
    columns = {"born": [1], "died": [2]}
    searcher = Searcher(make_store(tmp_path / "i", ["a"], {"t": at(0)}, columns))
    with pytest.raises(
        SearchError, match="no column holds years; name it with --years COLUMN: the"
    ):
        ids(searcher, "a", earlier_than=3)
    columns = {"made": pa.array([None], YEARS), "found": pa.array([None], YEARS)}
    searcher = Searcher(make_store(tmp_path / "j", ["a"], {"t": at(0)}, columns))
    with pytest.raises(SearchError, match=r"several columns hold years; .* are made, found"):
        ids(searcher, "a", earlier_than=3)
