"""Packs with compiled forms: an empty cache needs no torch; other versions take the weights."""

import json
import shutil
import zipfile

import numpy as np
import open_clip
import pytest
from conftest import noise_picture, record_loads
from offline import (
    SPEC,
    flipped,
    make_museum,
    rewritten,
    run,
    run_each_offline,
    run_offline,
    set_home,
    vectors,
)

from artsim.datatypes import parse_spec
from artsim.errors import ModelError
from artsim.models import (
    BackendName,
    Compute,
    check_pack,
    load_extractor,
    load_text_tower,
    read_facts,
)
from artsim.models import converted as converted_networks
from artsim.store import Store

PIXELS = np.random.default_rng(1).integers(0, 256, (2, 3, 160, 160), dtype=np.uint8)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    return set_home(monkeypatch, tmp_path / "home")


@pytest.fixture(scope="module")
def museum(tmp_path_factory):
    return make_museum(tmp_path_factory.mktemp("packs") / "museum")


@pytest.fixture(scope="module")
def packs(tmp_path_factory):
    """A pack of a network with its compiled form, and one without."""
    folder = tmp_path_factory.mktemp("packed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        compiled, plain = folder / "compiled.artsim", folder / "plain.artsim"
        run("pack", SPEC, "-o", compiled, "--name", "small", "--compiled")
        run("pack", SPEC, "-o", plain, "--name", "small")
    return compiled, plain


@pytest.fixture
def loads(monkeypatch):
    """The networks that were loaded with torch."""
    return record_loads(monkeypatch)


def extractor(pack, spec=SPEC):
    return load_extractor(parse_spec(spec), weights=pack)


def test_an_empty_cache_asks_without_torch_and_embeds_to_the_same_bytes(museum, packs, tmp_path):
    run("embed", museum, "-m", SPEC, "-o", tmp_path / "here")
    noise_picture(tmp_path / "query.png", (80, 80), 77)
    indexes = {}
    for pack, imported in zip(packs, ("openvino", "openvino torch"), strict=True):
        elsewhere = tmp_path / pack.stem
        index = tmp_path / f"by-{pack.stem}"
        done = run_each_offline(
            elsewhere,
            ("models", "--add", pack, "--table"),
            ("similar", tmp_path / "query.png", "--index", tmp_path / "here", "-m", "pack:small"),
            ("embed", museum, "-m", "pack:small", "-o", index),
        )
        assert done.returncode == 0, done.stderr
        told = [line for line in done.stderr.splitlines() if line.startswith("imported:")]
        assert told[1] == f"imported: {imported}"
        assert vectors(index) == vectors(tmp_path / "here")
        indexes[pack.stem] = Store.open(index).manifest.passport.to_json()
        del indexes[pack.stem]["weights_source"]
    assert indexes["compiled"] == indexes["plain"]


def test_a_copied_index_is_queried_by_a_new_picture_without_torch(museum, packs, tmp_path):
    run("embed", museum, "-m", SPEC, "-o", tmp_path / "index")
    shutil.copy(packs[0], tmp_path / "index" / "model.artsim")
    noise_picture(tmp_path / "query.png", (80, 80), 77)
    ask = ("similar", tmp_path / "query.png", "--index", tmp_path / "index")
    done = run_offline(tmp_path / "elsewhere", *ask)
    assert done.stderr.splitlines()[-1] == "imported: openvino"
    shutil.copy(packs[1], tmp_path / "index" / "model.artsim")
    by_weights = run_offline(tmp_path / "another", *ask)
    assert by_weights.stderr.splitlines()[-1] == "imported: openvino torch"
    assert done.stdout == by_weights.stdout
    assert len(done.stdout.splitlines()) == 6


def test_other_versions_take_the_weights(packs, loads, monkeypatch):
    by_pack = extractor(packs[0])
    mine = by_pack.embed_batch(PIXELS)["embedding"]
    assert loads == []
    installed = converted_networks.installed
    monkeypatch.setattr(
        converted_networks, "installed", lambda *names: [*installed(*names)[:-2], "2020.1", "1"]
    )
    by_weights = extractor(packs[0])
    theirs = by_weights.embed_batch(PIXELS)["embedding"]
    assert loads == [parse_spec(SPEC)]
    assert np.array_equal(mine, theirs)
    assert by_pack.passport == by_weights.passport


def test_a_compiled_form_serves_its_layers_and_what_openvino_computes(tmp_path, packs, loads):
    spec = f"{SPEC}@layer2/max+layer1/avg"
    run("pack", spec, "-o", tmp_path / "layers.artsim", "--name", "layers", "--compiled")
    shutil.rmtree(tmp_path / "home")
    mine = extractor(tmp_path / "layers.artsim", spec).embed_batch(PIXELS)
    assert loads == []
    theirs = extractor(packs[1], spec).embed_batch(PIXELS)
    assert loads == [parse_spec(spec)]
    assert mine.keys() == theirs.keys() == {"layer2/max", "layer1/avg"}
    assert all(np.array_equal(mine[name], theirs[name]) for name in mine)
    by_torch = load_extractor(
        parse_spec(SPEC), weights=packs[0], compute=Compute(backend=BackendName.TORCH)
    )
    assert by_torch.backend.name == "torch"


def test_a_pack_with_compiled_forms_is_the_same_file_each_time(packs, tmp_path):
    for name in ("one", "two"):  # each in a process of its own: OpenVINO numbers its nodes
        pack = ("pack", SPEC, "-o", tmp_path / f"{name}.artsim", "--compiled")
        assert run_offline(tmp_path / name, *pack).returncode == 0
    assert (tmp_path / "one.artsim").read_bytes() == (tmp_path / "two.artsim").read_bytes()
    key = next(iter(read_facts(packs[0]).compiled.files))
    with zipfile.ZipFile(packs[0]) as archive:
        assert sorted(archive.namelist()) == sorted(
            ["pack.json", "weights.safetensors"]
            + [f"{key}/{name}" for name in ("network.xml", "network.bin", "expected.npy")]
        )


def test_the_words_of_a_clip_are_compiled_too(museum, tmp_path):
    vision = {"image_size": 16, "layers": 1, "width": 32, "patch_size": 8, "head_width": 16}
    text = {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}
    values = {"embed_dim": 16, "vision_cfg": vision, "text_cfg": text}
    (tmp_path / "CompiledCLIP.json").write_text(json.dumps(values))
    open_clip.add_model_config(tmp_path / "CompiledCLIP.json")
    spec = "open_clip:CompiledCLIP.random"
    run("embed", museum, "-m", spec, "-o", tmp_path / "index")
    run("pack", spec, "-o", tmp_path / "index" / "model.artsim", "--name", "words", "--compiled")
    ask = ("similar", "--text", "a red boat", "--index", tmp_path / "index")
    done = run_offline(tmp_path / "elsewhere", *ask)
    assert done.stderr.splitlines()[-1] == "imported: openvino"
    found = {row["id"]: row["score"] for row in map(json.loads, done.stdout.splitlines())}
    query = load_text_tower(parse_spec(spec)).embed(["a red boat"])[0]
    store = Store.open(tmp_path / "index")
    stored = np.array(store.vectors("embedding"), dtype=np.float32)
    scores = stored @ query / np.linalg.norm(query) / np.linalg.norm(stored, axis=1)
    ids = store.read(["id"]).column("id").to_pylist()
    assert found == pytest.approx(dict(zip(ids, scores, strict=True)), abs=2e-3)


@pytest.mark.parametrize("member", ["network.xml", "network.bin", "expected.npy"])
def test_a_damaged_compiled_form_is_refused_by_add_and_never_computed(
    packs, tmp_path, loads, member
):
    key = next(iter(read_facts(packs[0]).compiled.files))
    file = tmp_path / "bad.artsim"
    rewritten(packs[0], file, flipped(f"{key}/{member}"))
    error = run("models", "--add", file, code=1)
    assert "its compiled forms are not those that were packed" in error
    assert len(error.splitlines()) == 1
    found = extractor(file).embed_batch(PIXELS)["embedding"]
    assert loads == [parse_spec(SPEC)]
    assert np.array_equal(found, extractor(packs[1]).embed_batch(PIXELS)["embedding"])


@pytest.mark.parametrize(
    "change",
    [
        lambda key: lambda m: m | {f"{key}/words.xml": b"x"},
        lambda key: lambda m: m | {f"{key}/../network.xml": b"x"},
        lambda key: lambda m: m | {f"{'0' * 32}/network.xml": b"x"},
        lambda key: lambda m: {name: m[name] for name in m if name != f"{key}/expected.npy"},
    ],
)
def test_other_files_than_those_that_were_packed_are_refused(packs, tmp_path, change):
    file = tmp_path / "bad.artsim"
    rewritten(packs[0], file, change(next(iter(read_facts(packs[0]).compiled.files))))
    with pytest.raises(ModelError, match=r"bad\.artsim' cannot be read \((its compiled|expected)"):
        check_pack(file)


def test_a_compiled_form_of_other_weights_is_refused(packs, tmp_path):
    facts = read_facts(packs[0]).compiled
    changed = {**facts.passport, "weights_sha256": "0" * 64}
    compiled = {"passport": changed, "files": facts.files}
    rewritten(packs[0], tmp_path / "bad.artsim", facts={"compiled": compiled})
    with pytest.raises(ModelError, match="its compiled forms are not those that were packed"):
        check_pack(tmp_path / "bad.artsim")
