"""Pictures loaded by other processes are those that threads of this one load."""

import io
import time
from dataclasses import replace
from itertools import islice
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import PREPROCESSING, MeanColor, noise_picture, toy_passport
from PIL import Image

from artsim.datatypes import Fit
from artsim.embedding import EmbedSettings, embed_collection, loaders, run
from artsim.embedding.loaders import LoadSettings, is_worth_processes, load_in_processes
from artsim.loader import Loaded
from artsim.models import Extractor
from artsim.readers import read_collection
from artsim.store import Store

CROPPED = replace(
    PREPROCESSING, size=(64, 64), scale=(72, 72), fit=Fit.CROP, interpolation="bicubic"
)


@pytest.fixture
def files(tmp_path):
    """Pictures of several kinds, and files that are none."""
    found = []
    (folder := tmp_path / "collection").mkdir()
    for n in range(40):
        made = noise_picture(folder / f"{n:02}.png", (70 + n, 80))
        if n % 3:
            with Image.open(made) as picture:
                picture.save(made.with_suffix(".jpg"), quality=90)
            made.unlink()
            made = made.with_suffix(".jpg")
        found.append(made)
    found[7].write_text("not a picture")
    found[20].unlink()
    return list(enumerate(found, 100))


@pytest.fixture
def groups(monkeypatch):
    """Groups are small, and everything is loaded by the processes."""
    monkeypatch.setattr(loaders, "_TOGETHER", 4)
    monkeypatch.setattr(loaders, "_FILES_TOGETHER", 3)
    started = loaders._Loader.__init__

    def start(self, *values):
        started(self, *values)
        self._starting.join()
        assert self._is_ready.is_set()

    monkeypatch.setattr(loaders._Loader, "__init__", start)


@pytest.mark.parametrize("options", [{"tiles": 2}, {"leave_jpegs": True}, {"by_torch": False}])
def test_pictures_are_those_of_threads_in_the_same_order(files, groups, options):
    settings = LoadSettings(preprocessing=CROPPED, workers=8, **options)
    plain, found = list(settings.load(files)), list(load_in_processes(files, settings))
    assert [each.key for each in found] == [each.key for each in plain] == list(range(100, 140))
    for mine, theirs in zip(found, plain, strict=True):
        if not isinstance(theirs, Loaded):
            assert mine == theirs
            continue
        assert replace(mine, pixels=None, tiles=None, jpeg=None) == replace(
            theirs, pixels=None, tiles=None, jpeg=None
        )
        for name in ("pixels", "tiles", "jpeg"):
            assert np.array_equal(getattr(mine, name), getattr(theirs, name))
    assert sum(isinstance(each, Loaded) and each.jpeg is not None for each in found) == (
        24 if "leave_jpegs" in options else 0
    )


def test_what_a_process_had_that_was_killed_is_loaded_here(files, groups, monkeypatch, caplog):
    started, real = [], loaders.subprocess.Popen

    def start(*values, **options):
        started.append(real(*values, **options))
        return started[-1]

    monkeypatch.setattr(loaders.subprocess, "Popen", start)
    settings = LoadSettings(preprocessing=CROPPED, workers=8, by_torch=False)
    found = load_in_processes(files, settings)
    first = list(islice(found, 3))
    for process in started:
        process.kill()
    everything = [*first, *found]
    assert [each.key for each in everything] == list(range(100, 140))
    assert sum(isinstance(each, Loaded) for each in everything) == 38
    assert "a process that loads pictures ended" in caplog.text
    assert all(process.poll() is not None for process in started)


def test_pictures_are_loaded_here_until_the_processes_are_ready(files, monkeypatch):
    monkeypatch.setattr(loaders, "_PROGRAM", "import time; time.sleep(60)")
    settings = LoadSettings(preprocessing=CROPPED, workers=8, by_torch=False)
    clock = time.monotonic()
    found = list(load_in_processes(files, settings))
    assert [each.key for each in found] == list(range(100, 140))
    assert time.monotonic() - clock < 60  # they are ended, not waited for


def test_a_run_that_stops_ends_its_processes(files, groups):
    found = load_in_processes(files, LoadSettings(preprocessing=CROPPED, workers=8, by_torch=False))
    assert next(found).key == 100
    found.close()
    assert list(found) == []


def test_an_index_has_the_same_parts(files, groups, tmp_path, monkeypatch):
    parts = []
    for processes in (False, True):
        monkeypatch.setattr(run, "is_worth_processes", lambda *_, processes=processes: processes)
        path = tmp_path / "indexes" / str(processes)
        embed_collection(
            read_collection(tmp_path / "collection"),
            path,
            Extractor(MeanColor(), toy_passport()),
            settings=EmbedSettings(part_rows=16, batch_size=4, workers=6),
        )
        store = Store.open(path)
        parts.append({each.name: each.read_bytes() for each in (path / "parts").iterdir()})
        assert store.rows == 38
    assert parts[0] == parts[1]


def test_they_are_for_many_pictures_on_a_gpu_with_more_cores_than_one_process_uses():
    there, here = SimpleNamespace(ahead=3), SimpleNamespace(ahead=0)
    assert is_worth_processes(2_000, 8, there)
    assert not is_worth_processes(2_000, 4, there)
    assert not is_worth_processes(2_000, 8, here)
    assert not is_worth_processes(1_999, 8, None)  # few need not load the network for that


def test_an_answer_that_ends_early_is_no_answer():
    whole = io.BytesIO()
    loaders.send([Loaded(1, np.arange(6, dtype=np.uint8), "", 1, 1)], whole)
    (found,) = loaders.receive(io.BufferedReader(io.BytesIO(whole.getvalue())))
    assert found.pixels.tolist() == [0, 1, 2, 3, 4, 5]
    with pytest.raises(EOFError):
        loaders.receive(io.BufferedReader(io.BytesIO(whole.getvalue()[:-1])))
