"""Workers in other processes: what is lost is done again, and the index is the same as ever."""

import json
import os
import signal
import subprocess
import sys
from collections import deque
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from conftest import ROOT, noise_picture, started, toy_passport, wait_until

from artsim.datatypes import parse_spec
from artsim.embedding import Chunk, EmbedJob, EmbedSettings, Receipt, open_engine
from artsim.embedding.remote import RemoteEngine
from artsim.embedding.team import Advanced, Failed, Finished, Lost, Ready
from artsim.errors import EngineError, ModelError
from artsim.models import Extractor, NetworkRequest
from artsim.store import Store

PASSPORT = toy_passport()


class ScriptedTeam:
    """Workers that do what a script says with each task: 'done', 'lost' or an error."""

    def __init__(self, *script, passports=(PASSPORT,)):
        self.script = deque(script)
        self.passports = passports
        self.workers = 0
        self.happened = []
        self.tasks = []

    def grow(self, most):
        while self.workers - self.lost() < min(most, len(self.passports)):
            passport = self.passports[self.workers % len(self.passports)]
            name = f"w{self.workers}"
            self.workers += 1
            start = Lost(name, "no memory") if passport is None else Ready(name, passport, "here")
            self.happened.append(start)

    def lost(self):
        return sum(isinstance(each, Lost) for each in self.seen)

    seen = ()

    def submit(self, worker, task):
        self.tasks.append((task.chunk.number, task.apart, task.job.staging))
        step = self.script.popleft() if self.script else "done"
        self.happened.append(Advanced(worker, 2, 1))
        if step == "done":
            self.happened.append(Finished(worker, Receipt(number=task.chunk.number, part=None)))
        elif step == "lost":
            self.happened.append(Lost(worker, "signal 9"))
        else:
            self.happened.append(Failed(worker, step))

    def share(self, threads):
        return threads

    def events(self):
        events, self.happened = self.happened, []
        self.seen = (*self.seen, *events)
        return events

    def close(self):
        self.closed = True


def run(team, tmp_path, chunks=3):
    engine = RemoteEngine(team)
    counts = []
    job = EmbedJob(
        root=tmp_path,
        metadata=pa.schema([]),
        staging=tmp_path / "staging",
        settings=EmbedSettings(),
        chunks=chunks,
    )
    rows = pa.table({"id": ["a", "b"]})
    receipts = engine.run(
        (Chunk(number=number, rows=rows) for number in range(chunks)),
        job,
        Extractor(None, PASSPORT),
        lambda tried, failed: counts.append((tried, failed)),
    )
    numbers = [receipt.number for receipt in receipts]
    assert team.closed
    return numbers, tuple(np.sum(counts, axis=0)), engine


def test_each_chunk_is_embedded_once(tmp_path):
    team = ScriptedTeam(passports=(PASSPORT, PASSPORT))
    numbers, counts, engine = run(team, tmp_path)
    assert sorted(numbers) == [0, 1, 2]
    assert counts == (6, 3)
    assert engine.status().startswith("2 workers (here ")


def test_the_status_says_how_fast_each_worker_is(tmp_path, monkeypatch):
    team = ScriptedTeam(passports=(PASSPORT, PASSPORT))
    _, _, engine = run(team, tmp_path, chunks=8)
    monkeypatch.setattr("time.monotonic", lambda: engine._started + 2)
    assert engine.status() == "2 workers (here 4/s x 2)"  # 16 pictures in 2 s


def test_the_chunk_of_a_lost_worker_goes_to_another_and_is_counted_once(tmp_path):
    team = ScriptedTeam("done", "lost")
    numbers, counts, _ = run(team, tmp_path)
    assert sorted(numbers) == [0, 1, 2]
    assert counts == (6, 3)
    assert [(number, apart) for number, apart, _ in team.tasks] == [
        (0, False),
        (1, False),
        (1, False),
        (2, False),
    ]
    assert len({staging for *_, staging in team.tasks}) == 4  # none overwrites another's part


def test_a_chunk_that_ends_two_workers_is_embedded_apart(tmp_path):
    team = ScriptedTeam("lost", "lost")
    run(team, tmp_path, chunks=1)
    assert [apart for _, apart, _ in team.tasks] == [False, False, True]


def test_a_chunk_that_ends_every_worker_ends_the_run(tmp_path):
    with pytest.raises(EngineError, match="10 workers have ended with the same 2 pictures"):
        run(ScriptedTeam(*["lost"] * 10), tmp_path)


def test_workers_that_never_start_end_the_run(tmp_path):
    with pytest.raises(EngineError, match=r"5 workers have ended before .* \(no memory\)"):
        run(ScriptedTeam(passports=(None,)), tmp_path)


def test_the_first_worker_is_replaced_too():
    team = ScriptedTeam(passports=(None, PASSPORT))
    assert RemoteEngine(team).open().passport == PASSPORT
    assert team.workers == 2


def test_workers_of_which_the_first_never_opens_end_the_opening():
    with pytest.raises(EngineError, match="5 workers have ended before they could open"):
        RemoteEngine(ScriptedTeam(passports=(None,))).open()


