"""kNN on points whose neighbors can be read off by eye, then against brute force and peers."""

import importlib

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from sklearn.neighbors import KNeighborsClassifier

from artsim.errors import EvaluationError
from artsim.evaluation.knn import KnnEvaluator
from artsim.evaluation.knn.reachable import count_unreachable
from artsim.labels import Label, LabelKind, encode, multiclass, multilabel, number
from artsim.metrics import scores as metrics
from artsim.metrics import votes
from artsim.metrics.hubs import csls, hubness
from artsim.metrics.neighbors import Neighbors, nearest
from artsim.metrics.ranking import average_precisions
from artsim.metrics.votes import KNN_KS, TEMPERATURE, vote
from artsim.splits import Split

knn = importlib.import_module("artsim.evaluation.knn.evaluate")
EAST, NORTH, WEST = np.float32([1, 0]), np.float32([0, 1]), np.float32([-1, 0])


def unit(rng, *shape):
    x = rng.standard_normal(shape).astype(np.float32)
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def at_angles(*degrees):
    radians = np.radians(degrees)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)


def found(scores, rows):
    return Neighbors(np.float32(scores), np.array(rows))


BOTH = (TEMPERATURE, None)  # weighted votes, and plain ones


def split_of(n, train=None, validation=(), test=None, groups=None):
    """Make a split; without train and test it is leave-one-out."""
    if groups is not None:
        groups = np.asarray(groups).reshape(len(groups), -1)
    train, test = (np.arange(n) if each is None else np.asarray(each) for each in (train, test))
    validation = np.array(validation, dtype=int)
    return Split(train=train, validation=validation, test=test, description="", groups=groups)


def only(vectors, values, **options):
    """Evaluate one label and return its evaluation."""
    label = multiclass("artist", values) if isinstance(values, list) else values
    parts = ("train", "validation", "test", "groups")
    split = split_of(len(vectors), **{k: v for k, v in options.items() if k in parts})
    settings = {k: v for k, v in options.items() if k not in parts}
    return KnnEvaluator(vectors=vectors, split=split, **settings).evaluate(label)


def test_weighted_votes_are_exponential_and_unweighted_votes_are_one():
    # one neighbor of class 1 at similarity 1 outweighs two of class 0 at 0, but not in number
    neighbors = found([[1, 0, 0]], [[1, 0, 2]])
    codes = np.array([0, 1, 0])
    weighted = vote(neighbors, codes, 3, temperature=1.0)
    assert weighted.classes.tolist() == [[1, 0, -1, -1, -1]]
    expected = np.array([np.exp(1), 2 * np.exp(0)]) / (np.exp(1) + 2)
    np.testing.assert_allclose(weighted.shares[0, :2], expected, rtol=1e-6)
    plain = vote(neighbors, codes, 3, temperature=None)
    assert plain.classes.tolist() == [[0, 1, -1, -1, -1]]
    np.testing.assert_allclose(plain.shares[0, :2], [2 / 3, 1 / 3])


def test_a_tie_goes_to_the_class_whose_nearest_member_is_nearest():
    neighbors = found([[0.9, 0.8, 0.7, 0.6]] * 2, [[2, 0, 1, 3], [0, 2, 3, 1]])
    plain = vote(neighbors, np.array([0, 0, 1, 1]), 4, temperature=None)
    assert plain.classes[:, :2].tolist() == [[1, 0], [0, 1]]


def test_no_row_and_rows_without_a_class_do_not_vote():
    neighbors = found([[0.9, 0.8, -np.inf], [-np.inf] * 3], [[0, 1, -1], [-1, -1, -1]])
    for temperature in BOTH:
        found_votes = vote(neighbors, np.array([-1, 1]), 3, temperature=temperature)
        assert found_votes.classes.tolist() == [[1, -1, -1, -1, -1], [-1] * 5]
        np.testing.assert_allclose(found_votes.shares[:, 0], [1, 0])


