"""The search index: exact, beside brute force, and never older than the vectors."""

import hashlib
import json

import faiss
import hypothesis.strategies as st
import numpy as np
import pyarrow as pa
import pytest
from conftest import toy_passport
from hypothesis import given

from artsim.datatypes import TapInfo
from artsim.errors import SearchError
from artsim.index import build_index, is_current, open_index, unit
from artsim.store import Manifest, Store, part_schema, unsealed

EAST, NORTH, WEST = [1.0, 0, 0], [0, 1.0, 0], [-1.0, 0, 0]


def store_of(path, *parts, dim=3):
    """Make an index of nothing but vectors."""
    passport = toy_passport((TapInfo(name="rgb", layer="", pooling="none", dim=dim),))
    store = Store.create(
        path, Manifest(name="v", reader="", source="", root="", fields=(), passport=passport)
    )
    for vectors in parts:
        append(store, vectors)
    return store


def append(store, vectors):
    store.append(table_of(store, vectors))


def table_of(store, vectors):
    n = len(vectors)
    schema = part_schema([], store.manifest.passport.taps)
    values = np.asarray(vectors, dtype=np.float32)
    return pa.table(
        [
            *([str(store.rows + i) for i in range(n)] for _ in range(3)),
            *([1] * n for _ in range(4)),
            pa.FixedSizeListArray.from_arrays(
                pa.array(values.ravel()), type=schema.field("rgb").type
            ),
        ],
        schema=schema,
    )


@pytest.mark.parametrize("count", [3, 20, 300])
def test_queries_together_have_the_bytes_of_each_alone(tmp_path, count):
    rng = np.random.default_rng(count)
    centers = rng.standard_normal((40, 64), dtype=np.float32)
    vectors = centers.repeat(50, 0) + 1e-4 * rng.standard_normal((2000, 64), dtype=np.float32)
    vectors[100:140] = vectors[100]  # ties, within the k nearest and at their end
    store = store_of(tmp_path / "i", vectors, dim=64)
    build_index(store, "rgb")
    index = open_index(store, "rgb")
    scores, rows = index.search(vectors[90 : 90 + count], 25)
    for number, query in enumerate(vectors[90 : 90 + count]):
        (alone,), (alone_rows,) = index.search(query[None], 25)
        assert scores[number].tobytes() == alone.tobytes()
        assert rows[number].tolist() == alone_rows.tolist()


def test_the_nearest_come_first(tmp_path):
    store = store_of(tmp_path / "i", [EAST, NORTH], [WEST])
    build_index(store, "rgb")
    scores, rows = open_index(store, "rgb").search(np.array([[2.0, 1.0, 0]], np.float32), 3)
    assert rows.tolist() == [[0, 1, 2]]
    np.testing.assert_allclose(scores, [[2 / 5**0.5, 1 / 5**0.5, -2 / 5**0.5]], rtol=1e-6)


def test_ties_are_ordered_by_row(tmp_path):
    store = store_of(tmp_path / "i", [NORTH, EAST, EAST], [EAST])
    build_index(store, "rgb")
    _, rows = open_index(store, "rgb").search(np.array([EAST], np.float32), 4)
    assert rows.tolist() == [[1, 2, 3, 0]]


def test_of_more_ties_than_k_the_first_rows_are_found(tmp_path):
    store = store_of(tmp_path / "i", [NORTH, NORTH, NORTH], [EAST])
    build_index(store, "rgb")
    for k in (1, 2, 3, 4):
        _, rows = open_index(store, "rgb").search(np.array([EAST], np.float32), k)
        assert rows.tolist() == [[3, 0, 1, 2][:k]]


def test_many_queries_together_find_what_each_finds_alone_to_the_last_bit(tmp_path):
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((300, 512)).astype(np.float32)
    vectors[200:] = vectors[:100]  # ties
    store = store_of(tmp_path / "i", vectors, dim=512)
    build_index(store, "rgb")
    index = open_index(store, "rgb")
    queries = np.concatenate([vectors[:40], rng.standard_normal((24, 512)).astype(np.float32)])

    together = index.search(queries, 5)

    assert 512 < faiss.cvar.distance_compute_blas_threshold <= queries.size  # compared as a matrix
    alone = [index.search(query[None], 5) for query in queries]
    assert np.array_equal(together[0], np.concatenate([scores for scores, _ in alone]))
    assert np.array_equal(together[1], np.concatenate([rows for _, rows in alone]))
    assert together[1][:40, :2].tolist() == [[row, row + 200] for row in range(40)]


def test_the_file_is_a_plain_faiss_index(tmp_path):
    vectors = np.random.default_rng(0).standard_normal((7, 3)).astype(np.float32)
    store = store_of(tmp_path / "i", vectors[:4], vectors[4:])
    build_index(store, "rgb")
    flat = faiss.IndexFlatIP(3)
    flat.add(unit(vectors))
    assert (store.path / "faiss" / "rgb.index").read_bytes() == faiss.serialize_index(
        flat
    ).tobytes()


def test_leftovers_of_a_kill_are_removed_and_nothing_else(tmp_path):
    store = store_of(tmp_path / "i", [EAST, NORTH])
    folder = store.path / "faiss"
    folder.mkdir()
    for name in ("rgb.index", "rgb.codes.npy", "rgb.vectors.npy", "rgb.json", "rgb.pairs.json"):
        (folder / f".{name}.0a1b.tmp").write_text("half")
    build_index(store, "rgb")
    left = sorted(file.name for file in folder.iterdir())
    assert left == [".rgb.pairs.json.0a1b.tmp", "rgb.index", "rgb.json"]


