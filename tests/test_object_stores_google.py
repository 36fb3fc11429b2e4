"""Collections and indexes in Google's object store, by a server that emulates it.

Runs where the packages gcsfs and gcp-storage-emulator are installed, which no other test needs.
"""

import shutil
import sys
from pathlib import Path

import pytest
from databases import free_port, running
from test_object_stores import embed_here, write_collection

from artsim.places import as_path, ask_object, read_object, upload_object, write_object_if
from artsim.readers import read_collection
from artsim.store import DerivedLabel, Store, index_to_write, local_index, send_index

pytestmark = pytest.mark.slow


@pytest.fixture
def bucket(monkeypatch):
    pytest.importorskip("gcsfs")
    pytest.importorskip("gcp_storage_emulator")
    port = free_port()
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("GCSFS_DEFAULT_PROJECT", "test")
    command = Path(sys.executable).with_name("gcp-storage-emulator")
    words = ["start", "--host=127.0.0.1", f"--port={port}", "--in-memory"]
    with running([command, *words, "--default-bucket=museum"], port):
        yield "gs://museum"


def test_a_collection_and_its_index_are_as_those_here(bucket, tmp_path, toy, monkeypatch):
    write_collection("folder", tmp_path / "c")
    for file in (tmp_path / "c").rglob("*.png"):
        upload_object(file, f"{bucket}/c/{file.relative_to(tmp_path / 'c').as_posix()}")
    here = embed_here(read_collection(tmp_path / "c"), tmp_path / "here", toy)
    with index_to_write(as_path(f"{bucket}/index")) as folder:
        embed_here(read_collection(f"{bucket}/c"), folder, toy)
    shutil.rmtree(folder.parent)  # another machine
    there = Store.open(local_index(f"{bucket}/index"))
    assert there.read(["id", "rgb"]).equals(here.read(["id", "rgb"]))
    assert str(there) == f"{bucket}/index"
    there.set_labels([DerivedLabel("short", "length(title)")])
    send_index(there.path)
    shutil.rmtree(folder.parent)
    again = Store.open(local_index(f"{bucket}/index"))
    assert [label.name for label in again.manifest.labels] == ["short"]


def test_a_file_is_written_only_where_it_is_as_known(bucket):
    address = f"{bucket}/x"
    first = write_object_if(b"1", address, None)
    assert first == ask_object(address).identity
    second = write_object_if(b"2", address, first)
    assert second not in (None, first)
    assert write_object_if(b"3", address, first) is None
    assert read_object(address) == b"2"