def test_rows_without_a_class_may_vote_together_for_none():
    neighbors = found([[0.9, 0.8, 0.7, 0.6]], [[0, 1, 2, 3]])
    codes = np.array([1, -1, -1, 0])
    plain = vote(neighbors, codes, 4, temperature=None, count_unlabeled=True)
    assert plain.classes.tolist() == [[-1, 1, 0, -1, -1]]
    assert plain.shares.tolist() == [[0.5, 0.25, 0.25, 0, 0]]
    nearest_only = vote(neighbors, codes, 1, temperature=None, count_unlabeled=True)
    assert nearest_only.classes.tolist() == [[1, -1, -1, -1, -1]]


def test_the_coldest_vote_neither_overflows_nor_loses_a_class():
    coldest = vote(found([[1.0, -1.0]], [[0, 1]]), np.array([1, 0]), 2, temperature=1e-4)
    assert coldest.classes[0, :2].tolist() == [1, 0]
    assert coldest.shares[0, :2].tolist() == [1, 0]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 30),
    n_classes=st.integers(1, 8),
    temperature=st.sampled_from(BOTH),
    block=st.sampled_from([1, 1 << 20]),
)
def test_votes_equal_counting_them_one_by_one(seed, n, n_classes, temperature, block):
    rng = np.random.default_rng(seed)
    k = int(rng.integers(1, n + 3))
    bank, queries, codes = unit(rng, n, 4), unit(rng, 7, 4), rng.integers(-1, n_classes, n)
    neighbors = nearest(queries, bank, k, exclude=rng.integers(-1, n, 7))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(votes, "_BLOCK_BYTES", block)
        counted = vote(neighbors, codes, k, temperature=temperature)
    for i in range(7):
        totals, best = {}, {}
        for rank, (score, row) in enumerate(
            zip(neighbors.scores[i].astype(float), neighbors.rows[i], strict=True)
        ):
            if row >= 0 and codes[row] >= 0:
                weight = 1 if temperature is None else np.exp(score / 0.07)
                totals[codes[row]] = totals.get(codes[row], 0) + weight
                best.setdefault(codes[row], rank)
        order = sorted(totals, key=lambda c: (-totals[c], best[c]))[:5]
        shares = [totals[c] / sum(totals.values()) for c in order]
        assert counted.classes[i].tolist() == order + [-1] * (5 - len(order))
        np.testing.assert_allclose(counted.shares[i, : len(order)], shares, rtol=1e-5)


@pytest.mark.parametrize("k", [1, 4, 9])
def test_plain_votes_equal_scikit_learn(k):
    rng = np.random.default_rng(k)
    bank, queries, codes = unit(rng, 60, 5), unit(rng, 40, 5), rng.integers(0, 2, 60)
    k += k % 2 == 0  # two classes and odd k: no ties
    peer = KNeighborsClassifier(k, algorithm="brute").fit(bank, codes)
    plain = vote(nearest(queries, bank, k), codes, k, temperature=None)
    assert plain.classes[:, 0].tolist() == peer.predict(queries).tolist()


def test_k_and_temperature_are_chosen_on_validation_and_used_on_test():
    # near 0 degrees lie an a, then b and b: one neighbor says a, three say b, which is true
    vectors = at_angles(0, 3, 4, 90, 91, 92, -1, -2)
    values, sides = list("abbaaabb"), {"train": np.arange(6), "test": np.array([7])}
    asked = only(vectors, values, ks=(1, 3), **sides)
    assert [(s.k, s.estimate.value) for s in asked.scores] == [(1, 0.0), (3, 1.0)]
    assert asked.chosen_on == 0
    chosen = only(vectors, values, ks=(1, 3), validation=np.array([6]), **sides)
    assert [(s.k, s.temperature, s.estimate.value) for s in chosen.scores] == [
        (3, TEMPERATURE, 1.0)
    ]
    assert chosen.chosen_on == 1
    cold = {"temperatures": (0.0001, 1.0), "validation": np.array([6])}
    (score,) = only(vectors, values, ks=(1, 3), **cold, **sides).scores
    assert (score.k, score.temperature) == (3, 1.0)  # the coldest vote is the nearest's
    alone = only(vectors, values, ks=(3,), validation=np.array([6]), **sides)
    assert (alone.chosen_on, alone.scores[0].k) == (0, 3)  # nothing to choose from


