"""Arrays in temporary files and computed in blocks have the values of those in memory."""

import errno
import os

import numpy as np
import pytest
from search_toys import make_store

from artsim.evaluation.reading import unit_vectors
from artsim.metrics import eigenbasis, fit_multinomial, spilling
from artsim.metrics.probe import fit_ridge

ROWS, DIM = 500, 12
FEATURES = np.random.default_rng(0).standard_normal((ROWS, DIM)).astype(np.float32) + 3


@pytest.fixture
def spilled(monkeypatch):
    """Let every array be in a file, and be computed in blocks of 64 rows."""
    monkeypatch.setattr(spilling, "_HELD_BYTES", 0)
    for module in (spilling, eigenbasis):
        monkeypatch.setattr(module, "BLOCK", 64)


def test_rows_are_taken_into_a_file_without_a_name(spilled, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    rows = np.random.default_rng(1).permutation(ROWS)[:300]
    taken = spilling.take(FEATURES, rows)
    assert isinstance(taken, np.memmap) == hasattr(os, "posix_fallocate")
    assert np.array_equal(taken, FEATURES[rows])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="arrays stay in memory there")
def test_without_room_on_the_disk_an_array_stays_in_memory(spilled, monkeypatch):
    def full(file, start, size):
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr(os, "posix_fallocate", full)
    assert not isinstance(spilling.room_for(3, 4), np.memmap)


def test_the_probe_of_blocks_equals_that_of_all_rows(request):
    codes = (FEATURES[:, :3] + np.random.default_rng(2).standard_normal((ROWS, 3))).argmax(axis=1)
    whole = fit_multinomial(FEATURES, codes, [0.01, 1.0])
    request.getfixturevalue("spilled")
    blocks = fit_multinomial(FEATURES, codes, [0.01, 1.0])
    assert blocks.objective == pytest.approx(whole.objective, rel=1e-6)
    assert blocks.weights == pytest.approx(whole.weights, abs=2e-3)


def test_the_ridge_of_blocks_equals_that_of_all_rows(request):
    years = FEATURES @ np.arange(DIM) + np.random.default_rng(3).standard_normal(ROWS)
    whole = fit_ridge(FEATURES, years, [0.1, 10.0])
    request.getfixturevalue("spilled")
    blocks = fit_ridge(FEATURES, years, [0.1, 10.0])
    assert blocks.weights == pytest.approx(whole.weights, rel=1e-5, abs=1e-6)
    assert blocks.objective == pytest.approx(whole.objective, rel=1e-9)


def test_the_vectors_of_an_index_are_read_into_a_file(request, tmp_path):
    store = make_store(tmp_path / "index", [str(row) for row in range(ROWS)], {"v": FEATURES})
    whole, known = unit_vectors(store, "v")
    request.getfixturevalue("spilled")
    vectors, has_vector = unit_vectors(store, "v")
    assert np.array_equal(vectors, whole)
    assert has_vector.all()
    assert known.all()
