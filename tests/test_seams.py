"""What is added through a seam alone: a file or a row, and nothing else is touched."""

import threading
import types
from concurrent.futures import ThreadPoolExecutor

import conftest
import numpy as np
import pytest
import torch
from torch import nn

from artsim.datatypes import Fit, Preprocessing, parse_spec
from artsim.embedding import EmbedSettings, embed_chunk, embed_collection
from artsim.errors import ModelError
from artsim.models import (
    POOLINGS,
    SOURCES,
    BackendName,
    Compute,
    Extractor,
    Network,
    Pooling,
    build_network,
    load_extractor,
    pool_maps,
)
from artsim.readers import read_collection
from artsim.store import Store

TORCH = Compute(backend=BackendName.TORCH)
PREPROCESSING = Preprocessing(
    size=(8, 8),
    scale=(8, 8),
    fit=Fit.SQUASH,
    interpolation="bilinear",
    mean=(0.0, 0.0, 0.0),
    std=(1.0, 1.0, 1.0),
    fill=(0, 0, 0),
)


class MeanColor(nn.Module):
    """A picture's mean color, after a layer that leaves it as it is."""

    def __init__(self):
        super().__init__()
        self.same = nn.Conv2d(3, 3, 1, bias=False)
        with torch.no_grad():
            self.same.weight.copy_(torch.eye(3)[:, :, None, None])

    def forward(self, images):
        return self.same(images).mean(dim=(2, 3))


def build_mean_color(spec, *, weights, meta, keep_classifier):
    return Network(MeanColor(), PREPROCESSING, "toy:", layout="NCHW")


@pytest.fixture
def toy_source(monkeypatch):
    source = types.SimpleNamespace(
        PACKAGE="numpy", build=build_mean_color, list_architectures=lambda: ["mean"]
    )
    monkeypatch.setitem(SOURCES, "toy", source)


def pixels(*colors):
    return torch.tensor(colors, dtype=torch.uint8)[:, :, None, None].expand(-1, 3, 8, 8)


def test_a_source_of_models_is_a_module_and_a_row(toy_source):
    extractor = load_extractor(parse_spec("toy:mean"), compute=TORCH)
    found = extractor.embed_batch(pixels((255, 0, 51), (0, 255, 0)))
    assert found["embedding"] == pytest.approx(np.array([[1, 0, 0.2], [0, 1, 0]]))
    assert extractor.passport.spec == "toy:mean"
    assert extractor.passport.versions["numpy"] == np.__version__


def test_an_unknown_source_is_refused_with_the_known_ones():
    with pytest.raises(ModelError, match="no model source 'keras'; choose from timm, open_clip"):
        build_network(parse_spec("keras:vgg16"))


def test_a_pooling_is_a_function_and_a_row(toy_source, monkeypatch):
    range_ = pool_maps(lambda maps: maps.amax(-1) - maps.amin(-1))
    monkeypatch.setitem(POOLINGS, "range", Pooling("largest less smallest", range_))
    extractor = load_extractor(parse_spec("toy:mean@same/range+same/max"), compute=TORCH)
    picture = torch.zeros(1, 3, 8, 8, dtype=torch.uint8)
    picture[0, 0, 2, 3], picture[0, 1] = 255, 51
    found = extractor.embed_batch(picture)
    assert found["same/range"] == pytest.approx(np.array([[1, 0, 0]]))
    assert found["same/max"] == pytest.approx(np.array([[1, 0.2, 0]]))
    assert [tap.pooling for tap in extractor.passport.taps] == ["range", "max"]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("toy:mean@same/sum", "no pooling 'sum' in same/sum; choose from avg, cls"),
        ("toy:mean@same/gem3", "only gram takes a size, as in gram512; same/gem3 gives gem one"),
        ("toy:mean@same/cls", "has no class token"),
    ],
)
def test_an_impossible_pooling_is_refused(toy_source, spec, message):
    with pytest.raises(ModelError, match=message):
        load_extractor(parse_spec(spec), compute=TORCH)


class BackwardsEngine:
    """Embeds every chunk by itself in a thread and hands the receipts back in another order."""

    def run(self, chunks, job, extractor, advance):
        lock = threading.Lock()

        def embed(chunk):
            with lock:  # a network computes for one at a time
                return embed_chunk(chunk, job, extractor)

        with ThreadPoolExecutor(3) as pool:
            receipts = list(pool.map(embed, chunks))
        for receipt in reversed(receipts):
            advance(receipt.part.rows, len(receipt.failures))
            yield receipt


def test_an_engine_is_a_class_handed_to_embed_collection(tmp_path, paint):
    for n in range(23):
        paint(tmp_path / "many" / f"{n:02}.png", (n, 2 * n, 255 - n), size=(8, 8))
    (tmp_path / "many" / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    stores = []
    for name, engine in (("here", None), ("backwards", BackwardsEngine())):
        summary = embed_collection(
            read_collection(tmp_path / "many"),
            tmp_path / name,
            Extractor(conftest.MeanColor(), conftest.toy_passport()),
            settings=EmbedSettings(part_rows=5, batch_size=2),
            engine=engine,
        )
        assert (summary.embedded, summary.failures) == (23, 1)
        stores.append(Store.open(tmp_path / name))
    here, backwards = stores
    assert [part.rows for part in here.manifest.parts] == [5, 5, 5, 5, 3]
    assert here.manifest.parts == backwards.manifest.parts  # names, rows, sha256
    assert here.failures().equals(backwards.failures())
    assert not here.staging.exists()


@pytest.mark.parametrize("where", ["_write_failures", "_write_manifest"])
def test_an_interrupt_during_a_commit_loses_and_repeats_no_rows(
    tmp_path, paint, monkeypatch, where
):
    for n in range(12):
        paint(tmp_path / "many" / f"{n:02}.png", (n, 0, 0), size=(8, 8))
    (tmp_path / "many" / "00.png").write_bytes(b"no picture")
    write, calls = getattr(Store, where), []

    def interrupted(store, value):
        calls.append(where)
        after = where == "_write_manifest" and len(calls) == 3  # of the first chunk
        if after:
            write(store, value)
        if after or (where == "_write_failures" and len(calls) == 2):
            raise KeyboardInterrupt
        write(store, value)

    def embed():
        return embed_collection(
            read_collection(tmp_path / "many"),
            tmp_path / "i",
            Extractor(conftest.MeanColor(), conftest.toy_passport()),
            settings=EmbedSettings(part_rows=4, batch_size=2),
        )

    monkeypatch.setattr(Store, where, interrupted)
    with pytest.raises(KeyboardInterrupt):
        embed()
    monkeypatch.undo()
    assert Store.open(tmp_path / "i").rows == 3
    assert (embed().rows, embed().failures) == (11, 1)
    assert Store.open(tmp_path / "i").damaged_parts() == []
