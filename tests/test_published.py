"""Indexes published to vector databases answer as the folder does, and never half published."""

import dataclasses
import json
import shutil
from contextlib import ExitStack
from importlib.util import find_spec

import numpy as np
import pyarrow as pa
import pytest
from buckets import serving_bucket
from click.testing import CliRunner
from databases import free_port, milvus, running
from search_toys import make_store
from test_search_backend import assert_same_answers, random_questions

from artsim.errors import SearchError
from artsim.index import build_index
from artsim.search import Aspect, Searcher, SearchRequest, Term, Works
from artsim.search.published import (
    PublishedBackend,
    is_address,
    open_published,
    publish,
    published_neighbors,
)
from artsim.search.published import lance as lance_module
from artsim.search.published.address import LostError, normal, reaching, table_name
from artsim.search.published.places import PlaceMap
from artsim.store import Part, Store

N = 300
pytestmark = pytest.mark.skipif(not find_spec("lancedb"), reason="lancedb is not installed")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    rng = np.random.default_rng(3)
    columns = {
        "artist": [["Ada", "Bob", "Cy", None][i] for i in rng.integers(4, size=N)],
        "year": [int(y) if y % 7 else None for y in rng.integers(1500, 1600, size=N)],
    }
    taps = {tap: rng.normal(size=(N, 16)).astype(np.float32) for tap in ("t", "u")}
    taps["t"][40:44] = taps["t"][40]  # equal ones are ordered by row
    taps["u"][77] = 0
    tiles = {tap: rng.normal(size=(N, 4, 16)).astype(np.float32) for tap in taps}
    path = tmp_path_factory.mktemp("b") / "i"
    return make_store(path, [f"w{i}" for i in range(N)], taps, columns, tiles=tiles)


@pytest.fixture(
    scope="module", params=["lance", pytest.param("s3", marks=pytest.mark.slow), "milvus"]
)
def published(request, store, tmp_path_factory):
    """What makes the backend of the store in a database: in a folder, in a bucket, of a server."""
    folder = tmp_path_factory.mktemp("database")
    with ExitStack() as stack:
        if request.param == "lance":
            address = f"lance:{folder}"
        elif request.param == "s3":
            address = f"lance:{stack.enter_context(serving_bucket()).address}/published"
        else:
            address = f"milvus:{stack.enter_context(milvus(folder))}"
        publish(store, address)
        yield open_published(address, [store.path]).backend(store)


def relations(store):
    years, artists = (store.read([name]).column(0).to_pylist() for name in ("year", "artist"))
    known = [f"w{row}" for row in range(N) if years[row] is not None and artists[row] is not None]
    for number, relation in enumerate(
        [{"not_same": ("artist",)}, {"earlier_than": known[5]}, {"contemporary": 9}] * 5
    ):
        yield SearchRequest(terms=(Term(id=known[number]),), k=7, **relation)


def test_a_published_index_gives_the_same_answers_to_200_questions(store, published):
    questions = [*random_questions(185), *relations(store)]
    assert len(questions) == 200
    assert_same_answers(Searcher(store), Searcher(store, backend=published), questions)


@pytest.mark.parametrize(
    "options",
    [
        {"best_of_each": True},
        {"details": True},
        {"details": True, "best_of_each": True, "where": "year < 1550"},
        {"by": (Aspect("t"), Aspect("u", 0.5))},
        {"min_percentile": 99.0},
    ],
    ids=lambda options: "-".join(options),
)
def test_a_published_index_answers_details_aspects_and_percentiles(store, published, options):
    questions = [SearchRequest(terms=(Term(id="w3"), Term(id="w40")), k=6, **options)]
    assert_same_answers(Searcher(store), Searcher(store, backend=published), questions)


@pytest.mark.parametrize("tap", ["t", "u"])
def test_every_rank_is_found_exactly_with_ties_and_zeros(store, published, tap):
    backend, vectors = published(Works(store)), store.vectors(tap)
    lengths = np.linalg.norm(vectors, axis=1)
    queries = backend.vectors(tap, np.array([41, 8]))
    for k, where in ((6, None), (N, None), (12, "id like '%7'")):
        rows = np.arange(N) if where is None else np.arange(7, N, 10)
        found = backend.nearest(tap, queries, k, where=where)
        for query, (cosines, keys) in zip(queries, found, strict=True):
            true = vectors[rows] @ query / np.where(lengths > 0, lengths, 1)[rows]
            np.testing.assert_allclose(cosines, -np.sort(-true)[:k], atol=1e-5)
            assert len(np.unique(keys)) == k
    if tap == "t":
        assert backend.nearest(tap, queries, 6)[0][1][:4].tolist() == [40, 41, 42, 43]


