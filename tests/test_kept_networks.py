"""Networks kept in the user's cache: a few pictures and a run with nothing new need no torch."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from click.testing import CliRunner
from conftest import noise_picture, record_loads

from artsim import loader
from artsim.cli import cli
from artsim.datatypes import parse_spec
from artsim.embedding import EmbedSettings, embed_collection
from artsim.errors import PassportError
from artsim.models import (
    BackendName,
    Compute,
    Precision,
    cache,
    kept_extractor,
    load_extractor,
)
from artsim.readers import read_collection
from artsim.search import IndexEncoder, load_index_extractor
from artsim.store import Store

CPU = Compute(backend=BackendName.OPENVINO, precision=Precision.F32)
SPEC = parse_spec("timm:test_resnet.random")
DEFAULT = parse_spec("lite0")


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """A collection of noise, its index, a new picture, and a cache with the network."""
    folder = tmp_path_factory.mktemp("kept")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        (folder / "museum").mkdir()
        for seed in range(12):
            noise_picture(folder / "museum" / f"p{seed}.png", (90, 120), seed)
        (folder / "museum" / "objects.csv").write_text(
            "id,image,kind\n" + "".join(f"p{n},p{n}.png,{'ab'[n % 2]}\n" for n in range(12))
        )
        noise_picture(folder / "query.png", (100, 80), 99)
        extractor = load_extractor(SPEC, compute=CPU)
        embed_collection(read_collection(folder / "museum"), folder / "index", extractor)
        yield folder


def run(places, *args):
    """Run a command as a user does; return what it printed, and what it imported of all that."""
    code = (
        "import sys\n"
        "from artsim.cli import cli\n"
        f"try: cli({[str(arg) for arg in args]!r})\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "heavy = {'torch', 'torchvision', 'timm', 'open_clip', 'openvino'}\n"
        "print('imported:', *sorted(heavy & set(sys.modules)))"
    )
    environment = {**os.environ, "XDG_CACHE_HOME": str(places / "cache")}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    *lines, last = done.stdout.splitlines()
    return "\n".join(lines), last


def test_a_query_and_a_prediction_of_one_picture_need_no_torch(places):
    done = CliRunner().invoke(cli, ["probe", str(places / "index"), "--label", "kind"])
    assert done.exit_code == 0, done.output
    found, imported = run(places, "similar", places / "query.png", "--index", places / "index")
    assert imported == "imported: openvino"
    assert "rank" in found
    found, imported = run(places, "predict", places / "query.png", "--index", places / "index")
    assert imported == "imported: openvino"
    assert "kind" in found


def test_why_a_match_was_found_needs_no_torch_where_vectors_are_averages(places, tmp_path):
    page = tmp_path / "page.html"
    options = ("--index", places / "index", "--why", "--html", page)
    _, imported = run(places, "similar", places / "query.png", *options)
    assert imported == "imported: openvino"
    assert page.stat().st_size > 10_000


def test_embed_with_nothing_new_loads_no_network(places):
    found, imported = run(
        places,
        *("embed", places / "museum", "-o", places / "index"),
        *("-m", SPEC, "--backend", "openvino", "--precision", "f32"),
    )
    assert "0 embedded" in found
    assert "12 kept" in found
    assert imported == "imported:"


def test_embed_of_what_is_not_many_pictures_needs_no_torch(places, tmp_path):
    found, imported = run(
        places,
        *("embed", places / "museum", "-o", tmp_path / "again"),
        *("-m", SPEC, "--backend", "openvino", "--precision", "f32"),
    )
    assert "12 embedded" in found
    assert imported == "imported: openvino"
    first, again = (Store.open(path) for path in (places / "index", tmp_path / "again"))
    np.testing.assert_array_equal(again.vectors("embedding"), first.vectors("embedding"))


@pytest.mark.parametrize(("many", "least"), [(3_000, 0.999999), (1, 0.9999)])
def test_a_query_is_the_vector_that_embed_makes(museum_data, tmp_path, monkeypatch, many, least):
    monkeypatch.setattr(loader, "_MANY", many)
    (tmp_path / "some").mkdir()
    files = sorted((museum_data / "paintings/images").iterdir())[::120]
    for file in files:
        (tmp_path / "some" / file.name).symlink_to(file)
    extractor = load_extractor(parse_spec("lite0"), compute=CPU)
    embed_collection(read_collection(tmp_path / "some"), tmp_path / "i", extractor)
    store = Store.open(tmp_path / "i")
    encoder = IndexEncoder(store)
    pixels = [encoder.prepare(file.read_bytes(), None).pixels for file in files]
    mine, stored = encoder.embed(pixels)["embedding"], store.vectors("embedding")
    cosines = torch.cosine_similarity(torch.from_numpy(mine), torch.from_numpy(np.array(stored)))
    assert cosines.min() > least
    one_by_one = np.concatenate([encoder.embed([each])["embedding"] for each in pixels])
    np.testing.assert_allclose(one_by_one, mine, rtol=1e-3, atol=1e-4)


@pytest.fixture
def loads(monkeypatch, places, tmp_path):
    """The networks that were loaded with torch; the cache is a copy."""
    import shutil

    shutil.copytree(places / "cache", tmp_path / "cache", dirs_exist_ok=True)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return record_loads(monkeypatch)


def entries(name):
    return sorted(cache._root().glob(f"*/{name}"))


def test_a_damaged_network_is_noticed_and_made_again(places, loads):
    for weights in entries("network.bin"):
        data = bytearray(weights.read_bytes())
        data[100] ^= 1
        weights.write_bytes(data)
    store = Store.open(places / "index")
    assert kept_extractor(store.manifest.passport) is None
    extractor = load_index_extractor(store)
    extractor.embed_batch(np.zeros((1, 3, *extractor.preprocessing.size), np.uint8))
    assert loads == [SPEC]
    assert kept_extractor(store.manifest.passport) is not None


def test_a_kept_network_computes_to_the_last_bit_what_it_did_when_it_was_converted(loads):
    pictures = np.random.default_rng(1).integers(0, 256, (3, 3, 224, 224), dtype=np.uint8)
    converted, kept = (load_extractor(DEFAULT, compute=CPU).embed_batch(pictures) for _ in "ab")
    assert (converted["embedding"] == kept["embedding"]).all()


@pytest.mark.parametrize("name", ["network.xml", "expected.npy", "sha256.json", "passport.json"])
def test_no_missing_or_torn_file_of_the_cache_matters(places, loads, name):
    for file in entries(name):
        file.write_bytes(file.read_bytes()[:-20])
    for file in entries("passport.json")[1:]:
        file.unlink()
    extractor = load_extractor(SPEC, compute=CPU)
    store = Store.open(places / "index")
    assert store.manifest.passport.differences(extractor.passport) == []
    assert load_index_extractor(store).backend.name == "openvino"


def test_other_weights_in_the_same_file_are_noticed(tmp_path, loads):
    def write(seed):
        torch.manual_seed(seed)
        network = timm.create_model("test_resnet")
        torch.save(network.state_dict(), tmp_path / "weights.pth")

    def load():
        return load_extractor(parse_spec("timm:test_resnet"), weights=tmp_path / "weights.pth")

    write(0)
    first = load()
    assert (load().passport, len(loads)) == (first.passport, 1)
    write(1)
    assert load().passport.weights_sha256 != first.passport.weights_sha256
    assert len(loads) == 2


def test_weights_that_change_after_the_plan_are_refused(tmp_path, loads):
    def write(seed):
        torch.manual_seed(seed)
        torch.save(timm.create_model("test_resnet").state_dict(), tmp_path / "weights.pth")

    wanted = {"weights": tmp_path / "weights.pth", "compute": Compute(backend=BackendName.TORCH)}
    write(0)
    load_extractor(parse_spec("timm:test_resnet"), **wanted)
    later = load_extractor(parse_spec("timm:test_resnet"), **wanted)
    write(1)
    with pytest.raises(PassportError, match=r"has changed on this machine .*weights_sha256"):
        _ = later.backend


def test_pictures_of_two_runs_have_the_vectors_of_one(places, tmp_path, loads):
    def embed(index, names):
        (tmp_path / "some").mkdir(exist_ok=True)
        for name in names:
            (tmp_path / "some" / name).write_bytes((places / "museum" / name).read_bytes())
        extractor = load_extractor(SPEC, compute=CPU)
        settings = EmbedSettings(batch_size=4)
        embed_collection(read_collection(tmp_path / "some"), index, extractor, settings=settings)
        return Store.open(index)

    names = [f"p{n}.png" for n in range(12)]
    embed(tmp_path / "twice", names[:4])
    twice, once = embed(tmp_path / "twice", names), embed(tmp_path / "once", names)
    assert loads == []
    order = [twice.read(["id"]).column("id").to_pylist().index(name) for name in sorted(names)]
    assert once.read(["id"]).column("id").to_pylist() == sorted(names)
    np.testing.assert_array_equal(twice.vectors("embedding")[order], once.vectors("embedding"))


def test_the_cache_stays_within_its_size_and_drops_what_was_not_used_for_longest(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def write(key, size=400):
        cache.write_entry(
            key, lambda folder: (folder / "a").write_bytes(b"x" * size), most_bytes=1200
        )

    for place, key in enumerate("ab"):
        write(key)
        os.utime(cache._root() / key / "sha256.json", (place, place))
    assert cache.read_entry("a") is not None  # used now
    write("c")
    assert sorted(path.name for path in cache._root().iterdir()) == ["a", "c"]
    write("d", size=5000)
    assert cache.read_entry("d") is None


def test_several_processes_write_one_entry(tmp_path):
    code = (
        "from artsim.models.cache import read_entry, write_entry\n"
        "for n in range(40):\n"
        "    write_entry('k', lambda folder: (folder / 'a').write_bytes(b'x' * 10000))\n"
        "    folder = read_entry('k')\n"
        "    try: assert folder is None or (folder / 'a').read_bytes() == b'x' * 10000\n"
        "    except FileNotFoundError: pass\n"
    )
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    command = [sys.executable, "-c", code]
    processes = [subprocess.Popen(command, env=environment) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    folder = Path(tmp_path, "artsim/networks")
    assert [path.name for path in folder.iterdir()] == ["k"]


def test_a_signal_is_handled_after_networks_came_and_went():
    code = """if True:
        import gc, signal
        import openvino as ov
        from artsim.models.converted import compiled

        def network():
            x = ov.opset13.parameter([1, 3])
            return compiled(ov.Model([ov.opset13.relu(x)], [x]))

        first, second = network(), network()
        del first
        gc.collect()
        del second
        gc.collect()
        signal.signal(signal.SIGTERM, lambda *_: print("handled"))
        kept = [bytearray(2**16) for _ in range(200)]  # takes the freed memory
        signal.raise_signal(signal.SIGTERM)
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "handled\n"), done.stderr
