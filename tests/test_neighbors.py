"""Neighbors on points whose order can be read off by eye, then against sorting everything."""

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings

from artsim.errors import EvaluationError
from artsim.metrics.neighbors import Neighbors, nearest, search
from artsim.metrics.neighbors import coarse as product

EAST, NORTH, WEST = np.float32([1, 0]), np.float32([0, 1]), np.float32([-1, 0])
BANK = np.stack([EAST, NORTH, WEST])
INF = np.inf


def unit(rng, *shape):
    x = rng.standard_normal(shape).astype(np.float32)
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def brute_force(queries, bank, k, *, exclude=None, query_groups=None, bank_groups=None):
    """Sort every row of the whole matrix by (-score, row)."""
    scores = (queries.astype(np.float64) @ bank.astype(np.float64).T).astype(np.float32)
    if exclude is not None:
        scores[np.arange(len(bank)) == exclude[:, None]] = -INF
    if query_groups is not None:
        same = query_groups[:, None] == bank_groups
        scores[same & (query_groups[:, None] >= 0)] = -INF
    rows = np.argsort(-scores, axis=1, kind="stable")
    scores = np.take_along_axis(scores, rows, axis=1)
    rows[np.isneginf(scores)] = -1
    missing = max(0, k - len(bank))
    scores = np.pad(scores, ((0, 0), (0, missing)), constant_values=-INF)
    rows = np.pad(rows, ((0, 0), (0, missing)), constant_values=-1)
    return Neighbors(scores[:, :k], rows[:, :k])


def assert_same(found, expected):
    np.testing.assert_array_equal(found.rows, expected.rows)
    np.testing.assert_array_equal(found.scores, expected.scores)
    assert (found.scores.dtype, found.rows.dtype) == (np.float32, np.int64)


@pytest.fixture
def coarse(monkeypatch):
    """Send even the smallest search through the coarse product and its proof."""
    monkeypatch.setattr(search, "_SMALL", 0)
    monkeypatch.setattr(search, "_MIN_BANK_BLOCK", 512)


def test_neighbors_come_best_first():
    found = nearest(np.stack([EAST, NORTH]), BANK, 3)
    assert found.rows.tolist() == [[0, 1, 2], [1, 0, 2]]
    assert found.scores.tolist() == [[1, 0, -1], [1, 0, 0]]


def test_equal_scores_come_in_the_order_of_the_rows():
    bank = np.stack([NORTH, EAST, NORTH, EAST, NORTH])
    assert nearest(NORTH[None], bank, 5).rows.tolist() == [[0, 2, 4, 1, 3]]


def test_leave_one_out_finds_copies_but_never_the_query():
    bank = np.stack([EAST, EAST, WEST])
    assert nearest(bank, bank, 1, exclude=np.arange(3)).rows.tolist() == [[1], [0], [0]]


def test_rows_of_one_group_are_no_neighbors_and_minus_one_is_no_group():
    bank = np.stack([EAST, EAST, NORTH, NORTH])
    groups = np.array([7, 7, -1, -1])
    found = nearest(bank, bank, 3, exclude=np.arange(4), query_groups=groups, bank_groups=groups)
    assert found.rows.tolist() == [[2, 3, -1], [2, 3, -1], [3, 0, 1], [2, 0, 1]]
    assert found.scores.tolist() == [[0, 0, -INF], [0, 0, -INF], [1, 0, 0], [1, 0, 0]]


def test_rows_that_share_any_of_several_groups_are_no_neighbors():
    bank = np.stack([EAST, EAST, NORTH, NORTH])
    groups = np.array([[7, -1], [7, 1], [-1, 1], [-1, -1]])
    found = nearest(bank, bank, 3, exclude=np.arange(4), query_groups=groups, bank_groups=groups)
    assert found.rows.tolist() == [[2, 3, -1], [3, -1, -1], [3, 0, -1], [2, 0, 1]]
    with pytest.raises(EvaluationError, match="query_groups have 2 codes a vector and bank_gro"):
        nearest(bank, bank, 1, query_groups=groups, bank_groups=groups[:, 0])


def test_missing_neighbors_are_filled_with_no_row():
    found = nearest(EAST[None], BANK, 5)
    assert found.rows.tolist() == [[0, 1, 2, -1, -1]]
    assert found.scores.tolist() == [[1, 0, -1, -INF, -INF]]


@pytest.mark.usefixtures("coarse")
def test_a_search_of_few_queries_restores_the_number_of_torch_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        vectors = unit(np.random.default_rng(0), 100, 8)
        nearest(vectors[:2], vectors, 3)
        assert torch.get_num_threads() == 4
    finally:
        torch.set_num_threads(before)


