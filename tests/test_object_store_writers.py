"""Two machines that write one index in an object store: none undoes what the other did."""

import json
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import ROOT, noise_picture, wait_until
from databases import free_port, running
from test_object_stores import bucket, embed_here, place, server, write_collection

from artsim.cli import cli
from artsim.embedding import EmbedSettings, embed_collection
from artsim.errors import ConflictError, StoreError
from artsim.labels import add_label
from artsim.places import as_path, objects, read_object, write_object, write_object_if
from artsim.readers import read_collection
from artsim.store import (
    DerivedLabel,
    RemoteIndex,
    Store,
    anywhere,
    index_to_write,
    lease,
    local_index,
    write_whole,
)

__all__ = ["bucket", "place", "server"]  # fixtures

pytestmark = pytest.mark.slow

LABEL = f"""
import sys, time
sys.path.insert(0, {str(ROOT / "tests")!r})
from pathlib import Path
from artsim.errors import StoreError
from artsim.labels import add_label
from artsim.places import as_path
from artsim.store import RemoteIndex

address, name, ready, go = sys.argv[1:]
remote = RemoteIndex(as_path(address))
folder = remote.fetch()
add_label(folder, f"{{name}} = length(title)")
Path(ready).touch()
deadline = time.monotonic() + 120
while not Path(go).exists() and time.monotonic() < deadline:
    time.sleep(0.001)
try:
    print(remote.send())
except StoreError as error:
    sys.exit(str(error))
"""


@pytest.fixture
def address(bucket, place, tmp_path, toy):
    """An index in the bucket."""
    write_collection("table", tmp_path / "c")
    found = f"{bucket.address}/{place}/index"
    with index_to_write(as_path(found)) as folder:
        embed_here(read_collection(tmp_path / "c"), folder, toy)
    return found


def labels(address, cache, monkeypatch):
    """Read the derived labels as a machine sees them that has this cache."""
    with monkeypatch.context() as other:
        other.setenv("XDG_CACHE_HOME", str(cache))
        return {label.name for label in Store.open(local_index(address)).manifest.labels}


def test_of_two_that_write_at_the_same_time_one_is_told_so_and_both_are_kept(
    address, tmp_path, monkeypatch
):
    kept = set()
    for number in range(2):
        go, running = tmp_path / f"go{number}", {}
        for who in "ab":
            name = f"{who}{number}"
            monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / who))
            words = [address, name, tmp_path / f"ready-{name}", go]
            running[name] = subprocess.Popen(
                [sys.executable, "-c", LABEL, *map(str, words)],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        ready = [tmp_path / f"ready-{name}" for name in running]
        wait_until(
            "both are ready", lambda ready=ready: all(map(Path.exists, ready)), *running.values()
        )
        go.touch()
        ends = {name: (process.communicate(), process) for name, process in running.items()}
        codes = {name: process.returncode for name, (_, process) in ends.items()}
        assert sorted(codes.values()) == [0, 1]
        ((lost, (_, said)),) = [(name, ends[name][0]) for name in codes if codes[name]]
        assert said.startswith(f"another run wrote to {address} at 20")
        assert said.endswith("; run the command again\n")
        kept |= {name for name in codes if name != lost}
        assert labels(address, tmp_path / "c-cache", monkeypatch) == kept
        # Run again: it begins with what the other wrote.
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / lost[0]))
        again = [address, lost, str(tmp_path / "ready"), str(go)]
        done = subprocess.run(
            [sys.executable, "-c", LABEL, *again], capture_output=True, text=True, check=True
        )
        kept.add(lost)
        assert "that copy is kept in" in done.stderr
        assert labels(address, tmp_path / "c-cache", monkeypatch) == kept


def test_a_file_besides_the_manifest_is_not_overwritten_either(address, tmp_path, monkeypatch):
    def written(cache, name, data):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / cache))
        remote = RemoteIndex(as_path(address))
        file = remote.fetch() / "splits" / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(data)
        return remote

    first, second, third = (written(each, "a.parquet", each.encode()) for each in "123")
    other = written("4", "b.parquet", b"other")
    assert first.send() == 2
    with pytest.raises(StoreError, match="another run wrote to"):
        second.send()
    assert other.send() == 2  # another file
    assert read_object(f"{address}/splits/a.parquet") == b"1"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "3"))
    folder = third.fetch()  # sets its own aside
    assert {file.name: file.read_bytes() for file in (folder / "splits").iterdir()} == {
        "a.parquet": b"1",
        "b.parquet": b"other",
    }
    (aside,) = [each for each in folder.parent.iterdir() if each.name.startswith("index.")]
    assert (aside / "splits" / "a.parquet").read_bytes() == b"3"
    assert Store.open(aside).rows == 6


