"""The store: what is written is read back, by us and by others, and no kill loses any of it."""

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import duckdb
import hypothesis.strategies as st
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from conftest import toy_passport
from hypothesis import given

from artsim.datatypes import Field, FieldType
from artsim.errors import StoreError
from artsim.store import (
    Failure,
    Manifest,
    Store,
    count_values,
    lock_index,
    part_schema,
    round_to_half,
    whole_file,
    write_added,
    write_whole,
)

METADATA = [
    pa.field("artist", pa.string()),
    pa.field("tags", pa.list_(pa.string())),
    pa.field("year", pa.int64()),
    pa.field("span", pa.struct([("begin", pa.int32()), ("end", pa.int32())])),
]
FIELDS = tuple(Field(field.name, FieldType.of(field.type)) for field in METADATA)


def manifest(**changes):
    values = {
        "name": "toy",
        "reader": "folder",
        "source": "/museum",
        "root": "/museum",
        "fields": FIELDS,
        "passport": toy_passport(),
    }
    return Manifest(**(values | changes))


def rows(ids, start=0):
    """Make the rows of a part; row n has the vector (n, n + 0.5, -n)."""
    n = len(ids)
    numbers = np.arange(start, start + n, dtype=np.float32)
    vectors = np.stack([numbers, numbers + 0.5, -numbers], axis=1)
    return pa.Table.from_pydict(
        {
            "id": ids,
            "image": [f"{id_}.jpg" for id_ in ids],
            "content_hash": [f"hash of {id_}" for id_ in ids],
            "width": [10] * n,
            "height": [20] * n,
            "file_bytes": [100] * n,
            "file_mtime_ns": [5] * n,
            "artist": ["Ada", None] * (n // 2) + ["Ada"] * (n % 2),
            "tags": [["oil", "wood"]] * n,
            "year": list(range(start, start + n)),
            "span": [{"begin": 1800, "end": 1850}] * n,
            "rgb": pa.FixedSizeListArray.from_arrays(
                pa.array(vectors.ravel()), type=part_schema([], toy_passport().taps)[-1].type
            ),
        },
        schema=part_schema(METADATA, toy_passport().taps),
    )


@pytest.fixture
def store(tmp_path):
    store = Store.create(tmp_path / "index", manifest())
    store.append(rows(["a", "b", "c"]))
    store.append(rows(["d", "e"], start=3))
    return store


def test_written_rows_are_read_back(store):
    again = Store.open(store.path)
    assert again.manifest == store.manifest
    assert again.rows == 5
    assert again.read(["id"]).column("id").to_pylist() == ["a", "b", "c", "d", "e"]
    expected = pa.concat_tables([rows(["a", "b", "c"]), rows(["d", "e"], start=3)])
    assert again.read(expected.column_names).equals(expected)
    np.testing.assert_array_equal(
        again.vectors("rgb"),
        [[0, 0.5, 0], [1, 1.5, -1], [2, 2.5, -2], [3, 3.5, -3], [4, 4.5, -4]],
    )


def test_values_are_counted_over_all_parts(store, monkeypatch):
    numbers = pa.table({"id": list("abcd"), "score": [0.5, 1.5, None, 0.5]})
    write_added(store.path, Field("score", FieldType.NUMBER), numbers, {})
    store = store.reopen()
    counts = {"artist": (1, 2), "tags": (2, 0), "year": (5, 0), "span": (None, 0), "score": (2, 2)}
    assert {field.name: count_values(store, field) for field in store.fields} == counts
    monkeypatch.setattr("artsim.store.counting._WAITING", 1)  # merged after each part
    assert {field.name: count_values(store, field) for field in store.fields} == counts


@given(
    parts=st.lists(st.lists(st.none() | st.text(max_size=2), min_size=1, max_size=9), max_size=4)
)
def test_texts_are_counted_as_a_set_counts_them(parts, tmp_path_factory):
    store = Store.create(tmp_path_factory.mktemp("i") / "i", manifest())
    for texts in parts:
        table = rows([str(n) for n in range(len(texts))])
        store.append(table.set_column(7, table.schema.field("artist"), pa.array(texts, "string")))
    values = [text for texts in parts for text in texts]
    counted = len({*values} - {None}), values.count(None)
    assert count_values(store, Field("artist", FieldType.TEXT)) == counted


def test_a_relative_folder_with_a_colon_in_its_name_is_read(store, tmp_path, monkeypatch):
    store.path.rename(tmp_path / "idx-pack:x")
    monkeypatch.chdir(tmp_path)
    again = Store.open(Path("idx-pack:x"))  # pyarrow takes such a path for an address
    again.append(rows(["f"], start=5))
    column = pa.table({"id": list("abcdef"), "school": ["Delft"] * 6})
    write_added(again.path, Field("school", FieldType.TEXT), column, {})
    again = again.reopen()
    assert again.read(["id"]).column("id").to_pylist() == ["a", "b", "c", "d", "e", "f"]
    assert list(again.added) == ["school"]


def test_pandas_duckdb_and_polars_read_the_parts(store):
    file = store.path / "parts" / "000000.parquet"
    expected = [[0.0, 0.5, 0.0], [1.0, 1.5, -1.0], [2.0, 2.5, -2.0]]
    frame = pd.read_parquet(file)
    assert [list(vector) for vector in frame["rgb"]] == expected
    assert frame["artist"].fillna("").tolist() == ["Ada", "", "Ada"]
    found = duckdb.sql(f"SELECT rgb, tags, span.begin FROM '{file}'").fetchall()
    assert [(list(vector), *rest) for vector, *rest in found] == [
        (vector, ["oil", "wood"], 1800) for vector in expected
    ]
    lazy = pl.read_parquet(file)
    assert lazy["rgb"].to_list() == expected
    assert lazy["year"].to_list() == [0, 1, 2]


def test_rows_are_taken_across_parts_in_the_given_order(store):
    taken = store.take([4, 0, 3, 4], ["id", "rgb"])
    assert taken.column("id").to_pylist() == ["e", "a", "d", "e"]
    assert taken.column("rgb").to_pylist()[1] == [0.0, 0.5, 0.0]
    assert store.take([], ["id"]).num_rows == 0


@given(st.lists(st.integers(0, 4), min_size=1, max_size=8))
def test_any_rows_can_be_taken(tmp_path_factory, wanted):
    path = tmp_path_factory.mktemp("take") / "index"
    store = Store.create(path, manifest())
    store.append(rows(["a", "b", "c"]))
    store.append(rows(["d", "e"], start=3))
    assert store.take(wanted, ["id"]).column("id").to_pylist() == ["abcde"[row] for row in wanted]


def test_an_id_and_a_content_are_found(store):
    assert [store.find(id_) for id_ in ("a", "d", "x")] == [0, 3, None]
    assert store.find("hash of e", "content_hash") == 4


def test_failures_are_committed_with_their_chunk(store):
    store.append(rows(["f"], start=5), [Failure("x", "x.jpg", "decode", "torn", 7, 8)])
    assert store.failures().to_pylist() == [
        {
            "id": "x",
            "image": "x.jpg",
            "stage": "decode",
            "reason": "torn",
            "file_bytes": 7,
            "file_mtime_ns": 8,
            "tried_with": None,
            "chunk": 2,
        }
    ]


def test_a_chunk_missing_from_the_manifest_is_ignored(store):
    before = (store.path / "manifest.json").read_text()
    store.append(rows(["f"], start=5), [Failure("x", "x.jpg", "decode", "torn")])
    (store.path / "manifest.json").write_text(before)  # killed before the manifest was swapped
    again = Store.open(store.path)
    assert again.rows == 5
    assert again.failures().num_rows == 0
    again.append(rows(["g"], start=5))
    assert again.read(["id"]).column("id").to_pylist()[-1] == "g"


def test_finishing_removes_leftovers_of_kills(store):
    (store.path / "parts" / "000099.parquet").write_text("an orphan")
    (store.path / "parts" / ".000002.parquet.tmp").write_text("half")
    store.finish()
    assert sorted(file.name for file in (store.path / "parts").iterdir()) == [
        "000000.parquet",
        "000001.parquet",
    ]
    assert Store.open(store.path).manifest.complete


def test_finishing_removes_leftovers_beside_the_parts_but_no_file_being_written(store):
    folder = store.path / "thumbnails"
    folder.mkdir()
    left = folder / ".0304.jpg.1a2b3c4d.tmp"
    under_the_lock = store.path / ".manifest.json.3c.tmp"
    for file in (left, under_the_lock):
        file.write_text("half")
    with whole_file(folder / "0304.jpg") as stream:
        stream.write(b"half")
        store.finish()
        (written,) = folder.iterdir()
        assert written.suffix == ".tmp"
        stream.write(b" and half")
    assert [(file.name, file.read_text()) for file in folder.iterdir()] == [
        ("0304.jpg", "half and half")
    ]
    assert not under_the_lock.exists()


def test_concurrent_writes_of_one_file_never_mix(tmp_path):
    file, both = tmp_path / "curves.csv", Barrier(2)

    def write(text):
        def halves(stream):
            stream.write(text[:3])
            both.wait(timeout=10)  # the other has begun
            stream.write(text[3:])
            both.wait(timeout=10)  # and has written all

        write_whole(file, halves)

    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(write, [b"aaaaaa", b"bbbbbbbb"])) == [None, None]
    assert file.read_bytes() in (b"aaaaaa", b"bbbbbbbb")
    assert list(tmp_path.iterdir()) == [file]


