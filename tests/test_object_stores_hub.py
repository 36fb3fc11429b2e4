"""Collections and indexes on the Hugging Face hub, by a server that emulates its end points."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import ROOT, noise_picture
from databases import free_port, running

from artsim.cli import cli
from artsim.store import Store

pytestmark = pytest.mark.slow

PLACE = "hf://datasets/museum/works"
EMBED = ["embed", "-m", "timm:test_resnet.random", "--part-rows", "4", "--threads", "1"]

# What a program with the address of the server in its environment sees.
WRITES = """
import subprocess, sys
from pathlib import Path
from artsim.places import ask_object, list_objects, read_object, upload_object, write_object_if
place = "hf://datasets/museum/files"
Path("new").write_bytes(b"12345")
upload_object(Path("new"), f"{place}/a/b.txt")
((address, entry),) = list_objects(place).items()
assert address == f"{place}/a/b.txt" and entry.size == 5 and entry.identity
assert list_objects(address) == {address: entry}, list_objects(address)
assert ask_object(address) == entry
assert ask_object(f"{place}/a").is_folder and ask_object(f"{place}/none/b") is None
assert read_object(address, 1, 3) == b"23"
first = write_object_if(b"1", f"{place}/x", None)
assert first == ask_object(f"{place}/x").identity
again = f"from artsim.places import write_object_if as w; w(b'2', '{place}/x', '{first}'); "
again += f"w(b'67', '{place}/a/c.txt', None)"
subprocess.run([sys.executable, "-c", again], check=True)  # another machine
assert write_object_if(b"3", f"{place}/x", first) is None
assert read_object(f"{place}/x") == b"2"
sizes = {name: entry.size for name, entry in list_objects(place).items()}
assert sizes == {f"{place}/a/b.txt": 5, f"{place}/a/c.txt": 2, f"{place}/x": 1}, sizes
"""


@pytest.fixture
def artsim(tmp_path):
    """Give what runs artsim, or Python, with a hub of its own; ``cache`` is that of one machine."""
    pytest.importorskip("huggingface_hub")
    port = free_port()
    environment = os.environ | {
        "HF_ENDPOINT": f"http://127.0.0.1:{port}",
        "HF_TOKEN": "hf_secret",
        "HF_HUB_DISABLE_XET": "1",
        "PYTHONPATH": str(ROOT),
    }

    def run(*words, cache="cache", program=("-m", "artsim")):
        done = subprocess.run(
            [sys.executable, *program, *map(str, words)],
            cwd=tmp_path,
            env=environment | {"XDG_CACHE_HOME": str(tmp_path / cache)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "hf_secret" not in done.stdout + done.stderr
        return done.stdout

    script = Path(__file__).with_name("hub.py")
    with running([sys.executable, script, str(port)], port):
        yield run


def test_files_are_listed_asked_for_and_written_only_where_they_are_as_known(artsim):
    artsim(WRITES, program=("-c",))


def test_a_collection_and_its_index_are_as_those_here(artsim, tmp_path):
    (tmp_path / "c").mkdir()
    for n in range(10):
        noise_picture(tmp_path / f"c/{n:02}.png", (40, 30 + n), seed=n)
    upload = (
        "import sys; from pathlib import Path; from artsim.places import upload_object\n"
        f"for file in Path('c').iterdir(): upload_object(file, f'{PLACE}/c/{{file.name}}')"
    )
    artsim(upload, program=("-c",))
    done = CliRunner().invoke(cli, [*EMBED, str(tmp_path / "c"), "-o", str(tmp_path / "here")])
    assert done.exit_code == 0, done.output
    artsim(*EMBED, f"{PLACE}/c", "-o", f"{PLACE}/index")
    shutil.rmtree(tmp_path / "cache")  # another machine
    artsim("label", f"{PLACE}/index", "short=length(id)")
    artsim("info", f"{PLACE}/index", cache="third")
    (copy,) = (tmp_path / "third/artsim/indexes").glob("*/index")
    here, there = Store.open(tmp_path / "here"), Store.open(copy)
    columns = ["id", here.manifest.passport.taps[0].name]
    assert there.read(columns).equals(here.read(columns))
    assert [label.name for label in there.manifest.labels] == ["short"]
    answers = [
        json.loads(line)["id"]
        for index in ("here", f"{PLACE}/index")
        for line in artsim("similar", "--id", "03.png", "-k", "3", "--index", index).splitlines()
    ]
    assert len(answers) == 6
    assert answers[:3] == answers[3:]
