"""kNN on points whose neighbours can be read off by eye, then against brute force and peers."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from sklearn.neighbors import KNeighborsClassifier

from artsim.errors import EvaluationError
from artsim.evaluation import knn, metrics
from artsim.evaluation.knn import Protocol, choose, evaluate, vote
from artsim.evaluation.neighbours import Neighbours, nearest

EAST, NORTH, WEST = np.float32([1, 0]), np.float32([0, 1]), np.float32([-1, 0])


def unit(rng, *shape):
    x = rng.standard_normal(shape).astype(np.float32)
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def at_angles(*degrees):
    radians = np.radians(degrees)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)


def found(scores, rows):
    return Neighbours(np.float32(scores), np.array(rows))


def only(vectors, values, **options):
    """Evaluate one label and return its evaluation."""
    (result,) = evaluate(vectors, {"artist": values}, **options)
    return result


def test_weighted_votes_are_exponential_and_plain_votes_are_one():
    # one neighbour of class 1 at similarity 1 outweighs two of class 0 at 0, but not in number
    neighbours = found([[1, 0, 0]], [[1, 0, 2]])
    codes = np.array([0, 1, 0])
    weighted = vote(neighbours, codes, 3, temperature=1.0)
    assert weighted.classes.tolist() == [[1, 0, -1, -1, -1]]
    expected = np.array([np.exp(1), 2 * np.exp(0)]) / (np.exp(1) + 2)
    np.testing.assert_allclose(weighted.shares[0, :2], expected, rtol=1e-6)
    plain = vote(neighbours, codes, 3, protocol="plain")
    assert plain.classes.tolist() == [[0, 1, -1, -1, -1]]
    np.testing.assert_allclose(plain.shares[0, :2], [2 / 3, 1 / 3])


def test_a_tie_goes_to_the_class_whose_nearest_member_is_nearest():
    neighbours = found([[0.9, 0.8, 0.7, 0.6]] * 2, [[2, 0, 1, 3], [0, 2, 3, 1]])
    plain = vote(neighbours, np.array([0, 0, 1, 1]), 4, protocol="plain")
    assert plain.classes[:, :2].tolist() == [[1, 0], [0, 1]]


def test_no_row_and_rows_without_a_class_do_not_vote():
    neighbours = found([[0.9, 0.8, -np.inf], [-np.inf] * 3], [[0, 1, -1], [-1, -1, -1]])
    for protocol in Protocol:
        votes = vote(neighbours, np.array([-1, 1]), 3, protocol=protocol)
        assert votes.classes.tolist() == [[1, -1, -1, -1, -1], [-1] * 5]
        np.testing.assert_allclose(votes.shares[:, 0], [1, 0])


def test_the_coldest_vote_neither_overflows_nor_loses_a_class():
    votes = vote(found([[1.0, -1.0]], [[0, 1]]), np.array([1, 0]), 2, temperature=1e-4)
    assert votes.classes[0, :2].tolist() == [1, 0]
    assert votes.shares[0, :2].tolist() == [1, 0]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 30),
    n_classes=st.integers(1, 8),
    protocol=st.sampled_from(Protocol),
    block=st.sampled_from([1, 1 << 20]),
)
def test_votes_equal_counting_them_one_by_one(seed, n, n_classes, protocol, block):
    rng = np.random.default_rng(seed)
    k = int(rng.integers(1, n + 3))
    bank, queries, codes = unit(rng, n, 4), unit(rng, 7, 4), rng.integers(-1, n_classes, n)
    neighbours = nearest(queries, bank, k, exclude=rng.integers(-1, n, 7))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(knn, "_BLOCK_BYTES", block)
        votes = vote(neighbours, codes, k, protocol=protocol)
    for i in range(7):
        totals, best = {}, {}
        for rank, (score, row) in enumerate(
            zip(neighbours.scores[i].astype(float), neighbours.rows[i], strict=True)
        ):
            if row >= 0 and codes[row] >= 0:
                weight = 1 if protocol == "plain" else np.exp(score / 0.07)
                totals[codes[row]] = totals.get(codes[row], 0) + weight
                best.setdefault(codes[row], rank)
        order = sorted(totals, key=lambda c: (-totals[c], best[c]))[:5]
        shares = [totals[c] / sum(totals.values()) for c in order]
        assert votes.classes[i].tolist() == order + [-1] * (5 - len(order))
        np.testing.assert_allclose(votes.shares[i, : len(order)], shares, rtol=1e-5)


@pytest.mark.parametrize("k", [1, 4, 9])
def test_plain_votes_equal_scikit_learn(k):
    rng = np.random.default_rng(k)
    bank, queries, codes = unit(rng, 60, 5), unit(rng, 40, 5), rng.integers(0, 2, 60)
    k += k % 2 == 0  # two classes and odd k: no ties
    peer = KNeighborsClassifier(k, algorithm="brute").fit(bank, codes)
    votes = vote(nearest(queries, bank, k), codes, k, protocol="plain")
    assert votes.classes[:, 0].tolist() == peer.predict(queries).tolist()


def test_the_best_k_and_temperature_are_chosen_and_the_smallest_of_equals():
    # the nearest is of class 0, the two after it of class 1, as is the truth
    neighbours = found([[0.9, 0.8, 0.8, 0.1]], [[0, 1, 2, 3]])
    codes, truth = np.array([0, 1, 1, 0]), np.array([1])
    assert choose(neighbours, codes, truth, ks=(1, 3, 9), temperatures=(0.01, 1.0)) == (3, 1.0)
    assert choose(neighbours, codes, truth, ks=(2, 1), temperatures=(0.01, 1.0)) == (1, 0.01)
    with pytest.raises(EvaluationError, match=r"none of the ks .* is at most 4, the neighbours"):
        choose(neighbours, codes, truth, ks=(10, 20))


def test_more_voters_than_neighbours_are_refused():
    with pytest.raises(EvaluationError, match="k must be between 1 and 1, the neighbours found; g"):
        vote(found([[1.0]], [[0]]), np.array([0]), 2)


def test_leave_one_out_of_two_bunches_knows_them_all():
    result = only(at_angles(0, 1, 90, 91), ["Monet", "Monet", "Degas", "Degas"], ks=(1, 5))
    assert result.classes == ("Degas", "Monet")
    assert result.query_rows.tolist() == [0, 1, 2, 3]
    assert result.truth.tolist() == [1, 1, 0, 0]
    assert result.neighbours.rows[:, 0].tolist() == [1, 0, 3, 2]
    assert result.left_out == (5,)
    assert [(s.protocol, s.k) for s in result.scores] == [("weighted", 1), ("plain", 1)]
    score = result.scores[0]
    assert (score.label, score.n, score.top1, score.top5) == ("artist", 4, 1.0, 1.0)
    assert (score.macro_f1, score.balanced_accuracy, score.majority) == (1.0, 1.0, 0.5)
    assert score.interval == (1.0, 1.0)
    assert score.votes.classes[:, 0].tolist() == [1, 1, 0, 0]


def test_three_pictures_are_enough():
    result = only(at_angles(0, 1, 90), ["Monet", "Monet", "Degas"])
    assert [(s.protocol, s.k, s.top1) for s in result.scores] == [
        ("weighted", 1, 2 / 3),
        ("plain", 1, 2 / 3),
    ]
    assert result.left_out == (5, 10, 20, 100, 200)
    assert result.unreachable == 1  # the only Degas has no other to find


def test_rows_without_a_label_neither_ask_nor_answer():
    result = only(at_angles(0, 1, 2, 90, 91), ["a", None, "a", "b", "b"], ks=(1,))
    assert result.query_rows.tolist() == [0, 2, 3, 4]
    assert result.neighbours.rows.tolist() == [[2], [0], [4], [3]]


def test_train_is_the_bank_and_test_asks():
    vectors = at_angles(0, 90, 1, 89, 2)
    result = only(vectors, list("abbbb"), train=np.array([1, 0]), test=np.array([2, 3]), ks=(1,))
    assert result.query_rows.tolist() == [2, 3]
    assert result.neighbours.rows.tolist() == [[0], [1]]
    assert result.scores[0].votes.classes[:, 0].tolist() == [0, 1]
    assert (result.scores[0].top1, result.bank_size) == (0.5, 2)


def test_neighbours_of_the_same_group_do_not_answer():
    # each picture's nearest is by its own artist; the next is of the other style
    vectors = at_angles(0, 1, 20, 21)
    styles, artists = ["p", "p", "q", "q"], ["Monet", "Monet", "Degas", None]
    assert only(vectors, styles, ks=(1,)).scores[0].top1 == 1.0
    grouped = only(vectors, styles, groups=artists, ks=(1, 3))
    assert grouped.neighbours.rows.tolist() == [[2, 3, -1], [2, 3, -1], [3, 1, 0], [2, 1, 0]]
    assert grouped.scores[0].votes.classes[:, 0].tolist() == [1, 1, 1, 1]
    assert (grouped.scores[0].top1, grouped.unreachable) == (0.5, 2)
    assert grouped.left_out == ()  # for the last two rows three neighbours are possible


def test_labels_of_the_same_rows_share_one_search(monkeypatch):
    searches = []
    search = knn._search
    monkeypatch.setattr(knn, "_search", lambda *a: searches.append(1) or search(*a))
    labels = {"artist": list("aabb"), "style": list("cddc"), "genre": ["e", "f", "e", None]}
    results = list(evaluate(at_angles(0, 1, 2, 3), labels, ks=(1,)))
    assert [result.label for result in results] == ["artist", "style", "genre"]
    assert len(searches) == 2


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(6, 40), split=st.booleans())
def test_scores_are_those_of_the_predictions(seed, n, split):
    rng = np.random.default_rng(seed)
    vectors, values = unit(rng, n, 4), rng.choice(["a", "b", "c"], n).tolist()
    values[:4] = "abab"
    order = rng.permutation(n)
    cut = n // 2
    sides = {"train": np.append(order[:cut], []).astype(int), "test": order[cut:]} if split else {}
    if split and len({values[i] for i in sides["train"]}) < 2:
        return
    result = only(vectors, values, ks=(1, 3), **sides)
    for score in result.scores:
        predicted = score.votes.classes[:, 0]
        assert score.top1 == metrics.accuracy(result.truth, predicted)
        assert score.macro_f1 == metrics.macro_f1(result.truth, predicted)
        assert score.balanced_accuracy == metrics.balanced_accuracy(result.truth, predicted)
        assert score.top5 == metrics.top_accuracy(result.truth, score.votes.classes)
        assert score.interval[0] <= score.top1 <= score.interval[1]


def test_ten_thousand_classes_need_no_column_each():
    rng = np.random.default_rng(0)
    bank = unit(rng, 20_000, 8)
    values = [f"class {i % 10_000}" for i in range(20_000)]
    result = only(bank, values, train=np.arange(19_000), test=np.arange(19_000, 20_000))
    assert len(result.classes) == 10_000
    assert [score.k for score in result.scores] == [1, 5, 10, 20, 100, 200] * 2


BUNCH = at_angles(0, 1, 90, 91)


@pytest.mark.parametrize(
    ("vectors", "values", "options", "message"),
    [
        (BUNCH, ["a"] * 4, {}, "label 'artist' has one class, 'a'; at least two classes"),
        (BUNCH, [None] * 4, {}, "label 'artist' has no values; at least two classes are needed"),
        (BUNCH, list("abc"), {}, "label 'artist' has 3 values for 4 vectors"),
        (BUNCH, list("abab"), {"groups": ["x"]}, "groups has 1 values for 4 vectors"),
        (BUNCH, list("abab"), {"groups": ["x"] * 4}, "no row with a 'artist' has a neighbour"),
        (BUNCH, list("abab"), {"ks": (0, 5)}, "ks must be numbers of neighbours, at least 1"),
        (BUNCH, list("abab"), {"protocols": ["soft"]}, "no protocol named 'soft'; choose from w"),
        (BUNCH, list("abab"), {"temperature": 0.0}, "temperature must be above 0, got 0"),
        (BUNCH, list("abab"), {"train": [0, 1]}, "a split needs both its train and its test"),
        (BUNCH, list("abab"), {"train": [0, 1], "test": []}, "the split has no test rows"),
        (BUNCH, list("abab"), {"train": [0, 1], "test": [1, 2]}, "1 test rows are in train too"),
        (BUNCH, list("abab"), {"train": [0, 1], "test": [-1]}, "between 0 and 3, got -1"),
        (BUNCH, list("abab"), {"train": [0, 2], "test": [1]}, "all train rows have the 'artist'"),
        (
            BUNCH,
            ["a", "b", None, None],
            {"train": [0, 1], "test": [2, 3]},
            "no test row has a 'artist'; choose another split or label",
        ),
        (BUNCH * np.nan, list("abab"), {}, "row 0 of the vectors holds NaN or infinity"),
        (BUNCH * 2, list("abab"), {}, "row 0 of the vectors has norm 2, not 1"),
    ],
)
def test_bad_use_says_what_is_wrong(vectors, values, options, message):
    sides = {
        name: np.array(options.pop(name), dtype=int)
        for name in ("train", "test")
        if name in options
    }
    with pytest.raises(EvaluationError, match=message) as error:
        only(vectors, values, **options, **sides)
    assert "\n" not in str(error.value)