def test_neighbors_of_an_evaluation_are_those_of_exact_search(store, published):
    from artsim.metrics.neighbors import nearest_among

    vectors = published(Works(store)).vectors("t", np.arange(N))
    queries, bank = np.arange(0, N, 5), np.arange(0, N, 2)
    groups = (np.arange(N) % 9)[:, None] - 1  # -1 is no group
    find = published_neighbors(published(Works(store)), "t")
    expected = nearest_among(vectors, queries, bank, 20, groups=groups)
    found = find(vectors, queries, bank, 20, groups=groups)
    np.testing.assert_array_equal(found.rows, expected.rows)
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-6)


def test_the_command_evaluates_a_published_index_as_its_folder(store, tmp_path):
    from artsim.cli import cli

    address = f"lance:{tmp_path / 'db'}"
    publish(store, address)
    rows = []
    for index in (str(store.path), address):
        done = CliRunner().invoke(cli, ["knn-eval", "--index", index, "--label", "artist"])
        assert done.exit_code == 0, done.output
        assert "answers instead" not in done.output
        rows.append([json.loads(line) for line in done.stdout.splitlines()])
    assert {row["tap"] for row in rows[0]} == {"t"}
    assert rows[1] == rows[0]


# --- publishing again ------------------------------------------------------------------------


def parts_of(path, counts):
    """Write an index of several parts, works numbered through."""
    rng = np.random.default_rng(1)
    ids = [f"w{i}" for i in range(counts[0])]
    store = make_store(path, ids, {"t": rng.normal(size=(counts[0], 8)).astype(np.float32)})
    for count in counts[1:]:
        add_part(store, count)
    return store


def add_part(store, count):
    rng = np.random.default_rng(store.rows)
    table = store.read_part(0)
    names = [f"w{store.rows + i}" for i in range(count)]
    columns = {name: table.column(name).take([0] * count) for name in table.column_names}
    columns["id"] = pa.array(names)
    values = pa.array(rng.normal(size=count * 8).astype(np.float32))
    columns["t"] = pa.FixedSizeListArray.from_arrays(values, type=table.schema.field("t").type)
    store.append(pa.table(columns, schema=table.schema))
    store.finish()
    build_index(store, "t")


def same_answers(path, address):
    store = Store.open(path)
    other = Searcher(store, backend=open_published(address, [path]).backend(store))
    ids = [f"w{n}" for n in (0, 9)]
    questions = [SearchRequest(terms=(Term(id=id_),), k=8) for id_ in ids]
    assert_same_answers(Searcher(store), other, questions)


def test_publishing_again_sends_only_what_changed(tmp_path):
    store = parts_of(tmp_path / "i", [10, 20, 30])
    address = f"lance:{tmp_path / 'db'}"
    first = publish(store, address)
    assert (first.rows, first.added, first.kept, first.removed) == (60, 60, 0, 0)
    again = publish(store, address)
    assert (again.added, again.kept, again.removed) == (0, 60, 0)
    add_part(store, 5)
    with pytest.raises(SearchError, match=r"has changed since it was published .*artsim publish"):
        open_published(address, [store.path]).backend(store)
    publish(store, address)
    # One work is gone: its part has become another.
    shorter = store.read_part(1).slice(1)
    store.rewrite([(1, shorter)], failures=[], manifest=store.manifest)
    store.finish()
    build_index(store, "t")
    last = publish(store, address)
    assert (last.rows, last.added, last.kept, last.removed) == (64, 19, 45, 1)
    same_answers(store.path, address)


class RustPanic(Exception):
    pass


def test_a_panic_of_a_database_is_one_line_that_says_what_to_do():
    def read():
        with reaching("lance:db", OSError):
            raise RustPanic("range end index 827474260 out of range")

    with pytest.raises(LostError) as raised:
        read()
    assert str(raised.value) == (
        "lance:db is damaged (range end index 827474260 out of range); remove it and run "
        "'artsim publish' again"
    )


class Stopped(Exception):
    pass


def test_an_interrupted_publish_is_not_searched_and_goes_on(tmp_path, monkeypatch):
    store = parts_of(tmp_path / "i", [10, 20, 30])
    address = f"lance:{tmp_path / 'db'}"
    added = []
    add = lance_module.LanceTable.add

    def stop_at_third(self, blocks):
        if len(added) == 2:
            raise Stopped
        blocks = list(blocks)
        added.append(sum(len(places) for places, _ in blocks))
        add(self, blocks)

    monkeypatch.setattr("artsim.search.published.publishing._NUMBERS", 1)  # a part at a time
    monkeypatch.setattr(lance_module.LanceTable, "add", stop_at_third)
    with pytest.raises(Stopped):
        publish(store, address)
    with pytest.raises(SearchError, match=r"was interrupted, or is going on; run 'artsim publish"):
        open_published(address, [store.path])
    monkeypatch.setattr(lance_module.LanceTable, "add", add)
    assert publish(store, address).added == 30
    assert added == [10, 20]
    same_answers(store.path, address)


