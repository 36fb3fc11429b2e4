"""Text columns of more than 2 GiB: 32-bit offsets would overflow where rows are taken from them."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from artsim.datatypes import Field, FieldType
from artsim.search import Works
from artsim.store import large_text
from artsim.store.arrow import gather_rows

ROWS = 2300
LONG = "x" * 1_000_000  # 2.3 GB in all


def long_titles():
    return pa.chunked_array([pa.array([LONG] * 230)] * 10)  # one buffer for every chunk


def test_rows_of_long_text_can_be_taken():
    lists = pa.ListArray.from_arrays(pa.array(range(231), pa.int32()), pa.array([LONG] * 230))
    for column in (long_titles(), pa.chunked_array([lists] * 10)):
        table = pa.table({"text": column})
        with pytest.raises(pa.ArrowInvalid, match="offset overflow"):
            table.take(pa.array([0, ROWS - 1]))
        large = large_text(table)
        assert large.schema.field("text").type in (pa.large_string(), pa.list_(pa.large_string()))
        (first, last) = large.slice(0, 1).column(0)[0], large.slice(ROWS - 1, 1).column(0)[0]
        assert first == last


def test_rows_of_many_tables_with_long_text_are_put_in_order():
    text = pa.array([LONG] * 230)
    wanted = np.arange(ROWS)
    wanted[[0, -1]] = wanted[[-1, 0]]
    found = gather_rows(
        lambda place, some: pa.table({"text": text.slice(0, len(some)), "row": 230 * place + some}),
        [230] * 10,
        wanted,
    )
    assert found.column("row").to_pylist() == wanted.tolist()
    assert found.column("text")[ROWS - 1].as_py() == LONG


def test_works_with_long_titles_are_found_and_grouped(monkeypatch):
    monkeypatch.setattr("artsim.search.metadata._IN_MEMORY", 1 << 40)
    table = pa.table(
        {
            "id": [f"w{n}" for n in range(ROWS)],
            "image": [f"{n}.jpg" for n in range(ROWS)],
            "width": pa.array([8] * ROWS),
            "height": pa.array([8] * ROWS),
            "title": long_titles(),
        }
    )
    manifest = SimpleNamespace(fields=[Field("title", FieldType.TEXT)], labels=(), root="/museum")
    store = SimpleNamespace(
        manifest=manifest,
        fields=manifest.fields,
        read=table.select,
        read_part=lambda number, columns: table.slice(0, 1).select(columns),
        added={},
        path=Path("index"),
        rows=ROWS,
        shows=lambda _: True,
    )
    works = Works(store)
    assert works.row("w7") == 7
    (first, last) = works.known([0, ROWS - 1])
    assert (first[0], last[0]) == ("w0", f"w{ROWS - 1}")
    assert len(first[2]["title"]) == len(LONG)
    (one,) = np.unique(works.groups("title").of(np.arange(ROWS)))
    assert one >= 0
