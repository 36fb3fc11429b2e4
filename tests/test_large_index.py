"""Indexes whose metadata is too large for memory: read from the parts, the answers are the same."""

import shutil
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from search_toys import YEARS, make_store

from artsim.datatypes import Field, FieldType
from artsim.embedding.ids import IdPlaces
from artsim.evaluation.reading import rows_of
from artsim.search import Condition, Op, Searcher, SearchRequest, Term, Works, find_works
from artsim.search.groups import ValueGroups
from artsim.server.facets import count_values, facet_columns, find_values, names
from artsim.store import CatalogRows, DerivedLabel, Store, take_stored, write_added
from artsim.store import count_values as count_column
from artsim.store.spooling import spool_column

N = 97
CONDITIONS = [
    ("year < 1550", ()),
    ("title LIKE '%7%' AND artist = 'Ada'", ()),
    ("COLUMNS('^artist$') = 'Bob'", ()),
    ("period.begin > 1600", ()),
    ("tags = 'oil'", (Condition("year", Op.BETWEEN, (1520, 1580)),)),
    ("row < 10", (Condition("tags", Op.CONTAINS, "IN"),)),
    (None, (Condition("title", Op.IN, ("work 3", "work 50")),)),
]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Return an index in several parts, of several row groups each."""
    rng = np.random.default_rng(8)
    years = [int(y) if y % 5 else None for y in rng.integers(1500, 1600, N)]
    spans = [None if y is None else {"begin": y + 50, "end": y + 60} for y in years]
    columns = {
        "title": [f"work {n}" for n in range(N)],
        "artist": [("Ada", "Bob", None)[n] for n in rng.integers(0, 3, N)],
        "tags": [[None, ["oil"], ["ink", "oil"], []][n] for n in rng.integers(0, 4, N)],
        "year": years,
        "period": pa.array(spans, YEARS),
    }
    path = tmp_path_factory.mktemp("large")
    taps = {"t": rng.normal(size=(N, 4)).astype(np.float32)}
    whole = make_store(path / "whole", [f"w{n:02}" for n in range(N)], taps, columns)
    store = Store.create(path / "parts", replace(whole.manifest, parts=(), next_part=0))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("artsim.store.parquet.GROUP_ROWS", 7)
        for start in range(0, N, 30):
            store.append(whole.read_part(0).slice(start, 30))
    store.finish()
    return store


@pytest.fixture
def works(store, monkeypatch):
    """Return the works twice: with their metadata in memory, and read from the parts."""
    in_memory = Works(store)
    assert in_memory.metadata.is_in_memory
    monkeypatch.setattr("artsim.search.metadata._IN_MEMORY", 0)
    on_disk = Works(store)
    assert not on_disk.metadata.is_in_memory
    return in_memory, on_disk


@pytest.mark.parametrize(("where", "conditions"), CONDITIONS)
def test_conditions_meet_the_same_rows(works, where, conditions):
    found = [each.filter.rows(where, conditions).tolist() for each in works]
    assert found[0] == found[1] != []
    missing = [each.filter.unknown(where, conditions) for each in works]
    assert missing[0] == missing[1]


def test_works_are_found_by_id_content_and_words(works):
    in_memory, on_disk = works
    rows = [60, 3, 3, 96, 29, 30]
    assert on_disk.known(rows) == in_memory.known(rows)
    assert on_disk.row("w61") == 61
    assert not on_disk.has("w99")
    assert on_disk.places(["w96", "no", "w00"]).tolist() == [96, -1, 0]
    assert on_disk.similar_ids("w6") == in_memory.similar_ids("w6") == ["w06", "w60", "w61"]
    content = in_memory.content(41)
    assert on_disk.content(41) == content
    assert on_disk.row_of_content(content) == in_memory.row_of_content(content)
    for words, options in {
        "work 5": {},
        "ada ink": {"where": "year > 1520"},
        "ink": {"sort": "-year"},
        "nobody": {},
    }.items():
        first, second = (find_works(each, words, k=9, **options) for each in works)
        assert second.rows.tolist() == first.rows.tolist()
        assert (second.count, second.unknown) == (first.count, first.unknown)


def test_facets_count_the_same_values(works):
    in_memory, on_disk = works
    assert facet_columns(on_disk) == facet_columns(in_memory)
    for conditions in ([], [Condition("artist", Op.EQUAL, "Ada")]):
        assert count_values(on_disk, conditions) == count_values(in_memory, conditions)
    assert names(on_disk) == names(in_memory)
    assert find_values(on_disk, [], "title", "k 9") == find_values(in_memory, [], "title", "k 9")


def test_a_search_gives_the_same_answer(store, works, monkeypatch):
    request = SearchRequest(
        terms=(Term(id="w07"),), k=5, where="year > 1510", max_per={"artist": 2}
    )
    on_disk = Searcher(store).search(request)
    monkeypatch.setattr("artsim.search.metadata._IN_MEMORY", 1 << 30)
    assert on_disk.matches == Searcher(store).search(request).matches


def test_values_are_numbered_for_some_rows_or_for_all(works, monkeypatch):
    numbered = {}
    for few in (4096, 0):
        monkeypatch.setattr("artsim.search.groups._FEW", few)
        for each in works:
            for column in ("artist", "tags", "year"):
                numbers = each.groups(column).of(np.arange(N)[::-1])[::-1]
                values = [
                    frozenset(value) if isinstance(value, list) else value
                    for value in each.column(column).to_pylist()
                ]
                missing = [value is None or value == frozenset() for value in values]
                assert (numbers == -1).tolist() == missing
                pairs = {*zip(values, numbers.tolist(), strict=True)} - {(None, -1)}
                assert len(pairs) == len({value for value, _ in pairs})
                assert len(pairs) == len({number for _, number in pairs})
                numbered.setdefault(column, []).append(numbers.tolist())
    assert all(each == first for first, *others in numbered.values() for each in others)


def test_neighboring_years_before_christ_are_groups_of_their_own():
    years = pa.chunked_array([[-1, -2, None, 0, -1]])
    groups = ValueGroups(years.take, lambda: iter([years]))
    first, second, missing, zero, again = groups.of(np.arange(5)).tolist()
    assert missing == -1
    assert first == again
    assert len({first, second, zero, missing}) == 4


def test_a_derived_label_is_computed_in_blocks(store, tmp_path, monkeypatch):
    copied = Store.open(Path(shutil.copytree(store.path, tmp_path / "copy")))
    copied.set_labels([DerivedLabel("decade", "floor(year / 10)")])
    expected = Works(copied).column("decade").to_pylist()
    assert expected == [
        None if year is None else str(int(year // 10))
        for year in copied.read(["year"]).column(0).to_pylist()
    ]
    monkeypatch.setattr("artsim.search.metadata._IN_MEMORY", 0)
    monkeypatch.setattr("artsim.search.works._LABELED", 40)
    column = Works(copied).column("decade")
    assert [len(chunk) for chunk in column.chunks] == [60, 37]
    assert column.to_pylist() == expected


@pytest.mark.parametrize("together", [1, 1 << 20])
def test_an_added_column_is_in_memory_where_no_temporary_file_can_be_written(monkeypatch, together):
    monkeypatch.setattr("artsim.store.spooling._ARRAY", together)
    field = pa.field("style", pa.list_(pa.string()))
    blocks = [pa.array([["a"], None]), pa.array([["b", "a"]])]
    in_file = spool_column(field, lambda: blocks)
    monkeypatch.setattr("artsim.store.spooling.TemporaryFile", Mock(side_effect=OSError))
    in_memory = spool_column(field, lambda: blocks)
    for each in (in_file, in_memory):
        found = take_stored(each, np.array([2, -1, 0, 1, 2]))
        assert found.to_pylist() == [["b", "a"], None, ["a"], None, ["b", "a"]]
        assert take_stored(each, np.array([-1])).to_pylist() == [None]


def test_added_columns_follow_their_ids_block_by_block(store, tmp_path, monkeypatch):
    copied = Store.open(Path(shutil.copytree(store.path, tmp_path / "copy")))
    order = np.random.default_rng(3).permutation(N + 5)[: N - 10]  # some rows lack, some are gone
    values = {f"w{n:02}": None if n % 7 == 0 else f"style {n % 4}" for n in order.tolist()}
    table = pa.table(
        {"id": list(values), "style": list(values.values()), "confidence": [0.5] * len(values)}
    )
    write_added(copied.path, Field("style", FieldType.TEXT), table, {})
    copied = copied.reopen()
    in_memory = Works(copied)
    expected = [values.get(f"w{n:02}") for n in range(N)]
    assert in_memory.column("style").to_pylist() == expected
    monkeypatch.setattr("artsim.search.metadata._IN_MEMORY", 0)
    on_disk = Works(copied)
    assert on_disk.column("style").to_pylist() == expected
    blocks = [each.column("style").to_pylist() for each in on_disk.blocks(["style", "year"])]
    assert [len(each) for each in blocks] == [30, 30, 30, 7]
    assert [value for block in blocks for value in block] == expected
    rows = [60, 3, 96]
    assert on_disk.take(rows, ["style"]).column(0).to_pylist() == [expected[row] for row in rows]
    where = "style = 'style 2'"
    assert on_disk.filter.rows(where, ()).tolist() == in_memory.filter.rows(where, ()).tolist()
    missing, different = expected.count(None), len({*expected} - {None})
    assert count_column(copied, Field("style", FieldType.TEXT)) == (different, missing)


def test_the_rows_of_another_index_are_found_by_id(store, tmp_path, monkeypatch):
    names = [f"w{n:02}" for n in np.random.default_rng(4).permutation(N + 9)[:80]]
    other = make_store(tmp_path / "other", names, {"t": np.ones((80, 4), np.float32)})
    row_of = {name: row for row, name in enumerate(names)}
    expected = [row_of.get(f"w{n:02}", -1) for n in range(N)]
    assert rows_of(store, other).tolist() == expected
    for most in (1 << 30, 0):
        monkeypatch.setattr("artsim.search.metadata._IN_MEMORY", most)
        home, there = Works(store), Works(other)
        assert there.rows_of(home).tolist() == expected
        assert there.rows_of(home) is there.rows_of(home)


def test_only_groups_that_may_have_a_row_are_read(store, monkeypatch):
    read, own = [], pq.ParquetFile.read_row_group

    def read_row_group(parquet, number, columns):
        read.append(number)
        return own(parquet, number, columns)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", read_row_group)
    assert store.find("w45") == 45
    assert read == [2]  # of the second part
    read.clear()
    assert store.take([44, 16, 45], ["title"]).column(0).to_pylist() == [
        "work 44",
        "work 16",
        "work 45",
    ]
    assert read == [2, 2]


def catalog_rows(path, ids):
    table = pa.table({"id": ids, "image": [f"{n}.jpg" for n in range(len(ids))]})
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as out:
        out.write_table(table, max_chunksize=3)
    return CatalogRows(pa.ipc.open_file(pa.memory_map(str(path))))


@pytest.mark.parametrize("collide", [False, True])
def test_ids_are_found_even_if_all_hashes_collide(tmp_path, monkeypatch, collide):
    if collide:
        monkeypatch.setattr(
            "artsim.embedding.ids.text_hashes", lambda texts: np.zeros(len(texts), dtype=np.int64)
        )
    rows = catalog_rows(tmp_path / "rows", ["a", "b", None, "a", "c", "b"])
    ids = IdPlaces(rows)
    usable = np.array([True, False, True, True, True, True])
    wanted = pa.array(["b", "nobody", "a", "c", None])
    assert ids.find(wanted, usable).tolist() == [5, -1, 0, 4, -1]
    assert {0, 1, 3, 5} <= set(ids.repeated().tolist())
