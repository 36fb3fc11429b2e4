"""Backends of a search: a toy in plain numpy gives the answers that FAISS over the folder gives."""

import duckdb
import numpy as np
import pytest
from search_toys import make_store

from artsim.errors import SearchError
from artsim.search import Condition, FaissBackend, Op, Opened, Searcher, SearchRequest, Term

N = 300
ARTISTS = ["Ada", "Bob", "Cy", None]


class NumpyBackend:
    """Vectors and metadata in memory, compared one query at a time."""

    def __init__(self, store):
        self.matrix = {
            tap.name: unit_of(store.vectors(tap.name)) for tap in store.manifest.passport.taps
        }
        names = ["id", "image", *(field.name for field in store.manifest.fields)]
        self.table = store.read(names)
        self.works = self.table.to_pylist()
        self.calls = []

    def nearest(self, tap, queries, k, *, where=None, conditions=(), exact=False):
        self.calls.append((where, tuple(conditions), exact))
        keys = self._keys(where, conditions)
        found = []
        for query in queries:
            scores = np.vecdot(self.matrix[tap][keys], query)
            order = np.lexsort((keys, -scores))[:k]
            found.append((scores[order], keys[order]))
        return found

    def count(self, where, conditions):
        return len(self._keys(where, conditions))

    def find(self, id_):
        found = [key for key, work in enumerate(self.works) if work["id"] == id_]
        if not found:
            raise SearchError(f"no picture has the id {id_!r}")
        return found[0]

    def known(self, keys):
        works = [dict(self.works[key]) for key in keys]
        return [(work.pop("id"), work.pop("image"), work) for work in works]

    def vectors(self, tap, keys):
        return self.matrix[tap][keys]

    def _keys(self, where, conditions):
        keys = np.arange(len(self.works))
        if where is not None:
            table = self.table.append_column("key", [keys])
            keys = np.sort(duckdb.from_arrow(table).filter(where).fetchnumpy()["key"])
        met = [all(meets(self.works[key], each) for each in conditions) for key in keys]
        return keys[np.array(met, dtype=bool)]


def meets(work, condition):
    value, wanted = work[condition.column], condition.value
    if value is None:
        return False
    return {
        Op.EQUAL: lambda: value == wanted,
        Op.NOT_IN: lambda: value not in wanted,
        Op.LESS: lambda: value < wanted,
        Op.BETWEEN: lambda: wanted[0] <= value <= wanted[1],
    }[condition.op]()


def unit_of(vectors):
    vectors = np.asarray(vectors, dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    rng = np.random.default_rng(3)
    columns = {
        "artist": [ARTISTS[i] for i in rng.integers(4, size=N)],
        "year": [int(y) if y % 7 else None for y in rng.integers(1500, 1600, size=N)],
    }
    taps = {"t": rng.normal(size=(N, 16)).astype(np.float32)}
    taps["t"][40:44] = taps["t"][40]  # equal ones are ordered by row
    return make_store(
        tmp_path_factory.mktemp("b") / "i", [f"w{i}" for i in range(N)], taps, columns
    )


@pytest.fixture(scope="module", params=["faiss", "numpy"])
def backend(request, store):
    if request.param == "numpy":
        return NumpyBackend(store)
    return FaissBackend(Opened(store))


def random_questions(n):
    rng = np.random.default_rng(5)
    for _ in range(n):
        options = {}
        if rng.random() < 0.4:
            options["where"] = str(rng.choice(["year < 1550", "artist = 'Ada'", "id like '%7'"]))
        if rng.random() < 0.3:
            options["conditions"] = (Condition("artist", Op.EQUAL, "Bob"),)
        if rng.random() < 0.3:
            options["max_per"] = {"artist": int(rng.integers(1, 4))}
        if rng.random() < 0.2:
            options["exclude"] = ("w3", "w41")
        row = int(rng.choice([0, 1, 40, 41, *rng.integers(N, size=4)]))
        terms = (Term(id=f"w{row}"),)
        if rng.random() < 0.3:
            terms += (Term(id="w9", weight=-0.5),)
        yield SearchRequest(terms=terms, k=int(rng.integers(1, 20)), **options)


def test_a_backend_added_through_the_seam_gives_the_same_answers(store):
    toy = NumpyBackend(store)
    faiss, other = Searcher(store), Searcher(store, backend=toy)
    years = store.read(["year"]).column(0).to_pylist()
    known = [f"w{row}" for row in range(N) if years[row] is not None]
    questions = [*random_questions(60)]
    for relation in ({"not_same": ("artist",)}, {"earlier_than": known[5]}, {"contemporary": 9}):
        artists = store.read(["artist"]).column(0).to_pylist()
        ids = [id_ for id_ in known if artists[int(id_[1:])] is not None][:5]
        questions += [SearchRequest(terms=(Term(id=id_),), k=7, **relation) for id_ in ids]
    for ours, theirs in zip(
        faiss.search_many(questions), other.search_many(questions), strict=True
    ):
        assert [match.id for match in ours.matches] == [match.id for match in theirs.matches]
        scores = [[match.score for match in answer.matches] for answer in (ours, theirs)]
        np.testing.assert_allclose(*scores, atol=1e-6)
        assert [m.percentile for m in ours.matches] == pytest.approx(
            [m.percentile for m in theirs.matches], abs=0.06
        )
        assert ours.searched == theirs.searched
        assert [m.metadata for m in ours.matches] == [m.metadata for m in theirs.matches]
    assert any(where is not None and exact for where, _, exact in toy.calls)
    assert any(not exact for _, _, exact in toy.calls)  # an approximate index may answer it


def test_a_backend_finds_counts_and_reads(backend):
    assert [backend.find("w7"), backend.find("w0")] == [7, 0]
    with pytest.raises(SearchError, match=r"no picture has the id 'x'"):
        backend.find("x")
    assert [id_ for id_, _, _ in backend.known([5, 2])] == ["w5", "w2"]
    assert backend.count(None, ()) == N
    assert backend.count("id like '%7'", ()) == N // 10
    wanted = (Condition("artist", Op.EQUAL, "Bob"),)
    both = backend.count("year < 1550", wanted)
    assert 0 < both < backend.count(None, wanted) < N
    vectors = backend.vectors("t", np.array([3, 1]))
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_a_backend_orders_by_cosine_and_equal_ones_by_key(backend):
    queries = backend.vectors("t", np.array([41, 8]))
    for exact in (False, True):
        (scores, keys), (_, others) = backend.nearest("t", queries, 6, exact=exact)
        assert keys[:4].tolist() == [40, 41, 42, 43]
        assert others[0] == 8
        assert (np.diff(scores) <= 0).all()
    ((_, keys),) = backend.nearest("t", queries[:1], N, where="id like '%7'")
    assert len(keys) == N // 10
    assert (keys % 10 == 7).all()