def test_a_failed_write_changes_nothing_and_leaves_nothing(tmp_path):
    file = tmp_path / "curves.csv"
    file.write_text("before")

    def fail(stream):
        stream.write(b"half")
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        write_whole(file, fail)
    assert file.read_text() == "before"
    assert list(tmp_path.iterdir()) == [file]


KILLED = """
import os, sys
from pathlib import Path
from artsim.store import write_whole
write_whole(Path(sys.argv[1]), lambda stream: (stream.write(b"half"), stream.flush(), os._exit(9)))
"""


@pytest.mark.parametrize("name", ["found.csv", ".hashes.parquet", "a [1]*.json"])
def test_the_next_write_removes_what_a_killed_one_left(tmp_path, name):
    file = tmp_path / name
    assert subprocess.run([sys.executable, "-c", KILLED, file], check=False).returncode == 9
    (left,) = tmp_path.iterdir()
    assert (left.suffix, left.read_bytes()) == (".tmp", b"half")
    write_whole(file, lambda stream: stream.write(b"all"))
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [(name, b"all")]


def test_a_link_is_written_through_and_a_device_as_it_is(tmp_path):
    (tmp_path / "there").mkdir()
    link = tmp_path / "report.html"
    link.symlink_to(tmp_path / "there" / "report.html")
    write_whole(link, lambda stream: stream.write(b"all"))
    assert (tmp_path / "there" / "report.html").read_bytes() == b"all"
    assert link.is_symlink()
    write_whole(Path(os.devnull), lambda stream: stream.write(b"all"))