def test_a_table_that_a_full_disk_left_unmade_is_made(tmp_path):
    store = parts_of(tmp_path / "i", [10])
    address = f"lance:{tmp_path / 'db'}"
    for name in ("artsim", "vectors"):
        (tmp_path / "db" / f"{name}.lance" / "data").mkdir(parents=True)
    with pytest.raises(SearchError, match="no index is published at"):
        open_published(address, [store.path])
    table = lance_module.LanceDatabase(address, str(tmp_path / "db")).make_table("vectors", 4)
    assert table.count(0, 10) == 0
    assert publish(store, address).added == 10
    same_answers(store.path, address)


def test_another_index_is_not_overwritten(tmp_path):
    address = f"lance:{tmp_path / 'db'}"
    publish(parts_of(tmp_path / "one", [10]), address)
    with pytest.raises(SearchError, match="holds the index 'one', not 'two'; publish to another"):
        publish(parts_of(tmp_path / "two", [10]), address)


def test_tables_of_others_in_the_folder_stay(tmp_path):
    import lancedb

    own = lancedb.connect(tmp_path / "db").create_table("mine", pa.table({"x": [1]}))
    publish(parts_of(tmp_path / "i", [10]), f"lance:{tmp_path / 'db'}")
    assert own.count_rows() == 1
    assert "mine" in lancedb.connect(tmp_path / "db").list_tables().tables


# --- lost --------------------------------------------------------------------------------


class LostTable:
    exact = True

    def search(self, queries, depth, *, exact):
        raise LostError("milvus:http://museum:19530 does not answer (refused)")

    def take(self, places):
        return self.search(None, 0, exact=True)


def test_a_database_lost_meanwhile_is_one_warning_and_the_folder_answers(tmp_path, caplog):
    store = parts_of(tmp_path / "i", [30])
    address = f"lance:{tmp_path / 'db'}"
    publish(store, address)
    publication = open_published(address, [store.path])
    backend = PublishedBackend(Works(store), publication.database, publication.note)
    backend._tables[table_name("t", tiles=False)] = LostTable()
    questions = [SearchRequest(terms=(Term(id=id_),), k=3) for id_ in ("w1", "w2")]
    searcher = Searcher(store, backend=lambda _: backend)
    assert_same_answers(Searcher(store), searcher, questions)
    (line,) = [record.getMessage() for record in caplog.records if record.name == "artsim"]
    assert line == (
        f"milvus:http://museum:19530 does not answer (refused); {store.path} answers instead"
    )


def test_a_server_that_does_not_answer_leaves_the_folder_of_its_index(tmp_path, monkeypatch):
    pytest.importorskip("pymilvus")
    monkeypatch.setattr("artsim.search.published.milvus._CONNECT_S", 0.5)
    address = f"milvus:http://127.0.0.1:{free_port()}"
    store = parts_of(tmp_path / "i", [30])
    with pytest.raises(LostError, match=r"does not answer .*; start it, or search an index folder"):
        open_published(address, [store.path])
    from artsim.search.published.opening import record

    record(store, address)
    publication = open_published(address, [store.path])
    assert publication.backend(store) is None
    assert publication.index == store.path
    assert publication.problem.endswith(f"; {store.path} answers instead")
    assert len(publication.problem.splitlines()) == 1


def test_a_lost_database_is_answered_by_its_index_wherever_that_is(tmp_path, monkeypatch):
    store = parts_of(tmp_path / "elsewhere/i", [30])
    address = f"lance:{tmp_path / 'db'}"
    publish(store, address)
    (store.path / "published.json").unlink()  # the folder may be one that cannot be written
    forgotten = tmp_path / "cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(forgotten))  # another machine, which searches once
    assert open_published(address).backend(store) is not None
    shutil.rmtree(tmp_path / "db")
    publication = open_published(address)
    assert publication.problem == (
        f"nothing is published at {address} any more; {store.path} answers instead"
    )
    assert publication.index == store.path
    assert publication.backend(store) is None
    shutil.rmtree(forgotten)
    with pytest.raises(SearchError, match=f"no index is published at {address}; publish one"):
        open_published(address)