def test_a_manifest_that_changes_while_files_are_sent_is_not_replaced(address, monkeypatch):
    remote = RemoteIndex(as_path(address))
    Store.open(remote.fetch()).set_labels([DerivedLabel("mine", "length(title)")])
    theirs = read_object(f"{address}/manifest.json") + b" "
    send_one = RemoteIndex._send_one

    def send_and_lose(self, name):
        send_one(self, name)
        write_object(theirs, f"{address}/manifest.json")  # by a writer without a lease

    monkeypatch.setattr(RemoteIndex, "_send_one", send_and_lose)
    with pytest.raises(StoreError, match="another run wrote to"):
        remote.send()
    assert read_object(f"{address}/manifest.json") == theirs


def test_a_long_embed_stops_when_it_notices_that_another_has_written(
    bucket, place, tmp_path, toy, monkeypatch
):
    for number in range(10):
        (tmp_path / "c").mkdir(exist_ok=True)
        noise_picture(tmp_path / "c" / f"{number}.png", (9, 9), number)
    monkeypatch.setattr(anywhere, "_EVERY_S", 0.02)
    monkeypatch.setattr("artsim.embedding.run._SECONDS", 0.0)  # parts are committed at once
    address = f"{bucket.address}/{place}/index"

    def all_sent():
        return (
            bucket.look(f"{place}/index/manifest.json") == (folder / "manifest.json").read_bytes()
        )

    def other_writes():
        wait_until("all is sent", all_sent)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
        with index_to_write(as_path(address)) as copy:
            Store.open(copy).set_labels([DerivedLabel("theirs", "length(title)")])

    def progress(done, total, failed):
        if done == 4 and not (tmp_path / "other").exists():
            other_writes()
        elif done == 8:
            wait_until("it is noticed", lambda: anywhere._conflicts)

    settings = EmbedSettings(part_rows=2, batch_size=2)
    catalog = read_collection(tmp_path / "c")
    with (
        pytest.raises(ConflictError, match=f"^another run wrote to {address} at 20"),
        index_to_write(as_path(address)) as folder,
    ):
        embed_collection(catalog, folder, toy, settings=settings, progress=progress)
    assert 4 <= Store.open(folder).rows < 10  # what it had finished is there
    assert anywhere._conflicts == {}
    with index_to_write(as_path(address)) as other:
        assert other != folder
        embed_collection(catalog, other, toy, settings=settings)
    (label,) = Store.open(other).manifest.labels
    assert (label.name, Store.open(other).rows) == ("theirs", 10)


def test_another_machine_goes_on_with_an_index_of_which_no_part_was_sent(
    bucket, place, tmp_path, toy, monkeypatch
):
    write_collection("folder", tmp_path / "c")
    address = f"{bucket.address}/{place}/index"
    here = embed_here(read_collection(tmp_path / "c"), tmp_path / "here", toy)
    with index_to_write(as_path(address)) as folder:
        Store.create(folder, replace(here.manifest, name="index", parts=(), next_part=0))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    with index_to_write(as_path(address)) as folder:
        there = embed_here(read_collection(tmp_path / "c"), folder, toy)
    assert there.manifest.parts == here.manifest.parts


def test_who_has_lost_the_right_to_write_sends_nothing_more(address, monkeypatch):
    monkeypatch.setattr(lease, "_RENEWED_S", 0.02)
    monkeypatch.setattr("artsim.store.remote._AT_ONCE", 1)
    remote = RemoteIndex(as_path(address))
    folder = remote.fetch()
    for name in "ab":
        write_whole(folder / "splits" / f"{name}.parquet", lambda stream: stream.write(b"mine"))
    Store.open(folder).set_labels([DerivedLabel("mine", "length(title)")])
    before = read_object(f"{address}/manifest.json")
    sent, send_one = [], RemoteIndex._send_one

    def send_and_lose(self, name):
        send_one(self, name)
        sent.append(name)
        write_object(b"other\n", f"{address}/{lease.LEASE}")
        wait_until(
            "it is noticed",
            lambda: all(thread.name != "artsim-lease" for thread in threading.enumerate()),
        )

    monkeypatch.setattr(RemoteIndex, "_send_one", send_and_lose)
    with pytest.raises(ConflictError, match=f"another run began to write {address} while this"):
        remote.send()
    assert sent == ["splits/a.parquet"]
    assert read_object(f"{address}/manifest.json") == before
    assert read_object(f"{address}/{lease.LEASE}") == b"other\n"