def test_first_keeps_the_nearest():
    found = nearest(BANK, BANK, 3).first(1)
    assert found.rows.tolist() == [[0], [1], [2]]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 90),
    q=st.integers(1, 20),
    k=st.integers(1, 100),
    exclude=st.booleans(),
    grouped=st.booleans(),
    copies=st.booleans(),
)
def test_equals_sorting_the_whole_matrix(seed, n, q, k, exclude, grouped, copies):
    rng = np.random.default_rng(seed)
    bank, queries = unit(rng, n, 5), unit(rng, q, 5)
    if copies:
        bank, queries = bank[rng.integers(0, n, n) // 2], bank[rng.integers(0, n, q)]
    masks = {"exclude": rng.integers(-1, n, q)} if exclude else {}
    if grouped:
        masks |= {"query_groups": rng.integers(-1, 3, q), "bank_groups": rng.integers(-1, 3, n)}
    assert_same(nearest(queries, bank, k, **masks), brute_force(queries, bank, k, **masks))


@pytest.mark.parametrize("bfloat16", [True, False], ids=["bfloat16", "float32"])
@pytest.mark.parametrize("budget_bytes", [1, 1 << 17, 1 << 28])
@pytest.mark.parametrize(("n", "k"), [(40, 3), (3000, 1), (3000, 50), (700, 700), (5000, 90)])
@pytest.mark.usefixtures("coarse")
def test_coarse_search_equals_sorting_the_whole_matrix(monkeypatch, n, k, budget_bytes, bfloat16):
    monkeypatch.setattr(product, "_has_bfloat16", lambda device: bfloat16)
    rng = np.random.default_rng(n + k)
    bank = unit(rng, n, 16)
    bank[n // 2 : n // 2 + n // 8] = bank[0]  # many copies of one picture
    queries = np.arange(0, n, max(1, n // 23))
    masks = {
        "exclude": queries,
        "query_groups": rng.integers(-1, 4, n)[queries],
        "bank_groups": rng.integers(-1, 4, n),
    }
    found = nearest(bank[queries], bank, k, budget_bytes=budget_bytes, **masks)
    assert_same(found, brute_force(bank[queries], bank, k, **masks))


@pytest.mark.usefixtures("coarse")
def test_only_queries_without_a_proof_are_searched_again(monkeypatch):
    searched = []

    def spy(name):
        method = getattr(search.Search, name)

        def spied(self, *arguments):
            searched.append((name, arguments[-2 if name == "_candidates" else -1].tolist()))
            return method(self, *arguments)

        monkeypatch.setattr(search.Search, name, spied)

    spy("_candidates")
    spy("_exact")
    rng = np.random.default_rng(0)
    copies = [np.repeat(unit(rng, 1, 32), n, axis=0) for n in (100, 400)]
    bank = np.concatenate([unit(rng, 900, 32), *copies])
    queries = np.concatenate([bank[:3], bank[-401:-399]])
    assert_same(nearest(queries, bank, 5), brute_force(queries, bank, 5))
    # five of a hundred equal rows are no better than the others: 42 candidates do not prove it,
    # 286 do; of four hundred only the whole bank does
    assert searched == [
        ("_candidates", [0, 1, 2, 3, 4]),
        ("_candidates", [3, 4]),
        ("_exact", [4]),
    ]


def test_memory_mapped_and_float16_vectors_are_accepted(tmp_path):
    rng = np.random.default_rng(0)
    vectors = unit(rng, 30, 8).astype(np.float16)
    np.save(tmp_path / "vectors.npy", vectors)
    mapped = np.load(tmp_path / "vectors.npy", mmap_mode="r")
    assert_same(nearest(mapped, mapped, 4), brute_force(vectors, vectors, 4))
    frozen = vectors.astype(np.float32)
    frozen.flags.writeable = False
    assert_same(nearest(frozen, frozen, 4), brute_force(vectors, vectors, 4))


def _changed(row, value):
    vectors = BANK.copy()
    vectors[row] = value
    return vectors


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"k": 0}, "k must be at least 1, got 0"),
        ({"bank": _changed(1, np.nan)}, "row 1 of bank holds NaN or infinity; embed it again"),
        ({"queries": _changed(2, INF)}, "row 2 of queries holds NaN or infinity; embed it again"),
        (
            {"bank": _changed(2, 3)},
            "row 2 of bank has norm 4.243, not 1; divide each vector by its norm first",
        ),
        (
            {"queries": BANK[0]},
            "queries must be a matrix of floating-point vectors (N, D), got shape (2,) of float32",
        ),
        (
            {"queries": np.eye(3, dtype=np.float32)},
            "queries have 3 dimensions and the bank 2; both must come from one tap of one model",
        ),
        (
            {"exclude": np.array([0])},
            "exclude must have one code a vector, 3, got shape (1,)",
        ),
        (
            {"query_groups": np.array([0, 0, 0])},
            "query_groups and bank_groups must be given together",
        ),
    ],
)
def test_wrong_arguments_are_explained(arguments, message):
    with pytest.raises(EvaluationError) as error:
        nearest(**({"queries": BANK, "bank": BANK, "k": 1} | arguments))
    assert str(error.value) == message
