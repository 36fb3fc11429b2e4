"""Votes for several classes a picture, by eye, then counted densely."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from artsim.labels import Label, LabelKind, multilabel
from artsim.metrics import votes as votes_module
from artsim.metrics.neighbors import Neighbors, nearest
from artsim.metrics.votes import vote_multilabel


def unit(rng, *shape):
    x = rng.standard_normal(shape).astype(np.float32)
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def dense(votes, n, n_labels):
    shares = np.zeros((n, n_labels))
    shares[votes.queries, votes.classes] = votes.shares
    return shares


def from_matrix(matrix):
    starts = np.append(0, np.cumsum(matrix.sum(axis=1)))
    names = tuple(str(i) for i in range(matrix.shape[1]))
    return Label(
        name="x",
        kind=LabelKind.MULTILABEL,
        strata=np.where(matrix.any(axis=1), matrix.argmax(axis=1), -1),
        classes=names,
        starts=starts,
        codes=np.nonzero(matrix)[1],
    )


def test_each_neighbor_votes_for_all_its_labels():
    members = multilabel("media", [["oil", "canvas"], ["oil"], None])
    neighbors = Neighbors(
        np.float32([[0, 0, 0], [1, 1, -np.inf]]), np.array([[0, 1, 2], [2, 1, -1]])
    )
    votes = vote_multilabel(neighbors, members, 3, temperature=None)
    assert votes.queries.tolist() == [0, 0, 1]
    assert [members.classes[label] for label in votes.classes] == ["canvas", "oil", "oil"]
    assert votes.shares.tolist() == [1 / 2, 1, 1]
    counted = vote_multilabel(neighbors, members, 3, temperature=None, count_unlabeled=True)
    assert counted.shares.tolist() == [1 / 3, 2 / 3, 1 / 2]  # the third row has a share for none


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(2, 30),
    temperature=st.sampled_from([0.07, None]),
    block=st.sampled_from([1, 1 << 20]),
)
def test_equals_counting_densely(seed, n, temperature, block):
    rng = np.random.default_rng(seed)
    k = int(rng.integers(1, n + 2))
    bank, matrix = unit(rng, n, 4), rng.random((n, 5)) < 0.4
    neighbors = nearest(bank, bank, k, exclude=np.arange(n))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(votes_module, "_BLOCK_BYTES", block)
        votes = vote_multilabel(neighbors, from_matrix(matrix), k, temperature=temperature)
    shares = np.zeros((n, 5))
    for i in range(n):
        for row, score in zip(neighbors.rows[i], neighbors.scores[i].astype(float), strict=True):
            if row >= 0:
                shares[i] += matrix[row] * (1 if temperature is None else np.exp(score / 0.07))
    weights = np.array(
        [
            sum(
                1 if temperature is None else np.exp(score / 0.07)
                for row, score in zip(
                    neighbors.rows[i], neighbors.scores[i].astype(float), strict=True
                )
                if row >= 0 and matrix[row].any()
            )
            for i in range(n)
        ]
    )
    shares /= np.maximum(weights, 1e-300)[:, None]
    found = dense(votes, n, 5)
    np.testing.assert_allclose(found, shares, rtol=1e-5, atol=1e-12)