def test_the_smallest_k_of_equally_good_settings_is_chosen():
    sides = {"train": np.array([0, 2]), "validation": np.array([1]), "test": np.array([3])}
    (score,) = only(at_angles(0, 1, 90, 91), list("aabb"), ks=(2, 1), **sides).scores
    assert (score.k, score.estimate.value) == (1, 1.0)


def test_labels_of_all_kinds_are_scored_in_one_call():
    vectors = at_angles(0, 1, 90, 91)
    years = number(
        "year", np.array([1880.0, 1890, 1700, np.nan]), np.array([1889.0, 1890, 1700, np.nan])
    )
    labels = [
        multiclass("artist", ["Monet", "Monet", "Degas", "Degas"]),
        multilabel("medium", [["oil", "canvas"], ["oil"], ["ink"], ["ink", "paper"]]),
        years,
    ]
    evaluator = KnnEvaluator(vectors=vectors, split=split_of(4), ks=(1,))
    artist, medium, year = map(evaluator.evaluate, labels)
    assert artist.scores[0].metrics["kappa"] == 1.0
    # canvas and paper are each had by one picture, whose neighbor does not have it
    np.testing.assert_allclose(
        average_precisions(medium.scores[0].predictions.ranking), [1 / 4, 1, 1, 1 / 4]
    )
    assert medium.baseline.value == pytest.approx((1 + 2 + 2 + 1) / 4 / 4)
    assert medium.label.starts.tolist() == [0, 2, 3, 4, 6]
    assert year.query_rows.tolist() == [0, 1, 2]
    assert year.scores[0].predictions.numbers.tolist() == [1890, 1884.5, 1890]
    assert year.scores[0].estimate.value == pytest.approx((1 + 5.5 + 190) / 3)
    assert year.scores[0].metrics["inside"].value == 0


def test_a_search_corrected_for_hubs_is_used_and_hubs_are_counted():
    rng = np.random.default_rng(0)
    vectors, values = unit(rng, 40, 4), rng.choice(["a", "b"], 40).tolist()
    plain, corrected = (only(vectors, values, ks=(5,), search=s) for s in (nearest, csls))
    expected = csls(vectors, vectors, 5, exclude=np.arange(40))
    assert corrected.neighbors.rows.tolist() == expected.rows.tolist()
    assert corrected.hubness == hubness(expected, np.arange(40))
    assert plain.neighbors.rows.tolist() != expected.rows.tolist()


def test_a_k_above_the_number_of_neighbors_is_refused():
    with pytest.raises(EvaluationError, match="k must be between 1 and 1, the neighbors found; g"):
        vote(found([[1.0]], [[0]]), np.array([0]), 2)


def test_leave_one_out_on_two_clusters_is_perfect():
    values = ["Monet", "Monet", "Degas", "Degas"]
    result = only(at_angles(0, 1, 90, 91), values, ks=(1, 5), temperatures=BOTH)
    assert result.label.classes == ("Degas", "Monet")
    assert result.query_rows.tolist() == [0, 1, 2, 3]
    assert result.label.strata.tolist() == [1, 1, 0, 0]
    assert result.neighbors.rows[:, 0].tolist() == [1, 0, 3, 2]
    assert result.left_out == (5,)
    assert [(s.temperature, s.k) for s in result.scores] == [(TEMPERATURE, 1), (None, 1)]
    score = result.scores[0]
    assert (result.label.name, score.estimate.n, score.estimate.value) == ("artist", 4, 1)
    assert score.metrics["top5"] == score.estimate
    assert (
        score.metrics["macro_f1"],
        score.metrics["balanced_accuracy"],
        result.baseline.value,
    ) == (1.0, 1.0, 0.5)
    assert (score.estimate.low, score.estimate.high) == (pytest.approx(0.51, abs=0.01), 1)
    assert score.votes.classes[:, 0].tolist() == [1, 1, 0, 0]


