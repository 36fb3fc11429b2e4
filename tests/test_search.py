"""Search: neighbors read by eye, questions of every kind, and questions that must be refused."""

import json
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import torch
from conftest import noise_picture, unit
from hypothesis import given, settings
from hypothesis import strategies as st
from search_toys import WORKS, at, cosine, make_compass, make_store

import artsim
from artsim.datatypes import Box, parse_spec
from artsim.embedding import EmbedSettings, embed_collection
from artsim.errors import ImageError, ModelError, PassportError, SearchError
from artsim.index import open_index
from artsim.index import unit as normalized
from artsim.models import BackendName, Compute, Precision, load_extractor
from artsim.readers import read_collection
from artsim.search import (
    Aspect,
    IndexEncoder,
    Opened,
    PreparedPicture,
    Searcher,
    SearchRequest,
    Term,
    load_index_extractor,
    read_words,
)
from artsim.search.background import TEXTS, Background
from artsim.search.percentiles import Groups, Scores
from artsim.store import Store

TORCH = Compute(backend=BackendName.TORCH, precision=Precision.F32)


@pytest.fixture(scope="module")
def compass(tmp_path_factory):
    return Searcher(make_compass(tmp_path_factory.mktemp("compass") / "index"))


def term(text):
    """Read '-2*a0' as a work that is taken away twice."""
    weight, _, id_ = text.rpartition("*")
    return Term(id=id_, weight=float(weight or 1))


def ask(searcher, *terms, **options):
    return searcher.search(SearchRequest(terms=tuple(map(term, terms)), **options))


def ids(searcher, *terms, **options):
    return [match.id for match in ask(searcher, *terms, **options).matches]


# --- what is asked by ---------------------------------------------------------------------


def test_the_nearest_come_first_without_the_query_itself(compass):
    assert ids(compass, "a0", k=3) == ["a10", "b20", "b30"]
    assert ids(compass, "c90", k=3) == ["n60", "c40", "b30"]


def test_a_match_carries_the_metadata_of_its_work(compass):
    (match,) = ask(compass, "a0", k=1).matches
    assert (match.rank, match.id, match.image) == (1, "a10", "/museum/a10.png")
    assert match.metadata == {
        "artist": "Ada",
        "year": 1610,
        "object": "o1",
        "medium": ["oil", "canvas"],
    }
    assert match.score == pytest.approx(cosine(10), abs=1e-6)
    assert match.shares == {}


def test_a_large_k_finds_all_other_works(compass):
    assert ids(compass, "a0", k=100) == ["a10", "b20", "b30", "c40", "n60", "c90"]


def test_several_queries_are_searched_by_their_mean(compass):
    # between 10 and 60 degrees: 35
    assert ids(compass, "a10", "n60", exclude=("c40",), k=3) == ["b30", "b20", "a0"]


def test_any_ranks_by_the_closest_query(compass):
    answer = ask(compass, "a0", "c90", best_of_each=True, k=3)
    assert [match.id for match in answer.matches] == ["a10", "b20", "b30"]
    assert answer.matches[0].score == pytest.approx(cosine(10), abs=1e-6)
    (nearest,) = ask(compass, "a0", "c90", best_of_each=True, exclude=tuple(WORKS)[1:5]).matches
    assert (nearest.id, nearest.score) == ("n60", pytest.approx(cosine(30), abs=1e-6))


@pytest.mark.parametrize("scale", [1e-60, 1e39, 1e300])
def test_only_the_proportions_of_weights_matter(compass, scale):
    def found(scale, by=()):
        terms = (Term(id="a0", weight=scale), Term(id="c90", weight=2 * scale))
        return [
            (m.id, m.score) for m in compass.search(SearchRequest(terms=terms, by=by, k=3)).matches
        ]

    assert found(scale) == found(1.0)
    assert found(1.0, (Aspect("east", 1e5 * scale),)) == found(1.0)


def test_weights_of_aspects_never_overflow(tmp_path):
    store = make_store(tmp_path / "i", ["a", "b", "c"], {"s": at(0, 0, 9), "t": at(0, 60, 9)})
    answer = ask(Searcher(store), "a", by=(Aspect("s", 1e308), Aspect("t", 1e308)), k=1)
    assert answer.matches[0].shares == pytest.approx({"s": 0.4938, "t": 0.4938}, abs=1e-4)


def test_random_pairs_of_many_methods_are_not_all_kept(tmp_path, monkeypatch):
    monkeypatch.setattr("artsim.search.searcher._PAIRS_KEPT", 2)
    store = make_store(tmp_path / "i", ["a", "b", "c"], {"s": at(0, 0, 9), "t": at(0, 60, 9)})
    searcher = Searcher(store)

    def percentiles(weight):
        answer = ask(searcher, "a", by=(Aspect("s", 1), Aspect("t", weight)))
        return [match.percentile for match in answer.matches]

    first = percentiles(1)
    for weight in (2, 3, 4):
        percentiles(weight)
    assert len(searcher._pairs) == 2
    assert percentiles(1) == first


def test_a_heavier_query_counts_for_more(compass):
    # 3 east and 1 north point 18 degrees from east
    assert ids(compass, "3*a0", "c90", k=2) == ["b20", "a10"]


def test_a_negative_weight_moves_the_query_away(compass):
    # 45 degrees from east, less a little of north
    assert ids(compass, "c40", "-0.5*c90", k=3) == ["a10", "b20", "a0"]


def test_an_answer_names_its_queries_and_methods(compass):
    answer = ask(compass, "1.5*a0", "c40", "-1*c90", "-2*n60")
    assert answer.name == "1.5 * a0 + c40 - c90 - 2 * n60"
    assert (answer.by, answer.searched, answer.missing) == ("east", 7, 0)
    assert [(query.name, query.row, query.weight) for query in answer.queries] == [
        ("a0", 0, 1.5),
        ("c40", 4, 1.0),
        ("c90", 6, -1.0),
        ("n60", 5, -2.0),
    ]


def test_requests_in_a_batch_are_answered_as_each_alone(compass):
    questions = [
        SearchRequest(terms=(Term(id="a0"),), k=2),
        SearchRequest(terms=(Term(id="gone"),)),
        SearchRequest(terms=(Term(id="a0"), Term(id="c90")), k=3, where="year > 1600"),
        SearchRequest(terms=(Term(id="c90"),), k=5, max_per={"artist": 1}),
    ]
    first, second, third, fourth = compass.search_many(questions)
    assert isinstance(second, SearchError)
    for question, answer in zip(
        (questions[0], questions[2], questions[3]), (first, third, fourth), strict=True
    ):
        assert compass.search(question) == answer


