"""Toys whose answers can be read by eye, and the folder of real museum files."""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from filelock import FileLock
from hypothesis import HealthCheck, settings
from PIL import Image

from artsim.datatypes import Fit, Passport, Preprocessing, TapInfo
from artsim.models import Extractor

ROOT = Path(__file__).parent.parent

# Tests share the cores, and threads on so few rows wait for each other longer than they work; of
# the seeded losses that are asserted, the last digits are those of one thread.
os.environ.setdefault("OMP_NUM_THREADS", "1")  # of the commands that tests start
# What artsim keeps in the user's cache is kept for one run of the tests.
_CACHE = tempfile.TemporaryDirectory(prefix="artsim-cache-")
os.environ.setdefault("MPLCONFIGDIR", str(Path.home() / ".cache/matplotlib"))  # slow to make
os.environ["XDG_CACHE_HOME"] = _CACHE.name
torch.set_num_threads(1)

# No example is failed for being slow: the machine may be busy with something else.
settings.register_profile(
    "artsim",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("artsim")

PREPROCESSING = Preprocessing(
    size=(8, 8),
    scale=(8, 8),
    fit=Fit.SQUASH,
    interpolation="bilinear",
    mean=(0.0, 0.0, 0.0),
    std=(1.0, 1.0, 1.0),
    fill=(0, 0, 0),
    scaled_decoding=0,
)


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Look through what is imported for garbage never: it stays, and takes a tenth of the time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()
        gc.set_threshold(700, 10, 100)  # the oldest objects less often than usual


def pytest_collection_modifyitems(items):
    """Skip what needs a GPU where there is none."""
    if torch.cuda.is_available():
        return
    for item in items:
        if item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))


class MeanColor:
    """The least network there is: a picture's vector is its mean red, green and blue."""

    name = "toy"
    batch_size = 32

    def __init__(self, taps=1):
        self.taps = taps
        self.batches = []

    def __call__(self, pixels):
        self.batches.append(len(pixels))
        mean = pixels.mean(axis=(2, 3), dtype=np.float32)
        return [mean, mean[:, ::-1].copy()][: self.taps]


def toy_passport(taps=("rgb",), **changes):
    values = {
        "spec": "toy:mean-color",
        "weights_sha256": "0" * 64,
        "weights_source": "none",
        "preprocessing": PREPROCESSING,
        "taps": tuple(
            TapInfo(name=tap, layer="", pooling="none", dim=3) if isinstance(tap, str) else tap
            for tap in taps
        ),
        "backend": "toy",
        "compute_dtype": "float32",
        "versions": {},
    }
    return Passport(**(values | changes))


@pytest.fixture
def toy():
    return Extractor(MeanColor(), toy_passport())


@pytest.fixture
def paint():
    """Write a picture of one color."""

    def write(path, color, size=(12, 10)):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size, color).save(path)
        return path

    return write


@pytest.fixture
def colors(tmp_path, paint):
    """Six pictures in two folders: warm and cold ones."""
    folder = tmp_path / "colors"
    for name, color in {
        "warm/red.png": (250, 10, 10),
        "warm/orange.png": (250, 120, 10),
        "warm/yellow.png": (250, 240, 10),
        "cold/blue.png": (10, 10, 250),
        "cold/cyan.png": (10, 240, 250),
        "cold/navy.png": (5, 5, 120),
    }.items():
        paint(folder / name, color)
    return folder


@pytest.fixture(scope="session")
def museum_data():
    """The folder of real museum files; without it a test is skipped."""
    folder = Path(os.environ.get("ARTSIM_DATA", ROOT / "../shared/data"))
    if not folder.is_dir():
        pytest.skip(f"no real museum files at {folder}; name their folder in ARTSIM_DATA")
    return folder.resolve()


@pytest.fixture(scope="session")
def real_index(museum_data, tmp_path_factory):
    """Copies of the indexes of real collections; a run of the tests embeds each of them once."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def copy(name):
        made = shared / f"real-{name}"
        with FileLock(f"{made}.lock"):
            if not made.exists():
                new = made.with_suffix(".new")
                command = [sys.executable, "-m", "artsim", "embed", museum_data / name, "-o", new]
                subprocess.run(command, check=True, capture_output=True)
                new.rename(made)
        return Path(shutil.copytree(made, tmp_path_factory.mktemp("real") / name))

    return copy


def unit(rng, *shape):
    """Draw unit vectors."""
    x = rng.standard_normal(shape).astype(np.float32)
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


@contextmanager
def started(command, **options):
    """Start a process and kill it at the end of the block: a test that fails waits for none."""
    with subprocess.Popen(list(map(str, command)), **options) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_until(what, condition, *processes, seconds=120):
    """Wait until a condition is true, which must stay so: a loaded machine looks seldom.

    Args:
        what: What is waited for, for the message.
        condition: Is called until it returns something true, which is returned.
        processes: Those that must not end meanwhile.
        seconds: After which the test fails; less than pytest gives it.
    """
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        ends = [process.poll() for process in processes]
        if set(ends) - {None} or time.monotonic() > deadline:
            pytest.fail(f"not within {seconds} s, or a process ended ({ends}): {what}")
        time.sleep(0.02)
    return found


def without_umap(monkeypatch):
    """Place works on maps by the first two numbers of their vectors: UMAP takes long to import."""
    from artsim.index import layout

    monkeypatch.setattr(layout, "_umap", lambda vectors, plan, device: vectors[:, :2])


def record_loads(monkeypatch):
    """Return a list that the specs of networks are added to when torch loads them."""
    from artsim.models import loading

    loaded, load = [], loading.load_network

    def recorded(wanted):
        loaded.append(wanted.spec)
        return load(wanted)

    monkeypatch.setattr(loading, "load_network", recorded)
    return loaded


def noise_picture(path, size, seed=0, **save):
    """Write a smooth random picture: noise of 16 x 16, enlarged."""
    small = np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    Image.fromarray(small).resize(size, Image.Resampling.BICUBIC).save(path, **save)
    return path