def test_three_pictures_are_enough():
    result = only(at_angles(0, 1, 90), ["Monet", "Monet", "Degas"])
    assert [(s.k, s.estimate.value) for s in result.scores] == [(1, 2 / 3)]
    assert result.left_out == (5, 10, 20, 100, 200)
    assert result.unreachable == 1  # the only Degas has no other to find


def test_rows_without_a_label_are_neither_queries_nor_neighbors():
    result = only(at_angles(0, 1, 2, 90, 91), ["a", None, "a", "b", "b"], ks=(1,))
    assert result.query_rows.tolist() == [0, 2, 3, 4]
    assert result.neighbors.rows.tolist() == [[2], [0], [4], [3]]


def test_rows_without_a_label_may_be_neighbors_that_are_wrong():
    values = ["a", None, "a", "b", "b"]
    result = only(at_angles(0, 1, 2, 90, 91), values, ks=(1, 2), unlabeled="count")
    assert result.query_rows.tolist() == [0, 2, 3, 4]
    assert result.neighbors.rows.tolist() == [[1, 2], [1, 0], [4, 2], [3, 2]]
    assert [score.estimate.value for score in result.scores] == [0.5, 0.5]
    assert (result.split.unlabeled, result.unlabeled_neighbors, result.bank_size) == (1, 1, 5)
    left_out = only(at_angles(0, 1, 2, 90, 91), values, ks=(1,))
    assert left_out.scores[0].estimate.value == 1
    assert (left_out.split.unlabeled, left_out.unlabeled_neighbors, left_out.bank_size) == (1, 0, 4)


def test_k_is_chosen_among_the_neighbors_that_test_pictures_have():
    # Next to each validation picture of class a, train has an unlabeled one, then an a, then bs.
    vectors = at_angles(0, 1, 2, 90, 91, 3, 1.5)
    values = [None, "a", "a", "b", "b", "a", "a"]
    parts = {"train": [0, 1, 2, 3, 4], "validation": [5], "test": [6]}
    result = only(vectors, values, **parts, ks=(1, 3), unlabeled="count")
    assert (result.chosen_on, result.scores[0].k, result.bank_size) == (1, 1, 6)


def test_queries_with_fewer_than_k_neighbors_are_counted():
    vectors, values = at_angles(0, 1, 2, 90, 91), ["a", "a", "b", "b", "a"]
    result = only(vectors, values, ks=(2, 4), groups=np.array([0, 0, 0, -1, -1]))
    assert [(score.k, result.short(score.k)) for score in result.scores] == [(2, 0), (4, 3)]


def test_train_is_the_bank_and_test_rows_are_queries():
    vectors = at_angles(0, 90, 1, 89, 2)
    result = only(vectors, list("abbbb"), train=np.array([1, 0]), test=np.array([2, 3]), ks=(1,))
    assert result.query_rows.tolist() == [2, 3]
    assert result.neighbors.rows.tolist() == [[0], [1]]
    assert result.scores[0].votes.classes[:, 0].tolist() == [0, 1]
    assert (result.scores[0].estimate.value, result.bank_size) == (0.5, 2)


def test_rows_of_the_same_group_do_not_vote():
    # each picture's nearest is by its own artist; the next is of the other style
    vectors = at_angles(0, 1, 20, 21)
    styles, artists = ["p", "p", "q", "q"], ["Monet", "Monet", "Degas", None]
    assert only(vectors, styles, ks=(1,)).scores[0].estimate.value == 1.0
    grouped = only(vectors, styles, groups=encode(artists)[0], ks=(1, 3))
    assert grouped.neighbors.rows.tolist() == [[2, 3, -1], [2, 3, -1], [3, 1, 0], [2, 1, 0]]
    assert grouped.scores[0].votes.classes[:, 0].tolist() == [1, 1, 1, 1]
    assert (grouped.scores[0].estimate.value, grouped.unreachable) == (0.5, 2)
    assert grouped.left_out == ()  # for the last two rows three neighbors are possible