def test_a_server_that_is_lost_is_answered_by_an_index_that_was_published_from_here(
    tmp_path, monkeypatch
):
    store = parts_of(tmp_path / "elsewhere/i", [30])
    address = f"lance:{tmp_path / 'db'}"
    publish(store, address)
    (store.path / "published.json").unlink()

    def lost(*_, **__):
        raise LostError(f"{address} does not answer (refused)")

    monkeypatch.setattr("artsim.search.published.opening.connect", lost)
    publication = open_published(address)
    assert publication.index == store.path
    assert (
        publication.problem == f"{address} does not answer (refused); {store.path} answers instead"
    )
    shutil.rmtree(store.path)
    parts_of(store.path, [20])  # another index at its place
    with pytest.raises(LostError, match="start it, or search an index folder: --index DIR"):
        open_published(address)
    shutil.rmtree(store.path)
    with pytest.raises(LostError, match="start it, or search an index folder: --index DIR"):
        open_published(address)


# --- addresses and places -------------------------------------------------------------------


def test_addresses_are_recognized_and_made_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert [is_address(text) for text in ("lance:x", "milvus:http://h", "paintings")] == [
        True,
        True,
        False,
    ]
    assert normal("lance:db") == f"lance:{tmp_path}/db"
    assert normal("lance:../db") == f"lance:{tmp_path.parent.resolve()}/db"
    assert normal("lance:s3://bucket/db/") == "lance:s3://bucket/db"
    assert normal("milvus:lite.db#prints") == f"milvus:{tmp_path}/lite.db#prints"
    with pytest.raises(SearchError, match="contains a password; give a token with MILVUS_TOKEN"):
        normal("milvus:http://root:secret@museum:19530")
    with pytest.raises(SearchError, match="'lance:' names no database; give lance:FOLDER"):
        normal("lance:")


@pytest.mark.parametrize("each", [1, 4])
def test_places_are_the_number_of_the_part_and_the_row_in_it(each):
    parts = [Part("a", 3, "A"), Part("b", 2, "B")]
    map_ = PlaceMap(parts, {"A": 7, "B": 2, "gone": 5}, each)
    rows = np.array([4, 0, 3])
    places = map_.places(rows)
    assert (places[::each] >> 32).tolist() == [2, 7, 2]
    assert map_.rows(places).tolist() == np.repeat(rows, each).tolist()
    beyond = np.array([5 << 32, (2 << 32) + 2 * each, 99 << 32])
    assert map_.rows(beyond).tolist() == [-1, -1, -1]


def test_an_approximate_index_is_used_only_without_conditions(tmp_path, monkeypatch):
    calls = []
    search = lance_module.LanceTable.search

    def noting(self, queries, depth, *, exact):
        calls.append(exact)
        return search(self, queries, depth, exact=exact)

    monkeypatch.setattr(lance_module.LanceTable, "search", noting)
    store = parts_of(tmp_path / "i", [300])
    address = f"lance:{tmp_path / 'db'}"
    publish(store, address)
    backend = open_published(address, [store.path]).backend(store)(Works(store))
    query = backend.vectors("t", np.array([5]))
    backend.nearest("t", query, 3)
    backend.nearest("t", query, 3, where="id != 'w9'")
    backend.nearest("t", query, 3, exact=True)
    assert calls == [False, True, True]


@pytest.mark.slow
def test_an_index_in_a_bucket_answers_as_the_folder(tmp_path, monkeypatch):
    pytest.importorskip("moto")
    import sys

    port = free_port()
    url = f"http://127.0.0.1:{port}"
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT": url,
        "AWS_ENDPOINT_URL": url,
        "AWS_ALLOW_HTTP": "true",
    }.items():
        monkeypatch.setenv(name, value)
    with running([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], port):
        import urllib.request

        bucket = urllib.request.Request(f"{url}/museum", method="PUT")
        urllib.request.urlopen(bucket).close()
        store = parts_of(tmp_path / "i", [40, 20])
        address = "lance:s3://museum/published"
        publish(store, address)
        add_part(store, 5)
        assert publish(store, address).added == 5
        same_answers(store.path, address)
    publication = open_published(address)
    assert publication.problem.startswith(f"{address} does not answer (")
    assert publication.problem.endswith(f"; {store.path} answers instead")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another machine"))
    with pytest.raises(LostError, match="does not answer"):
        open_published(address)


def test_a_note_of_other_vectors_is_published_anew(tmp_path):
    address = f"lance:{tmp_path / 'db'}"
    store = parts_of(tmp_path / "i", [10])
    publish(store, address)
    passport = dataclasses.replace(store.manifest.passport, weights_sha256="1" * 64)
    store.rewrite([], failures=[], manifest=dataclasses.replace(store.manifest, passport=passport))
    store.finish()
    assert publish(store, address).added == 10