def test_the_index_has_a_note_of_how_it_was_built(tmp_path):
    store = store_of(tmp_path / "i", [EAST, NORTH])
    build_index(store, "rgb")
    file = store.path / "faiss" / "rgb.index"
    assert unsealed(file.with_suffix(".json").read_text()) == {
        "tap": "rgb",
        "kind": "Flat",
        "metric": "cosine",
        "rows": 2,
        "dim": 3,
        "recall_at_10": 1.0,
        "queries": 0,
        "latency": None,
        "k_factor": 1,
        "nprobe": 0,
        "memory": 24,
        "trained_rows": 0,
        "why": "exact search is fast enough",
        "goals": {"recall": 0.98, "memory": None, "latency": 0.02, "kind": "auto"},
        "fingerprint": store.fingerprint,
        "parts": [[store.manifest.parts[0].sha256, 2]],
        "bytes": [file.stat().st_size],
        "sha256": {"rgb.index": hashlib.sha256(file.read_bytes()).hexdigest()},
        "faiss": faiss.__version__,
    }


def test_vectors_are_read_by_row(tmp_path):
    store = store_of(tmp_path / "i", [EAST, [0, 2.0, 0]], [WEST])
    for built in (False, True):
        if built:
            build_index(store, "rgb")
        vectors = open_index(store, "rgb").vectors
        assert vectors.shape == (3, 3)
        assert vectors[np.array([2, 1])].tolist() == [WEST, NORTH]
        assert vectors.cosines(np.array(NORTH, np.float32)).tolist() == [0, 1, 0]


def test_an_empty_index_says_so(tmp_path):
    with pytest.raises(SearchError, match="has no pictures"):
        build_index(store_of(tmp_path / "i"), "rgb")


def test_an_index_older_than_its_vectors_is_not_used(tmp_path):
    store = store_of(tmp_path / "i", [EAST])
    build_index(store, "rgb")
    assert is_current(store, "rgb")
    append(store, [NORTH])
    assert not is_current(store, "rgb")
    _, rows = open_index(store, "rgb").search(np.array([NORTH], np.float32), 2)
    assert rows.tolist() == [[1, 0]]


def test_a_search_index_of_other_rows_is_not_used_even_if_its_note_fits(tmp_path):
    store = store_of(tmp_path / "i", [EAST, NORTH])
    build_index(store, "rgb")
    note = (store.path / "faiss" / "rgb.json").read_text()
    append(store, [WEST])
    build_index(store, "rgb")
    # as a kill between the two files could have left it
    values = unsealed(note) | {"fingerprint": store.fingerprint}
    two = store_of(tmp_path / "two", [EAST, NORTH])
    build_index(two, "rgb")
    (two.path / "faiss" / "rgb.index").replace(store.path / "faiss" / "rgb.index")
    (store.path / "faiss" / "rgb.json").write_text(json.dumps(values))
    _, rows = open_index(store, "rgb").search(np.array([WEST], np.float32), 3)
    assert rows.tolist() == [[2, 1, 0]]


@pytest.mark.parametrize("damage", [b"", b"torn", b"x" * 4096])
def test_a_damaged_search_index_is_rebuilt_in_memory(tmp_path, damage):
    store = store_of(tmp_path / "i", [EAST, NORTH])
    build_index(store, "rgb")
    (store.path / "faiss" / "rgb.index").write_bytes(damage)
    _, rows = open_index(store, "rgb").search(np.array([NORTH], np.float32), 1)
    assert rows.tolist() == [[1]]


def test_an_invalid_note_is_ignored(tmp_path):
    store = store_of(tmp_path / "i", [EAST])
    build_index(store, "rgb")
    (store.path / "faiss" / "rgb.json").write_text("[]")
    assert not is_current(store, "rgb")


@pytest.mark.parametrize("k", [0, 3])
def test_k_out_of_range_says_what_is_allowed(tmp_path, k):
    store = store_of(tmp_path / "i", [EAST, NORTH])
    with pytest.raises(SearchError, match=f"k must be between 1 and 2 .* got {k}"):
        open_index(store, "rgb").search(np.array([EAST], np.float32), k)


def test_a_vector_of_another_size_is_refused(tmp_path):
    store = store_of(tmp_path / "i", [EAST])
    with pytest.raises(SearchError, match="holds vectors of 3 numbers, the query has 2"):
        open_index(store, "rgb").search(np.ones((1, 2), np.float32), 1)


def test_zeros_stay_zeros():
    np.testing.assert_array_equal(unit(np.zeros((1, 3), np.float32)), [[0, 0, 0]])


@given(st.integers(0, 2**32 - 1), st.integers(1, 30), st.integers(1, 5))
def test_search_equals_brute_force(tmp_path_factory, seed, n, q):
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((n, 3)).astype(np.float32)
    queries = rng.standard_normal((q, 3)).astype(np.float32)
    store = store_of(tmp_path_factory.mktemp("brute") / "i", vectors[: n // 2], vectors[n // 2 :])
    build_index(store, "rgb")
    k = int(rng.integers(1, n + 1))
    scores, rows = open_index(store, "rgb").search(queries, k)
    similarity = unit(queries).astype(np.float64) @ unit(vectors).astype(np.float64).T  # (q, n)
    best = -np.sort(-similarity, axis=1)[:, :k]
    np.testing.assert_allclose(scores, best, atol=1e-5)
    np.testing.assert_allclose(np.take_along_axis(similarity, rows, 1), best, atol=1e-5)