def test_rows_that_share_any_of_several_groups_do_not_vote():
    vectors = at_angles(0, 1, 2, 3)
    artists, copies = [0, 0, 1, 1], [0, 1, 0, -1]
    result = only(vectors, list("pqpq"), groups=np.array([artists, copies]).T, ks=(1, 3))
    assert result.neighbors.rows.tolist() == [[3, -1, -1], [2, 3, -1], [1, -1, -1], [1, 0, -1]]
    assert result.unreachable == 2  # 0 and 2 have each other's class, and are copies


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(2, 25), width=st.integers(1, 3))
def test_unreachable_queries_are_those_without_a_neighbor_of_their_class(seed, n, width):
    rng = np.random.default_rng(seed)
    codes, groups = rng.integers(0, 3, n), rng.integers(-1, 3, (n, width))
    bank, queries = (np.arange(n),) * 2 if seed % 2 else np.array_split(rng.permutation(n), 2)
    codes[bank[:1]] = 2
    label = Label(name="x", kind=LabelKind.MULTICLASS, strata=codes, classes=tuple("abc"))
    expected = sum(
        not any(
            row != query
            and codes[row] == codes[query]
            and not any(a == b >= 0 for a, b in zip(groups[row], groups[query], strict=True))
            for row in bank
        )
        for query in queries
    )
    assert count_unreachable(label.strata, bank, queries, groups) == expected


def test_a_label_without_values_in_the_split_is_refused():
    label = multiclass("artist", ["a", "b"]).keep(np.zeros(2, dtype=bool))
    with pytest.raises(
        EvaluationError, match="no row that takes part has a value of 'artist'; choose"
    ):
        only(np.eye(2, dtype=np.float32), label, ks=(1,))


def test_labels_of_the_same_rows_share_one_search():
    searches = []

    def search(*args, **kwargs):
        searches.append(1)
        return nearest(*args, **kwargs)

    labels = {"artist": list("aabb"), "style": list("cddc"), "genre": ["e", "f", "e", None]}
    labels = [multiclass(name, values) for name, values in labels.items()]
    vectors = at_angles(0, 1, 2, 3)
    evaluator = KnnEvaluator(vectors=vectors, split=split_of(4), ks=(1,), search=search)
    results = [evaluator.evaluate(label) for label in labels]
    assert [result.label.name for result in results] == ["artist", "style", "genre"]
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
    truth = result.label.strata
    for score in result.scores:
        predicted = score.votes.classes[:, 0]
        assert score.estimate.value == metrics.accuracy(truth, predicted)
        assert score.metrics["macro_f1"] == metrics.macro_f1(truth, predicted)
        assert score.metrics["balanced_accuracy"] == metrics.balanced_accuracy(truth, predicted)
        assert score.metrics["kappa"] == pytest.approx(
            metrics.cohen_kappa(truth, predicted), nan_ok=True
        )
        top5 = metrics.top_accuracy(truth, score.votes.classes)
        assert score.metrics["top5"].value == top5
        assert score.estimate.low <= score.estimate.value <= score.estimate.high


def test_ten_thousand_classes_fit_in_memory():
    rng = np.random.default_rng(0)
    bank = unit(rng, 20_000, 8)
    values = [f"class {i % 10_000}" for i in range(20_000)]
    result = only(bank, values, train=np.arange(19_000), test=np.arange(19_000, 20_000))
    assert len(result.label.classes) == 10_000
    assert [score.k for score in result.scores] == list(KNN_KS)


BUNCH = at_angles(0, 1, 90, 91)
YEAR = number("year", np.full(4, 1889.0))