def test_a_part_that_is_damaged_here_is_fetched_again_and_never_sent(address):
    remote = RemoteIndex(as_path(address))
    part = min((remote.fetch() / "parts").iterdir())
    whole = part.read_bytes()
    for damage in (whole[:-9], b"x" * len(whole)):
        part.write_bytes(damage)
        assert (remote.fetch() / "parts" / part.name).read_bytes() == whole
        add_label(remote.folder, f"n{len(damage)} = length(title)")
        part.write_bytes(damage)
        assert remote.send() > 0
        assert read_object(f"{address}/parts/{part.name}") == whole
    assert len(Store.open(remote.fetch()).manifest.labels) == 2


def test_who_writes_waits_for_another_and_takes_over_from_one_that_is_gone(
    bucket, place, monkeypatch
):
    monkeypatch.setattr(lease, "_ASKED_S", 0.01)
    monkeypatch.setattr(lease, "_RENEWED_S", 0.05)
    monkeypatch.setattr(lease, "_GONE_S", 3.0)
    address, file = f"{bucket.address}/{place}", f"{bucket.address}/{place}/{lease.LEASE}"
    done = []

    def write(owner):
        with lease.lease(address, owner):
            assert lease._owner_of(file) == owner
            time.sleep(0.3)
            assert lease._owner_of(file) == owner
            done.append(owner)

    with lease.lease(address, "first"):
        thread = threading.Thread(target=write, args=["second"])
        thread.start()
        time.sleep(4)  # longer than one that is gone is waited for
        assert done == []
        done.append("first")
    thread.join(60)
    assert done == ["first", "second"]
    write_object(b"killed\n", file)
    write("killed")  # at once
    write_object(b"killed\n", file)
    write("third")
    assert done == ["first", "second", "killed", "third"]
    with pytest.raises(FileNotFoundError):
        read_object(file)


def test_a_file_is_written_only_where_it_is_as_known(bucket, place):
    address = f"{bucket.address}/{place}/x"
    first = write_object_if(b"1", address, None)
    assert first
    assert write_object_if(b"2", address, None) is None
    second = write_object_if(b"2", address, first)
    assert second not in (None, first)
    assert write_object_if(b"3", address, first) is None
    assert read_object(address) == b"2"
    objects.remove_object(address)
    assert write_object_if(b"3", address, second) is None


def test_what_another_writes_just_after_is_not_taken_for_what_was_written(
    bucket, place, monkeypatch
):
    address, ask = f"{bucket.address}/{place}/x", objects.ask_object

    def ask_late(name):
        write_object(b"theirs", name)
        return ask(name)

    monkeypatch.setattr(objects, "ask_object", ask_late)
    assert write_object_if(b"mine", address, None) is None
    assert read_object(address) == b"theirs"


def test_what_a_visitor_saves_is_in_the_store_before_the_server_says_so(
    address, tmp_path, monkeypatch
):
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    words = ["serve", address, "--port", str(port), "--token", "secret"]
    with running([sys.executable, "-m", "artsim", *words], port) as process:
        headers = {"authorization": "Bearer secret", "content-type": "application/json"}
        body = json.dumps({"name": "wall", "ids": ["1", "2"]}).encode()
        asked = urllib.request.Request(f"{url}/api/index/sets", body, headers)
        with urllib.request.urlopen(asked) as answer:
            assert json.load(answer) == {"name": "wall", "works": 2}
        process.send_signal(signal.SIGKILL)
        process.wait()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    store = Store.open(local_index(address))
    rows = store.read(["id", "wall"]).to_pylist()
    assert {row["id"] for row in rows if row["wall"] == "yes"} == {"1", "2"}


def test_an_index_in_a_store_is_published_to_a_store_and_found_from_another_machine(
    address, bucket, place, tmp_path, monkeypatch
):
    pytest.importorskip("lancedb")
    database = f"lance:{bucket.address}/{place}/database"
    monkeypatch.chdir(tmp_path)

    def run(*words):
        done = CliRunner().invoke(cli, [*words, "--json"])
        assert done.exit_code == 0, done.output
        return [json.loads(line) for line in done.stdout.splitlines()]

    (published,) = run("publish", address, database)
    assert (published["rows"], published["added"], published["index"]) == (6, 6, address)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    answers = [run("similar", "--id", "1", "-k", "4", "--index", at) for at in (database, address)]
    assert answers[0] == answers[1]
    assert {row["index"] for row in answers[0]} == {address}
    (again,) = run("publish", address, database)
    assert (again["added"], again["kept"]) == (0, 6)