def test_an_unknown_id_lists_similar_ones(compass):
    with pytest.raises(SearchError, match=r"no picture has the id 'A1' .*'a10'"):
        ask(compass, "A1")
    with pytest.raises(SearchError, match="see 'artsim find'"):
        ask(compass, "\udcff.jpg")  # bytes that are not UTF-8


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ("1988.7.", "'1988.7.0', '1988.7.1', '1988.7.2'"),  # a part of them
        ("1988.7.x", "'1988.7.9', '1988.7.8', '1988.7.7'"),  # a letter wrong
        ("x988.7.3", "'1988.7.3'"),
        ("1988.73", "'1988.7.3'"),  # one missing, one too many, two changed about
        ("19988.7.3", "'1988.7.3'"),
        ("9188.7.3", "'1988.7.3'"),
    ],
)
def test_a_mistyped_id_lists_ids_with_the_same_beginning_or_end(tmp_path, asked, named):
    ids = [f"{year}.{n // 10}.{n % 10}" for year in range(1980, 1990) for n in range(200)]
    searcher = Searcher(make_store(tmp_path / "i", ids, {"x": at(*range(len(ids)))}))
    with pytest.raises(SearchError, match=re.escape(f"did you mean {named}")):
        ask(searcher, asked)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"terms": ()}, "the query is empty; give a picture, an id or text"),
        ({"terms": ("-1*a0",)}, "the query is empty"),
        ({"terms": ("a0",), "k": 0}, "k must be at least 1, got 0"),
        (
            {"terms": ("a0", "2*b20"), "best_of_each": True},
            "ranking by the closest query takes no weights",
        ),
        ({"terms": ("a0",), "by": (Aspect("east", 0),)}, "weight 0; give a number above zero"),
        ({"terms": ("a0",), "max_per": {"artist": 0}}, "at least 1 match per artist"),
        ({"terms": ("a0",), "contemporary": -1}, "within -1 years; give 0 to 1,000,000"),
        ({"terms": ("a0",), "contemporary": 10**400}, "years; give 0 to 1,000,000"),
        ({"terms": ("a0",), "min_percentile": 101}, "between 0 and 100, got 101"),
    ],
)
def test_requests_that_no_index_can_answer_are_refused(options, message):
    terms = tuple(map(term, options.pop("terms")))
    with pytest.raises(SearchError, match=message):
        SearchRequest(terms=terms, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "one of id, file, data, text or vector; give exactly one"),
        ({"id": "a", "text": "b"}, "give exactly one"),
        ({"id": "a", "weight": 0}, "the weight of a is 0; give a number that is not zero"),
        ({"id": "a", "weight": float("nan")}, "the weight of a is nan"),
        ({"text": " "}, "the text is empty"),
        ({"text": "gold", "box": Box(0, 0, 1, 1)}, "of a picture, not of “gold”"),
        ({"vector": np.ones(2), "box": Box(0, 0, 1, 1)}, "of a picture, not of the vector"),
    ],
)
def test_a_term_has_exactly_one_query(options, message):
    with pytest.raises(SearchError, match=message):
        Term(**options)


def test_a_vector_is_compared_by_the_tap_that_is_searched(compass):
    east = SearchRequest(terms=(Term(vector=np.array([2.0, 0.0])),), k=2)  # of any length
    found = compass.search(east)
    by_id = compass.search(SearchRequest(terms=(Term(id="a0"),), k=2))
    assert found.queries[0].name == "the vector"
    assert found.matches[0].id == "a0"  # at 0 degrees; a work that is asked about does not match
    assert found.matches[0].score == pytest.approx(1)
    assert found.matches[1].id == by_id.matches[0].id


@pytest.mark.parametrize(
    ("vector", "message"),
    [
        (np.ones(3), r"the shape \(3,\); the vectors of the tap 'east' have 2 numbers"),
        (np.ones((1, 2)), r"the shape \(1, 2\)"),
        (np.zeros(2), "zero or has numbers that are not finite"),
        (np.array([1, np.nan]), "zero or has numbers that are not finite"),
    ],
)
def test_a_vector_that_cannot_be_compared_is_refused(compass, vector, message):
    with pytest.raises(SearchError, match=message):
        compass.search(SearchRequest(terms=(Term(vector=vector),)))


def test_terms_that_cancel_out_are_refused(compass):
    with pytest.raises(SearchError, match="the terms cancel each other out; change a weight"):
        ask(compass, "a0", "-1*a0")


def test_an_empty_index_cannot_be_searched(tmp_path):
    store = make_store(tmp_path / "index", [], {"east": at()})
    with pytest.raises(SearchError, match="has no pictures; see 'artsim info'"):
        ask(Searcher(store), "a0")


# --- limits -------------------------------------------------------------------------------


def test_max_per_limits_matches_of_one_value_but_not_missing_values(compass):
    assert ids(compass, "a0", max_per={"artist": 1}) == ["a10", "b20", "c40", "n60"]
    assert ids(compass, "a0", max_per={"object": 1}) == ["a10", "b20", "b30", "c40", "n60", "c90"]
    assert ids(compass, "c90", max_per={"object": 1}) == ["n60", "c40", "b30", "b20", "a10"]
    assert ids(compass, "c90", max_per={"object": 1, "artist": 1}) == ["n60", "c40", "b30", "a10"]


def test_a_limit_per_list_compares_whole_lists(compass):
    assert ids(compass, "c90", max_per={"medium": 1}) == ["n60", "c40", "b30", "b20", "a10"]


def test_a_limit_per_list_ignores_order_and_empty_lists(tmp_path):
    lists = [["oil"], ["ink", "wash"], ["wash", "ink"], [], [], None, ["ink", "wash", "ink"]]
    columns = {"medium": lists}
    names = [*"abcdefg"]
    taps = {"compass": at(*range(0, 70, 10))}
    searcher = Searcher(make_store(tmp_path / "lists", names, taps, columns))
    assert ids(searcher, "a", max_per={"medium": 1}) == ["b", "d", "e", "f"]


