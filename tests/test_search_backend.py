"""Backends of a search: a toy in plain numpy gives the answers that FAISS over the folder gives."""

import shutil

import duckdb
import numpy as np
import pytest
from search_toys import make_store

from artsim.errors import SearchError, StoreError
from artsim.search import (
    Aspect,
    Condition,
    FaissBackend,
    Op,
    Opened,
    Searcher,
    SearchRequest,
    Term,
    Works,
    open_tiles,
)
from artsim.store import Store

N = 300
ARTISTS = ["Ada", "Bob", "Cy", None]


class NumpyBackend:
    """Vectors and metadata in memory, compared one query at a time."""

    def __init__(self, store):
        taps = [tap.name for tap in store.manifest.passport.taps]
        self.matrix = {tap: unit_of(store.vectors(tap)) for tap in taps}
        self.tiles = {tap: tiles_of(store, tap) for tap in taps if store.manifest.tiles}
        names = ["id", "image", *(field.name for field in store.manifest.fields)]
        self.table = store.read(names)
        self.works = self.table.to_pylist()
        self.calls = []

    def nearest(self, tap, queries, k, *, where=None, conditions=(), exact=False, tiles=False):
        self.calls.append((where, tuple(conditions), exact, tiles, len(queries)))
        keys = self.keys(where, conditions)
        keys = np.arange(len(self.works)) if keys is None else keys
        found = []
        for scores in self.cosines(tap, queries, keys, tiles=tiles):
            order = np.lexsort((keys, -scores))[:k]
            found.append((scores[order], keys[order]))
        return found

    def cosines(self, tap, queries, keys, *, tiles=False):
        vectors = self.vectors(tap, slice(None) if keys is None else keys, tiles=tiles)
        scores = [np.vecdot(vectors, query) for query in queries]
        return np.stack([each.max(axis=1) if tiles else each for each in scores])

    def vectors(self, tap, keys, *, tiles=False):
        return (self.tiles if tiles else self.matrix)[tap][keys]

    def count(self, where, conditions):
        keys = self.keys(where, conditions)
        return len(self.works) if keys is None else len(keys)

    def keys(self, where, conditions):
        if where is None and not conditions:
            return None
        keys = np.arange(len(self.works))
        if where is not None:
            table = self.table.append_column("key", [keys])
            keys = np.sort(duckdb.from_arrow(table).filter(where).fetchnumpy()["key"])
        met = [all(meets(self.works[key], each) for each in conditions) for key in keys]
        return keys[np.array(met, dtype=bool)]

    def find(self, id_):
        found = [key for key, work in enumerate(self.works) if work["id"] == id_]
        if not found:
            raise SearchError(f"no picture has the id {id_!r}")
        return found[0]

    def known(self, keys):
        works = [dict(self.works[key]) for key in keys]
        return [(work.pop("id"), work.pop("image"), work) for work in works]


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
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def tiles_of(store, tap):
    vectors = np.concatenate(list(store.iter_vectors(tap, tiles=True)))
    return unit_of(vectors).reshape(store.rows, -1, vectors.shape[1])


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    rng = np.random.default_rng(3)
    columns = {
        "artist": [ARTISTS[i] for i in rng.integers(4, size=N)],
        "year": [int(y) if y % 7 else None for y in rng.integers(1500, 1600, size=N)],
    }
    taps = {tap: rng.normal(size=(N, 16)).astype(np.float32) for tap in ("t", "u")}
    taps["t"][40:44] = taps["t"][40]  # equal ones are ordered by row
    tiles = {tap: rng.normal(size=(N, 4, 16)).astype(np.float32) for tap in taps}
    path = tmp_path_factory.mktemp("b") / "i"
    return make_store(path, [f"w{i}" for i in range(N)], taps, columns, tiles=tiles)


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """Another index of two thirds of the works, in another order."""
    rng = np.random.default_rng(4)
    ids = [f"w{i}" for i in rng.permutation(N)[: 2 * N // 3]]
    taps = {"v": rng.normal(size=(len(ids), 8)).astype(np.float32)}
    return make_store(tmp_path_factory.mktemp("o") / "other", ids, taps)


@pytest.fixture(scope="module", params=["faiss", "numpy"])
def backend(request, store):
    if request.param == "numpy":
        return NumpyBackend(store)
    return FaissBackend(Works(store))


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
    faiss, other = Searcher(store), Searcher(store, backend=lambda _: toy)
    years = store.read(["year"]).column(0).to_pylist()
    known = [f"w{row}" for row in range(N) if years[row] is not None]
    questions = [*random_questions(60)]
    for relation in ({"not_same": ("artist",)}, {"earlier_than": known[5]}, {"contemporary": 9}):
        artists = store.read(["artist"]).column(0).to_pylist()
        ids = [id_ for id_ in known if artists[int(id_[1:])] is not None][:5]
        questions += [SearchRequest(terms=(Term(id=id_),), k=7, **relation) for id_ in ids]
    assert_same_answers(faiss, other, questions)
    assert any(where is not None and exact for where, _, exact, *_ in toy.calls)
    assert any(not exact for _, _, exact, *_ in toy.calls)  # an approximate index may answer it


def assert_same_answers(faiss, toy, questions):
    for ours, theirs in zip(faiss.search_many(questions), toy.search_many(questions), strict=True):
        assert [match.id for match in ours.matches] == [match.id for match in theirs.matches]
        scores = [[match.score for match in answer.matches] for answer in (ours, theirs)]
        np.testing.assert_allclose(*scores, atol=1e-6)
        # Random pairs are kept beside the index of FAISS to five digits.
        assert [m.percentile for m in ours.matches] == pytest.approx(
            [m.percentile for m in theirs.matches], abs=0.06
        )
        assert (ours.searched, ours.missing) == (theirs.searched, theirs.missing)
        assert [m.metadata for m in ours.matches] == [m.metadata for m in theirs.matches]
        assert [m.box for m in ours.matches] == [m.box for m in theirs.matches]
        for one, two in zip(ours.matches, theirs.matches, strict=True):
            assert one.shares == pytest.approx(two.shares, abs=1e-6)


class NoVectors:
    """Stands in for the functions that read vectors from the folder of an index."""

    def __init__(self, store, tap):
        raise AssertionError("the folder is read, not the backend")


@pytest.mark.parametrize(
    "options",
    [
        {"best_of_each": True},
        {"details": True},
        {"details": True, "best_of_each": True},
        {"by": (Aspect("t"), Aspect("u", 0.5))},
        {"by": (Aspect("t"), Aspect("u")), "best_of_each": True},
        {"by": (Aspect("u"), Aspect("other:v", 2))},
        {"by": (Aspect("other:v"),)},
    ],
    ids=lambda options: "-".join(options),
)
def test_a_backend_answers_any_of_details_and_several_aspects(store, other, options, monkeypatch):
    toys = NumpyBackend(store), NumpyBackend(other)
    shared = set(other.read(["id"]).column(0).to_pylist())
    ids = [f"w{row}" for row in range(N) if f"w{row}" in shared][:9]
    questions = [
        SearchRequest(
            terms=tuple(Term(id=id_) for id_ in (ids[n], ids[-n - 1])), k=6, **limits, **options
        )
        for n in range(3)
        for limits in ({}, {"where": "year < 1550"}, {"max_per": {"artist": 1}})
    ]
    faiss = Searcher(store, others={"other": Opened(other)})
    opened = Opened(other, backend=lambda _: toys[1])
    toy = Searcher(store, others={"other": opened}, backend=lambda _: toys[0])
    expected = faiss.search_many(questions)
    for name in ("open_index", "open_tiles"):
        monkeypatch.setattr(f"artsim.search.backend.{name}", NoVectors)
    answers = toy.search_many(questions)
    monkeypatch.undo()
    assert all(len(answer.matches) >= 4 for answer in answers)
    assert [len(answer.vectors[0]) for answer in answers] == [len(expected[0].vectors[0])] * 9
    assert_same_answers(faiss, toy, questions)


def test_a_backend_finds_counts_and_reads(backend):
    assert [backend.find("w7"), backend.find("w0")] == [7, 0]
    with pytest.raises(SearchError, match=r"no picture has the id 'x'"):
        backend.find("x")
    assert [id_ for id_, _, _ in backend.known([5, 2])] == ["w5", "w2"]
    assert backend.count(None, ()) == N
    assert backend.count("id like '%7'", ()) == N // 10
    assert backend.keys("id like '%7'", ()).tolist() == list(range(7, N, 10))
    assert backend.keys(None, ()) is None
    wanted = (Condition("artist", Op.EQUAL, "Bob"),)
    both = backend.count("year < 1550", wanted)
    assert 0 < both < backend.count(None, wanted) < N
    keys = np.array([3, 1])
    vectors, tiles = backend.vectors("t", keys), backend.vectors("t", keys, tiles=True)
    assert (vectors.shape, tiles.shape) == ((2, 16), (2, 4, 16))
    for each in (vectors, tiles):
        np.testing.assert_allclose(np.linalg.norm(each, axis=-1), 1, atol=1e-6)


def test_a_backend_compares_all_or_some_keys_by_work_or_best_tile(backend):
    queries = backend.vectors("t", np.array([41, 8]))
    keys = np.array([8, 5, 41])
    for tiles in (False, True):
        vectors = backend.vectors("t", np.arange(N), tiles=tiles)
        expected = np.stack([np.vecdot(vectors, query) for query in queries])
        expected = expected.max(axis=2) if tiles else expected
        every = backend.cosines("t", queries, None, tiles=tiles)
        np.testing.assert_allclose(every, expected, atol=1e-6)
        some = backend.cosines("t", queries, keys, tiles=tiles)
        np.testing.assert_array_equal(some, every[:, keys])


def test_tiles_are_mapped_from_a_temporary_file_where_the_index_cannot_be_written(
    store, monkeypatch, tmp_path
):
    expected = open_tiles(store, "t")[:]
    store = Store.open(shutil.copytree(store.path, tmp_path / "copy"))
    shutil.rmtree(store.path / "faiss")

    def refuse(*_values, **_options):
        raise StoreError("the disk is full")

    monkeypatch.setattr("artsim.search.backend.write_whole", refuse)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    tiles = open_tiles(store, "t")
    assert isinstance(tiles.stored.base, np.memmap)
    np.testing.assert_array_equal(tiles[:], expected)
    assert not list((tmp_path / "temporary").iterdir())
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    with pytest.raises(StoreError, match=r"t\.tiles\.npy', nor a temporary file .* set TMPDIR"):
        open_tiles(store, "t")


def test_a_backend_orders_by_cosine_then_by_key(backend):
    queries = backend.vectors("t", np.array([41, 8]))
    for exact in (False, True):
        (scores, keys), (_, others) = backend.nearest("t", queries, 6, exact=exact)
        assert keys[:4].tolist() == [40, 41, 42, 43]
        assert others[0] == 8
        assert (np.diff(scores) <= 0).all()
    ((_, keys),) = backend.nearest("t", queries[:1], N, where="id like '%7'")
    assert len(keys) == N // 10
    assert (keys % 10 == 7).all()