def test_a_folder_without_a_manifest_after_a_kill_becomes_an_index(tmp_path):
    (tmp_path / "parts").mkdir()
    (tmp_path / ".manifest.json.0a1b.tmp").write_text("half")
    assert Store.create(tmp_path, manifest()).rows == 0


def test_parts_are_replaced_all_at_once(store):
    store.rewrite(
        [(0, rows(["a", "c"])), (1, rows([]))],
        failures=[Failure("y", None, "catalog", "no picture")],
        manifest=store.manifest,
    )
    again = Store.open(store.path)
    assert again.read(["id"]).column("id").to_pylist() == ["a", "c"]
    assert [part.file for part in again.manifest.parts] == ["000002.parquet"]
    assert again.failures().column("id").to_pylist() == ["y"]


def test_a_reader_keeps_its_rows_while_parts_are_replaced(store):
    def replace_first(ids):
        store = Store.open(path)
        store.rewrite([(0, rows(ids))], failures=[], manifest=store.manifest)
        store.finish()

    def parts():
        return sorted(file.name for file in (path / "parts").iterdir())

    path, reader = store.path, Store.open(store.path)
    before = reader.read(["id"]).column("id").to_pylist()
    replace_first(["x"])
    assert reader.read(["id"]).column("id").to_pylist() == before
    assert parts() == ["000000.parquet", "000001.parquet", "000002.parquet"]
    replace_first(["y"])  # the next run deletes them though
    assert parts() == ["000001.parquet", "000002.parquet", "000003.parquet"]
    path = shutil.copytree(path, path.with_name("nobody-else"))
    replace_first(["z"])
    assert parts() == ["000001.parquet", "000004.parquet"]


