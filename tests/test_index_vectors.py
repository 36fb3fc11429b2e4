"""Vectors by row: nothing of a direction is lost, and equal rows have equal cosines."""

import io
import tracemalloc

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from artsim.errors import SearchError
from artsim.index import Vectors, unit
from artsim.index.vectors import write_vectors
from artsim.store import round_to_half


def written(*blocks):
    stream = io.BytesIO()
    rows = sum(map(len, blocks))
    write_vectors(stream, lambda: blocks, rows, blocks[0].shape[1])
    stream.seek(0)
    return np.load(stream)


def test_half_precision_vectors_take_two_bytes_a_value():
    # 3/4 is brought to 3 * 2 ** 13 and the others by the same power of two
    found = written(np.array([[0.75, 0.5, 0], [0, 0, 0]], np.float32))
    assert found.dtype == np.float16
    assert found.tolist() == [[24576, 16384, 0], [0, 0, 0]]


def test_vectors_that_need_float32_stay_in_float32():
    exact = np.array([[1, 1 / 3]], np.float32)
    found = written(np.array([[1, 0.5]], np.float32), exact)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found[1:], unit(exact))


def test_rows_of_such_a_file_are_written_unchanged():
    first = written(np.array([[0.75, 0.5]], np.float32))
    np.testing.assert_array_equal(written(first, first), np.concatenate([first, first]))
    mixed = written(first, np.array([[1, 1 / 3]], np.float32))  # not of half precision
    np.testing.assert_array_equal(mixed[:1], unit(np.array([[0.75, 0.5]], np.float32)))


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 70), st.integers(-30, 30))
def test_vectors_read_back_equal_the_unit_vectors_bit_by_bit(seed, n, dim, power):
    rng = np.random.default_rng(seed)
    vectors = round_to_half(np.ldexp(rng.standard_normal((n, dim)), power).astype(np.float32))
    stored = written(vectors)
    assert stored.dtype == np.float16
    rows = rng.integers(0, n, 5)
    np.testing.assert_array_equal(Vectors(stored)[rows], unit(vectors)[rows])


@pytest.mark.parametrize("scale", [1e-42, 1e-30, 1e-19, 1.0, 1e19, 1e30, 3e37])
def test_a_vector_of_any_length_has_its_direction(scale):
    vectors = np.array([[3, 4], [0, 0], [scale * 3, scale * 4]], dtype=np.float32)
    atol = 1e-3 if scale < 1e-38 else 1e-6  # float32 has fewer digits there
    np.testing.assert_allclose(unit(vectors), [[0.6, 0.8], [0, 0], [0.6, 0.8]], atol=atol)


@given(st.integers(0, 2**32 - 1), st.integers(1, 3000), st.integers(1, 200))
def test_cosines_are_those_of_brute_force(seed, n, dim):
    rng = np.random.default_rng(seed)
    vectors = round_to_half(rng.standard_normal((n, dim)).astype(np.float32))
    query = unit(vectors[:1])[0]
    stored = Vectors(written(vectors))
    expected = unit(vectors).astype(np.float64) @ query
    np.testing.assert_allclose(stored.cosines(query), expected, atol=1e-6)
    rows = rng.integers(0, n, 50)
    np.testing.assert_array_equal(stored.cosines(query, rows), stored.cosines(query)[rows])


def test_every_half_precision_value_is_read_exactly():
    every = np.arange(2**16, dtype=np.uint16).view(np.float16)
    halves = np.stack([every[np.isfinite(every)], np.ones(63488, np.float16)], axis=1)
    np.testing.assert_array_equal(Vectors(halves)[:], unit(halves))


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_several_threads_find_the_same_cosines_as_one(dtype, monkeypatch):
    rng = np.random.default_rng(0)
    vectors = Vectors(unit(rng.standard_normal((1001, 9))).astype(dtype))
    query, rows = unit(rng.standard_normal((1, 9)))[0], rng.integers(0, 1001, 700)
    of_all, of_some = vectors.cosines(query), vectors.cosines(query, rows)
    monkeypatch.setattr("artsim.index.vectors._ALONE", 1000)
    monkeypatch.setattr("faiss.omp_get_max_threads", lambda: 3)
    np.testing.assert_array_equal(vectors.cosines(query), of_all)
    np.testing.assert_array_equal(vectors.cosines(query, rows), of_some)


def test_a_query_of_another_size_is_refused():
    vectors = Vectors(np.eye(3, dtype=np.float32))
    with pytest.raises(SearchError, match="holds vectors of 3 numbers, the query has 2"):
        vectors.cosines(np.ones(2, np.float32))


def test_some_rows_of_an_unaligned_file_are_read_without_the_rest():
    memory = np.zeros(4 * 64 * 20_000 + 1, dtype=np.uint8)
    askew = memory[1:].view(np.float32).reshape(20_000, 64)  # 5 MB
    askew[:, 0] = 1
    vectors = Vectors(askew)
    tracemalloc.start()
    cosines = vectors.cosines(np.eye(64, dtype=np.float32)[0], np.array([3, 19_999]))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert cosines.tolist() == [1, 1]
    assert peak < 100_000
