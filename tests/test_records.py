"""Pictures and records in one score: words weighed by hand, then against scikit-learn."""

import json

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner
from search_toys import at, cosine, make_store
from sklearn.feature_extraction.text import TfidfVectorizer

from artsim.cli import cli
from artsim.errors import SearchError
from artsim.search import Aspect, Searcher, SearchRequest, Term
from artsim.search.methods import Opened
from artsim.search.records import Records

TITLES = ["Red boat", "Blue boat, blue sea", "Red house", "Église noire", "Boats", None]
MEDIA = [["oil", "canvas"], ["oil"], ["ink"], ["ink"], None, ["oil"]]
DEGREES = [0, 60, 10, 20, 90, 30]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("records") / "index"
    columns = {
        "title": pa.array(TITLES),
        "media": pa.array(MEDIA),
        "url": pa.array([f"https://example.org/{n}" for n in range(6)]),
        "year": pa.array([1.0] * 6),
    }
    return make_store(path, [f"w{n}" for n in range(6)], {"rgb": at(*DEGREES)}, columns)


@pytest.fixture
def searcher(store):
    return Searcher(store)


def run(*args, code=0):
    result = CliRunner().invoke(cli, [str(arg) for arg in args], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.output


def search(searcher, *terms, by="image=0.7,text=0.3", **options):
    parts = [part.split("=") for part in by.split(",")]
    aspects = tuple(Aspect(name, float(weight)) for name, weight in parts)
    return searcher.search(SearchRequest(terms=terms, by=aspects, k=5, **options))


def test_a_word_weighs_more_the_fewer_records_have_it(store):
    records = Records(Opened(store).works, ["title"])
    boat, blue, red = np.log(6 / 2), np.log(6 / 1) * (1 + np.log(2)), np.log(6 / 2)
    sea = np.log(6)
    one, two = np.array([red, boat]), np.array([blue, boat, sea])
    expected = boat**2 / np.linalg.norm(one) / np.linalg.norm(two)
    found = records.cosines(records.record(0)[None], None)[0]
    np.testing.assert_allclose(found[:2], [1, expected], rtol=1e-6)
    assert found[3:].tolist() == [0, 0, 0]  # 'Église noire', 'Boats' and nothing
    assert records.text("EGLISE").argmax() == records.text("église").argmax()
    assert not records.text("none of these").any()
    assert records.vectors(np.array([5])).nnz == 0


def test_vectors_are_those_of_scikit_learn_without_its_added_one(store):
    records = Records(Opened(store).works, ["title", "media"])
    texts = [
        " ".join([title or "", *(media or [])]) for title, media in zip(TITLES, MEDIA, strict=True)
    ]
    peer = TfidfVectorizer(sublinear_tf=True, smooth_idf=False, strip_accents="unicode")
    peer.fit(texts)
    peer.idf_ = peer.idf_ - 1
    vectors = peer.transform(texts)
    rows = np.arange(6)
    mine = records.vectors(rows)
    np.testing.assert_allclose(
        (mine @ mine.T).toarray(), (vectors @ vectors.T).toarray(), atol=1e-6
    )


def test_the_score_is_the_weighted_mean_and_each_cosine_is_shown(searcher, store):
    answer = search(searcher, Term(id="w0"), text_columns=("title",))
    records = Records(Opened(store).works, ["title"])
    text = records.cosines(records.record(0)[None], None)[0]
    image = [cosine(angle) for angle in DEGREES]
    expected = {f"w{n}": 0.7 * image[n] + 0.3 * text[n] for n in range(1, 6)}
    best = sorted(expected, key=expected.get, reverse=True)
    assert [match.id for match in answer.matches] == best
    for match in answer.matches:
        n = int(match.id[1:])
        assert match.score == pytest.approx(expected[match.id], abs=1e-6)
        assert match.cosines == pytest.approx({"image": image[n], "text": text[n]}, abs=1e-6)
    assert answer.by == "image=0.7, text=0.3 of title"
    by_text = search(searcher, Term(id="w0"), by="text=1")
    assert by_text.by == "text=1 of title, media"  # an address is no text
    assert by_text.matches[0].id == "w5"  # whose only word is oil


def test_a_percentile_is_that_of_all_pairs_by_the_same_methods(searcher, store):
    answer = search(searcher, Term(id="w0"), text_columns=("title",))
    records = Records(Opened(store).works, ["title"])
    words = records.vectors(np.arange(6))
    vectors = at(*DEGREES)
    scores = 0.7 * vectors @ vectors.T + 0.3 * (words @ words.T).toarray()
    pairs = scores[np.triu_indices(6, 1)].round(5)
    for match in answer.matches:
        expected = 100 * (pairs <= round(match.score, 5)).mean()
        assert match.percentile == pytest.approx(expected)


def test_words_are_compared_with_records_and_pictures_with_pictures(searcher):
    words = search(searcher, Term(text="blue SEA"), by="text=1")  # no network is needed
    assert words.matches[0].id == "w1"
    assert words.matches[0].percentile is None
    both = search(searcher, Term(id="w4"), Term(text="house"), by="image=0.5,text=0.5")
    top = both.matches[0]
    assert (top.id, round(top.cosines["image"], 3)) == ("w1", round(cosine(30), 3))
    apart = {match.id: match.cosines["text"] for match in both.matches}
    assert max(apart, key=apart.get) == "w2"
    closest = search(searcher, Term(id="w4"), Term(text="house"), by="text=1", best_of_each=True)
    assert closest.matches[0].id == "w2"


def test_conditions_and_limits_hold_for_text(searcher):
    answer = search(searcher, Term(id="w0"), by="text=1", where="title LIKE '%house%'")
    assert [match.id for match in answer.matches] == ["w2"]
    assert (answer.searched, answer.matches[0].cosines) == (1, {"text": answer.matches[0].score})


@pytest.mark.parametrize(
    ("term", "options", "message"),
    [
        (Term(text="zebra"), {}, "“zebra” cannot be compared by image"),
        (Term(text="zebra"), {"by": "text=1"}, "has no words that a record has in title, media"),
        (Term(id="w5"), {"text_columns": ("title",)}, "w5 has no words that a record has in title"),
        (Term(id="w0"), {"text_columns": ("year",)}, "'year' is of type number, expected text"),
        (Term(id="w0"), {"text_columns": ("no",)}, "no column 'no'"),
        (Term(id="w0"), {"text_columns": ("title",), "by": "image=1"}, "--text-columns are those"),
    ],
)
def test_what_text_cannot_compare_is_refused(searcher, term, options, message):
    with pytest.raises(SearchError, match=message):
        search(searcher, term, **options)


def test_a_picture_without_a_record_needs_words(searcher, tmp_path):
    file = tmp_path / "new.png"
    file.write_bytes(b"not read, as no tap is compared by")
    with pytest.raises(SearchError, match=r"new\.png has no words that a record has"):
        search(searcher, Term(file=file), by="text=1")
    found = search(searcher, Term(file=file), Term(text="sea"), by="text=1")
    assert found.matches[0].id == "w1"


def test_the_command_shows_both_cosines(store):
    args = ("similar", "--index", store.path, "w0", "-k", "2", "--by", "image=0.7,text=0.3")
    first = json.loads(run(*args, "--text-columns", "title,media").splitlines()[0])
    assert set(first["cosines"]) == {"image", "text"}
    assert first["score"] == pytest.approx(sum(first["shares"].values()), abs=1e-5)
    table = run(*args, "--text-columns", "title", "--table")
    assert "by image=0.7, text=0.3 of title)" in table


@pytest.mark.parametrize("command", ["knn-eval", "probe", "retrieval-eval"])
def test_evaluations_do_not_compare_by_the_text_of_records(store, command):
    error = run(command, store.path, "--label", "title", "--tap", "text", code=1)
    assert error == (
        f"Error: {str(store.path)!r} has no tap 'text'; choose from rgb; the words of records may "
        f"hold labels, so they are for 'artsim similar --index {store.path} --by' alone\n"
    )