def test_the_fingerprint_follows_the_rows(store):
    before = store.fingerprint
    assert Store.open(store.path).fingerprint == before
    store.append(rows(["f"], start=5))
    assert store.fingerprint != before


def test_a_changed_byte_is_noticed(store):
    assert store.damaged_parts() == []
    file = store.path / "parts" / "000001.parquet"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    assert store.damaged_parts() == ["000001.parquet"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is damaged"),
        ("[]", "is damaged"),
        ('{"format": 99}', "has index format 99, this artsim reads 1"),
        ('{"format": 1}', "is damaged"),
    ],
)
def test_a_manifest_that_cannot_be_read_gives_a_one_line_error(store, text, message):
    (store.path / "manifest.json").write_text(text)
    with pytest.raises(StoreError, match=message) as error:
        Store.open(store.path)
    assert "\n" not in str(error.value)


def test_a_binary_manifest_gives_a_one_line_error(store):
    (store.path / "manifest.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(StoreError, match="is damaged"):
        Store.open(store.path)


def test_a_torn_part_gives_a_one_line_error(store):
    file = store.path / "parts" / "000000.parquet"
    file.write_bytes(file.read_bytes()[:50])
    with pytest.raises(StoreError, match=r"000000.parquet' is damaged"):
        store.vectors("rgb")
    file.unlink()
    with pytest.raises(StoreError, match=r"000000.parquet' is missing"):
        store.vectors("rgb")


def test_a_folder_of_other_files_is_left_alone(tmp_path):
    (tmp_path / "thesis.docx").write_text("three years of work")
    with pytest.raises(StoreError, match="is not empty and not an index"):
        Store.create(tmp_path, manifest())
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.docx"]


def test_two_writers_are_kept_apart(tmp_path):
    with (
        lock_index(tmp_path / "index"),
        pytest.raises(StoreError, match="another 'artsim embed' is writing"),
        lock_index(tmp_path / "index"),
    ):
        pass


def test_an_unknown_tap_lists_the_known(store):
    with pytest.raises(StoreError, match="has no tap 'gram'; choose from rgb"):
        store.tap("gram")


def test_the_manifest_says_everything_in_plain_json(store):
    values = json.loads((store.path / "manifest.json").read_text())
    assert values["passport"]["taps"] == [
        {"name": "rgb", "layer": "", "pooling": "none", "dim": 3, "seed": None}
    ]
    assert values["fields"][1] == {"name": "tags", "type": "list"}
    assert [part["rows"] for part in values["parts"]] == [3, 2]


@given(st.lists(st.floats(-(2.0**127), 2.0**127, width=32), min_size=1))
def test_rounding_keeps_eleven_significant_bits(values):
    exact = np.array(values, dtype=np.float32)
    rounded = round_to_half(exact)
    normal = np.abs(exact) > 1e-37  # below, float32 itself has fewer bits
    error = np.abs(rounded - exact)[normal]
    assert (error <= np.abs(exact[normal]) * 2.0**-11).all()
    np.testing.assert_array_equal(round_to_half(rounded), rounded)


def test_rounding_equals_half_precision_where_that_reaches():
    values = np.random.default_rng(0).standard_normal(1000).astype(np.float32)
    np.testing.assert_array_equal(round_to_half(values), values.astype(np.float16))