@pytest.mark.parametrize(
    ("vectors", "values", "options", "message"),
    [
        (BUNCH, ["a"] * 4, {}, "label 'artist' has one class, 'a'; at least two classes"),
        (BUNCH, [None] * 4, {}, "label 'artist' has no values; at least two classes are needed"),
        (BUNCH, list("abc"), {}, "label 'artist' has 3 values for 4 vectors"),
        (
            BUNCH,
            list("abab"),
            {"groups": np.zeros(1, dtype=int)},
            "groups has 1 values for 4 vectors",
        ),
        (
            BUNCH,
            list("abab"),
            {"groups": np.zeros(4, dtype=int)},
            "no row with a value of 'artist' has a neighbor",
        ),
        (BUNCH, list("abab"), {"ks": (9,)}, "k = 9 is more than the 3 neighbors that a row with"),
        (BUNCH, YEAR, {}, "label 'year' has one value, 1889; at least two values are needed"),
        (BUNCH, list("abab"), {"ks": (0, 5)}, "ks must be numbers of neighbors, at least 1"),
        (BUNCH, list("abab"), {"temperatures": (0.0,), "ks": (1,)}, "temperature must be above 0"),
        (
            BUNCH,
            list("abab"),
            {"train": [0, 2], "test": [1]},
            "all train rows have the class 'a' of 'artist'",
        ),
        (
            BUNCH,
            ["a", "b", None, None],
            {"train": [0, 1], "test": [2, 3]},
            "no test row has a value of 'artist'; choose another split or label",
        ),
        (BUNCH * np.nan, list("abab"), {}, "row 0 of queries holds NaN or infinity"),
        (BUNCH * 2, list("abab"), {}, "row 0 of queries has norm 2, not 1"),
    ],
)
def test_wrong_arguments_are_explained(vectors, values, options, message):
    options = {
        name: np.array(value, dtype=int) if isinstance(value, list) else value
        for name, value in options.items()
    }
    with pytest.raises(EvaluationError, match=message) as error:
        only(vectors, values, **options)
    assert "\n" not in str(error.value)


# --- the DINO protocol, written out -------------------------------------------------------


def dino_top1(train, train_labels, test, test_labels, k, temperature=0.07):
    """Classify as DINO's eval_knn.py describes its knn_classifier, one picture at a time.

    The k most similar train pictures each add exp(similarity / temperature) to their class; the
    class with the largest sum is the answer. Returns how many of the answers are right.
    """
    right = 0
    for picture, label in zip(test, test_labels, strict=True):
        similarity = train @ picture
        nearest_rows = np.argsort(-similarity)[:k]
        sums = np.zeros(train_labels.max() + 1)
        for row in nearest_rows:
            sums[train_labels[row]] += np.exp(similarity[row] / temperature)
        right += sums.argmax() == label
    return right


@pytest.mark.parametrize("n_classes", [2, 30])
def test_dino_accuracy_equals_an_independent_loop_exactly(n_classes):
    rng = np.random.default_rng(n_classes)
    codes = rng.integers(0, n_classes, 700)
    vectors = unit(rng, n_classes, 16)[codes] + 2 * unit(rng, 700, 16)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    train, test = np.split(rng.permutation(700), [500])
    labels = [f"class {code:02}" for code in codes]
    result = only(vectors, labels, train=train, test=test, ks=(10, 20, 100, 200))
    for score in result.scores:
        expected = dino_top1(
            vectors[train].astype(float), codes[train], vectors[test].astype(float), codes[test],
            score.k,
        )  # fmt: skip
        assert (score.estimate.value, score.estimate.n) == (expected / 200, 200)
        assert 1.5 / n_classes < score.estimate.value < 1  # neither luck nor too easy


def test_of_many_queries_some_are_drawn_and_predicted_as_among_all():
    rng = np.random.default_rng(0)
    vectors, values = unit(rng, 60, 4), rng.choice(["a", "b"], 60).tolist()
    every = only(vectors, values, ks=(3,))
    some = only(vectors, values, ks=(3,), most=20, seed=1)
    assert (len(some.query_rows), some.bank_size, some.split.passed_over) == (20, 60, 40)
    assert some.neighbors.rows.tolist() == every.neighbors.rows[some.query_rows].tolist()
    assert some.split.label_notes("artist")[0] == (
        "test pictures drawn at random and evaluated: 20 of 60"
    )
    assert only(vectors, values, ks=(3,), most=60).split.passed_over == 0