def test_excluded_works_are_not_found(compass):
    assert ids(compass, "a0", k=2, exclude=("a10", "b30")) == ["b20", "c40"]
    with pytest.raises(SearchError, match="no picture has the id 'gone'"):
        ids(compass, "a0", exclude=("gone",))


def test_max_per_refuses_columns_that_cannot_be_grouped(compass, tmp_path):
    with pytest.raises(SearchError, match=r"no column 'painter'; choose from id, image, .*artist"):
        ids(compass, "a0", max_per={"painter": 1})
    years = pa.array([{"begin": 1, "end": 2}] * 2)
    store = make_store(tmp_path / "i", ["a", "b"], {"t": at(0, 9)}, {"dated": years})
    with pytest.raises(SearchError, match="'dated' holds ranges of years, which cannot be grouped"):
        ids(Searcher(store), "a", max_per={"dated": 1})


def test_k_matches_are_found_however_deep_they_rank(tmp_path):
    """Ninety-nine copies of one object are nearer than the three others."""
    objects = ["same"] * 100 + ["x", "y", "z"]
    degrees = [0.1 * n for n in range(100)] + [70, 80, 90]
    names = [f"w{n}" for n in range(103)]
    store = make_store(tmp_path / "i", names, {"t": at(*degrees)}, {"object": objects})
    assert ids(Searcher(store), "w0", k=4, max_per={"object": 1}) == ["w1", "w100", "w101", "w102"]


# --- percentiles --------------------------------------------------------------------------


def test_a_percentile_is_the_share_of_random_pairs_that_are_no_more_similar(tmp_path):
    # four directions: of the pairs 1/3 are opposite (-1), 2/3 square (0)
    store = make_store(tmp_path / "i", list("enws"), {"t": at(0, 90, 180, 270)})
    matches = ask(Searcher(store), "e").matches
    assert [match.id for match in matches] == ["n", "s", "w"]
    assert matches[0].percentile == 100.0
    assert matches[2].percentile == pytest.approx(100 / 3)


@pytest.mark.parametrize("works", [3, 200, 1500])
def test_percentiles_are_those_of_all_pairs(tmp_path, works):
    rng = np.random.default_rng(0)
    vectors = unit(rng, works, 8)
    store = make_store(tmp_path / "i", [f"w{n}" for n in range(works)], {"t": vectors})
    matches = ask(Searcher(store), "w0", k=works - 1).matches
    scores = np.sort((vectors.astype(np.float64) @ vectors.T)[np.triu_indices(works, 1)])
    found = np.array([match.percentile for match in matches])
    # scores are compared to five digits
    given = np.array([match.score for match in matches]).round(5)
    expected = 100 * np.searchsorted(scores.round(5), given, side="right") / len(scores)
    np.testing.assert_allclose(found, expected, atol=0.01)