def test_what_a_worker_reports_is_raised_here(tmp_path):
    with pytest.raises(ModelError, match="no such layer"):
        run(ScriptedTeam(ModelError("no such layer")), tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weights_sha256": "f" * 64}, "weights_sha256"),
        ({"backend": "other"}, "backend: other, not toy"),
        ({"threads": 4}, "threads: 4, not 0"),
        ({"versions": {"torch": "1.0"}}, "torch: 1.0, not None"),
    ],
)
def test_a_worker_that_would_make_other_vectors_is_refused(tmp_path, changes, message):
    other = replace(PASSPORT, **changes)
    with pytest.raises(EngineError, match=message):
        run(ScriptedTeam(passports=(PASSPORT, other)), tmp_path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("slurm", "no engine 'slurm'; choose ray, ray:ADDRESS or devices:LIST"),
        ("devices:cpu,gpu", "no device 'gpu' in 'cpu,gpu'; write it as all, 0,1 or cpu,cpu"),
        ("devices:cuda:900", "no device 'cuda:900': torch sees"),
    ],
)
def test_an_unknown_engine_is_refused(name, message):
    with pytest.raises(EngineError, match=message):
        open_engine(name, NetworkRequest(spec=parse_spec("lite0")))


# Real processes, and a network that is quick to load.

# Ends the process that reads a picture of this name, as a decoder with a fault would; another is
# not read until there is a file.
POISON = """
import os, time
from pathlib import Path
from artsim.images import ahead

read = ahead.read_bytes
def read_bytes(file, *more, **options):
    if Path(file).name == "poison.png":
        os.kill(os.getpid(), 9)
    while Path(file).name == "00.png" and not Path(os.environ["GO"]).exists():
        time.sleep(0.02)
    return read(file, *more, **options)
ahead.read_bytes = read_bytes
"""
EMBED = [sys.executable, "-m", "artsim", "embed", "museum", "-m", "timm:test_resnet.random"]
EMBED += ["--part-rows", "2", "--threads", "1"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a museum of 12 pictures and the index of a run in one process."""
    folder = tmp_path_factory.mktemp("engines")
    (folder / "museum").mkdir()
    for n in range(12):
        noise_picture(folder / "museum" / f"{n:02}.png", (60, 40 + n), seed=n)
    (folder / "museum/07.png").write_bytes(b"no picture")
    subprocess.run([*EMBED, "-o", "one"], cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture
def waiting(tmp_path):
    """An environment in which the first picture is not read, and so no part committed.

    Until there is the file that it names GO.
    """
    (tmp_path / "sitecustomize.py").write_text(POISON)
    return {**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}", "GO": str(tmp_path / "go")}


def parts(index):
    return {file.name: file.read_bytes() for file in sorted((index / "parts").iterdir())}


def failures(index):
    return Store.open(index).failures().to_pylist()


def children(pid):
    return [int(n) for n in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] != "Z"
    except OSError:
        return False


def wait_for_part(staging, driver):
    """Wait until a worker has made a part; it stays, as it is not committed."""
    wait_until("a part", lambda: staging.exists() and any(staging.iterdir()), driver)


def test_two_processes_make_the_index_of_one_though_one_is_killed(place, waiting):
    command = [*EMBED, "-o", "two", "--devices", "cpu,cpu"]
    with started(command, cwd=place, env=waiting, stdout=subprocess.PIPE, text=True) as driver:
        staging = place / "two/staging"
        wait_for_part(staging, driver)
        os.kill(children(driver.pid)[0], signal.SIGKILL)
        Path(waiting["GO"]).touch()
        output = driver.communicate()[0]
    assert driver.returncode == 0
    assert parts(place / "two") == parts(place / "one")
    assert failures(place / "two") == failures(place / "one")
    assert "by machine or device: cpu 11 (" in output
    assert not staging.exists()


def test_the_end_says_how_many_workers_each_machine_had(place, tmp_path):
    command = [*EMBED, "-o", tmp_path / "two", "--devices", "cpu,cpu", "--json"]
    found = subprocess.run(command, cwd=place, check=True, capture_output=True, text=True)
    workers = json.loads(found.stdout)["workers"]
    assert workers in ({"cpu": 1}, {"cpu": 2})  # one may have all chunks before another is open
    assert ("by 2 workers, " in found.stderr) == (workers == {"cpu": 2})


def test_workers_end_with_a_killed_run_which_is_then_resumed(place, waiting):
    command = [*EMBED, "-o", "killed", "--devices", "cpu,cpu"]
    with started(command, cwd=place, env=waiting, stderr=subprocess.DEVNULL) as driver:
        wait_for_part(place / "killed/staging", driver)
        workers = children(driver.pid)
        driver.kill()
    Path(waiting["GO"]).touch()  # a worker ends when it has made its part
    assert workers
    wait_until("the workers end", lambda: not any(map(is_running, workers)))
    subprocess.run(command, cwd=place, check=True, capture_output=True)
    assert parts(place / "killed") == parts(place / "one")
    assert failures(place / "killed") == failures(place / "one")


def test_a_picture_that_ends_its_process_becomes_a_failure(tmp_path, waiting):
    (tmp_path / "museum").mkdir()
    noise_picture(tmp_path / "museum/sound.png", (50, 40))
    noise_picture(tmp_path / "museum/poison.png", (50, 40))
    command = [*EMBED, "-o", "index", "--devices", "cpu", "--part-rows", "8"]
    found = subprocess.run(
        command, cwd=tmp_path, env=waiting, check=True, capture_output=True, text=True
    )
    (failure,) = failures(tmp_path / "index")
    assert failure["id"] == "poison.png"
    assert failure["stage"] == "decode"
    assert "a process that embeds it ends without a word (signal 9)" in failure["reason"]
    assert "1 embedded" in found.stdout


def test_a_ray_cluster_of_two_nodes_makes_the_same_index_though_a_worker_is_killed(museum_data):
    pytest.importorskip("ray")
    script = ROOT / "scripts/bench/cluster.py"
    command = [sys.executable, script, "--times", "1", "--kinds", "worker", "--pictures", "32"]
    found = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "worker   killed: 1 of 1 indexes are equal byte for byte" in found.stdout
