"""A server that shows an index of an object store, while other machines write it."""

import pytest
from conftest import noise_picture
from test_object_store_writers import address
from test_object_stores import bucket, embed_here, place, server
from test_server import Visitor

from artsim.errors import StoreError
from artsim.labels import add_label
from artsim.places import as_path
from artsim.readers import read_collection
from artsim.search import IndexEncoder
from artsim.server import Museum, make_app
from artsim.store import RemoteIndex, Store, index_to_write, local_index, lock_index

__all__ = ["address", "bucket", "place", "server"]  # fixtures

pytestmark = pytest.mark.slow


@pytest.fixture
def museum(address):
    museum = Museum([Store.open(local_index(address))], IndexEncoder)
    yield museum
    museum.close()


@pytest.fixture
def elsewhere(monkeypatch, tmp_path):
    """What runs something as another machine does, which has its own copies."""

    def run(work):
        with monkeypatch.context() as other:
            other.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
            return work()

    return run


def label(address, name):
    remote = RemoteIndex(as_path(address))
    add_label(remote.fetch(), f"{name} = length(title)")
    remote.send()


def names(store):
    return [each.name for each in store.manifest.labels]


def test_works_that_another_machine_embeds_are_shown(museum, address, elsewhere, tmp_path, toy):
    noise_picture(tmp_path / "c/images/new.png", (9, 9))
    with (tmp_path / "c/objects.csv").open("a") as table:
        table.write("\n77,images/new.png,new")

    def embed():
        with index_to_write(as_path(address)) as folder:
            embed_here(read_collection(tmp_path / "c"), folder, toy)

    museum.update()
    assert museum.refresh() == []
    elsewhere(embed)
    museum.update()
    assert museum.refresh() == ["index"]
    room = museum.room("index")
    assert room.store.rows == 7
    visitor = Visitor(make_app(museum))
    question = {"terms": [{"id": "77"}], "k": 6}
    assert len(visitor.post("/api/index/search", json=question).json()["matches"]) == 6


def test_an_update_never_replaces_what_is_written_here(museum, address, elsewhere):
    folder = museum.room("index").store.path
    with lock_index(folder):
        elsewhere(lambda: label(address, "theirs"))
        museum.update()  # it is being written
        assert names(Store.open(folder)) == []
    add_label(folder, "mine = length(title)")
    museum.update()  # it is not sent yet
    assert names(Store.open(folder)) == ["mine"]


def test_what_a_visitor_cannot_save_can_be_saved_again(museum, address, elsewhere):
    visitor = Visitor(make_app(museum, tokens=["key"]), headers={"authorization": "Bearer key"})

    def save():
        return visitor.post("/api/index/sets", json={"name": "wall", "ids": ["1", "2"]})

    elsewhere(lambda: label(address, "theirs"))
    refused = save()
    assert refused.status_code == 404
    assert refused.json()["error"].startswith(f"another run wrote to {address} at 20")
    assert refused.json()["error"].endswith(", and the page shows that in a moment; save again")
    assert museum.refresh() == ["index"]
    assert names(museum.room("index").store) == ["theirs"]
    assert save().status_code == 200
    there = elsewhere(lambda: Store.open(local_index(address)))
    assert names(there) == ["theirs"]
    assert [row["wall"] for row in there.read(["wall"]).to_pylist()].count("yes") == 2


def test_a_store_that_does_not_answer_is_a_warning_and_the_index_stays(museum, monkeypatch, caplog):
    def fail(folder):
        raise StoreError("cannot read s3://museum/index: no answer")

    monkeypatch.setattr("artsim.server.museum.update_index", fail)
    museum.update()
    museum.update()
    (line,) = [record.getMessage() for record in caplog.records if record.name.startswith("artsim")]
    assert line == "cannot read s3://museum/index: no answer; the index is shown as it was"
    assert museum.room("index").store.rows == 6