def test_percentiles_of_many_works_are_within_a_hundredth_at_the_99th():
    rng, works = np.random.default_rng(0), 6500
    centers = rng.normal(size=(20, 8))  # uneven clusters: some works are hubs
    sizes = rng.gamma(1, size=20)
    vectors = centers[rng.choice(20, works, p=sizes / sizes.sum())] + rng.normal(size=(works, 8))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    every, drawn = (
        groups.compare(lambda rows: [(1.0, vectors[rows, None])], 8)
        for groups in (Groups(works, 1, works), Groups.of(works))
    )
    assert (every.pairs, drawn.pairs) == (works * (works - 1) // 2, 10_559_250)
    for score in np.quantile(every.values, [0.95, 0.99, 0.995, 0.999]):
        assert drawn.percentile(score) == pytest.approx(every.percentile(score), abs=0.01)


def test_all_pairs_are_compared_if_few_and_else_ten_million_with_each_work_in_as_many():
    assert [Groups.of(n).pairs for n in (2, 4000, 6000)] == [1, 7_998_000, 17_997_000]
    assert [Groups.of(n, tiles=9).pairs for n in (2, 700)] == [18, 4_403_700]
    for works in (9_100, 50_000, 1_000_001, 30_000_000):
        groups = Groups.of(works)
        assert 9_980_000 < groups.pairs < 20_000_000
        assert groups.count * groups.size > min(works, 4_000_000) - groups.size


def test_groups_that_are_read_in_parts_have_the_same_scores(monkeypatch):
    rng = np.random.default_rng(0)
    vectors = unit(rng, 60 * 4, 8).reshape(60, 4, 8)  # with tiles
    for groups in (Groups(60, 1, 60, 4), Groups(60, 1, 60), Groups(60, 7, 8, 4), Groups(60, 7, 8)):
        read = vectors if groups.tiles == 4 else vectors[:, :1]
        whole = groups.compare(lambda rows, read=read: [(1.0, read[rows])], 32)
        with monkeypatch.context() as patch:
            patch.setattr("artsim.search.percentiles._NUMBERS", 32 * 7)
            parts = groups.compare(lambda rows, read=read: [(1.0, read[rows])], 32)
        assert whole.pairs == parts.pairs == groups.pairs
        np.testing.assert_allclose(whole.values, parts.values, atol=1.1e-5)


def test_a_tile_is_compared_with_the_most_similar_one_of_each_other_work():
    rng = np.random.default_rng(0)
    vectors = unit(rng, 5 * 2, 3).reshape(5, 2, 3)
    found = Groups.of(5, tiles=2).compare(lambda rows: [(1.0, vectors[rows])], 6)
    expected = [
        max(tile @ other for other in vectors[b])
        for a in range(5)
        for b in range(5)
        if a != b
        for tile in vectors[a]
    ]
    np.testing.assert_allclose(found.values, np.sort(expected), atol=1e-5)


def test_pairs_that_are_equally_similar_count_as_such():
    counts = np.zeros(200_001, dtype=np.int64)
    counts[[110_000, 150_000, 190_000]] = 40_000, 50_000, 10_000  # 0.1, 0.5 and 0.9
    scores = Scores.at_even_ranks(counts)
    assert [scores.percentile(each) for each in (0.1, 0.5, 0.9)] == pytest.approx(
        [40, 90, 100], abs=0.01
    )
    assert [scores.percentile(each) for each in (0.0, 0.3, 0.7)] == pytest.approx(
        [0, 40, 90], abs=0.01
    )


def test_percentiles_are_cached_until_the_vectors_change(tmp_path):
    store = make_compass(tmp_path / "i")
    first = ask(Searcher(store), "a0").matches
    file = tmp_path / "i" / "faiss" / "east.pairs.json"
    kept = json.loads(file.read_text())
    assert (kept["fingerprint"], kept["pairs"], kept["seed"]) == (store.fingerprint, 21, 0)
    assert len(kept["scores"]) == 21
    assert ask(Searcher(store), "a0").matches == first
    file.write_text("{")  # torn
    assert ask(Searcher(store), "a0").matches == first
    file.write_text(json.dumps(kept | {"fingerprint": "another", "scores": [0.0] * 21}))
    assert ask(Searcher(store), "a0").matches == first
    assert json.loads(file.read_text()) == kept


def test_a_read_only_index_also_has_percentiles(tmp_path):
    store = make_compass(tmp_path / "i")
    expected = ask(Searcher(store), "a0").matches
    file = tmp_path / "i" / "faiss" / "east.pairs.json"
    file.unlink()
    file.mkdir()  # in the way
    assert ask(Searcher(store), "a0").matches == expected


def test_works_below_the_minimum_percentile_are_no_match(compass):
    all_ = ask(compass, "a0").matches
    least = all_[1].percentile
    assert ask(compass, "a0", min_percentile=least).matches == all_[:2]
    assert ask(compass, "a0", min_percentile=0).matches == all_
    assert ask(compass, "c90", min_percentile=100).matches == ()


def test_a_single_work_has_no_pairs(tmp_path):
    searcher = Searcher(make_store(tmp_path / "i", ["a"], {"t": at(0)}))
    assert ask(searcher, "a").matches == ()
    with pytest.raises(SearchError, match="too few works for percentiles"):
        ask(searcher, "a", min_percentile=50)


# --- aspects ------------------------------------------------------------------------------


@pytest.fixture
def twofold(tmp_path):
    """Works that are ever less like the first by content, and ever more by style."""
    taps = {"deep": at(0, 10, 20, 30), "shallow/gram": at(0, 30, 20, 10)}
    poolings = {"deep": "gem", "shallow/gram": "gram"}
    return make_store(tmp_path / "twofold", list("abcd"), taps, poolings=poolings)


def test_aspects_are_weighted_and_each_share_is_reported(twofold):
    searcher = Searcher(twofold)
    by = (Aspect("style", 3), Aspect("content", 1))
    answer = ask(searcher, "a", by=by)
    assert [match.id for match in answer.matches] == ["d", "c", "b"]
    (best, *_) = answer.matches
    expected = {"style": 0.75 * cosine(10), "content": 0.25 * cosine(30)}
    assert best.shares == pytest.approx(expected, abs=1e-6)
    assert best.score == pytest.approx(sum(expected.values()), abs=1e-6)
    assert answer.by == "style=3, content=1"
    assert ids(searcher, "a", by=(Aspect("style", 1), Aspect("content", 3))) == ["b", "c", "d"]


def test_an_aspect_is_a_tap_its_pooling_or_style_and_content(twofold):
    searcher = Searcher(twofold)
    assert ids(searcher, "a") == list("bcd")
    for name in ("shallow/gram", "gram", "style"):
        assert ids(searcher, "a", by=(Aspect(name),)) == list("dcb")
    for name in ("deep", "gem", "content"):
        assert ids(searcher, "a", by=(Aspect(name),)) == list("bcd")


def test_another_index_is_joined_by_id_and_missing_works_are_counted(twofold, tmp_path):
    other = make_store(tmp_path / "other", list("edba"), {"hue": at(50, 5, 40, 0)})
    searcher = Searcher(twofold, others={"indexes/other": Opened(other)})
    answer = ask(searcher, "a", by=(Aspect("indexes/other:hue"), Aspect("deep")))
    assert [match.id for match in answer.matches] == ["d", "b"]
    assert (answer.searched, answer.missing) == (3, 1)
    shares = {"indexes/other:hue": cosine(5) / 2, "deep": cosine(30) / 2}
    assert answer.matches[0].shares == pytest.approx(shares, abs=1e-6)
    # by another index alone
    alone = ask(searcher, "a", by=(Aspect("indexes/other:"),))
    assert [match.id for match in alone.matches] == ["d", "b"]
    assert alone.queries[0].row == 0
    with pytest.raises(SearchError, match=r"no picture has the id 'c' in .*other'"):
        ask(searcher, "c", by=(Aspect("indexes/other:hue"),))


@pytest.mark.parametrize(
    ("by", "message"),
    [
        (("hue",), "'hue' is not a tap of .*twofold'; choose from deep, shallow/gram"),
        (("none:hue",), "no other index 'none' was opened; choose from none"),
        (("style", "gram"), "the tap 'shallow/gram' is named twice in --by"),
    ],
)
def test_an_unknown_aspect_is_refused(twofold, by, message):
    with pytest.raises(SearchError, match=message):
        ask(Searcher(twofold), "a", by=tuple(map(Aspect, by)))


def test_an_aspect_that_could_be_several_is_refused(compass, tmp_path):
    store = make_store(tmp_path / "i", ["a"], {"one": at(0), "two": at(0)})
    with pytest.raises(
        SearchError, match=r"'content' could be several taps .* choose from one, two"
    ):
        ask(Searcher(store), "a", by=(Aspect("content"),))


def test_another_index_uses_its_own_encoder(twofold, tmp_path, paint):
    class Compass:
        """Says of every picture that it lies so many degrees from east."""

        def __init__(self, degrees, *taps):
            self.vectors = {tap: at(degrees) for tap in taps}

        def prepare(self, data, box):
            return PreparedPicture(torch.zeros(3, 1, 1, dtype=torch.uint8), 1, 1)

        def embed(self, pixels):
            return self.vectors

    other = make_store(tmp_path / "other", list("abcd"), {"hue": at(0, 30, 60, 90)})
    index = Opened(other, Compass(90, "hue"))
    encoder = Compass(10, "deep", "shallow/gram")
    searchers = [Searcher(twofold, others={"other": index}, encoder=encoder) for _ in range(2)]
    question = SearchRequest(
        terms=(Term(file=paint(tmp_path / "new.png", (1, 2, 3))),),
        by=(Aspect("deep"), Aspect("other:hue", 3)),
    )
    for searcher in searchers:
        assert [match.id for match in searcher.search(question).matches] == list("dcba")


def test_best_of_each_takes_one_term_for_all_aspects(twofold):
    matches = ask(
        Searcher(twofold),
        "b",
        "d",
        by=(Aspect("style"), Aspect("content")),
        best_of_each=True,
    ).matches
    # a is 10 and 30 degrees from either of the two; c is 10 and 10
    assert [match.id for match in matches] == ["c", "a"]
    assert matches[1].score == pytest.approx((cosine(10) + cosine(30)) / 2, abs=1e-6)


# --- against brute force ------------------------------------------------------------------


@settings(max_examples=40)
@given(data=st.data())
def test_every_answer_equals_brute_force(data, tmp_path_factory):
    seed = data.draw(st.integers(0, 10_000), "seed")
    rng = np.random.default_rng(seed)
    count, k = int(rng.integers(2, 40)), data.draw(st.integers(1, 12), "k")
    vectors = {"a": unit(rng, count, 5), "b": unit(rng, count, 3)}
    year = [int(y) if y >= 0 else None for y in rng.integers(-3, 12, count)]
    artist = [f"p{n}" if n else None for n in rng.integers(0, 5, count)]
    names = [f"w{n}" for n in range(count)]
    store = make_store(
        tmp_path_factory.mktemp("any") / "i", names, vectors, {"year": year, "artist": artist}
    )
    before = data.draw(st.none() | st.integers(0, 13), "before")
    most = data.draw(st.none() | st.integers(1, 3), "most")
    weights = data.draw(st.sampled_from([(1.0,), (1.0, 2.0), (2.0, -0.5)]), "weights")
    shares = data.draw(st.sampled_from([{"a": 1.0}, {"a": 0.25, "b": 0.75}]), "shares")
    asked = rng.integers(0, count, len(weights)).tolist()
    if len(set(asked)) < len(asked):
        return
    answer = Searcher(store).search(
        SearchRequest(
            terms=tuple(
                Term(id=f"w{row}", weight=w) for row, w in zip(asked, weights, strict=True)
            ),
            k=k,
            by=tuple(Aspect(name, share) for name, share in shares.items()),
            where=None if before is None else f"year < {before}",
            max_per={} if most is None else {"artist": most},
        )
    )
    scores = np.zeros(count)
    for tap, share in shares.items():
        query = np.array(weights) @ vectors[tap][asked]
        scores += share * (vectors[tap] @ (query / np.linalg.norm(query)))
    expected, counts = [], {}
    for row in np.argsort(-scores, kind="stable").tolist():
        if row in asked or (before is not None and (year[row] is None or year[row] >= before)):
            continue
        counts[artist[row]] = counts.get(artist[row], 0) + 1
        if artist[row] is None or most is None or counts[artist[row]] <= most:
            expected.append(row)
    found = [names.index(match.id) for match in answer.matches]
    assert len(found) == min(k, len(expected))
    np.testing.assert_allclose(scores[found], scores[expected[:k]], atol=1e-5)
    np.testing.assert_allclose([m.score for m in answer.matches], scores[found], atol=1e-5)


# --- with a network -----------------------------------------------------------------------


@pytest.fixture
def painted(colors, tmp_path, toy):
    embed_collection(read_collection(colors), tmp_path / "index", toy)
    return Searcher(Store.open(tmp_path / "index"))


def test_a_file_of_the_index_is_found_without_its_network(painted, colors):
    file = colors / "warm/red.png"
    for asked in (Term(file=file), Term(data=file.read_bytes(), name="pasted")):
        answer = painted.search(SearchRequest(terms=(asked,), k=2))  # there is no network 'toy:'
        assert [match.id for match in answer.matches] == ["warm/red.png", "warm/orange.png"]
        (query,) = answer.queries
        assert (query.name, query.image) == (asked.label, str(file))
        assert query.metadata == {"class": "warm"}


class ToyEncoder:
    """The mean color of a picture, or of its box."""

    def __init__(self, toy):
        self.toy = toy
        self.batches = []

    def prepare(self, data, box):
        from artsim.loader import preprocess

        pixels, picture = preprocess(data, self.toy.preprocessing, box=box)
        return PreparedPicture(pixels, picture.width, picture.height)

    def embed(self, pixels):
        self.batches.append(len(pixels))
        return self.toy.embed_batch(np.stack(pixels))

    def embed_texts(self, texts):
        raise ModelError("no words")


@pytest.fixture
def two_colored(tmp_path, paint):
    from PIL import Image

    file = paint(tmp_path / "two.png", (250, 10, 10), size=(20, 10))
    with Image.open(file) as picture:
        picture.paste((10, 10, 250), (10, 0, 20, 10))
        picture.save(file)
    return file


@pytest.mark.parametrize(
    ("box", "found"),
    [
        ("0,0,10,10", "warm/red.png"),
        ("10,0,10,10", "cold/blue.png"),
        ("50%,0%,50%,100%", "cold/blue.png"),
        ("0.5,0,0.5,1", "cold/blue.png"),
    ],
)
def test_a_box_searches_for_a_detail_of_a_file(painted, toy, two_colored, box, found):
    searcher = Searcher(painted.store, encoder=ToyEncoder(toy))
    asked = Term(file=two_colored, box=Box.parse(box))
    answer = searcher.search(SearchRequest(terms=(asked,), k=2))
    assert answer.matches[0].id == found
    assert answer.queries[0].box == Box.parse(box)


def test_a_box_searches_for_a_detail_of_a_work_which_is_left_out(painted, toy):
    searcher = Searcher(painted.store, encoder=ToyEncoder(toy))
    asked = Term(id="cold/blue.png", box=Box(0, 0, 5, 5))
    assert [m.id for m in searcher.search(SearchRequest(terms=(asked,), k=2)).matches] == [
        "cold/navy.png",
        "cold/cyan.png",
    ]


def test_a_detail_of_a_picture_on_the_web_needs_its_address(tmp_path):
    store = make_store(tmp_path / "i", ["a"], {"t": at(0)}, images=["https://x.org/a.jpg"])
    with pytest.raises(SearchError, match=r"'a' is on the web, at https://x.org/a.jpg"):
        Searcher(store).search(SearchRequest(terms=(Term(id="a", box=Box(0, 0, 1, 1)),)))


@pytest.mark.parametrize("text", ["1,2,3", "a,b,c,d", "1%,2,3,4", "", "1,2,3,4,5"])
def test_a_box_that_cannot_be_read_says_how_to_write_it(text):
    with pytest.raises(SearchError, match=r"cannot read the box .*10%,20%,30%,40%"):
        Box.parse(text)


def test_a_box_of_a_program_is_clipped_to_the_picture():
    assert Box(5, 2, 1e308, 1e308).edges(20, 10) == (5, 2, 20, 10)
    assert Box(0, 50, 1e308, 1e308, percent=True).edges(20, 10) == (0, 5, 20, 10)
    assert Box(-5, -5, 8, 8).edges(20, 10) == (0, 0, 3, 3)


@pytest.mark.parametrize(
    "text",
    ["5,2,16,1", "-1,0,8,8", "0%,50%,10%,51%", "0,0,1.1%,1", "0.7,0.1,0.4,0.1", "-0.1,0,0.5,1",
     "5,2,1e308,1e308", "20,0,5,5", "100%,0%,9%,9%", "-1e308%,0%,9%,9%"],
)  # fmt: skip
def test_a_written_box_that_reaches_outside_the_picture_is_refused(text):
    message = "reaches outside the picture, which is 20 x 10 pixels|cannot read the box|mixes"
    with pytest.raises(SearchError, match=message):
        Box.parse(text).edges(20, 10)


def test_numbers_up_to_one_are_fractions_of_the_picture():
    assert Box.parse("0.1,0.1,0.4,0.4") == Box(10, 10, 40, 40, percent=True)
    assert Box.parse("0.1,0.2,0.7,0.8").edges(20, 10) == (2, 2, 16, 10)
    assert Box.parse("0,0,1,1").edges(20, 10) == (0, 0, 20, 10)
    assert Box.parse("0,0,2,2").edges(20, 10) == (0, 0, 2, 2)
    with pytest.raises(SearchError, match="300,200' mixes fractions and pixels"):
        Box.parse("0.1,0.1,300,200")


@pytest.mark.parametrize("width", [7, 224, 290, 4167])
def test_a_box_in_percent_takes_no_extra_pixel(width):
    for percent in range(1, 100):
        left, _, right, _ = Box.parse(f"{percent}%,0%,{100 - percent}%,100%").edges(width, 10)
        assert (left, right) == (percent * width // 100, width)
        left, _, right, _ = Box.parse(f"0%,0%,{percent}%,100%").edges(width, 10)
        assert (left, right) == (0, -(-percent * width // 100))


@pytest.mark.parametrize(
    "text",
    [
        "0,0,0,5",
        "nan,0,2,2",
        "20,0,0,5",
    ],
)
def test_a_box_of_nothing_is_refused(text):
    with pytest.raises(SearchError, match=r"holds nothing of a picture of 20 x 10 pixels"):
        Box.parse(text).edges(20, 10)


def test_several_pictures_are_embedded_together(painted, toy, tmp_path, paint):
    encoder = ToyEncoder(toy)
    searcher = Searcher(painted.store, encoder=encoder, workers=2)
    files = [paint(tmp_path / f"{n}.png", (240, 10 * n, 20)) for n in range(40)]
    answers = searcher.search_many([SearchRequest(terms=(Term(file=file),), k=1) for file in files])
    assert encoder.batches == [32, 8]
    assert [answer.queries[0].name for answer in answers] == list(map(str, files))


@pytest.fixture(scope="module")
def resnet(tmp_path_factory):
    """An index of five random pictures by timm's smallest network, untrained."""
    folder = tmp_path_factory.mktemp("resnet")
    for seed in range(5):
        (folder / "pictures").mkdir(exist_ok=True)
        noise_picture(folder / "pictures" / f"{seed}.jpg", (200, 180), seed)
    extractor = load_extractor(parse_spec("timm:test_resnet.random"), compute=TORCH)
    embed_collection(read_collection(folder / "pictures"), folder / "index", extractor)
    return Store.open(folder / "index")


def test_a_new_picture_is_embedded_like_the_index(resnet, tmp_path):
    file = noise_picture(tmp_path / "again.png", (200, 180), seed=3)
    (best, *_) = Searcher(resnet).search(SearchRequest(terms=(Term(file=file),))).matches
    assert best.id == "3.jpg"
    assert best.score > 0.999


def test_a_query_by_another_model_is_refused_with_what_differs(resnet):
    with pytest.raises(
        PassportError, match=r"which has spec: timm:test_resnet.random, not timm:test_vit.random"
    ):
        load_index_extractor(resnet, model="timm:test_vit.random")


def test_a_query_by_other_weights_is_refused_with_what_differs(resnet, tmp_path):
    import timm
    import torch

    torch.manual_seed(99)
    torch.save(timm.create_model("test_resnet").state_dict(), tmp_path / "other.pth")
    with pytest.raises(PassportError, match="weights_sha256: "):
        load_index_extractor(resnet, weights=tmp_path / "other.pth")


def test_a_query_by_another_preprocessing_is_refused_with_what_differs(
    resnet, tmp_path, monkeypatch
):
    from artsim.models import loading

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))  # where no network is kept
    build = loading.build_network

    def build_otherwise(*args, **options):
        network = build(*args, **options)
        return replace(network, preprocessing=replace(network.preprocessing, mean=(0, 0, 0)))

    monkeypatch.setattr(loading, "build_network", build_otherwise)
    file = noise_picture(tmp_path / "query.png", (200, 180))
    with pytest.raises(PassportError, match=r"mean: \(0.5, 0.5, 0.5\), not \(0, 0, 0\)"):
        Searcher(resnet).search(SearchRequest(terms=(Term(file=file),)))


def test_missing_weights_are_requested_where_the_network_is_not_kept(colors, tmp_path, monkeypatch):
    import timm
    import torch

    torch.save(timm.create_model("test_resnet").state_dict(), tmp_path / "mine.pth")
    extractor = load_extractor(
        parse_spec("timm:test_resnet"), weights=tmp_path / "mine.pth", compute=TORCH
    )
    embed_collection(read_collection(colors), tmp_path / "index", extractor)
    store = Store.open(tmp_path / "index")
    assert load_index_extractor(store).passport.differences(extractor.passport) == []
    (tmp_path / "mine.pth").rename(tmp_path / "moved.pth")
    assert load_index_extractor(store).backend.name == "openvino"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(ModelError, match=r"mine.pth', which are missing; pass --weights FILE"):
        load_index_extractor(store)
    again = load_index_extractor(store, weights=tmp_path / "moved.pth")
    assert again.passport.differences(extractor.passport) == []


def test_a_query_that_is_not_a_picture_is_named(resnet, tmp_path):
    (tmp_path / "page.jpg").write_text("<html>")
    with pytest.raises(ImageError, match=r"page\.jpg") as error:
        Searcher(resnet).search(SearchRequest(terms=(Term(file=tmp_path / "page.jpg"),)))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("settings", [EmbedSettings(half_precision=False), EmbedSettings()])
def test_stored_vectors_are_those_of_the_network(tmp_path, settings):
    files = [tmp_path / "p" / f"{seed}.png" for seed in range(3)]
    (tmp_path / "p").mkdir()
    for seed, file in enumerate(files):
        noise_picture(file, (170, 190), seed)
    extractor = load_extractor(parse_spec("timm:test_resnet.random"), compute=TORCH)
    embed_collection(read_collection(tmp_path / "p"), tmp_path / "i", extractor, settings=settings)
    from artsim.loader import load

    stored = Store.open(tmp_path / "i").vectors("embedding")
    # Where torch computes, it resizes as well.
    pictures = load(enumerate(files), extractor.preprocessing, workers=1, by_torch=True)
    for picture, vector in zip(pictures, stored, strict=True):
        expected = extractor.embed_batch(picture.pixels[None])["embedding"][0]
        tolerance = 2**-11 if settings.half_precision else 1e-5
        np.testing.assert_allclose(vector, expected, rtol=tolerance, atol=1e-5)


# --- words --------------------------------------------------------------------------------


def test_a_network_without_a_text_encoder_names_those_that_have_one(resnet):
    with pytest.raises(ModelError, match=r"cannot read text; embed the collection with .* -m clip"):
        Searcher(resnet).search(SearchRequest(terms=(Term(text="a halo"),)))


@pytest.fixture(scope="module")
def tiny_clip(tmp_path_factory):
    """A CLIP of one block each, untrained, and an index of five pictures by it."""
    import open_clip

    folder = tmp_path_factory.mktemp("clip")
    config = {
        "embed_dim": 16,
        "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16},
        "text_cfg": {
            "context_length": 77,
            "vocab_size": 49408,
            "width": 32,
            "heads": 2,
            "layers": 1,
        },
    }
    (folder / "tiny-clip.json").write_text(json.dumps(config))
    open_clip.add_model_config(folder / "tiny-clip.json")
    (folder / "pictures").mkdir()
    for seed in range(5):
        noise_picture(folder / "pictures" / f"{seed}.png", (40, 40), seed)
    extractor = load_extractor(parse_spec("open_clip:tiny-clip.random"), compute=TORCH)
    embed_collection(read_collection(folder / "pictures"), folder / "index", extractor)
    return Store.open(folder / "index")


def test_text_is_compared_with_pictures_as_open_clip_does(tiny_clip):
    import open_clip
    import torch

    answer = Searcher(tiny_clip).search(SearchRequest(terms=(Term(text="a golden halo"),)))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = open_clip.create_model("tiny-clip").eval()
    with torch.inference_mode():
        words = model.encode_text(open_clip.get_tokenizer("tiny-clip")(["a golden halo"]))
    expected = torch.cosine_similarity(torch.from_numpy(tiny_clip.vectors("embedding")), words)
    assert [match.id for match in answer.matches] == [
        f"{n}.png" for n in expected.argsort(descending=True).tolist()
    ]
    scores = [match.score for match in answer.matches]
    np.testing.assert_allclose(scores, expected.sort(descending=True).values, atol=1e-3)
    assert answer.name == "“a golden halo”"


def test_a_server_has_embedded_random_texts_before_the_first_question(tiny_clip, monkeypatch):
    from artsim.server import Museum

    given = []
    embed = IndexEncoder.embed_texts
    monkeypatch.setattr(
        IndexEncoder,
        "embed_texts",
        lambda self, texts: given.append(len(texts)) or embed(self, texts),
    )
    museum = Museum([tiny_clip], IndexEncoder)
    try:
        museum.warm()
        assert len(TEXTS) in given
        del given[:]
        (room,) = museum.rooms.values()
        terms = Term(text="a golden halo"), Term(text="the sea", weight=-1)
        room.searcher.search(SearchRequest(terms=terms))
        room.searcher.search(SearchRequest(terms=terms[:1]))
        assert sum(given) == 3  # its own words
    finally:
        museum.close()


def test_a_texts_percentile_is_among_random_texts_and_all_works(tiny_clip):
    searcher = Searcher(tiny_clip)
    answer = searcher.search(SearchRequest(terms=(Term(text="a golden halo"),)))
    texts = normalized(IndexEncoder(tiny_clip).embed_texts(TEXTS)["embedding"])
    pairs = (texts @ normalized(tiny_clip.vectors("embedding")).T).ravel()
    for match in answer.matches:
        share = 100 * (pairs <= match.score + 5e-6).mean()
        assert match.percentile == pytest.approx(share, abs=0.2)
    kept = tiny_clip.path / "faiss/embedding.text.pairs.json"
    assert kept.is_file()
    again = Searcher(tiny_clip).search(SearchRequest(terms=(Term(text="a golden halo"),)))
    assert again == answer
    high = answer.matches[0].percentile + 0.1
    none = searcher.search(SearchRequest(terms=(Term(text="a golden halo"),), min_percentile=high))
    assert none.matches == ()
    assert "No good match: the nearest, " in none.nothing


def test_words_with_a_minus_have_a_background_of_their_own(tiny_clip):
    terms = (Term(text="a boat"), Term(text="the sea", weight=-0.5))
    answer = Searcher(tiny_clip).search(SearchRequest(terms=terms))
    background = Background(5, [1.0, -0.5])
    texts = normalized(IndexEncoder(tiny_clip).embed_texts(TEXTS)["embedding"])
    vectors = normalized(tiny_clip.vectors("embedding"))
    scores = background.compare(texts, lambda rows: vectors[rows])
    assert scores.pairs == background.pairs == len(TEXTS) * 5
    for match in answer.matches:
        assert match.percentile == pytest.approx(scores.percentile(match.score))
    assert [match.percentile for match in answer.matches] == sorted(
        (match.percentile for match in answer.matches), reverse=True
    )
    boat, sea = normalized(IndexEncoder(tiny_clip).embed_texts(["a boat", "the sea"])["embedding"])
    expected = vectors @ normalized((boat - 0.5 * sea)[None])[0]
    assert [match.score for match in answer.matches] == pytest.approx(
        sorted(expected, reverse=True), abs=1e-5
    )


def test_words_need_no_torch_once_their_network_is_kept(tiny_clip):
    from artsim.models import load_text_tower

    texts = ["a golden halo", "Frühling, l'été & <b>3</b> 日本 " * 30, "<end_of_text> x", "🎨"]
    theirs = load_text_tower(parse_spec("open_clip:tiny-clip.random")).embed(texts)
    IndexEncoder(tiny_clip).embed_texts(texts)
    code = (
        "import sys, json, pathlib\n"
        "from artsim.search import IndexEncoder\n"
        "from artsim.store import Store\n"
        f"store = Store.open(pathlib.Path({str(tiny_clip.path)!r}))\n"
        f"found = IndexEncoder(store).embed_texts({texts!r})['embedding']\n"
        "assert not {'torch', 'open_clip'} & set(sys.modules)\n"
        "print(json.dumps(found.tolist()))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    np.testing.assert_allclose(json.loads(done.stdout), theirs, atol=1e-4)


def test_text_and_pictures_are_queries_together(tiny_clip):
    searcher = Searcher(tiny_clip)
    words = searcher.search(
        SearchRequest(terms=(Term(text="gold", weight=0.001), Term(id="3.png")))
    )
    alone = searcher.search(SearchRequest(terms=(Term(id="3.png"),)))
    assert [match.id for match in words.matches] == [match.id for match in alone.matches]


def test_words_with_a_minus_count_against_a_work(tiny_clip):
    assert [(term.text, term.weight) for term in read_words('a boat -sea  -"stormy sky" at 5')] == [
        ("a boat at 5", 1),
        ("sea", -1),
        ("stormy sky", -1),
    ]
    for plain in ("self-portrait", "1870 - 1880", "a -5 b", "  two  words "):
        assert read_words(plain) == (Term(text=plain),)
    assert read_words("-sea") == (Term(text="sea", weight=-1.0),)
    with pytest.raises(SearchError, match="text is empty"):
        read_words("  ")
    found = Searcher(tiny_clip).search(SearchRequest(terms=read_words("boat -sea"))).matches
    boat, sea = normalized(IndexEncoder(tiny_clip).embed_texts(["boat", "sea"])["embedding"])
    expected = normalized(tiny_clip.vectors("embedding")) @ normalized((boat - sea)[None])[0]
    assert [match.score for match in found] == pytest.approx(-np.sort(-expected), abs=1e-3)
    both = artsim.open(tiny_clip.path).similar("text:boat -sea").to_pandas()
    assert list(both["id"]) == [match.id for match in found]


def test_text_together_with_a_picture_has_no_percentile(tiny_clip):
    terms = (Term(text="gold"), Term(id="3.png"))
    with pytest.raises(SearchError, match="text together with pictures has no percentile"):
        Searcher(tiny_clip).search(SearchRequest(terms=terms, min_percentile=99))
    answer = Searcher(tiny_clip).search(SearchRequest(terms=terms))
    assert {match.percentile for match in answer.matches} == {None}


def test_text_is_compared_with_the_embedding_alone(tiny_clip, tmp_path):
    extractor = load_extractor(
        parse_spec("open_clip:tiny-clip.random@embedding+transformer.resblocks.0/avg"),
        compute=TORCH,
    )
    collection = read_collection(tiny_clip.path.parent / "pictures")
    embed_collection(collection, tmp_path / "both", extractor)
    tap = extractor.passport.taps[1].name
    with pytest.raises(
        SearchError, match=r"text cannot be compared by the tap .*only by embedding"
    ):
        Searcher(Store.open(tmp_path / "both"), tap=tap).search(
            SearchRequest(terms=(Term(text="gold"),))
        )


def test_text_by_other_weights_is_refused(tiny_clip):
    store = Store(
        tiny_clip.path,
        replace(
            tiny_clip.manifest,
            passport=replace(tiny_clip.manifest.passport, weights_sha256="0" * 64),
        ),
    )
    with pytest.raises(PassportError, match="the text would not be comparable"):
        Searcher(store).search(SearchRequest(terms=(Term(text="gold"),)))


# --- threads ------------------------------------------------------------------------------


def test_a_request_is_checked_before_any_picture_is_read(compass):
    def check(**options):
        compass.check(SearchRequest(terms=(Term(id="gone"),), **options))

    check(where="year < 1700", not_same=("artist",), earlier_than="a0", max_per={"object": 1})
    for options, message in [
        ({"where": "yeer < 3"}, "cannot read 'yeer < 3'"),
        ({"where": ""}, "cannot read ''"),
        ({"by": (Aspect("nope"),)}, "'nope' is not a tap"),
        ({"details": True}, "has no tiles"),
        ({"exclude": ("gone",)}, "no picture has the id 'gone'"),
        ({"max_per": {"nope": 1}}, "no column 'nope'"),
        ({"not_same": ("nope",)}, "no column 'nope'"),
        ({"earlier_than": "gone"}, "no picture has the id 'gone'"),
        ({"contemporary": 5, "years": "artist"}, "expected years"),
    ]:
        with pytest.raises(SearchError, match=message):
            check(**options)


def test_vectors_and_search_read_the_index_once(compass, monkeypatch):
    read = []

    def reading(store, tap):
        read.append(tap)
        return open_index(store, tap)

    monkeypatch.setattr("artsim.search.backend.open_index", reading)
    backend = Opened(compass.store).backend
    ((_, keys),) = backend.nearest("east", backend.vectors("east", np.array([3])), 1)
    assert keys.tolist() == [3]
    assert read == ["east"]


def test_many_threads_get_the_same_answers_as_one(compass):
    from concurrent.futures import ThreadPoolExecutor

    questions = [
        SearchRequest(terms=(Term(id=id_),), k=3, where=where, max_per=most)
        for id_ in WORKS
        for where in (None, "year > 1600", "artist = 'Ada'")
        for most in ({}, {"artist": 1})
    ]
    expected = [compass.search(question) for question in questions]
    fresh = Searcher(compass.store)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(fresh.search, questions)) == expected
