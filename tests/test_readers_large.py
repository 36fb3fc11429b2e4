"""Files of records that are larger than the memory: read as a stream, kept on the disk."""

import gzip
import io
import json
import re
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from artsim.errors import ReaderError
from artsim.readers import read_collection
from artsim.readers.json_stream import stream_json
from artsim.readers.record_files import read_records


def rows_of(source):
    return [row for batch in read_collection(source).batches() for row in batch.to_pylist()]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=40)
@given(st.lists(st.dictionaries(st.text(), json_values, max_size=3)), st.integers(1, 30))
def test_a_stream_of_json_gives_the_values_of_the_whole(records, size):
    for value, keys in (
        (records, ()),
        ({"total": 12, "note": "[{", "data": records}, ("data",)),
        ({"response": {"docs": records, "start": 0}}, ("response", "docs")),
    ):
        data = json.dumps(value, ensure_ascii=False, indent=size % 3 or None).encode()
        stream = io.BytesIO(data)
        with patch("artsim.readers.json_stream._READ", size):
            assert list(stream_json(stream.read, Path("a.json"), keys, float)) == records


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[\n{"id": 1},\n{"id" 2}]', "line 3, column 7: not JSON (Expecting ':' delimiter)"),
        ('[{"id": 1},\n {"id": 2', "line 2, column 10: not JSON (Expecting ',' delimiter)"),
        ('{"data" [{"id": 1}]}', "line 1, column 9: not JSON (Expecting ':' delimiter)"),
        ('[{"id": 1}', "line 1, column 11: not JSON (it ends too early)"),
        ('[{"id": 1} {"id": 2}]', "line 1, column 12: not JSON (Expecting ',' delimiter)"),
        ('[{"id": 1},]', "line 1, column 12: not JSON (Illegal trailing comma)"),
        ('{"total": 1 "data": []}', "line 1, column 13: not JSON (Expecting ',' delimiter)"),
        ('[{"id": 1}]\n[{"id": 2}]', "line 2, column 1: not JSON (Extra data)"),
        ("[1, 2]", "holds int, not records"),
        ('[{"id": "\udce9"}]', "is not UTF-8 (invalid continuation byte)"),
    ],
)
def test_a_fault_of_a_large_json_file_has_its_place(text, message, tmp_path, monkeypatch):
    monkeypatch.setattr("artsim.readers.record_files._WHOLE", 4)
    monkeypatch.setattr("artsim.readers.json_stream._READ", 4)
    file = tmp_path / "a.json"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ReaderError, match=re.escape(message)):
        list(read_records(file))


@pytest.mark.parametrize("packed", [False, True])
def test_large_files_are_read_as_small_ones(packed, tmp_path, monkeypatch):
    records = [
        {"id": f"w{n}", "image": f"{n}.jpg", "size": "12.50", "made": {"year": 1900 + n}}
        for n in range(9)
    ]
    lines = "\n".join(map(json.dumps, records))
    forms = {
        "list": json.dumps(records),
        "wrapped": json.dumps({"total": 9, "records": records}, indent=1),
        "lines": lines,
        "one": json.dumps(records[0] | {"note": "x" * 400}, indent=1),
    }
    for name, text in forms.items():
        file = tmp_path / f"{name}.json{'.gz' if packed else ''}"
        file.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
        whole = list(read_records(file))
        with monkeypatch.context() as patched:
            patched.setattr("artsim.readers.record_files._WHOLE", 300)
            assert list(read_records(file)) == whole
        assert len(whole) == (1 if name == "one" else 9)


def test_rows_beyond_the_memory_are_in_a_temporary_file(tmp_path, monkeypatch):
    monkeypatch.setattr("artsim.readers.rows._BATCH", 2)
    records = [
        {"id": "a", "image": "a.jpg", "year": "1900", "maker": "X"},
        {"id": "b", "image": "b.jpg", "year": "1901", "maker": ["X", "Y"]},
        {"id": "c", "image": "c.jpg", "year": "c. 1902", "place": "Rome"},
        {"id": "d", "image": None, "year": None, "maker": "Z", "size": "3"},
        {"id": "e", "image": "e.jpg", "size": "4"},
    ]
    (tmp_path / "a.json").write_text(json.dumps(records), encoding="utf-8")
    in_memory = rows_of(f"records:{tmp_path / 'a.json'}")
    monkeypatch.setattr("artsim.readers.rows._IN_MEMORY", 1)
    catalog = read_collection(f"records:{tmp_path / 'a.json'}")
    for _ in range(2):
        assert [row for batch in catalog.batches() for row in batch.to_pylist()] == in_memory
    assert [row["maker"] for row in in_memory] == [["X"], ["X", "Y"], None, ["Z"], None]
    assert [row["size"] for row in in_memory] == [None, None, None, 3, 4]
    assert [row["year"] for row in in_memory] == ["1900", "1901", "c. 1902", None, None]


def test_a_full_temporary_folder_is_one_line(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    (tmp_path / "a.json").write_text('{"id": "a", "image": "a.jpg"}', encoding="utf-8")
    monkeypatch.setattr("tempfile.SpooledTemporaryFile.write", full)
    with pytest.raises(ReaderError, match="name a larger folder in the environment variable TMP"):
        read_collection(f"records:{tmp_path / 'a.json'}")
