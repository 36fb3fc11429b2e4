"""What torch computes on a GPU is computed here by the same code, without streams."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from artsim.datatypes import Tap, parse_spec
from artsim.errors import ModelError
from artsim.models import (
    BackendName,
    Compile,
    Compute,
    Network,
    Precision,
    TappedNetwork,
    build_network,
    load_extractor,
)
from artsim.models.backends import TorchBackend

CPU = torch.device("cpu")
SPEC = "timm:test_efficientnet.random@blocks.0/gram8+embedding"


def backend_of(spec=SPEC, dtype=torch.float32, **options):
    wanted = parse_spec(spec)
    return TorchBackend(TappedNetwork(build_network(wanted), wanted.taps), CPU, dtype, **options)


def pictures(count, side=160):
    return list(np.random.default_rng(1).integers(0, 256, (count, 3, side, side), np.uint8))


def test_a_batch_that_is_begun_gives_what_the_network_computes():
    backend = backend_of()
    batches = [pictures(3), pictures(2)]
    waiting = [backend.begin(batch) for batch in batches]  # both in flight
    for batch, wait in zip(batches, waiting, strict=True):
        with torch.inference_mode():
            expected = backend.network(torch.from_numpy(np.stack(batch)))
        for mine, theirs in zip(wait(), expected, strict=True):
            assert mine == pytest.approx(theirs.numpy(), abs=1e-5)


class Eager:
    """Stands for torch's compiler: it keeps what it was asked, and computes as it is."""

    def __init__(self, factor=1.0):
        self.factor, self.modes, self.sizes = factor, [], []

    def __call__(self, network, *, mode, dynamic):
        self.modes.append((mode, dynamic))

        def compiled(images):
            self.sizes.append(len(images))
            return tuple(self.factor * each for each in network(images))

        return compiled


def test_a_compiled_network_takes_batches_of_one_size(monkeypatch):
    compiler = Eager()
    monkeypatch.setattr(torch, "compile", compiler)
    backend, plain = backend_of(compiling=Compile.ON), backend_of()
    backend.prepare(8, pictures=1)
    assert compiler.modes == [(None, False)]  # CUDA graphs are for a GPU
    compiler.sizes.clear()
    for count in (8, 5, 4, 1, 9):
        batch = pictures(count)
        for mine, theirs in zip(backend.begin(batch)(), plain.begin(batch)(), strict=True):
            assert len(mine) == count
            assert mine == pytest.approx(theirs, abs=1e-5)
    assert compiler.sizes == [8, 8]  # half a batch is what there was no memory for
    backend.prepare(8, pictures=1)
    assert len(compiler.modes) == 1


@pytest.mark.parametrize(
    ("compiling", "pictures", "compiled"),
    [(Compile.OFF, 10**9, 0), (Compile.AUTO, 10**9, 0), (Compile.ON, 1, 1)],
)
def test_by_itself_nothing_is_compiled_on_a_cpu(monkeypatch, compiling, pictures, compiled):
    compiler = Eager()
    monkeypatch.setattr(torch, "compile", compiler)
    backend_of(compiling=compiling).prepare(4, pictures)
    assert len(compiler.modes) == compiled


def test_a_compiler_that_fails_or_computes_something_else_is_not_used(monkeypatch, caplog):
    batch = pictures(4)
    expected = backend_of().begin(batch)()

    def broken(network, **_options):
        raise RuntimeError("no C++ compiler\nand many more lines")

    class Wrong(Eager):
        def __call__(self, network, **options):
            compiled = super().__call__(network, **options)
            return lambda images: tuple(each.flip(0) for each in compiled(images))

    for compiler, why in ((broken, r"\(no C\+\+ compiler\)"), (Wrong(), "compiled torch computes")):
        monkeypatch.setattr(torch, "compile", compiler)
        with pytest.raises(ModelError, match=f"cannot compile this network here .*{why}"):
            backend_of(compiling=Compile.ON).prepare(4, pictures=1)
        backend = backend_of(compiling=Compile.AUTO)
        backend._compiled_from = 100  # as on a GPU
        backend.prepare(4, pictures=99)
        assert caplog.text == ""
        backend.prepare(4, pictures=100)
        assert "it is computed as it is" in caplog.text
        assert np.array_equal(backend.begin(batch)()[0], expected[0])
        caplog.clear()


class Two(nn.Module):
    """Two layers, of which the first alone may be needed."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 5, 3)

    def forward(self, images):
        return self.second(self.first(images)).mean(dim=(2, 3))


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("g++"), reason="torch compiles for a CPU with a C++ compiler")
@pytest.mark.parametrize("taps", [(Tap("first", "avg"),), (Tap("first", "max"), Tap("embedding"))])
def test_torch_compiles_a_network_with_its_taps(taps):
    preprocessing = build_network(parse_spec(SPEC)).preprocessing

    def opened(compiling):
        torch.manual_seed(0)
        network = Network(Two().eval().requires_grad_(False), preprocessing, "none", layout="NCHW")
        return TorchBackend(TappedNetwork(network, taps), CPU, torch.float32, compiling=compiling)

    backend, plain = opened(Compile.ON), opened(Compile.OFF)
    backend.prepare(4, pictures=1)
    for count in (4, 3):
        batch = pictures(count)
        for mine, theirs in zip(backend.begin(batch)(), plain.begin(batch)(), strict=True):
            assert mine == pytest.approx(theirs, rel=1e-4, abs=1e-5)


class Lossy(nn.Module):
    """What is left of large numbers is lost in bfloat16."""

    def __init__(self):
        super().__init__()
        self.large = nn.Parameter(torch.tensor(1000.0))

    def forward(self, images):
        return ((images + self.large) - self.large).flatten(1)


@pytest.mark.parametrize(("careful", "dtype"), [(True, torch.float32), (False, torch.bfloat16)])
def test_a_network_that_bfloat16_spoils_is_computed_in_float32(careful, dtype, caplog):
    module = Lossy().eval().requires_grad_(False)
    preprocessing = replace(
        build_network(parse_spec(SPEC)).preprocessing, size=(8, 8), scale=(8, 8)
    )
    tapped = TappedNetwork(Network(module, preprocessing, "none"), (Tap("embedding"),))
    backend = TorchBackend(tapped, CPU, torch.bfloat16, careful=careful)
    assert (backend.dtype, module.large.dtype, module.large.item()) == (dtype, dtype, 1000.0)
    assert ("it is computed in float32" in caplog.text) == careful
    backend_of(dtype=torch.bfloat16, careful=True)
    assert caplog.text.count("float32") == careful  # of an ordinary network it does not


def test_the_passport_says_what_was_computed():
    compute = Compute(device="cpu", backend=BackendName.TORCH, precision=Precision.BF16)
    assert load_extractor(parse_spec(SPEC), compute=compute).passport.compute_dtype == "bfloat16"
