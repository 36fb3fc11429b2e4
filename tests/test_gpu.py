"""On a GPU everything gives what it gives on a CPU: python -m pytest -m gpu."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import ROOT
from PIL import Image

from artsim.datatypes import parse_spec
from artsim.duplicates import DuplicateEvidence, find_groups
from artsim.embedding import EmbedSettings, embed_collection, open_engine
from artsim.index import build_index, open_index, to_gpu
from artsim.loader import preprocess
from artsim.metrics import fit_multinomial
from artsim.metrics.neighbors import nearest
from artsim.models import (
    BackendName,
    Compile,
    Compute,
    Decoder,
    NetworkRequest,
    Precision,
    build_network,
    load_extractor,
)
from artsim.readers import read_collection
from artsim.store import Store

DEVICE = "cuda"
SPECS = ["timm:test_efficientnet.random@blocks.0+embedding", "timm:test_vit.random"]
gpu = pytest.mark.gpu
DEVICES = ["cpu", pytest.param(DEVICE, marks=gpu)]  # the same code, which so is tried without one


@pytest.fixture
def museum(tmp_path, paint):
    rng = np.random.default_rng(0)
    for n in range(50):
        paint(tmp_path / "museum" / f"{n:02}.png", tuple(rng.integers(0, 256, 3)), size=(90, 70))
    (tmp_path / "museum" / "13.png").write_text("not a picture")
    return tmp_path / "museum"


def compute(device=DEVICE, precision=Precision.F32):
    return Compute(device=device, backend=BackendName.TORCH, precision=precision)


def embed(museum, index, extractor, **settings):
    wanted = (
        EmbedSettings(part_rows=16, batch_size=4) if not settings else EmbedSettings(**settings)
    )
    embed_collection(read_collection(museum), index, extractor, settings=wanted)
    return Store.open(index)


def cosines(mine, theirs):
    lengths = np.vecdot(mine, mine) * np.vecdot(theirs, theirs)
    return np.vecdot(mine, theirs) / np.sqrt(lengths)


def parts(store):
    return {file.name: file.read_bytes() for file in (store.path / "parts").iterdir()}


@gpu
@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("tiles", [0, 2])
def test_pictures_are_embedded_as_on_a_cpu(museum, tmp_path, spec, tiles):
    settings = {"part_rows": 16, "batch_size": 4, "tiles": tiles, "half_precision": False}
    here, there = (
        embed(
            museum,
            tmp_path / device,
            load_extractor(parse_spec(spec), compute=compute(device)),
            **settings,
        )
        for device in (DEVICE, "cpu")
    )
    assert here.rows == there.rows == 49
    for tap in here.manifest.passport.taps:
        assert cosines(here.vectors(tap.name), there.vectors(tap.name)).min() > 0.9999


@pytest.mark.parametrize(
    ("device", "network", "layers"),
    [
        ("cpu", "timm:test_resnet.random", ("layer1", "layer2", "layer3")),
        pytest.param(DEVICE, "vgg16.random", ("conv3_3", "conv4_3", "conv5_3"), marks=gpu),
    ],
)
def test_several_taps_are_what_the_plain_network_gives_picture_by_picture(
    museum_data, tmp_path, device, network, layers
):
    museum = tmp_path / "museum"
    museum.mkdir()
    for file in sorted((museum_data / "paintings/images").iterdir())[:5]:
        (museum / file.name).write_bytes(file.read_bytes())
    style, averaged, largest = (
        "/".join(each) for each in zip(layers, ("gram", "avg", "max"), strict=True)
    )
    spec = parse_spec(f"{network}@{style}+{averaged}+{largest}")
    extractor = load_extractor(spec, compute=compute(device))
    store = embed(museum, tmp_path / "i", extractor, batch_size=2, half_precision=False)
    maps = {}
    plain = build_network(spec).module.eval()
    for tap in extractor.passport.taps:
        plain.get_submodule(tap.layer).register_forward_hook(
            lambda _module, _inputs, output, name=tap.name: maps.update({name: output})
        )
    seen = extractor.preprocessing
    mean, std = (torch.tensor(each).view(3, 1, 1) * 255 for each in (seen.mean, seen.std))
    for row, file in enumerate(sorted(museum.iterdir())):
        pixels, _ = preprocess(file.read_bytes(), seen)
        with torch.inference_mode():
            plain(((torch.from_numpy(pixels) - mean) / std)[None])
        expected = {
            averaged: maps[averaged].mean(dim=(2, 3)),
            largest: maps[largest].amax(dim=(2, 3)),
        }
        for name, (vector,) in expected.items():
            assert cosines(store.vectors(name)[row], vector.numpy()) > 0.999
    styles = store.vectors(style)
    styles /= np.linalg.norm(styles, axis=1, keepdims=True)
    assert (styles @ styles.T)[np.triu_indices(5, 1)].max() < 0.9999


@gpu
def test_batches_in_flight_give_the_bytes_of_one_at_a_time(museum, tmp_path):
    extractor = load_extractor(parse_spec(SPECS[0]), compute=compute())
    store = embed(museum, tmp_path / "a", extractor, part_rows=16, batch_size=4)
    extractor.backend.ahead = 0
    assert parts(embed(museum, tmp_path / "b", extractor)) == parts(store)


@gpu
@pytest.mark.parametrize("precision", [Precision.F32, Precision.BF16])
@pytest.mark.parametrize("spec", SPECS)
def test_a_compiled_network_makes_the_same_vectors(museum, tmp_path, spec, precision):
    plain, compiled = (
        embed(
            museum,
            tmp_path / compiling,
            load_extractor(
                parse_spec(spec), compute=replace(compute(precision=precision), compile=compiling)
            ),
        )
        for compiling in (Compile.OFF, Compile.ON)
    )
    least = 0.9999 if precision == Precision.F32 else 0.98
    for tap in plain.manifest.passport.taps:
        assert cosines(plain.vectors(tap.name), compiled.vectors(tap.name)).min() > least


@gpu
@pytest.mark.filterwarnings("ignore:.*TorchVision:DeprecationWarning")
def test_jpegs_that_the_gpu_decodes_have_the_vectors_of_the_cpu(tmp_path, museum_data):
    museum = tmp_path / "museum"
    museum.mkdir()
    for file in sorted((museum_data / "paintings").rglob("*.jpg"))[::40]:
        (museum / file.name).write_bytes(file.read_bytes())
    last = sorted(museum.iterdir())[-1]
    (museum / "cut.jpg").write_bytes(last.read_bytes()[:-1000])
    with Image.open(last) as picture:
        picture.convert("CMYK").save(museum / "cmyk.jpg")
        exif = Image.Exif()
        exif[0x0112] = 6
        picture.save(museum / "turned.jpg", exif=exif)
    stores = [
        embed(
            museum,
            tmp_path / decoder,
            load_extractor(
                parse_spec("lite0"),
                compute=replace(compute(), decoder=decoder),
                scaled_decoding=0,  # as a GPU decodes
            ),
        )
        for decoder in Decoder
    ]
    plain, found = stores
    assert found.manifest.passport.decoder == "nvjpeg"
    assert found.manifest.passport.differences(plain.manifest.passport) == []
    assert found.read(["id"]).equals(plain.read(["id"]))
    assert found.failures().column("id").to_pylist() == ["cut.jpg"]
    compared = cosines(*(store.vectors("embedding") for store in stores))
    assert compared.mean() > 0.999
    assert compared.min() > 0.99


@gpu
def test_a_run_that_is_resumed_equals_one_that_was_not(museum, tmp_path):
    extractor = load_extractor(parse_spec(SPECS[1]), compute=compute())
    whole = embed(museum, tmp_path / "whole", extractor)

    def stop(done, total, failures):
        if done > 30:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        embed_collection(
            read_collection(museum),
            tmp_path / "stopped",
            extractor,
            settings=EmbedSettings(part_rows=16, batch_size=4),
            progress=stop,
        )
    assert 0 < Store.open(tmp_path / "stopped").rows < 49
    assert parts(embed(museum, tmp_path / "stopped", extractor)) == parts(whole)


@gpu
def test_bfloat16_is_close(museum, tmp_path):
    stores = [
        embed(
            museum,
            tmp_path / precision,
            load_extractor(parse_spec(SPECS[1]), compute=compute(precision=precision)),
        )
        for precision in (Precision.F32, Precision.BF16)
    ]
    assert cosines(*(store.vectors("embedding") for store in stores)).min() > 0.99


@gpu
@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="one GPU or none")
def test_two_gpus_make_the_index_of_one(museum, tmp_path):
    request = NetworkRequest(spec=parse_spec(SPECS[0]), compute=compute())
    found = []
    for name in ("devices:0", "devices:0,1"):
        engine, extractor = open_engine(name, request)
        embed_collection(
            read_collection(museum),
            tmp_path / name,
            extractor,
            settings=EmbedSettings(part_rows=8, batch_size=4),
            engine=engine,
        )
        found.append(parts(Store.open(tmp_path / name)))
    assert found[0] == found[1]


@gpu
def test_neighbors_are_exact_and_probes_agree():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 5, 3000)
    vectors = (rng.standard_normal((5, 64))[codes] + rng.standard_normal((3000, 64))).astype("f4")
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    here, there = (nearest(vectors, vectors, 20, device=device) for device in (DEVICE, "cpu"))
    assert (here.rows == there.rows).all()
    assert (here.scores == there.scores).all()
    mine, theirs = (
        fit_multinomial(vectors, codes, [0.1, 10.0], device=device) for device in (DEVICE, "cpu")
    )
    assert mine.weights == pytest.approx(theirs.weights, abs=1e-3)


@pytest.mark.parametrize("device", DEVICES)
def test_duplicates_are_those_that_were_planted(device):
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((3000, 64))
    vectors[1::100] = vectors[::100] + 0.01 * rng.standard_normal((30, 64))
    vectors[50] = 0
    vectors = (vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)).astype(
        "f4"
    )
    shown = DuplicateEvidence(
        stores=np.zeros(3000, dtype=np.int64),
        files=np.full(3000, -1),
        hashes=[None] * 3000,
        vectors=vectors,
    )
    groups, drawn = find_groups(shown, threshold=0.98, device=device)
    assert drawn is not None
    assert {group.works for group in groups} == {(n, n + 1) for n in range(0, 3000, 100)}


@gpu
def test_faiss_finds_the_same_rows_on_the_gpu(museum, tmp_path):
    faiss = pytest.importorskip("faiss")
    if not faiss.get_num_gpus():
        pytest.skip("this faiss sees no GPU")
    store = embed(museum, tmp_path / "i", load_extractor(parse_spec(SPECS[1]), compute=compute()))
    build_index(store, "embedding")
    index = open_index(store, "embedding")
    queries = store.vectors("embedding")
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    assert (to_gpu(index).search(queries, 5)[1] == index.search(queries, 5)[1]).mean() > 0.95


def test_the_benchmark_runs_on_a_cpu_too(tmp_path):
    script = ROOT / "scripts/bench/gpu.py"
    command = [sys.executable, script, "--device", "cpu", "--tiny", "--json", tmp_path / "gpu.json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    lines = json.loads((tmp_path / "gpu.json").read_text())["lines"]
    assert [line["what"].split()[0] for line in lines] == [
        *("knn", "probe", "end", "forward", "forward", "decode", "decode", "search")
    ]
    for line in lines:
        assert line["artsim"] > 0
        assert line["ratio"] == pytest.approx(line["artsim"] / line["peer"])
