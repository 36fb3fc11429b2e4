"""Rows found by id, block by block, are those that a dictionary finds."""

import hypothesis.strategies as st
import numpy as np
import pyarrow as pa
from hypothesis import given

from artsim.store import RowsById

ids = st.lists(st.text(max_size=4), max_size=30)


def blocks(texts, size):
    return [
        pa.chunked_array([texts[n : n + size]], pa.string()) for n in range(0, len(texts), size)
    ]


@given(ids, ids, st.integers(1, 9))
def test_each_id_is_found_at_its_first_row(mine, wanted, size):
    first = {text: row for row, text in reversed(list(enumerate(mine)))}
    wanted = wanted + mine[::-1]
    rows = RowsById(blocks(mine, size))
    found = rows.find(pa.chunked_array([wanted], pa.string()))
    assert found.tolist() == [first.get(text, -1) for text in wanted]
    parts = [rows.find(block) for block in blocks(wanted, size)]
    assert np.array_equal(np.concatenate([found[:0], *parts]), found)
    assert np.array_equal(rows.find_all(blocks(wanted, size)), found)


def test_ids_with_large_offsets_are_the_same_ids():
    rows = RowsById([pa.chunked_array([["a", "b"]], pa.large_string())])
    assert rows.find(pa.array(["b", "c", "a"])).tolist() == [1, -1, 0]
